"""The environment as one frozen object, read once; everything that is missing is named at once.

KAFKA_BOOTSTRAP_SERVERS   needed          DATABASE_URL        needed, a secret; or DATABASE_URL_<NAME>
KAFKA_SECURITY_PROTOCOL … optional        FEEDFALL_DOMAIN     names groups and transactional ids: feedfall
WORKFLOW_UID, _NAME       set by Argo     FEEDFALL_TOPIC_PREFIX   before every topic's name: none
FEEDFALL_INDEX            set by Argo     which of a Workflow's pods this is; a Job's: JOB_COMPLETION_INDEX
ARGO_SERVER, _NAMESPACE   sweep           FEEDFALL_FEEDS      packages of feed files: feeds
ARGO_TOKEN(_FILE)         sweep           FEEDFALL_CALENDARS  file or folder of own calendars: none
ARGO_CA_FILE              sweep           FEEDFALL_PARTNER_URL_<NAME>   another address for a partner
FEEDFALL_WEBHOOK_URL      sweep           FEEDFALL_LEASE_SECONDS        how long a lease lives: 30
                                          FEEDFALL_WEBHOOK_SECRET       signs what the sweep sends there
FEEDFALL_CALENDAR_URL     optional        another database's calendar service; _CA_FILE: whom to trust,
                                          _HOURS: how old the last good copy may be: 36
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from ledger import databases
from steps.run.exits import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Environment names that become librdkafka properties. A list, for Kubernetes itself sets KAFKA_PORT and the like.
KAFKA = (
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SSL_CA_LOCATION",
    "KAFKA_SSL_CERTIFICATE_LOCATION",
    "KAFKA_SSL_KEY_LOCATION",
    "KAFKA_SSL_KEY_PASSWORD",
)
#: Where Kubernetes mounts a pod's own token.
TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 -- a path, not a password

#: What a stage needs beside the address of its database.
NEEDED = ("KAFKA_BOOTSTRAP_SERVERS",)
NEEDED_BY_STAGE = {"sweep": (*NEEDED, "ARGO_SERVER", "ARGO_NAMESPACE"), "verify": ()}


@dataclass(frozen=True)
class Argo:
    """Where the Argo Server is, and how it is reached."""

    server: str
    namespace: str
    ca: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Calendars:
    """Where calendars come from: feedfall's tables and `files`, or the service at `url`."""

    files: str = ""
    """Calendars of one's own: a TOML file, or a folder of them."""
    url: str = ""
    """Empty: the calendars' home is this database."""
    database: str = ""
    """The run's own database; the home of calendars is that of DATABASE_URL."""
    ca: str = ""
    hours: float = 36.0
    """How old the last good copy of what the service said may be."""


@dataclass(frozen=True)
class Webhook:
    """Where absent feeds are reported. An address may hold a key: neither is ever printed."""

    url: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """What a pod knows about where it runs."""

    kafka: Mapping[str, str] = field(repr=False)
    database_url: str = field(repr=False)
    domain: str = "feedfall"
    topic_prefix: str = ""
    feeds: tuple[str, ...] = ("feeds",)
    uid: str = field(default_factory=lambda: str(uuid4()))
    """Who holds leases: the same in each attempt of a pod, another one for each pod that runs beside it."""
    name: str = "by-hand"
    argo: Argo | None = None
    """Set where ARGO_SERVER is: for the sweep."""
    webhook: Webhook | None = None
    """Set where FEEDFALL_WEBHOOK_URL is; checked when there is something to send: a sweep has other work too."""
    lease_seconds: float = 30.0
    partner_urls: Mapping[str, str] = field(default_factory=dict)
    calendars: Calendars = field(default_factory=Calendars)


def argo(environ: Mapping[str, str] = os.environ) -> Argo:
    """Read how Argo is reached. Cheap: a mounted token is replaced every hour, so read it again."""
    missing = [name for name in ("ARGO_SERVER", "ARGO_NAMESPACE") if not environ.get(name)]
    if missing:
        raise Misconfigured(f"not set: {', '.join(missing)}. See docs/reference.md, Settings")
    server, token = environ["ARGO_SERVER"].rstrip("/"), _token(environ).removeprefix("Bearer ")
    return Argo(server, environ["ARGO_NAMESPACE"], environ.get("ARGO_CA_FILE", ""), token)


