"""A pod says once when a server on another machine is reached in the clear."""

from __future__ import annotations

import pytest

from steps.__main__ import main
from steps.run import settings
from steps.run.encryption import notes

LOCAL = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092", "DATABASE_URL": "postgresql://pod:secret@localhost/bank"}


def _notes(**environ: str) -> list[str]:
    environ = {**LOCAL, **environ}
    return [note.split()[1] for note in notes(settings.read(environ), environ)]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://pod@db.bank/bank", ["sslmode=prefer"]),
        ("postgresql://pod@db.bank/bank?sslmode=require", ["sslmode=require"]),
        ("postgresql://pod@db.bank/bank?sslmode=verify-ca", ["sslmode=verify-ca"]),
        ("postgresql://pod@db.bank/bank?sslmode=verify-full", []),
        ("host=db.bank dbname=bank", ["sslmode=prefer"]),
        ("postgresql://pod@localhost,db.bank/bank", ["sslmode=prefer"]),
        ("postgresql://pod@[::1]/bank", []),
        ("postgresql:///bank?host=/var/run/postgresql", []),
        ("postgresql:///bank", []),
    ],
)
def test_notes__of_a_database_on_another_machine(address: str, said: list[str]) -> None:
    assert _notes(DATABASE_URL=address) == said


def test_notes__know_libpqs_own_variables() -> None:
    assert _notes(DATABASE_URL="postgresql://pod@db.bank/bank", PGSSLMODE="verify-full") == []
    assert _notes(DATABASE_URL="postgresql:///bank", PGHOST="db.bank") == ["sslmode=prefer"]


@pytest.mark.parametrize(
    ("servers", "protocol", "said"),
    [
        ("kafka:9092", "", ["PLAINTEXT"]),
        ("kafka", "", ["PLAINTEXT"]),
        ("kafka:9092", "sasl_plaintext", ["SASL_PLAINTEXT"]),
        ("kafka:9092", "SASL_SSL", []),
        ("localhost:9092,[::1]:9092", "PLAINTEXT", []),
        ("localhost:9092,kafka:9092", "PLAINTEXT", ["PLAINTEXT"]),
    ],
)
def test_notes__of_kafka_on_another_machine(servers: str, protocol: str, said: list[str]) -> None:
    assert _notes(KAFKA_BOOTSTRAP_SERVERS=servers, KAFKA_SECURITY_PROTOCOL=protocol) == said


def test_pod__says_it_once_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    environ = {**LOCAL, "DATABASE_URL": "postgresql://pod:secret@localhost:1,no-such.invalid:1/bank"}
    assert main(["sub", "--feed=fx"], environ) == 75
    said = capsys.readouterr().err
    assert said.count("note: sslmode=prefer does not verify the database's server") == 1
    assert "secret" not in said
