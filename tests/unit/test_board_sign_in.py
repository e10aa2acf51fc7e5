"""Who may use the board: ID tokens, roles from groups, local one-time tokens, and headers on every answer."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from board_client import Browser, signed_in
from board_desk import MemoryActs, app_of, board_of, local_sign_in, night
from ledger.errors import Misconfigured
from service.board.guard import POLICY
from service.board.local_sessions import COOKIE, LASTS, MOST, LocalSessions
from service.board.oidc import Issuer, Keys, parse, read_issuer
from service.board.people import read_groups
from service.board.sign_in import ByToken

if TYPE_CHECKING:
    from pathlib import Path

ISSUER, AUDIENCE = "https://idp.bank", "feedfall-board"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
GROUPS = {
    "FEEDFALL_BOARD_VIEWERS": "all-staff",
    "FEEDFALL_BOARD_OPERATORS": "night-desk, day-desk",
    "FEEDFALL_BOARD_APPROVERS": "leads",
}


def jwks(key: rsa.RSAPrivateKey = PRIVATE, **more: str) -> str:
    public = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return json.dumps({"keys": [{**public, "kid": "one", "alg": "RS256", "use": "sig", **more}]})


def claims(**more: object) -> dict[str, Any]:
    now = int(time.time())
    own = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "email": "kim@bank", "groups": ["night-desk"]}
    found = {**own, "iat": now, "exp": now + 300, **more}
    return {name: value for name, value in found.items() if value is not None}


def token(key: Any = PRIVATE, algorithm: str = "RS256", header: dict[str, str] | None = None, **more: object) -> str:  # noqa: ANN401 -- any key
    return jwt.encode(claims(**more), key, algorithm, {"kid": "one", **(header or {})})


def issuer() -> Issuer:
    return Issuer(ISSUER, AUDIENCE, Keys(jwks), read_groups(GROUPS), "email")


def ask(bearer: str, acts: MemoryActs | None = None, address: str = "/", **headers: str) -> Any:  # noqa: ANN401 -- a response
    board = board_of(lambda _: night(), ByToken(issuer()), acts=acts or MemoryActs())
    return Browser(app_of(board), Authorization=f"Bearer {bearer}", **headers).get(address)


def test_token__of_the_issuer_lets_in_with_the_roles_of_its_groups() -> None:
    answer = ask(token())
    assert answer.status_code == 200
    assert "<b>kim@bank</b> 운영자" in answer.text


BAD = {
    "expired": {"exp": int(time.time()) - 3600},
    "of another issuer": {"iss": "https://evil"},
    "for another audience": {"aud": "grafana"},
    "without an end": {"exp": None},
    "without a subject": {"sub": None},
    "without a name": {"email": None},
    "with a name of two lines": {"email": "kim\nadmin"},
    "with an endless name": {"email": "k" * 101},
    "with an address that nobody verified": {"email_verified": False},
    "not valid yet": {"nbf": int(time.time()) + 3600},
}


@pytest.mark.parametrize("more", BAD.values(), ids=BAD)
def test_token__is_refused(more: dict[str, object]) -> None:
    assert ask(token(**more)).status_code == 401


def test_token__signed_by_another_key_or_by_none_is_refused() -> None:
    public = PRIVATE.public_key()
    confused = hmac_with_public_key()
    unsigned = jwt.encode(claims(), None, "none", {"kid": "one"})
    access = token(header={"typ": "at+jwt"})
    unknown = token(header={"kid": "two"})
    assert public is not None
    for each in (token(OTHER), confused, unsigned, access, unknown, "x.y.z", "", "x" * 20_000):
        assert ask(each).status_code == 401


def hmac_with_public_key() -> str:
    """The algorithm confusion: the public key as an HMAC's secret. PyJWT refuses to make it, so it is made by hand."""
    from base64 import urlsafe_b64encode  # noqa: PLC0415 -- here alone
    from hashlib import sha256  # noqa: PLC0415 -- likewise
    from hmac import new  # noqa: PLC0415 -- likewise

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 -- likewise

    parts = [json.dumps({"alg": "HS256", "kid": "one", "typ": "JWT"}), json.dumps(claims())]
    text = b".".join(urlsafe_b64encode(each.encode()).rstrip(b"=") for each in parts)
    pem = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return (text + b"." + urlsafe_b64encode(new(pem, text, sha256).digest()).rstrip(b"=")).decode()


def test_headers__of_a_proxy_are_never_believed() -> None:
    board = board_of(lambda _: night(), ByToken(issuer()))
    names = ("X-Forwarded-User", "X-Forwarded-Email", "X-Auth-Request-User", "X-Forwarded-Access-Token", "Remote-User")
    assert Browser(app_of(board), **dict.fromkeys(names, token())).get("/").status_code == 401


@pytest.mark.parametrize("groups", [[], ["strangers"], "night-desk", None, {"night-desk": 1}, [["night-desk"]]])
def test_token__of_no_group_of_the_board_sees_nothing(groups: object) -> None:
    answer = ask(token(groups=groups))
    assert (answer.status_code, "fx" in answer.text) == (403, False)


@pytest.mark.parametrize(
    ("groups", "verb", "status"),
    [
        (["all-staff"], "hold", 403),
        (["night-desk"], "hold", 200),
        (["day-desk"], "hold", 200),
        (["night-desk"], "approve", 403),
        (["leads"], "approve", 200),
        (["leads"], "hold", 403),
        (["night-desk", "leads"], "hold", 200),
    ],
)
def test_role__decides_about_each_verb(groups: list[str], verb: str, status: int) -> None:
    assert ask(token(groups=groups), address=f"/do/{verb}?feed=fx").status_code == status


