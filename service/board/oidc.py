"""Checks the ID token that oauth2-proxy passes on, or that a program sends: `Authorization: Bearer …`.

No header but this is believed: X-Forwarded-User and its like can be written by anybody who reaches the port. The
algorithms are fixed here, so that a token cannot choose one. Keys come from a file, or from an HTTPS address that a
thread asks: no request waits for it.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt

from ledger import printable
from ledger.errors import Misconfigured
from service.board.people import Groups, Person, check_name, read_groups
from service.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures with a private key alone: with a shared secret whoever can check a token could also make one."""
NEEDED = ("FEEDFALL_BOARD_ISSUER", "FEEDFALL_BOARD_AUDIENCE", "FEEDFALL_BOARD_JWKS")
REQUIRED = ("iss", "aud", "exp", "iat", "sub")
LONGEST_TOKEN = 16_384
LEEWAY = 30.0
"""Seconds that two clocks may differ."""
REFRESH_EVERY, LARGEST_KEYS, TIMEOUT = 300.0, 262_144, 10.0


@dataclass(frozen=True)
class Issuer:
    """Whose tokens are believed, and for whom they must be."""

    issuer: str
    audience: str
    keys: Keys
    groups: Groups
    name_claim: str

    def person(self, token: str) -> Person:
        """Who a token stands for. Raises Problem 401, or 403 for a person of no group of the board's."""
        claims = self._claims(token)
        if self.name_claim == "email" and claims.get("email_verified") is False:
            raise refused("the address in the token is not verified")
        name = check_name(claims.get(self.name_claim))
        groups = claims.get("groups")
        roles = self.groups.roles(each for each in groups if isinstance(each, str)) if isinstance(groups, list) else ()
        if not roles:
            raise Problem(403, "forbidden", f"{name} is in no group that may use the board: ask for a role")
        return Person(name, frozenset(roles), str(claims["sub"])[:200])

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise refused("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
            if str(header.get("typ", "JWT")).upper() != "JWT":
                raise refused("the token is not an ID token")
            return jwt.decode(
                token,
                self.keys.key(header.get("kid")),
                algorithms=list(ALGORITHMS),
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY,
                options={"require": list(REQUIRED)},
            )
        except jwt.ExpiredSignatureError:
            raise refused("the sign-in has expired: sign in again") from None
        except (jwt.PyJWTError, ValueError) as error:
            raise refused(f"the token is not valid: {printable.escaped(str(error)[:200])}") from None


class Keys:
    """The issuer's public keys. `read` gives the text of a JWKS; Misconfigured at the start, later it is logged."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read, self._reported = read, ""
        self._keys = parse(read())

    def key(self, name: object) -> jwt.PyJWK:
        """The key of that name; without a name the only one. Raises Problem 401."""
        keys = self._keys
        found = list(keys.values()) if name is None else [keys[name]] if isinstance(name, str) and name in keys else []
        if len(found) != 1:
            raise refused("the token is signed with a key that the issuer does not show")
        return found[0]

    def refresh(self) -> None:
        """Read them again. What cannot be read leaves the last ones."""
        words = ""
        try:
            self._keys = parse(self._read())
        except Misconfigured as error:
            words = str(error)
        if words and words != self._reported:
            print(f"KEYS {printable.escaped(words)}", flush=True)  # noqa: T201 -- the pod's log
        self._reported = words

    def follow(self) -> None:
        """Read them again every five minutes, in a thread, for ever."""
        threading.Thread(target=self._refresh_for_ever, name="keys", daemon=True).start()

    def _refresh_for_ever(self) -> None:
        while True:
            time.sleep(REFRESH_EVERY)
            self.refresh()


def parse(text: str) -> dict[str, jwt.PyJWK]:
    """The usable public keys of a JWKS by their names. Raises Misconfigured."""
    try:
        every = jwt.PyJWKSet.from_dict(json.loads(text)).keys
        keys = [each for each in every if each.algorithm_name in ALGORITHMS and each.public_key_use != "enc"]
    except (jwt.PyJWTError, ValueError, AttributeError, TypeError) as error:
        raise Misconfigured(f"FEEDFALL_BOARD_JWKS has no JSON Web Key Set: {error}") from None
    if not keys:
        raise Misconfigured(f"FEEDFALL_BOARD_JWKS has no key for {', '.join(ALGORITHMS)}")
    return {str(each.key_id): each for each in keys}


def read_issuer(environ: Mapping[str, str]) -> Issuer:
    """The settings of the sign-in. Raises Misconfigured with all that are missing."""
    found = {name: environ.get(name, "") for name in NEEDED}
    if lacking := [name for name, value in found.items() if not value]:
        raise Misconfigured(f"not set: {', '.join(lacking)}. The board's sign-in needs them; docs/board.md says how")
    issuer, audience, place = found.values()
    keys = Keys(reader(place))
    claim = environ.get("FEEDFALL_BOARD_NAME_CLAIM") or "email"
    return Issuer(issuer, audience, keys, read_groups(environ), claim)


def reader(place: str) -> Callable[[], str]:
    """How the keys are read: an HTTPS address, or a file. Raises Misconfigured."""
    if place.startswith("https://"):
        return lambda: _fetch(place)
    if "://" in place:
        raise Misconfigured(f"FEEDFALL_BOARD_JWKS is {place}: give an https:// address or a file")
    return lambda: _file(Path(place))


def _fetch(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:  # noqa: S310 -- https:// alone, see reader
            return str(answer.read(LARGEST_KEYS).decode())
    except (OSError, ValueError) as error:
        raise Misconfigured(f"FEEDFALL_BOARD_JWKS: {address} does not answer with keys: {error}") from None


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Misconfigured(f"FEEDFALL_BOARD_JWKS: {path} cannot be read: {error}") from None


def refused(words: str) -> Problem:
    """401, with what to do."""
    return Problem(401, "who-are-you", words, {"WWW-Authenticate": "Bearer"})
