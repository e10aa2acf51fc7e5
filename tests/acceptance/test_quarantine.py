"""Commands of quarantine: entries are listed, shown and discarded; wrong words change nothing; verify finds changes."""

from __future__ import annotations

import json

import pytest

from bank import Bank, Door
from quarantine_command import BAD, DAY, GOOD, WHY, answer, command, listed, quarantine

# -- looking --


def test_list__an_entry_is_what_the_other_commands_take(fx: Bank) -> None:
    [entry] = listed(fx, "fx")
    assert (entry["entry"], entry["fate"], entry["value"]) == (f"{fx.topic('fx')}/0@1", "quarantined", json.dumps(BAD))
    for name in (entry["entry"], "0@1"):
        assert json.loads(quarantine(fx, "show", "fx", name, "--json").stdout)["entry"] == entry["entry"]
    assert "0@1" in quarantine(fx, "list").stdout


def test_list__is_narrowed_by_fate_and_by_reason(fx: Bank, door: Door) -> None:
    fx.respond("fx", [{**GOOD, "base_date": "2999-01-02"}, {"base_date": "?"}])
    door("sub", "--feed=fx")
    assert [e["offset"] for e in listed(fx, "fx", "--fate=deferred")] == [2]
    assert [e["until"] for e in listed(fx, "fx", "--fate=deferred")] == ["2999-01-02"]
    assert [e["offset"] for e in listed(fx, "fx", "--matching=n.a.")] == [1]
    assert len(listed(fx, "fx")) == 3
    assert "2999-01-02" in quarantine(fx, "list", "fx").stdout


def test_show__tells_everything_and_its_history(fx: Bank) -> None:
    command(fx, "redrive", "fx", "0@1", *WHY)
    command(fx, "redrive", "fx", "0@1", "--value=-", *WHY, said=json.dumps(GOOD))
    shown = quarantine(fx, "show", "fx", "0@1").stdout
    for words in (
        "correlation-id = ",
        "seq = 2",
        "'N.A.' is not a number",
        '"rate": "N.A."',
        "kim redrive: said by phone",
    ):
        assert words in shown
    found = json.loads(quarantine(fx, "show", "fx", "0@1", "--json").stdout)
    assert (found["settled_as"], found["settled_by"], found["settled_reason"]) == ("loaded", "kim", "said by phone")
    assert [line["detail"]["became"] for line in found["history"]] == ["quarantined", "loaded"]
    assert json.loads(found["history"][1]["detail"]["fixed"]) == GOOD


# -- discard --


def test_discard__marks_the_row_and_keeps_it(fx: Bank) -> None:
    for _ in range(2):
        done = quarantine(fx, "discard", "fx", "0@1", "--json", *WHY)
        assert (done.exit_code, answer(done)) == (0, [("0@1", "discarded")])
    assert listed(fx, "fx") == []
    [entry] = listed(fx, "fx", "--settled")
    assert (entry["settled_as"], entry["settled_by"], entry["value"]) == ("discarded", "kim", json.dumps(BAD))
    assert fx.rows("SELECT who, verb, feed, reason FROM feedfall.journal") == [
        ("kim", "discard", "fx", "said by phone")
    ]
    assert answer(quarantine(fx, "redrive", "fx", "0@1", "--json", *WHY)) == [("0@1", "discarded")]
    assert fx.value("SELECT count(*) FROM fx_rate") == 1
    assert fx.broken("fx") == []


def test_discard__of_a_request_that_relay_quarantined(fx: Bank) -> None:
    """A request is no row: it cannot be loaded, only discarded."""
    fx.rows("UPDATE feedfall.source SET stage = 'relay', topic = 'fx.request'")
    done = command(fx, "redrive", "fx", "fx.request/0@1", *WHY)
    assert (done.returncode, "is a request, not a row" in done.stderr) == (78, True)
    assert answer(quarantine(fx, "discard", "fx", "fx.request/0@1", "--json", *WHY)) == [("0@1", "discarded")]


