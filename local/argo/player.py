"""Plays WorkflowTemplates without a cluster: the one container becomes a child process, tried again as Argo would.

    submit ──▶ a Workflow, Pending ──▶ attempt ──▶ exit code ──▶ Succeeded
                                          ▲  └─ again, says the retry expression ─┘ or Failed
                                          └──── backoff ◀───────┘

`local.world` starts one; `server`, `clock` and `doorbell` give it orders. It does what Argo promises to the pods (the
same uid in every attempt, SIGTERM then SIGKILL, no retry of what an operator stopped), nothing more.
"""

import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Self

from local.argo.objects import Objects
from local.argo.template import INDEX, Configuration, Document
from local.argo.workflow import ApiError, Attempt, Event, Workflow, now
from local.servers.process import Child, Processes

NAMESPACE = "local"
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
HISTORY = 200
"""Workflows that have ended and are still known, with their logs."""


class Player:
    """The Workflows of one namespace. Leaving the `with` block stops those that run."""

    def __init__(
        self,
        processes: Processes,
        documents: Sequence[Document],
        configuration: Configuration,
        folder: Path,
        on_event: Callable[[Event], None] = lambda _: None,
        *,
        backoff: float = 1.0,
        history: int = HISTORY,
    ) -> None:
        """`documents`: templates, and the clock's crons. `configuration` is read at each start.

        `backoff` below 1 shortens the waits between attempts.
        """
        self.objects = Objects(documents)
        self.folder = folder.resolve()
        self._processes, self._configuration = processes, configuration
        self._on_event, self._backoff, self._history = on_event, backoff, history
        self._workflows: dict[str, Workflow] = {}
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            left = list(self._workflows.values())
        for workflow in left:
            self._shut(workflow, "Stopped with strategy 'Terminate'")
        while threads := list(self._threads):
            threads[0].join()

    def submit(
        self,
        template: str,
        parameters: Mapping[str, str] | None = None,
        name: str = "",
        *,
        generate_name: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Workflow:
        """Start a Workflow. ApiError: no such template, no such parameter, or a Workflow of that name is there."""
        found = self.objects.templates.get(template)
        if found is None:
            raise ApiError(404, f'workflowtemplates.argoproj.io "{template}" not found')
        name = name or (generate_name or f"{template}-") + "".join(random.choices(LETTERS, k=5))
        if not NAME.fullmatch(name):
            raise ApiError(400, f"{name!r} is no name: 1 to 63 of a-z, 0-9, - and .")
        labels = {"workflows.argoproj.io/workflow-template": template, **found.labels, **(labels or {})}
        try:
            workflow = Workflow(name, found, found.arguments(parameters or {}), labels)
            workflow.command, workflow.environments = self._prepared(workflow)
        except ValueError as error:  # NotPlayed is one too: a setting is missing
            raise ApiError(400, str(error)) from error
        thread = threading.Thread(target=self._run, args=(workflow,), name=workflow.name, daemon=True)
        with self._lock:
            if self._closed:
                raise ApiError(503, "the player is stopping")
            if workflow.name in self._workflows:
                raise ApiError(409, f'workflows.argoproj.io "{workflow.name}" already exists')
            self._workflows[workflow.name] = workflow
            self._threads.add(thread)
            self._forget()
            thread.start()
        return workflow

    def get(self, name: str) -> Workflow:
        try:
            return self._workflows[name]
        except KeyError:
            raise ApiError(404, f'workflows.argoproj.io "{name}" not found') from None

    def workflows(self) -> list[Workflow]:
        """All that are known, the newest first."""
        with self._lock:
            return list(reversed(self._workflows.values()))

    def wait(self, name: str, seconds: float | None = None) -> Workflow:
        """Wait until it has ended; TimeoutError when that takes longer."""
        workflow = self.get(name)
        if not workflow.ended.wait(seconds):
            raise TimeoutError(f"{name} is still {workflow.phase} after {seconds} s")
        return workflow

    def stop(self, name: str, strategy: str = "Stop") -> Workflow:
        """Stop it as an operator does: SIGTERM, later SIGKILL, and no further attempt. Does not wait."""
        workflow = self.get(name)
        if not workflow.ended.is_set():
            workflow.shutdown = strategy
        self._shut(workflow, f"Stopped with strategy '{strategy}'")
        return workflow

    def environment(self, template: str) -> dict[str, str]:
        """The environment that the template's container gets: for `doorbell`, which plays its surroundings."""
        found = self.objects.templates[template]
        return found.environment(self._configuration, _variables("", "", found.parameters))

    def _prepared(self, workflow: Workflow) -> tuple[list[str], list[dict[str, str]]]:
        template = workflow.template
        pods = [_variables(workflow.uid, workflow.name, workflow.parameters, index) for index in range(template.pods)]
        own = [template.environment(self._configuration, variables) for variables in pods]
        return template.command(pods[0]), [{**_surroundings(), **each} for each in own]

    def _run(self, workflow: Workflow) -> None:
        template = workflow.template
        try:
            self._on_event(Event("started", workflow))
            with _timer(template.deadline, partial(self._shut, workflow, "Step exceeded its deadline")):
                self._pods(workflow)
            self._conclude(workflow)
        finally:
            workflow.ended.set()
            self._threads.discard(threading.current_thread())

    def _pods(self, workflow: Workflow) -> None:
        """All of them, side by side, each with its attempts."""
        others = [
            threading.Thread(target=self._attempts, args=(workflow, index), name=f"{workflow.name} {index}")
            for index in range(1, workflow.template.pods)
        ]
        for each in others:
            each.start()
        self._attempts(workflow)
        for each in others:
            each.join()

    def _attempts(self, workflow: Workflow, index: int = 0) -> None:
        for pause in workflow.template.retry.pauses():
            if workflow.shut.wait(pause * self._backoff):
                return
            attempt = self._attempt(workflow, index)
            if not workflow.template.retry.retries(attempt.status, attempt.code):
                return

    def _attempt(self, workflow: Workflow, index: int) -> Attempt:
        """Run the container once, to its end."""
        with self._lock:
            pod = f"{workflow.name}-{workflow.template.step}-{len(workflow.attempts)}"
            attempt = Attempt(pod, self.folder / f"{pod}.log", index=index)
            attempt.log.touch()
            workflow.attempts.append(attempt)
        with attempt.log.open("wb", buffering=0) as log:
            workflow.phase = "Running"
            try:
                child = attempt.child = self._processes.start(
                    workflow.command,
                    env=workflow.environments[index],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                )
                code = self._follow(workflow, attempt, child, log)
                attempt.status, attempt.code = ("Failed" if code else "Succeeded"), str(code)
                attempt.message = attempt.message or (f"main: Error (exit code {code})" if code else "")
            except (OSError, ValueError) as error:  # no process to be had, or the pipe of `Processes` is closed
                attempt.status, attempt.message = "Error", str(error)
        attempt.finished = now()
        return attempt

    def _follow(self, workflow: Workflow, attempt: Attempt, child: Child, log: IO[bytes]) -> int:
        """Pass its lines on until it ends; the exit code as a shell says it: 137 for a SIGKILL."""
        with child, _timer(workflow.template.pod_deadline, partial(self._overdue, workflow, attempt)):
            pump = threading.Thread(target=self._pump, args=(workflow, child.stdout, log), daemon=True)
            pump.start()
            if workflow.shut.is_set():  # it was stopped while it was started
                self._stop(workflow, attempt)
            code = child.wait()
            pump.join()
        return code if code >= 0 else 128 - code

    def _pump(self, workflow: Workflow, lines: IO[bytes], log: IO[bytes]) -> None:
        for line in lines:
            log.write(line)
            self._on_event(Event("line", workflow, line.decode(errors="replace").rstrip("\n")))

    def _overdue(self, workflow: Workflow, attempt: Attempt) -> None:
        attempt.message = "Pod was active on the node longer than the specified deadline"
        self._stop(workflow, attempt)

    def _shut(self, workflow: Workflow, message: str) -> None:
        if not workflow.ended.is_set() and not workflow.shut.is_set():
            workflow.message = message
            workflow.shut.set()
            for attempt in workflow.last_attempts():
                self._stop(workflow, attempt)

    def _stop(self, workflow: Workflow, attempt: Attempt) -> None:
        def work(child: Child) -> None:
            self._processes.stop(child, workflow.template.grace)
            self._threads.discard(threading.current_thread())

        if attempt.child:
            thread = threading.Thread(target=work, args=(attempt.child,), name=f"stop {attempt.pod}", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _conclude(self, workflow: Workflow) -> None:
        ends, retry = workflow.last_attempts(), workflow.template.retry
        last = next((each for each in ends if each.status != "Succeeded"), ends[0] if ends else None)
        if last and last.status == "Succeeded":
            workflow.message = ""
        elif last and not workflow.shut.is_set():
            spent = retry.limit and retry.retries(last.status, last.code)
            workflow.message = "No more retries left" if spent else last.message
        workflow.finished = now()
        workflow.phase = last.status if last else "Failed"
        self._on_event(Event("ended", workflow, f"{workflow.phase} {workflow.code}".strip()))

    def _forget(self) -> None:
        """Let the oldest go, as ttlStrategy would."""
        over = [workflow for workflow in self._workflows.values() if workflow.ended.is_set()]
        for workflow in over[: -self._history]:
            del self._workflows[workflow.name]
            for attempt in workflow.attempts:
                attempt.log.unlink(missing_ok=True)


def _variables(uid: str, name: str, parameters: Mapping[str, str], index: int = 0) -> dict[str, str]:
    given = {f"workflow.parameters.{each}": value for each, value in parameters.items()}
    return {**given, INDEX: str(index), "workflow.uid": uid, "workflow.name": name, "workflow.namespace": NAMESPACE}


def _surroundings() -> dict[str, str]:
    """What an image has: a path, and the code that we are ourselves. The caller's own settings stay out."""
    paths = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    code = os.pathsep.join(str(Path(each).resolve()) for each in sys.path)
    return {**paths, "LANG": "C.UTF-8", "PYTHONPATH": code, "PYTHONUNBUFFERED": "1"}


@contextmanager
def _timer(seconds: float | None, act: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(seconds or 0, act)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
