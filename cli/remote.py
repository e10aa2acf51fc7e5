"""The commands from outside: where FEEDFALL_URL is set, the service does them, and this process prints and exits alike.

    arguments ──▶ POST /api/acts/hold ──▶ lines to stdout and stderr, and the exit code
                     ├─ it waits (submit --wait) ──▶ again, from where it stands, until it ends; SIGTERM stops it
                     └─ no answer ──▶ 75, and what is not known

What the service must not start twice stands in `resume`, which goes back to it as it came. So any replica can go on,
and a service that is restarted in between ends nothing.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from uuid import uuid4

from cli import show, verbs
from cli.commands import find
from cli.options import aside, seconds
from cli.remote_client import URL, DeskClient, Lost, Reply
from cli.submit import DEFAULT_TIMEOUT
from ledger.errors import Misconfigured, Transient
from operate.follow import Watch
from operate.stopped import Stopped
from steps.run.execution import stopping
from steps.run.exits import Exit

#: Seconds between two requests for a command that waits. The service waits within each.
PAUSE = 0.5
#: Seconds between two looks for a signal, and how long a first answer is waited for after one.
POLL, ABANDON = 0.1, 20.0
TOOK = re.compile(r"took=[\d.]+s$")
#: The service lost sight of Argo or a database, and started nothing that would be lost by asking again.
LOST = "RESULT status=LOST "


def redirect(environ: Mapping[str, str]) -> None:
    """Let each command that the service has go there. The others stay as they are."""
    for name in (*verbs.QUESTIONS, *verbs.ACTS):
        command = find(name)
        command.invoke = _invocation(name, command, environ)


def _invocation(name: str, command: Any, environ: Mapping[str, str]) -> Callable[[Any], None]:  # noqa: ANN401 -- likewise
    def invoke(context: Any) -> None:  # noqa: ANN401 -- likewise
        given = {verbs.key_of(each): context.params[each.name] for each in command.params if _is_given(context, each)}
        with DeskClient(environ) as client:
            sys.exit(
                RemoteCommand(client, environ, name, _plain(given), environ.get("FEEDFALL_KEY") or str(uuid4())).go()
            )

    return invoke


def _is_given(context: Any, parameter: Any) -> bool:  # noqa: ANN401 -- likewise
    """By the person. A default is the service's matter: the login of this machine says nothing there."""
    source = context.get_parameter_source(parameter.name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT", "PROMPT")


def _plain(given: Mapping[str, Any]) -> dict[str, object]:
    """As JSON has it: an enumeration's value, a list of texts."""
    plain = {name: [*value] if isinstance(value, list | tuple) else value for name, value in given.items()}
    return {name: getattr(value, "value", value) for name, value in plain.items()}


@dataclass
class RemoteCommand:
    """One command, from its request to its exit code."""

    client: DeskClient
    environ: Mapping[str, str]
    name: str
    given: Mapping[str, object]
    key: str
    began: float = field(default_factory=time.monotonic)
    resume: Mapping[str, object] | None = None
    lines: int = 0
    """Of stdout, printed."""
    said: set[str] = field(default_factory=set)
    """Lines of stderr, printed: a command that goes on repeats them."""

    def go(self) -> int:
        """Its exit code. Raises Transient, Misconfigured, Stopped."""
        if self.name in verbs.QUESTIONS:
            return self._show(self.client.ask(self.name, self.given))
        if self.given.get("wait") is not True:
            reply = self._sure(self._send)
            if reply.exit is None:
                raise Misconfigured(f"{URL} waits with a command that does not wait: is it of another version?")
            return self._show(reply)
        with stopping() as stop:
            try:
                return self._follow(Watch(stop, self._seconds("patience", "10m"), 86_400 * 7, aside))
            except Stopped:
                with DeskClient(self.environ) as self.client:
                    return self._stop()

    def _follow(self, watch: Watch) -> int:
        while True:
            reply = self._sure(lambda: watch.patiently(lambda: self._send_patiently(watch)))
            code = self._show(reply)
            if reply.exit is not None:
                return code
            watch.pause(PAUSE)

    def _send_patiently(self, watch: Watch) -> Reply:
        """Raises Transient where the service lost sight of what it needs: the watch tries again, and then says so."""
        reply = self._abandonable(watch)
        self.resume = reply.resume or self.resume
        if reply.exit == Exit.TRANSIENT and any(line.startswith(LOST) for line in reply.stdout):
            raise Transient(next(line for line in reply.stdout if line.startswith(LOST)))
        return reply

    def _abandonable(self, watch: Watch) -> Reply:
        """The answer. A signal does not wait for it, but for the first one: it names what is to be stopped."""
        replies: SimpleQueue[Reply | Exception] = SimpleQueue()
        Thread(target=_put_result, args=(replies, self._send), daemon=True).start()
        signalled = 0.0
        while signalled < (ABANDON if self.resume is None else POLL):
            with suppress(Empty):
                reply = replies.get(timeout=POLL)
                if isinstance(reply, Exception):
                    raise reply
                return reply
            signalled += POLL if watch.stop.is_set() else 0.0
        self.client.stop()
        raise Stopped

    def _send(self) -> Reply:
        left = self._seconds("timeout", DEFAULT_TIMEOUT) - (time.monotonic() - self.began)
        resume = {**self.resume, "left": max(left, 0.0)} if self.resume else None
        return self.client.act(self.name, self.given, self.key, resume, self.lines)

    def _seconds(self, name: str, default: str) -> float:
        """An option's; where it is no time the service refuses it, in the command's own words."""
        try:
            return seconds(str(self.given.get(name) or default))
        except Misconfigured:
            return 0.0

    def _sure(self, send: Callable[[], Reply]) -> Reply:
        try:
            return send()
        except Lost as error:
            again = "the same command again is safe"
            if self.given.get("rerun") and not self.resume:
                again = f"FEEDFALL_KEY={self.key} before the same command does it once"
            raise Transient(f"{error}. It is not known whether it was done: {again}") from error

    def _stop(self) -> int:
        """A signal: what is followed is stopped there, and the command's own last line says so."""
        if self.resume is None:
            raise Stopped
        return self._show(self.client.act(self.name, self.given, "", {**self.resume, "stop": True}, self.lines))

    def _show(self, reply: Reply) -> int:
        """Print what is new, and return the exit code."""
        for line in reply.stderr:
            if self.given.get("wait") is not True or line not in self.said:
                self.said.add(line)
                aside(line)
        took = f"took={time.monotonic() - self.began:.1f}s"
        for line in reply.stdout:
            show.say(TOOK.sub(took, line) if line.startswith("RESULT ") else line)
        self.lines += len(reply.stdout)
        return reply.exit or 0


def _put_result(replies: SimpleQueue[Reply | Exception], send: Callable[[], Reply]) -> None:
    try:
        replies.put(send())
    except Exception as error:  # noqa: BLE001 -- raised again where the answer is waited for
        replies.put(error)


__all__ = ["URL", "redirect"]