def test_viewer__sees_no_button() -> None:
    assert "/do/" not in ask(token(groups=["all-staff"])).text
    assert "/do/" in ask(token()).text


def test_program__acts_by_json_with_its_own_token() -> None:
    acts = MemoryActs()
    board = board_of(lambda _: night(), ByToken(issuer()), acts=acts)
    program = Browser(app_of(board), Accept="application/json")
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json", "Sec-Fetch-Site": ""}
    body = json.dumps({"feed": "fx", "day": "2026-11-24", "reason": "change 4711"})
    answer = program.send("POST", "/do/hold", headers, content=body)
    assert (answer.status_code, answer.json()["done"]) == (200, True)
    assert acts.done[0][0].channel == "api"
    for bad in ("[1]", "{", '{"feed": 1}', "[" * 10_000, "{}"):
        assert program.send("POST", "/do/hold", headers, content=bad).status_code in (404, 422)
    assert (
        program.send("POST", "/do/hold", {**headers, "Sec-Fetch-Site": "cross-site"}, content=body).status_code == 403
    )
    assert len(acts.done) == 1


def test_keys__a_bad_answer_keeps_the_last_ones(capsys: pytest.CaptureFixture[str]) -> None:
    texts = [jwks(), "<html>", jwks(OTHER)]
    keys = Keys(lambda: texts.pop(0))
    before = keys.key("one")
    keys.refresh()
    assert keys.key("one") is before
    assert "KEYS" in capsys.readouterr().out
    keys.refresh()
    assert keys.key("one") is not before


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}', jwks(use="enc")],
)
def test_keys__of_no_use_are_a_mistake_at_the_start(text: str) -> None:
    with pytest.raises(Misconfigured):
        parse(text)


def test_settings__say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="FEEDFALL_BOARD_ISSUER, FEEDFALL_BOARD_AUDIENCE, FEEDFALL_BOARD_JWKS"):
        read_issuer({})
    file = tmp_path / "jwks.json"
    file.write_text(jwks())
    three = {"FEEDFALL_BOARD_ISSUER": ISSUER, "FEEDFALL_BOARD_AUDIENCE": AUDIENCE}
    with pytest.raises(Misconfigured, match="no group"):
        read_issuer({**three, "FEEDFALL_BOARD_JWKS": str(file)})
    for place in ("http://idp.bank/keys", str(tmp_path / "none")):
        with pytest.raises(Misconfigured, match="FEEDFALL_BOARD_JWKS"):
            read_issuer({**three, **GROUPS, "FEEDFALL_BOARD_JWKS": place})
    assert read_issuer({**three, **GROUPS, "FEEDFALL_BOARD_JWKS": str(file)}).person(token()).name == "kim@bank"


def test_local__token_works_once_and_gives_a_strict_cookie() -> None:
    sign_in, printed = local_sign_in()
    app = app_of(board_of(lambda _: night(), sign_in))
    assert Browser(app).get("/").status_code == 401
    answer = Browser(app).get(f"/sign-in?token={printed[0]}")
    assert {"HttpOnly", "SameSite=strict"} <= {each.strip() for each in answer.headers["set-cookie"].split(";")}
    assert Browser(app).get(f"/sign-in?token={printed[0]}").status_code == 401
    assert Browser(app).get("/sign-in?token=é").status_code == 401
    assert Browser(app).get(f"/sign-in?token={printed[1]}", **{"Sec-Purpose": "prefetch"}).status_code == 401
    assert Browser(app).get(f"/sign-in?token={printed[1]}").status_code == 200


def test_local__session_ends_by_time_by_number_and_by_hand() -> None:
    now, printed = [0.0], list[str]()
    sessions = LocalSessions("kim", printed.append, lambda: now[0])
    cookies = [sessions.open(printed[-1]) for _ in range(MOST + 1)]
    assert all(cookies)
    assert [sessions.person(str(each)) is not None for each in cookies] == [False, *[True] * MOST]
    now[0] = LASTS + 1
    assert [each for each in cookies if sessions.person(str(each))] == []
    sign_in, printed = local_sign_in()
    browser = signed_in(app_of(board_of(lambda _: night(), sign_in)), printed[0])
    assert browser.post("/sign-out", {}, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    kept = browser.cookies[COOKIE]
    assert browser.post("/sign-out", {}).status_code == 200
    browser.cookies.set(COOKIE, kept)
    assert browser.get("/").status_code == 401


@pytest.mark.parametrize(
    "address", ["/", "/nix", "/static/x", "/sign-in", "/healthz", "/do/hold", "/feeds/%00", "/calendar/X/9"]
)
def test_headers__are_on_every_answer(address: str) -> None:
    answer = Browser(app_of(board_of(lambda _: night(), ByToken(issuer())))).get(address)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "unsafe" not in POLICY
    assert "cache-control" in answer.headers


def test_headers__are_on_an_internal_error_too() -> None:
    def broken(*_: object) -> list[object]:
        raise ZeroDivisionError

    sign_in, printed = local_sign_in()
    browser = signed_in(app_of(board_of(lambda _: night(), sign_in, audit=broken)), printed[0])
    answer = browser.get("/audit")
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == POLICY
    assert "ZeroDivision" not in answer.text
