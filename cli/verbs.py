"""The commands as verbs of the desk's interface: `feedfall serve --desk` hands them to `service/desk_api`.

A verb is its command: the same parameters, words and exit code. So a new command needs one line here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import typer
from pydantic import TypeAdapter, ValidationError

from cli.commands import find
from cli.leave import Leaving, leaving
from cli.seat import SEAT, Seat
from ledger import printable
from ledger.errors import Misconfigured
from operate.act import Role
from operate.progress import Progress, Resume
from operate.stopped import Paused
from service.desk_api.verbs import Answer, Caller, Kind, Parameter, Verb
from steps.run.exits import Exit

#: What the service does, and the role that it needs. Not here: what reads or loads rows itself (redrive, replay,
#: verify, skip-gap, rebind), what needs a file, and what belongs to a workstation (deploy, migrate, local).
QUESTIONS = (
    "runs",
    "lag",
    "absent",
    "approvals",
    "today",
    "why",
    "audit",
    "handover",
    "quarantine list",
    "quarantine show",
)
ACTS = {
    **dict.fromkeys(("submit", "hold", "free", "kill", "accept", "withdraw", "quarantine discard"), Role.OPERATOR),
    "approve": Role.APPROVER,
}
#: Seconds that one request for a command that waits takes: a proxy allows that, and a place is free again soon.
SLICE = 5.0
#: The exit code of a command line that is wrong, and the HTTP status of it is 422.
USAGE = 2
RESUME = TypeAdapter(Resume)


def verbs() -> Iterator[Verb]:
    """The verbs that this command line has."""
    for name in (*QUESTIONS, *ACTS):
        yield verb_of(name, find(name))


def verb_of(name: str, command: Any) -> Verb:  # noqa: ANN401 -- likewise
    """One verb."""
    parameters = tuple(Parameter(key_of(each), _kind(each), each.required, each.help or "") for each in command.params)

    def do(caller: Caller, given: Mapping[str, object]) -> Answer:
        return _do(command, name, caller, given)

    words = (command.help or "").split("\n")[0]
    return Verb(name, ACTS.get(name, Role.VIEWER), name in QUESTIONS, words, parameters, do)


def key_of(parameter: Any) -> str:  # noqa: ANN401 -- likewise
    """A parameter's name in a request: an option's long one, without its dashes."""
    longest: str = max(parameter.opts, key=len)
    return longest.lstrip("-").replace("-", "_")


def _kind(parameter: Any) -> Kind:  # noqa: ANN401 -- likewise
    if getattr(parameter, "is_flag", False):
        return Kind.FLAG
    if parameter.multiple or parameter.nargs != 1:
        return Kind.TEXTS
    return Kind.NUMBER if "int" in str(parameter.type_descriptor.annotation) else Kind.TEXT


def arguments(command: Any, given: Mapping[str, object]) -> list[str]:  # noqa: ANN401 -- likewise
    """The command line of a request: no value is ever taken for an option."""
    options, positional = [], []
    for each in command.params:
        value = given.get(key_of(each))
        if value is None or value is False:
            continue
        form = max(each.opts, key=len)
        values = value if isinstance(value, list) else [value]
        if not form.startswith("-"):
            positional += [str(one) for one in values]
        elif value is True:
            options.append(form)
        else:
            options += [f"{form}={one}" for one in values]
    return [*options, "--", *positional]


def _do(command: Any, name: str, caller: Caller, given: Mapping[str, object]) -> Answer:  # noqa: ANN401 -- likewise
    """Run the command for a caller, in this thread."""
    slice_ = SLICE if caller.resume else 0.0  # the first answer comes at once: it names what a signal is to stop
    seat = Seat(caller.holder, caller.address, caller.role, slice_, skip=caller.skip)
    own = dict(given)
    if any(key_of(each) == "by" for each in command.params):
        own["by"] = _by(caller, given.get("by"))
    token = SEAT.set(seat)
    try:
        answer = _done(command, name, seat, caller, own)
    finally:
        SEAT.reset(token)
    if seat.more:
        seat.stderr.append(f"{seat.more} lines more are not shown here: `feedfall logs` has them")
    return answer


def _done(command: Any, name: str, seat: Seat, caller: Caller, given: Mapping[str, object]) -> Answer:  # noqa: ANN401
    try:
        with leaving():
            seat.resume = _resume(caller.resume)
            command.main(args=arguments(command, given), prog_name=f"feedfall {name}", standalone_mode=False)
    except typer.BadParameter as error:
        return Answer(USAGE, seat.stdout, [*seat.stderr, error.format_message()], failure=error.format_message())
    except Paused as pause:
        return Answer(None, seat.stdout, seat.stderr, dict(given), _standing(pause.progress))
    except Leaving as end:
        going_on = _standing(seat.progress) if end.code == Exit.TRANSIENT else None
        return Answer(end.code, seat.stdout, seat.stderr, _values(seat, given), going_on, end.words)
    return Answer(0, seat.stdout, seat.stderr, _values(seat, given))


def _by(caller: Caller, given: object) -> str:
    """The name in the journal: the holder's, or another one that was given, beside which the holder's stands."""
    return str(given or caller.holder)


def _resume(given: Mapping[str, object] | None) -> Resume | None:
    if given is None:
        return None
    printable.check(**{f"resume: {name}": str(value) for name, value in given.items()})
    try:
        return RESUME.validate_python(given)
    except ValidationError as error:
        raise Misconfigured(f"resume is not what the last answer had: {error.error_count()} mistakes") from None


def _standing(progress: object) -> dict[str, Any] | None:
    """Where the next request goes on; None: from the beginning, for nothing was decided yet."""
    if not isinstance(progress, Progress) or progress.run == "-":
        return None
    found: dict[str, Any] = RESUME.dump_python(RESUME.validate_python(asdict(progress)), mode="json")
    return found


def _values(seat: Seat, given: Mapping[str, object]) -> object:
    if not given.get("json"):
        return dict(given)
    try:
        return json.loads("\n".join(seat.stdout))
    except ValueError:
        return None
