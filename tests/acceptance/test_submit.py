"""`feedfall submit` as a scheduler calls it: processes, exit codes, one RESULT line."""

import os
import re
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest

from bank import ROOT, Bank, as_role
from catalog import find
from ledger.database import connect
from operate.argo import Argo
from operate.order import Author, Order, rerun, start
from steps.run.exits import Misconfigured
from submit_command import DAY, DAY_BEFORE, KEY, SECONDS, Desk, by_hand, ordered, until

SUNDAY = "2026-10-25"

DUE_SOON = """from dataclasses import replace
from datetime import time
import feeds.fx
FX = replace(feeds.fx.FX, zone="Etc/GMT{behind:+d}", order=time(9), due=time(12, {minute}, {second}))
"""  # wherever it is noon now


# -- a feed's rows --


def test_submit__ends_when_the_rows_are_there_and_again_is_done_already(bank: Bank, desk: Desk) -> None:
    desk.play()
    first = desk.submit("fx", f"--date={DAY}", "--wait")
    rows = bank.value("SELECT count(*) FROM fx_rate")
    assert (first.exit, first.status, first.counts("rows", "quarantined")) == (0, "SUCCEEDED", [rows, 0])
    assert (first.words["run"], first.words["request"]) == (f"fx-pub-{KEY}-1", "complete")
    again = desk.submit("fx", f"--date={KEY}", "--wait")
    assert (again.exit, again.status, again.counts("rows")) == (0, "ALREADY_DONE", [rows])
    assert len(desk.runs("fx-pub")) == 1
    assert bank.broken("fx") == []


@pytest.mark.parametrize(("lenient", "code"), [((), 77), (("--lenient",), 0)])
def test_submit__a_holiday_is_not_done(desk: Desk, lenient: tuple[str, ...], code: int) -> None:
    desk.play()
    closed = desk.submit("fx", f"--date={SUNDAY}", "--wait", *lenient)
    assert (closed.exit, closed.status) == (code, "SKIPPED")


def test_submit__a_policy_moves_the_order_and_its_key(desk: Desk) -> None:
    desk.play()
    moved = desk.submit("fx", f"--date={SUNDAY}", "--policy=OrderOnPreviousConfirmedDay", "--wait")
    assert (moved.exit, moved.words["date"], moved.words["run"]) == (0, "2026-10-23", "fx-pub-20261023-1")


def test_submit__a_held_feed_is_not_done_and_the_same_order_goes_on_when_it_is_free(bank: Bank, desk: Desk) -> None:
    desk.play()
    by_hand(desk, "hold", "fx", "--reason=late close")
    held = desk.submit("fx", f"--date={DAY}", "--wait")
    assert (held.exit, held.status, "late close" in held.words["reason"]) == (77, "HELD", True)
    kept = r"; (1 order is kept and is|the order is kept since \d{4}.*, and it is) sent then$"
    assert re.search(kept, held.words["reason"])  # by pub's own words, or by the ledger's where it waits in slices
    again = desk.submit("fx", f"--date={DAY}", "--wait")  # it is kept already: nothing is started
    assert (again.exit, "the order is kept since" in again.words["reason"], len(desk.runs("fx-pub"))) == (77, True, 1)
    assert "1 order was kept" in by_hand(desk, "free", "fx", "--reason=closed")
    freed = desk.submit("fx", f"--date={DAY}", "--wait")
    assert (freed.exit, freed.status, freed.words["run"]) == (0, "SUCCEEDED", f"fx-pub-{KEY}-1-2")


def test_submit__without_wait_a_held_feed_is_not_done_and_the_order_is_kept(bank: Bank, desk: Desk) -> None:
    desk.play()
    by_hand(desk, "hold", "fx", "--reason=late close")
    held = desk.submit("fx", f"--date={DAY}")
    assert (held.exit, held.status) == (77, "HELD")
    assert held.words["reason"].endswith(f"; fx-pub-{KEY}-1 keeps the order, and it is sent then")
    until(lambda: bank.value("SELECT count(kept_at) FROM feedfall.request") == 1)


