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
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from cli import desk, show
from cli.options import aside, seconds
from cli.remote_client import URL, DeskClient, Lost, Reply
from cli.submit import DEFAULT_TIMEOUT
from ledger.errors import Transient
from operate.follow import Stopped, Watch
from steps.run.execution import stopping
from steps.run.exits import Exit

#: Seconds between two requests for a command that waits. The service waits within each.
PAUSE = 1.0
TOOK = re.compile(r"took=[\d.]+s$")
#: The service lost sight of Argo or a database, and started nothing that would be lost by asking again.
LOST = "RESULT status=LOST "


def redirect(root: Any, environ: Mapping[str, str]) -> None:  # noqa: ANN401 -- click's group, which typer does not name
    """Let each command that the service has go there. The others stay as they are."""
    for name in (*desk.QUESTIONS, *desk.ACTS):
        command = desk.find(root, name)
        if command is not None:
            command.invoke = _invocation(name, command, environ)


def _invocation(name: str, command: Any, environ: Mapping[str, str]) -> Callable[[Any], None]:  # noqa: ANN401 -- likewise
    def invoke(context: Any) -> None:  # noqa: ANN401 -- likewise
        given = {desk.key_of(each): context.params[each.name] for each in command.params if _is_given(context, each)}
        with DeskClient(environ) as client:
            sys.exit(RemoteCommand(client, name, _plain(given), environ.get("FEEDFALL_KEY") or str(uuid4())).go())

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
        if self.name in desk.QUESTIONS:
            return self._show(self.client.ask(self.name, self.given))
        if self.given.get("wait") is not True:
            return self._show(self._sure(self._send))
        with stopping() as stop:
            patience = seconds(str(self.given.get("patience") or "10m"))
            try:
                return self._follow(Watch(stop, patience, 86_400 * 7, aside))
            except Stopped:
                return self._stop()

    def _follow(self, watch: Watch) -> int:
        while True:
            reply = self._sure(lambda: watch.patiently(self._send_patiently))
            code = self._show(reply)
            if reply.exit is not None:
                return code
            watch.pause(PAUSE)

    def _send_patiently(self) -> Reply:
        """Raises Transient where the service lost sight of what it needs: the watch tries again, and then says so."""
        reply = self._send()
        self.resume = reply.resume or self.resume
        if reply.exit == Exit.TRANSIENT and any(line.startswith(LOST) for line in reply.stdout):
            raise Transient(next(line for line in reply.stdout if line.startswith(LOST)))
        return reply

    def _send(self) -> Reply:
        left = seconds(str(self.given.get("timeout") or DEFAULT_TIMEOUT)) - (time.monotonic() - self.began)
        resume = {**self.resume, "left": max(left, 0.0)} if self.resume else None
        return self.client.act(self.name, self.given, self.key, resume, self.lines)

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


__all__ = ["URL", "redirect"]