# -- wrong words --


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["redrive", "fx", "0@7"], "fx has no entry 0@7 on "),
        (["redrive", "fx", "0@0"], "fx has no entry 0@0 on "),  # it was loaded
        (["redrive", "fx", "gold/0@1"], "fx has no entry gold/0@1 on gold"),
        (["redrive", "fx", "1"], "'1' is no entry: write PARTITION@OFFSET or PARTITION@OFFSET/ROW"),
        (["redrive", "fx", "0@x"], "'0@x' is no entry"),
        (["redrive", "fx"], "name entries, or give --all, or --fixed with a file of them: one of the three"),
        (["redrive", "fx", "0@1", "--all"], "one of the three"),
        (["redrive", "fx", "0@1", "--matching=x"], "--matching and --fate narrow --all"),
        (["redrive", "fx", "--all", "--value=-"], "--value mends one entry"),
        (["redrive", "fx", "0@1", "0@1", "--value=-"], "--value mends one entry"),
        (["redrive", "fx", "0@1", "--value=/no/such"], "/no/such cannot be read: No such file"),
        (["redrive", "fx", "0@1", "--value=-", "--calendar"], "--calendar judges rows as they came"),
        (["redrive", "fx", "--fixed=-"], "-: not JSON"),
        (["redrive", "gold", "--all"], "no feed 'gold'"),
        (["discard", "fx", "0@7"], "fx has no entry 0@7 on "),
    ],
)
def test_words__that_are_wrong_change_nothing(fx: Bank, words: list[str], says: str) -> None:
    done = command(fx, *words, *WHY, said="{")
    assert (done.returncode, says in done.stderr) == (78, True), done.stderr
    assert [entry["settled_as"] for entry in listed(fx, "fx")] == [None]


def test_reason__is_asked_for(fx: Bank) -> None:
    assert command(fx, "redrive", "fx", "0@1").returncode == 2
    assert "--reason is empty" in command(fx, "redrive", "fx", "0@1", "--reason= ").stderr
    assert command(fx, "discard", "fx", "0@1").returncode == 2


@pytest.mark.parametrize("text", ["[1]", '[{"entry": "0@1"}]', '{"value": "x"}'])
def test_fixed__a_file_of_something_else_is_refused(fx: Bank, text: str) -> None:
    done = command(fx, "redrive", "fx", "--fixed=-", *WHY, said=text)
    assert (done.returncode, 'each entry needs "entry" and "value"' in done.stderr) == (78, True)


def test_entry__of_a_topic_made_anew_is_told_apart(fx: Bank) -> None:
    fx.rows(
        "INSERT INTO feedfall.source"
        " (feed, stage, topic, topic_id, partition, markers, first_offset, next_offset, epoch)"
        " SELECT feed, stage, topic, 'anew', partition, markers, 0, 0, epoch FROM feedfall.source"
    )
    fx.rows(
        'INSERT INTO feedfall.quarantine (source, "offset", row, run, fate, reason, headers, value)'
        " SELECT source + 1, \"offset\", row, run, fate, 'another', headers, value FROM feedfall.quarantine"
    )
    done = command(fx, "show", "fx", "0@1")
    [first, second] = [entry["source"] for entry in sorted(listed(fx, "fx"), key=lambda each: each["source"])]
    topic = fx.topic("fx")
    assert f"say {topic}#{first}/0@1 or {topic}#{second}/0@1" in done.stderr
    assert "another" in quarantine(fx, "show", "fx", f"{topic}#{second}/0@1").stdout


# -- verify --

#: What somebody changes after a redrive → what `verify` must say.
TAMPERING = {
    "a resolved row of quarantine": ("DELETE FROM feedfall.quarantine", "rows went to quarantine and 0 are there"),
    "the redriven row": ("DELETE FROM fx_rate WHERE currency = 'KRW'", "of its rows in the table"),
    "what became of it": (
        "UPDATE feedfall.quarantine SET settled_as = 'superseded', replaced_run = NULL",
        "of its rows in the table",
    ),
    "whose row it replaced": ("UPDATE feedfall.quarantine SET replaced_run = NULL", "of its rows in the table"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_verify__finds_what_was_changed_by_hand(fx: Bank, door: Door, what: str) -> None:
    fx.respond("fx", [{**GOOD, "rate": "3"}], DAY, seq=1)
    door("sub", "--feed=fx")
    command(fx, "redrive", "fx", "0@1", "--value=-", *WHY, said=json.dumps(GOOD))
    assert fx.broken("fx") == []
    statement, sentence = TAMPERING[what]
    fx.rows(statement)
    assert any(sentence in words for words in fx.broken("fx")), fx.broken("fx")