def test_submit__a_withdrawn_request_is_not_done_and_a_rerun_is(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    waiting = desk.start("submit", "fx", f"--date={DAY}", "--wait")
    until(lambda: ordered(bank) == ["sent"])
    by_hand(desk, "withdraw", "fx", f"--date={DAY}", "--reason=asked twice")
    done = desk.end(waiting)
    assert (done.exit, done.status) == (77, "WITHDRAWN")
    assert done.words["reason"].startswith("withdrawn by ci: asked twice; ")
    assert desk.submit("fx", f"--date={DAY}").status == "WITHDRAWN"
    again = desk.submit("fx", f"--date={DAY}", "--rerun", "--reason=after all")
    assert (again.exit, again.words["run"]) == (0, f"fx-pub-{KEY}-2")


def test_submit__an_order_is_in_the_journal_and_a_reader_is_told_that_it_is_not(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    assert desk.submit("fx", f"--date={DAY}", "--policy=OrderAnyway").status == "STARTED"
    journal = "SELECT who, verb, detail->>'base_date', detail->>'seq', detail->>'channel' FROM feedfall.journal"
    assert bank.rows(journal) == [("ci", "order", DAY, "1", "command")]
    reader = desk.submit("fx", f"--date={DAY_BEFORE}", DATABASE_URL=as_role(bank.url, "feedfall_reader"))
    assert (reader.exit, "the journal does not have this order" in reader.stderr) == (0, True)
    assert len(bank.rows(journal)) == 1


def test_order__started_by_another_face_is_one_run_and_a_blank_reason_is_refused(bank: Bank, desk: Desk) -> None:
    """As the web does it: a line in the journal, and a Workflow; a second click finds the first."""
    desk.play(bells=False)
    wanted, author = (
        Order(find.load("fx", ("feeds",)), date.fromisoformat(DAY)),
        Author("kim", "web", "corrected rates"),
    )
    with closing(connect(bank.environ["DATABASE_URL"], "web")) as connection, Argo(desk.here.environ) as argo:
        for seq in (1, 2):
            again = rerun(connection, wanted, author)
            connection.commit()
            assert again.seq == seq
            assert start(argo, again) == start(argo, again) == f"fx-pub-{KEY}-{seq}"
            until(lambda seq=seq: ("sent" in ordered(bank)) and len(ordered(bank)) == seq)
        with pytest.raises(Misconfigured, match="needs --reason"):
            rerun(connection, wanted, Author("kim", "web", " "))
    channel = "SELECT verb, detail->>'seq', detail->>'channel' FROM feedfall.journal ORDER BY id"
    assert bank.rows(channel) == [("rerun", "1", "web"), ("rerun", "2", "web")]


def test_submit__a_feed_held_while_it_waits_is_not_done(desk: Desk) -> None:
    desk.play(bells=False)
    waiting = desk.start("submit", "fx", f"--date={DAY}", "--wait")
    until(lambda: ordered(desk.bank) == ["sent"])
    by_hand(desk, "hold", "fx", "--reason=late close")
    assert (desk.end(waiting).exit, ordered(desk.bank)) == (77, ["sent"])


def test_submit__a_silent_partner_is_82(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    assert desk.submit("fx", f"--date={DAY}").exit == 0
    until(lambda: ordered(bank) == ["sent"])  # however long the pod takes: the time-out is for what comes after
    late = desk.submit("fx", f"--date={DAY}", "--wait", "--timeout=4s")
    assert (late.exit, late.status, late.words["request"]) == (82, "NO_RESPONSE", "sent")
    assert re.search(r"^absent, due 17:00 CET: its request was sent at .* and is not answered", late.words["reason"])


def test_submit__an_order_before_its_due_time_waits_until_then_and_says_what_is_there(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    soon = datetime.now(UTC) + timedelta(seconds=12)
    due = DUE_SOON.format(behind=soon.hour - 12, minute=soon.minute, second=soon.second)
    (desk.folder / "early").mkdir()
    (desk.folder / "early" / "__init__.py").write_text("")
    (desk.folder / "early" / "fx.py").write_text(due)
    path = os.pathsep.join((str(ROOT / "tests"), str(desk.folder)))
    told = {"FEEDFALL_FEEDS": "early", "PYTHONPATH": path}
    began = time.monotonic()
    late = desk.submit("fx", f"--date={soon.date()}", "--policy=OrderAnyway", "--wait", **told)
    assert (late.exit, late.status, time.monotonic() - began < SECONDS) == (82, "NO_RESPONSE", True)
    assert re.search(r"^absent, due 12:\d\d .*: its request was sent at .* and is not answered", late.words["reason"])


def test_submit__a_rerun_asks_with_the_next_seq_and_a_reason(bank: Bank, desk: Desk) -> None:
    desk.play()
    assert desk.submit("fx", f"--date={DAY}", "--wait").exit == 0
    assert desk.submit("fx", f"--date={DAY}", "--wait", "--rerun").exit == 78
    again = desk.submit("fx", f"--date={DAY}", "--wait", "--rerun", "--reason=corrected rates")
    assert (again.exit, again.status, again.words["run"]) == (0, "SUCCEEDED", f"fx-pub-{KEY}-2")
    assert bank.rows("SELECT DISTINCT _seq FROM fx_rate") == [(2,)]
    journal = bank.rows("SELECT who, verb, feed, reason, detail->>'seq' FROM feedfall.journal ORDER BY id")
    assert journal == [("ci", "order", "fx", "ordered", "1"), ("ci", "rerun", "fx", "corrected rates", "2")]


def test_submit__killed_in_mid_wait_its_order_goes_on_and_is_found_again(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    with desk.start("submit", "fx", f"--date={DAY}", "--wait") as first:
        until(lambda: ordered(bank) == ["sent"])
        first.kill()
    second = desk.start("submit", "fx", f"--date={DAY}", "--wait")
    desk.done("fx-relay")
    desk.done("fx-sub")
    found = desk.end(second)
    assert (found.exit, found.words["request"], len(desk.runs("fx-pub"))) == (0, "complete", 1)


def test_submit__without_wait_only_starts(desk: Desk) -> None:
    desk.play()
    started = desk.submit("fx", f"--date={DAY}")
    assert (started.exit, started.status, started.words["run"]) == (0, "STARTED", f"fx-pub-{KEY}-1")


# -- a stage or a script --


def test_submit__a_scripts_log_and_result_are_the_commands(desk: Desk) -> None:
    desk.play()
    proven = desk.submit("fx-verify", "--wait")
    assert (proven.exit, proven.status, proven.words["stage"]) == (0, "SUCCEEDED", "verify")
    assert proven.words["run"] == desk.runs("fx-verify")[0].name


def test_submit__the_pods_own_code_is_the_commands(bank: Bank, desk: Desk) -> None:
    desk.play(settings={"FEEDFALL_TOPIC_PREFIX": "nowhere."})
    refused = desk.submit("fx", "sub", "--wait")
    assert (refused.exit, refused.status, "nowhere.fx.response" in refused.words["reason"]) == (78, "FAILED", True)


def test_submit__busy_is_not_done(desk: Desk) -> None:
    desk.play(bells=False)
    desk.done("fx-pub", **{"base-date": DAY})
    desk.ecb.delay = SECONDS  # one long question: a relay that is refused lets the lease go between its attempts
    desk.here.player.submit("fx-relay")  # a doorbell's: `submit` follows only what a `submit` started
    until(lambda: desk.ecb.requests)
    busy = desk.submit("fx", "relay", "--wait")
    assert (busy.exit, busy.status) == (77, "BUSY")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gold",), '"gold" not found'),
        (("gold", "sub"), "no feed 'gold': there are "),
        (("fx", "nap"), '"fx-nap" not found'),
        (("fx", "--date=2026-13-01"), "is not a date: write YYYY-MM-DD"),
        (("fx", "--timeout=soon"), "no time such as 90s"),
        (("fx-verify", "--param=x"), "is not NAME=VALUE"),
        (("fx-verify", "--rerun"), "--rerun is for a feed's rows"),
    ],
)
def test_submit__a_wrong_order_is_78(desk: Desk, words: tuple[str, ...], said: str) -> None:
    desk.play(bells=False)
    refused = desk.submit(*words, "--wait")
    assert (refused.exit, refused.status, said in refused.words["reason"]) == (78, "FAILED", True)


def test_submit__without_settings_is_78_and_names_them(desk: Desk) -> None:
    desk.play(bells=False)
    assert "ARGO_SERVER" in desk.submit("fx", ARGO_SERVER="").words["reason"]
    assert "DATABASE_URL" in desk.submit("fx", DATABASE_URL="").words["reason"]
