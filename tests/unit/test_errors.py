"""Failures: the drivers' errors become ours, and each of ours has an exit code and a sentence that says what to do."""

from __future__ import annotations

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException
from psycopg import errors as pg

from ledger.errors import Failure, Transient, is_data, translate
from steps.drain import kafka_errors
from steps.run.exits import (
    BLOCKING,
    EXITS,
    RETRIED,
    DataRefused,
    Exit,
    Fenced,
    LedgerBroken,
    Misconfigured,
    OffsetGap,
    Permanent,
    exit_of,
)


def family(kind: type[Failure]) -> list[type[Failure]]:
    return [kind, *(each for child in kind.__subclasses__() for each in family(child))]


@pytest.mark.parametrize("kind", family(Failure)[1:])
def test_exit__every_failure_has_one(kind: type[Failure]) -> None:
    assert exit_of(kind("…")) in set(Exit) - {Exit.OK, Exit.BUG}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Transient(), 75),
        (Fenced(), 75),
        (Misconfigured(), 78),
        (DataRefused(), 65),
        (OffsetGap(), 81),
        (LedgerBroken(), 83),
        (Permanent(), 78),
        (ZeroDivisionError(), 70),
        (KeyboardInterrupt(), 70),
    ],
)
def test_exit__is_the_nearest_of_its_family(error: BaseException, code: int) -> None:
    assert exit_of(error) == code


def test_exit__what_blocks_is_never_started_again() -> None:
    assert {65, 70, 78, 81} == BLOCKING
    assert not BLOCKING & set(RETRIED)
    assert RETRIED == (75, 137, 143, -1)


def test_exit__each_says_what_it_means() -> None:
    assert [code for code in Exit if not code.sentence] == []
    assert set(EXITS.values()) <= set(Exit)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08006", Transient),  # connection failure
        ("08P01", Transient),
        ("25006", Transient),  # read only: a standby after a failover
        ("25P03", Transient),  # idle in transaction for too long
        ("25P04", Transient),  # the transaction took too long
        ("28000", Misconfigured),
        ("28P01", Misconfigured),  # wrong password
        ("3D000", Misconfigured),  # no such database
        ("3F000", Misconfigured),  # no such schema
        ("40001", Transient),  # serialization
        ("40P01", Transient),  # deadlock
        ("42501", Misconfigured),  # no right
        ("42703", Misconfigured),  # no such column
        ("42P01", Misconfigured),  # no such table
        ("53100", Transient),  # disk full
        ("53300", Transient),  # too many connections
        ("55P03", Transient),  # lock not available
        ("57014", Transient),  # cancelled, by a statement_timeout too
        ("57P01", Transient),  # ended by an administrator
        ("57P03", Transient),  # starting up
        ("58030", Transient),  # I/O
        ("22001", None),  # data: for whoever loads
        ("23505", None),
        ("42601", None),  # our own syntax error
        ("21000", None),
        ("P0001", None),
    ],
)
def test_postgresql__an_sqlstate_is_a_failure_or_a_bug(state: str, kind: type[Failure] | None) -> None:
    found = translate(pg.lookup(state)("the server's words\nin two lines"))
    assert (type(found) if found else None) is kind
    assert found is None or ("the server's words in two lines" in str(found) and len(str(found)) > 60)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ('FATAL:  password authentication failed for user "pod"', Misconfigured),
        ('FATAL:  database "bank" does not exist', Misconfigured),
        ('FATAL:  role "pod" does not exist', Misconfigured),
        ('FATAL:  role "pod" is not permitted to log in', Misconfigured),
        ('FATAL:  permission denied for database "bank"', Misconfigured),
        ("fe_sendauth: no password supplied", Misconfigured),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', Misconfigured),
        ('FATAL:  pg_hba.conf rejects connection for host "10.0.0.1"', Misconfigured),
        ('invalid sslmode value: "yes"', Misconfigured),
        ("connection refused", Transient),
        ("connection timeout expired", Transient),
        ("failed to resolve host 'db': Name or service not known", Transient),
        ("FATAL:  the database system is starting up", Transient),
        ("FATAL:  sorry, too many clients already", Transient),
        ("server closed the connection unexpectedly", Transient),
        ("SSL SYSCALL error: EOF detected", Transient),
    ],
)
def test_postgresql__out_of_reach_is_told_from_a_refusal_by_its_words(words: str, kind: type[Failure]) -> None:
    assert type(translate(psycopg.OperationalError(words))) is kind


def test_postgresql__a_closed_connection_is_transient() -> None:
    assert type(translate(psycopg.InterfaceError("the connection is closed"))) is Transient


@pytest.mark.parametrize(("state", "data"), [("22003", True), ("23514", True), ("42501", False), ("57014", False)])
def test_postgresql__a_refused_row_is_data(state: str, data: bool) -> None:  # noqa: FBT001 -- a table
    assert is_data(pg.lookup(state)()) is data


CODES = {
    name: getattr(KafkaError, name)
    for name in dir(KafkaError)
    if name.upper() == name and isinstance(getattr(KafkaError, name), int) and name != "NO_ERROR"
}
NOT_TRANSIENT = {
    Misconfigured: {
        "CLUSTER_AUTHORIZATION_FAILED",
        "GROUP_AUTHORIZATION_FAILED",
        "MSG_SIZE_TOO_LARGE",
        "RECORD_LIST_TOO_LARGE",
        "SASL_AUTHENTICATION_FAILED",
        "TOPIC_AUTHORIZATION_FAILED",
        "TOPIC_EXCEPTION",
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "UNKNOWN_TOPIC_OR_PART",
        "UNSUPPORTED_SASL_MECHANISM",
        "UNSUPPORTED_VERSION",
        "_AUTHENTICATION",
        "_INVALID_ARG",
        "_SSL",
        "_UNKNOWN_PARTITION",
        "_UNKNOWN_PROTOCOL",
        "_UNKNOWN_TOPIC",
    },
    OffsetGap: {"OFFSET_OUT_OF_RANGE", "_AUTO_OFFSET_RESET", "_LOG_TRUNCATION"},
    Fenced: {"INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED", "_FENCED"},
}


def test_kafka__every_error_that_librdkafka_names_is_a_failure_of_ours() -> None:
    """What is not known to need a person is transient: a new name never becomes a bug of ours."""
    assert len(CODES) > 150
    found: dict[type[Failure], set[str]] = {}
    for name, code in CODES.items():
        found.setdefault(type(kafka_errors.translate(KafkaException(KafkaError(code)))), set()).add(name)
    del found[Transient]
    assert found == NOT_TRANSIENT


def test_kafka__a_time_out_is_told_by_the_cause_behind_it() -> None:
    trouble = kafka_errors.Trouble()
    timed_out = KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 -- so named by librdkafka
    assert type(kafka_errors.translate(timed_out, trouble)) is Transient
    trouble(KafkaError(KafkaError._AUTHENTICATION, "SASL failed"))  # noqa: SLF001 -- so named by librdkafka
    trouble(KafkaError(KafkaError._ALL_BROKERS_DOWN))  # noqa: SLF001 -- what follows from it
    assert "SASL failed" in str(kafka_errors.translate(timed_out, trouble))
    assert type(kafka_errors.translate(timed_out, trouble)) is Misconfigured
