"""A verb as the HTTP interface knows it: its name, its parameters, and the function that does it for a caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from operate.act import Role


class Kind(StrEnum):
    """What a parameter's value is."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    TEXTS = "texts"


@dataclass(frozen=True)
class Parameter:
    """One argument or option of the command, by its long name."""

    name: str
    kind: Kind
    required: bool = False
    words: str = ""


@dataclass(frozen=True)
class Caller:
    """Who asks, from where. `skip` and `resume`: of a request that goes on where an earlier one paused."""

    holder: str
    role: Role
    address: str
    skip: int = 0
    resume: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Answer:
    """What the command said and how it ended. `exit` None: it waits, and `resume` is where the next request goes on."""

    exit: int | None
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    values: object = None
    resume: Mapping[str, object] | None = None
    failure: str = ""
    """Of a failure: its sentence."""


@dataclass(frozen=True)
class Verb:
    """A verb, or a question (`asks`), of the command line."""

    name: str
    role: Role
    asks: bool
    words: str
    parameters: tuple[Parameter, ...]
    do: Callable[[Caller, Mapping[str, object]], Answer]

    @property
    def path(self) -> str:
        return f"/api/{'' if self.asks else 'acts/'}{self.name.replace(' ', '/')}"
