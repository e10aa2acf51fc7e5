"""Can DATABASE_URL be what somebody meant? Looked at before it is used, for libpq takes nearly every text.

A raw `@` or `/` in a password makes the rest of the password a host, a port or a database's name: libpq would look
that up and quote it. So whatever is wrong here is a setting, and no part of the address is ever quoted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
from psycopg import conninfo

from ledger.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = (
    "write postgresql://user:password@host:port/database?sslmode=verify-full, with %40 for @, %2F for / and so on "
    "in the password"
)
SCHEMES = ("postgresql://", "postgres://")
HOST = re.compile(r"/.*|[\w.:-]*")
"""A name, an address, the folder of a Unix socket, or nothing: the default."""
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
VERIFIED = "verify-full"
LOCAL = re.compile(r"|localhost|127\.[\d.]+|::1|[/@].*")


def check(address: str, environ: Mapping[str, str]) -> None:
    """Refuse an address that cannot be meant so. Raises Misconfigured, without a word of the address."""
    if address != address.strip():
        raise Misconfigured("DATABASE_URL begins or ends with a space or a line break: remove it")
    parts = _parts(address)
    _check_separators(address)
    if not all(HOST.fullmatch(host) for host in _each(parts, "host")):
        raise Misconfigured(f"DATABASE_URL names a host that cannot be one: {FORM}")
    if not all(re.fullmatch(r"[0-9]{0,5}", port) for port in _each(parts, "port")):
        raise Misconfigured(f"DATABASE_URL has a port that is no number: {FORM}")
    if "sslmode" in parts and parts["sslmode"] not in MODES:
        raise Misconfigured(f"DATABASE_URL has an unknown sslmode: write one of {', '.join(MODES)}")
    elsewhere = "service" in parts or "PGDATABASE" in environ or "PGSERVICE" in environ
    if not parts.get("dbname") and not elsewhere:
        raise Misconfigured(f"DATABASE_URL names no database: {FORM}")


def unverified(address: str, environ: Mapping[str, str]) -> str | None:
    """The sslmode with which a database on another machine is reached, where it is less than verify-full."""
    parts = _parts(address)
    hosts = _each(parts, "hostaddr") or _each(parts, "host") or (environ.get("PGHOST") or "localhost").split(",")
    mode = parts.get("sslmode") or environ.get("PGSSLMODE") or "prefer"
    return None if mode == VERIFIED or all(map(is_local, hosts)) else mode


def is_local(host: str) -> bool:
    """Is it this machine, so that nobody can listen on the way?"""
    return LOCAL.fullmatch(host) is not None


def _parts(address: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo.conninfo_to_dict(address).items()}
    except psycopg.ProgrammingError:
        # Without the driver's words, and without it as the cause: it quotes the password.
        raise Misconfigured(
            f"DATABASE_URL cannot be read: {FORM}. After ? stand libpq's own parameters alone"
        ) from None


def _check_separators(address: str) -> None:
    """An @ stands once, before the host; a / only behind it."""
    scheme = next((each for each in SCHEMES if address.startswith(each)), None)
    if scheme is None:
        return
    before, at, after = address.removeprefix(scheme).partition("@")
    if "@" in after or (at and "/" in before):
        raise Misconfigured(f"DATABASE_URL has a raw @ or / in its user or password: {FORM}")


def _each(parts: Mapping[str, str], name: str) -> list[str]:
    return parts[name].split(",") if parts.get(name) else []