def read(environ: Mapping[str, str] = os.environ, stage: str = "", database: str = "") -> Settings:
    """Read the environment, for a feed of that database. Misconfigured names everything that this stage misses."""
    needed = (*NEEDED_BY_STAGE.get(stage, NEEDED), databases.variable(database))
    missing = [name for name in needed if not environ.get(name)]
    if missing:
        raise Misconfigured(f"not set: {', '.join(missing)}. See docs/reference.md, Settings")
    return Settings(
        kafka={name[6:].lower().replace("_", "."): environ[name] for name in KAFKA if environ.get(name)},
        database_url=databases.url(environ, database=database),
        domain=environ.get("FEEDFALL_DOMAIN") or "feedfall",
        topic_prefix=environ.get("FEEDFALL_TOPIC_PREFIX", ""),
        feeds=packages(environ),
        uid=_holder(environ),
        name=run_name(environ),
        argo=argo(environ) if environ.get("ARGO_SERVER") else None,
        webhook=Webhook(url, environ.get("FEEDFALL_WEBHOOK_SECRET", ""))
        if (url := environ.get("FEEDFALL_WEBHOOK_URL"))
        else None,
        lease_seconds=_number(environ, "FEEDFALL_LEASE_SECONDS", 30.0, "seconds", (0.1, 3600)),
        partner_urls={
            name.removeprefix("FEEDFALL_PARTNER_URL_").lower(): value
            for name, value in environ.items()
            if name.startswith("FEEDFALL_PARTNER_URL_")
        },
        calendars=calendars(environ, database),
    )


def run_name(environ: Mapping[str, str]) -> str:
    """The name of the Workflow that runs this, for people."""
    return environ.get("WORKFLOW_NAME") or "by-hand"


def calendars(environ: Mapping[str, str] = os.environ, database: str = "") -> Calendars:
    """Read where calendars come from, for a run in that database."""
    return Calendars(
        database=database,
        files=environ.get("FEEDFALL_CALENDARS", ""),
        url=_address(environ, "FEEDFALL_CALENDAR_URL"),
        ca=environ.get("FEEDFALL_CALENDAR_CA_FILE", ""),
        hours=_number(environ, "FEEDFALL_CALENDAR_HOURS", 36.0, "hours", (0.1, 720)),
    )


def packages(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Which packages hold feed files."""
    named = environ.get("FEEDFALL_FEEDS") or "feeds"
    return tuple(name.strip() for name in named.split(",") if name.strip())


def _holder(environ: Mapping[str, str]) -> str:
    """The uid of the Workflow or Job, and which of its pods this is, where it starts several."""
    uid = environ.get("WORKFLOW_UID") or str(uuid4())
    index = environ.get("FEEDFALL_INDEX") or environ.get("JOB_COMPLETION_INDEX")
    return f"{uid}/{index}" if index else uid


def _address(environ: Mapping[str, str], name: str) -> str:
    address = environ.get(name, "").rstrip("/")
    if address and not address.startswith(("http://", "https://")):
        raise Misconfigured(f"{name} is {address!r}: write http://host or https://host")
    return address


def _number(environ: Mapping[str, str], name: str, default: float, unit: str, bounds: tuple[float, float]) -> float:
    low, high = bounds
    try:
        found = float(environ.get(name) or default)
    except ValueError:
        found = -1.0
    if not low <= found <= high:
        raise Misconfigured(f"{name} is {environ[name]!r}: give {unit}, from {low:g} to {high:g}")
    return found


def _token(environ: Mapping[str, str]) -> str:
    file = Path(environ.get("ARGO_TOKEN_FILE") or TOKEN_FILE)
    return environ.get("ARGO_TOKEN") or (file.read_text(encoding="ascii").strip() if file.is_file() else "")
