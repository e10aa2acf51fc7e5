"""The environment: what a stage needs, what is said when it is missing, and that secrets stay out of sight."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps.run import settings
from steps.run.exits import Misconfigured

ENOUGH = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "DATABASE_URL": "postgresql://pod:secret@db/bank"}


@pytest.mark.parametrize(
    ("stage", "missing"),
    [
        ("sub", "KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL"),
        ("relay", "KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL"),
        ("pub", "KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL"),
        ("verify", "DATABASE_URL"),  # it reads the ledger alone
        ("sweep", "KAFKA_BOOTSTRAP_SERVERS, ARGO_SERVER, ARGO_NAMESPACE, DATABASE_URL"),
    ],
)
def test_settings__all_that_a_stage_misses_is_named_at_once(stage: str, missing: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        settings.read({}, stage)
    assert str(raised.value) == f"not set: {missing}. See docs/reference.md, Settings"


def test_settings__an_empty_value_is_a_missing_one() -> None:
    with pytest.raises(Misconfigured, match=r"not set: DATABASE_URL\."):
        settings.read({**ENOUGH, "DATABASE_URL": ""})


def test_settings__what_need_not_be_set() -> None:
    found = settings.read(ENOUGH)
    assert (found.domain, found.topic_prefix, found.feeds, found.name) == ("feedfall", "", ("feeds",), "by-hand")
    assert found.uid != settings.read(ENOUGH).uid


def test_settings__only_named_ones_reach_kafka() -> None:
    """Kubernetes sets KAFKA_PORT and the like for a Service that is called kafka."""
    stray = {"KAFKA_PORT": "tcp://10.0.0.1:9092", "KAFKA_SERVICE_HOST": "10.0.0.1", "KAFKA_SASL_MECHANISM": ""}
    found = settings.read({**ENOUGH, **stray, "KAFKA_SASL_USERNAME": "pod"})
    assert found.kafka == {"bootstrap.servers": "kafka:9092", "sasl.username": "pod"}


def test_settings__argo_names_the_run() -> None:
    found = settings.read({**ENOUGH, "WORKFLOW_UID": "u", "WORKFLOW_NAME": "fx-sub-1"})
    assert (found.uid, found.name) == ("u", "fx-sub-1")


@pytest.mark.parametrize(
    ("variables", "uid"),
    [
        ({"WORKFLOW_UID": "u", "FEEDFALL_INDEX": "0"}, "u/0"),  # withSequence
        ({"WORKFLOW_UID": "u", "JOB_COMPLETION_INDEX": "1"}, "u/1"),  # a Job with completionMode Indexed
        ({"WORKFLOW_UID": "u", "JOB_COMPLETION_INDEX": "1", "FEEDFALL_INDEX": "2"}, "u/2"),
        ({"WORKFLOW_UID": "u", "FEEDFALL_INDEX": ""}, "u"),
    ],
)
def test_settings__tell_a_pod_from_those_beside_it(variables: dict[str, str], uid: str) -> None:
    assert settings.read({**ENOUGH, **variables}).uid == uid


def test_settings__secrets_are_not_shown() -> None:
    shown = repr(settings.read({**ENOUGH, "KAFKA_SASL_PASSWORD": "hidden", "ARGO_TOKEN": "hidden"}))
    assert "secret" not in shown
    assert "hidden" not in shown


def test_settings__a_partner_may_live_elsewhere() -> None:
    found = settings.read({**ENOUGH, "FEEDFALL_PARTNER_URL_ECB": "http://127.0.0.1:1/"})
    assert found.partner_urls == {"ecb": "http://127.0.0.1:1/"}


@pytest.mark.parametrize(
    ("value", "packages"),
    [("", ("feeds",)), ("acme.feeds", ("acme.feeds",)), (" feeds , acme ,", ("feeds", "acme"))],
)
def test_packages__are_named_with_commas(value: str, packages: tuple[str, ...]) -> None:
    assert settings.packages({"FEEDFALL_FEEDS": value}) == packages


ARGO = {"ARGO_SERVER": "https://argo:2746/", "ARGO_NAMESPACE": "bank"}


def test_token__the_environments_own_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-the-pod\n")
    given = {**ARGO, "ARGO_TOKEN_FILE": str(file)}
    assert settings.argo(given).token == "from-the-pod"  # noqa: S105 -- a test's
    assert settings.argo({**given, "ARGO_TOKEN": "Bearer mine"}).token == "mine"  # noqa: S105 -- a test's


def test_argo__is_named_where_the_environment_has_it() -> None:
    assert settings.read(ENOUGH).argo is None
    assert settings.read({**ENOUGH, **ARGO}).argo == settings.argo(ARGO)
