"""Who may declare over HTTP: the token comes first, it may allow less than all, and a refusal is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from calendar_requests import (
    CLOSED,
    KIM,
    LEE,
    OTHER,
    OVERRIDES,
    REACHED,
    TOKEN,
    Client,
    client_of,
    holders,
    problem,
)
from ledger.errors import Misconfigured
from service.tokens import Tokens

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return holders(tmp_path)


@pytest.fixture
def client(folder: Path) -> Client:
    return client_of(folder)


# -- who sends it --


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody"}])
@pytest.mark.parametrize("body", [b"", b"{", b"[" * 16_000, b'{"day": 1}'])
def test_declare__without_a_token_is_refused_before_its_body_is_read(
    client: Client, headers: dict[str, str], body: bytes
) -> None:
    assert problem(client.post(OVERRIDES, content=body, headers=headers)) == (401, "who-are-you")
    assert problem(client.delete(f"{OVERRIDES}/20261224", headers=headers)) == (401, "who-are-you")


def test_token__of_other_calendars_is_refused_before_the_body_is_read(client: Client) -> None:
    assert problem(client.post(OVERRIDES, content=b"{", headers=LEE)) == (403, "forbidden")
    assert problem(client.delete(f"{OVERRIDES}/20261224?reason=why", headers=LEE)) == (403, "forbidden")
    assert problem(client.post("/v1/calendars/KRX/overrides", json=CLOSED, headers=LEE)) == REACHED


@pytest.mark.parametrize(("day", "allowed"), [("20261123", False), ("20261124", True), ("20261125", True)])
def test_token__may_touch_the_past_only_where_it_says_so(client: Client, day: str, allowed: bool) -> None:  # noqa: FBT001 -- a case
    sent = {**CLOSED, "day": day}
    expected = REACHED if allowed else (403, "forbidden")
    assert problem(client.post(OVERRIDES, json=sent, headers=KIM)) == expected
    assert problem(client.delete(f"{OVERRIDES}/{day}?reason=why", headers=KIM)) == expected
    assert problem(client.post("/v1/calendars/KRX/overrides", json=sent, headers=LEE)) == REACHED


def test_token__that_cannot_be_read_any_more_is_nobodys(
    client: Client, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "kim").write_bytes(b"\xff" * 30)
    assert problem(client.post(OVERRIDES, json=CLOSED, headers=KIM)) == (401, "who-are-you")
    assert problem(client.post(OVERRIDES, json=CLOSED, headers=LEE)) == (403, "forbidden")
    assert "the token file of kim is not UTF-8" in capsys.readouterr().out


def test_token__that_another_holder_has_too_is_nobodys(client: Client, folder: Path) -> None:
    (folder / "park").write_text(TOKEN)
    assert problem(client.post(OVERRIDES, json=CLOSED, headers=KIM)) == (401, "who-are-you")


RULES = "the token file of park, line 2: write `calendars = BANK, KRX`, `past = yes` or nothing"
#: What a token file holds → why the service does not start.
WRONG = [
    (b"\xff" * 30, "the token file of park is not UTF-8"),
    (b"short", "the token of park is shorter than 20 characters"),
    (b"", "the token of park is shorter than 20 characters"),
    (TOKEN.encode(), "kim and park have the same token"),
    (
        b"a-third-token-of-some-length\npast = perhaps",
        "the token file of park, line 2: write `calendars = BANK, KRX`, `past = yes`",
    ),
    (
        b"a-third-token-of-some-length\ncalendars =",
        "the token file of park, line 2: write `calendars = BANK, KRX`, `past = yes`",
    ),
    (f"# of park\n{TOKEN}".encode(), "the token of park is shorter"),
    (f"# the token of park:\n{TOKEN}".encode(), "the token file of park, line 2"),
    (
        b"a-third-token-of-some-length\ncalender = BANK",
        "the token file of park, line 2: write `calendars = BANK, KRX`, `past = yes`",
    ),
]


@pytest.mark.parametrize(("content", "words"), WRONG)
def test_tokens__that_cannot_hold_are_refused_at_start(folder: Path, content: bytes, words: str) -> None:
    (folder / "park").write_bytes(content)
    with pytest.raises(Misconfigured) as refused:
        Tokens(folder)
    assert words in str(refused.value)
    assert TOKEN not in str(refused.value)


# -- what is written down --


def test_refusal__is_logged_with_who_what_and_why_and_no_token(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.post(OVERRIDES, json=CLOSED, headers={"Authorization": "Bearer a-guess-of-some-length"})
    client.post(OVERRIDES, json=CLOSED, headers=LEE)
    client.delete("/v1/calendars/%1B%5B2J/overrides/20261224?reason=why", headers=KIM)
    client.get("/v1/calendars/BNK/days/20261224")  # nobody declares anything
    guessed, forbidden, escaped = capsys.readouterr().out.splitlines()
    assert guessed.startswith("REFUSED 401 who-are-you: POST /v1/calendars/BANK/overrides by nobody from 10.0.0.7: ")
    assert forbidden.startswith("REFUSED 403 forbidden: POST /v1/calendars/BANK/overrides by lee from 10.0.0.7: ")
    assert escaped.startswith("REFUSED 422 bad-request: DELETE /v1/calendars/\\x1b[2J/overrides/20261224 by kim from ")
    assert not any(word in guessed + forbidden + escaped for word in (TOKEN, OTHER, "a-guess-of-some-length"))


def test_refusals__of_a_flood_are_counted_and_not_logged_each(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(500):
        client.post(OVERRIDES, content=b"", headers={})
    assert len(capsys.readouterr().out.splitlines()) == 60
