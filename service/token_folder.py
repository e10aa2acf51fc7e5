"""A folder with a file a holder: its name is the holder's, its first line the token, more lines what it allows.

A Kubernetes Secret is mounted in this form. The folder is read at each request: a token is replaced without a restart.
At start a mistake is Misconfigured. Later it is logged, and the holder's requests are refused until it is corrected.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ledger import printable
from ledger.errors import Misconfigured
from service.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MIN_LENGTH = 20


class Named(Protocol):
    """Whoever holds a token."""

    @property
    def name(self) -> str: ...


H = TypeVar("H", bound=Named)


class TokenFolder(Generic[H]):
    """The tokens of a folder, which `setting` names. `rules`: a holder of a file's name and its further lines."""

    def __init__(self, folder: Path | None, setting: str, rules: Callable[[str, list[str]], H]) -> None:
        self.folder, self._rules = folder, rules
        self._mistake = ""
        if folder is None:
            return
        if not folder.is_dir():
            raise Misconfigured(f"{setting} is {folder}: no such folder")
        owners: dict[str, str] = {}
        for file in self._files():
            token, holder = self._read_file(file)
            if other := owners.setdefault(token, holder.name) != holder.name and owners[token]:
                raise Misconfigured(f"{other} and {holder.name} have the same token: give each a token of its own")

    def find(self, token: str, giver: str) -> H:
        """The holder of a token. Raises Problem 401."""
        # always all of them: the time must not depend on the token
        found = [holder for held, holder in self._read() if hmac.compare_digest(held.encode(), token.encode())]
        if len(found) != 1:
            words = f"a token is required: send `Authorization: Bearer …` with the token that {giver} gave you"
            raise Problem(401, "who-are-you", words, {"WWW-Authenticate": "Bearer"})
        return found[0]

    def _read(self) -> Iterator[tuple[str, H]]:
        mistakes = []
        for file in self._files():
            try:
                yield self._read_file(file)
            except Misconfigured as error:
                mistakes.append(str(error))
        self._log("; ".join(mistakes))

    def _log(self, mistake: str) -> None:
        if mistake and mistake != self._mistake:
            print(f"TOKENS {printable.escaped(mistake)}", flush=True)  # noqa: T201 -- the pod's log
        self._mistake = mistake

    def _files(self) -> list[Path]:
        files = sorted(self.folder.iterdir()) if self.folder else []
        return [file for file in files if file.is_file() and not file.name.startswith(".")]

    def _read_file(self, file: Path) -> tuple[str, H]:
        token, *rules = _lines(file)
        if len(token.strip()) < MIN_LENGTH:
            raise Misconfigured(f"the token of {file.name} is shorter than {MIN_LENGTH} characters")
        return token.strip(), self._rules(file.name, rules)


def _lines(file: Path) -> list[str]:
    """The lines of a file. Raises Misconfigured, without a word of the token."""
    try:
        return file.read_text(encoding="utf-8").strip().splitlines() or [""]
    except UnicodeDecodeError:
        raise Misconfigured(f"the token file of {file.name} is not UTF-8: write it again as text") from None
    except OSError as error:
        raise Misconfigured(f"the token file of {file.name} cannot be read: {error.strerror}") from None
