"""Entries as values, without servers: a file of corrected ones, and one entry in words."""

import json
from datetime import UTC, date, datetime

import pytest

from ledger.errors import Misconfigured
from ledger.quarantine import Entry
from operate.quarantine import fields, read_values

ENTRY = {"entry": "fx.response/0@7", "value": "{}"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ENTRY, {**ENTRY, "entry": "fx.response/0@8"}]),
        "\n".join(json.dumps({**ENTRY, "entry": f"fx.response/0@{offset}"}) for offset in (7, 8)),
        f"[{json.dumps(ENTRY)}]\n\n" + json.dumps({**ENTRY, "entry": "fx.response/0@8"}),
    ],
    ids=["a list", "one a line", "both"],
)
def test_read_values__reads_what_list_prints(text: str) -> None:
    assert read_values(text, "rows.json") == {"fx.response/0@7": "{}", "fx.response/0@8": "{}"}


def test_read_values__tells_topics_of_one_name_apart_by_their_source() -> None:
    assert read_values(json.dumps({**ENTRY, "source": 3}), "rows.json") == {"fx.response#3/0@7": "{}"}


@pytest.mark.parametrize("text", ["{", "[1]", '{"entry": "0@1"}', '{"value": "x"}'])
def test_read_values__names_the_file_that_it_refuses(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"^rows\.json: "):
        read_values(text, "rows.json")


def test_fields__are_text_also_where_the_message_is_not() -> None:
    at = datetime(2026, 10, 30, tzinfo=UTC)
    where = ("fx", "sub", 3, "fx.response", 0, 7, -1, False)
    entry = Entry(*where, "deferred", "", date(2026, 11, 2), at, 1, None, None, None, b"\xff", [b"seq", None], at)
    found = fields(entry)
    assert (found["entry"], found["headers"], found["value"]) == ("fx.response/0@7", [("seq", None)], "\\xff")
