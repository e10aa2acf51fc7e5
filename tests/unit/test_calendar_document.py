"""A calendar as a document, and copies of it: the same answers and the same version elsewhere, or none at all."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

import business_day
from business_day import BadCalendar, Override, document
from calendar_client.copy import Copy, Folder, Unavailable, known_etag, open_copy

CLOSED = Override(
    "BANK",
    date(2026, 12, 24),
    is_open=False,
    reason="임시공휴일",
    evidence="관보",
    by="kim",
    at=datetime(2026, 12, 1, tzinfo=UTC),
)
DESK = '[DESK]\ninclude = ["BANK", "US"]\n[DESK.closed]\n2026-10-02 = "창립기념일"\n[DESK.open]\n2026-07-18 = "이행"\n'


@pytest.mark.parametrize("name", [*business_day.names(), "DESK"])
def test_document__is_the_same_calendar_elsewhere(tmp_path: Path, name: str) -> None:
    file = tmp_path / "desk.toml"
    file.write_text(DESK)
    here = business_day.calendar(name, [CLOSED], business_day.read_own(str(file)))
    there = document.loads(document.dumps(here))
    assert (there.name, there.version, there.covers, there.zone) == (here.name, here.version, here.covers, here.zone)
    for number in range(1000):
        day = date(2026, 1, 1) + timedelta(days=number)
        assert there.closure(day) == here.closure(day)
        assert there.override(day) == here.override(day)


def test_document__has_the_version_of_its_home_whatever_this_release_would_say() -> None:
    """Two releases need not agree on how a version is made: the run keeps what the calendars' home calls it."""
    there = document.loads(document.dumps(document.loads(renamed("BANK@older000"))))
    assert there.version == "BANK@older000"


def renamed(version: str) -> str:
    calendar = business_day.calendar("BANK")
    calendar._version = version  # noqa: SLF001 -- as another release would have made it
    return document.dumps(calendar)


def test_document__of_the_same_calendar_is_the_same_text() -> None:
    assert document.dumps(business_day.calendar("BANK")) == document.dumps(business_day.calendar("BANK"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html>", "not a calendar's document: JSONDecodeError"),  # a proxy's own page
        ("[]", "not a calendar's document: TypeError"),
        ("{}", "not a calendar's document: KeyError"),
        ('{"calendar": "BANK", "covers": ["2026-01-01"], "digest": ""}', "not a calendar's document: ValueError"),
    ],
)
def test_document__that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadCalendar, match=words):
        document.loads(text)


@pytest.mark.parametrize("part", ["closures", "opened", "overrides", "weekend"])
def test_document__that_was_changed_is_refused(part: str) -> None:
    changed = json.loads(document.dumps(business_day.calendar("BANK", [CLOSED])))
    changed[part] = {"2026-12-24": "open"} if part == "opened" else type(changed[part])()
    with pytest.raises(BadCalendar, match=r"the document of BANK@\w+ was changed"):
        document.loads(json.dumps(changed))


def test_copy__is_believed_up_to_its_age() -> None:
    bank = business_day.calendar("BANK")
    assert open_copy("BANK", Copy("e", document.dumps(bank), 3600.0), 3600.0).version == bank.version
    with pytest.raises(Unavailable, match=r"the copy of calendar BANK is 1\.1 hours old, and 1 are allowed"):
        open_copy("BANK", Copy("e", document.dumps(bank), 4000.0), 3600.0)
    with pytest.raises(Unavailable, match="there is no copy of calendar BANK yet"):
        open_copy("BANK", None, 3600.0)


def test_copy__that_cannot_be_read_is_none_and_is_asked_for_refresh_every() -> None:
    good, bad = Copy("e", document.dumps(business_day.calendar("BANK")), 0.0), Copy("e", "{}", 0.0)
    with pytest.raises(Unavailable, match="the copy of calendar BANK cannot be read"):
        open_copy("BANK", bad, 3600.0)
    assert (known_etag(good), known_etag(bad), known_etag(None)) == ("e", None, None)


def test_folder__keeps_the_last_and_takes_half_of_one_for_none(tmp_path: Path) -> None:
    copies = Folder(tmp_path / "made" / "when needed")
    assert copies.read("BANK") is None
    for tag in ("one", "two"):
        copies.save("BANK", tag, "text")
    found = copies.read("BANK")
    assert found
    assert (found.etag, found.document, found.age < 60) == ("two", "text", True)
    (tmp_path / "made" / "when needed" / "BANK.json").write_text('{"etag": "two"')
    assert copies.read("BANK") is None
