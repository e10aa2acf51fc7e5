"""Who asks: by an ID token in each request, or by a local session. Never by another header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from operate.act import Actor, Channel
from service.board.guard import client_of
from service.board.local_sessions import COOKIE
from service.board.people import needed
from service.problem import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.board.local_sessions import LocalSessions
    from service.board.oidc import Issuer
    from service.board.people import Person

NOBODY = (
    "nobody is signed in: open the board through your bank's sign-in, or send `Authorization: Bearer` with an ID token"
)
NO_SESSION = "no session: open the address that the terminal printed; a new one stands there once it is used"


class SignIn(Protocol):
    """One way to sign in."""

    def person(self, request: Request) -> Person:
        """Who sends this request. Raises Problem 401 or 403."""


class ByToken:
    """The ID token of each request."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    def person(self, request: Request) -> Person:
        """Who its token stands for. Raises Problem."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Problem(401, "who-are-you", NOBODY, {"WWW-Authenticate": "Bearer"})
        return self._issuer.person(token.strip())


class ByCookie:
    """A local session."""

    def __init__(self, sessions: LocalSessions) -> None:
        self.sessions = sessions

    def person(self, request: Request) -> Person:
        """Whose session it is. Raises Problem."""
        found = self.sessions.person(request.cookies.get(COOKIE, ""))
        if found is None:
            raise Problem(401, "who-are-you", NO_SESSION)
        return found


def actor_of(person: Person, request: Request, verb: str, channel: Channel) -> Actor:
    """Whom the journal names: `board` for a page, `api` for a program."""
    return Actor(person.name, needed(verb), channel, client_of(request.scope))
