"""sub on real servers: what is on the topic is in the table, once, with its fate."""

from datetime import date

from bank import Bank, Door

DAY = date(2026, 10, 30)


def rates(day: date = DAY, currencies: str = "USD JPY KRW", rate: str = "1.1") -> list[dict[str, str]]:
    return [{"base_date": day.isoformat(), "currency": each, "rate": rate} for each in currencies.split()]


def test_sub__rows_on_the_topic_are_in_the_table(bank: Bank, door: Door) -> None:
    bank.create("fx")
    bank.respond("fx", rates(), DAY)
    done = door("sub", "--feed=fx")
    assert (done.exit, done.status) == (0, "SUCCEEDED")
    assert done.counts("read", "loaded", "lag") == [3, 3, 0]
    assert bank.rows("SELECT currency, rate::text FROM fx_rate ORDER BY 1") == [
        ("JPY", "1.10000000"),
        ("KRW", "1.10000000"),
        ("USD", "1.10000000"),
    ]
    assert bank.broken("fx") == []


def test_sub__nothing_to_do_succeeds_with_nothing(bank: Bank, door: Door) -> None:
    bank.create("fx")
    done = door("sub", "--feed=fx")
    assert (done.exit, done.status, done.words["read"]) == (0, "SUCCEEDED", "0")


def test_sub__again_reads_nothing_again(bank: Bank, door: Door) -> None:
    bank.create("fx")
    bank.respond("fx", rates(), DAY)
    door("sub", "--feed=fx")
    assert door("sub", "--feed=fx").words["read"] == "0"
    assert bank.value("SELECT count(*) FROM fx_rate") == 3


def test_sub__the_same_answer_sent_twice_is_a_duplicate(bank: Bank, door: Door) -> None:
    bank.create("tick")
    bank.create("fx", partitions=1)
    for _ in range(2):
        bank.respond("fx", rates())
    done = door("sub", "--feed=fx")
    assert done.counts("read", "loaded", "duplicate") == [6, 3, 3]
    assert bank.broken("fx") == []


def test_sub__a_higher_seq_replaces_and_a_lower_one_is_superseded(bank: Bank, door: Door) -> None:
    bank.create("fx")
    bank.respond("fx", rates(rate="2"), DAY, seq=2)
    door("sub", "--feed=fx")
    bank.respond("fx", rates(rate="1"), DAY, seq=1)
    assert door("sub", "--feed=fx").counts("loaded", "superseded") == [0, 3]
    bank.respond("fx", rates(rate="3"), DAY, seq=3)
    assert door("sub", "--feed=fx").counts("loaded", "superseded") == [3, 0]
    assert bank.rows("SELECT DISTINCT rate::text, _seq FROM fx_rate") == [("3.00000000", 3)]
    assert bank.broken("fx") == []


def test_sub__of_the_same_seq_the_higher_offset_wins(bank: Bank, door: Door) -> None:
    bank.create("fx")
    for rate in ("1", "2", "3"):
        bank.respond("fx", rates(currencies="USD", rate=rate))
    assert door("sub", "--feed=fx").counts("read", "loaded", "superseded") == [3, 1, 2]
    bank.respond("fx", rates(currencies="USD", rate="4"))
    assert door("sub", "--feed=fx").counts("loaded") == [1]
    assert bank.value("SELECT rate::text FROM fx_rate") == "4.00000000"
    assert bank.broken("fx") == []


def test_sub__newest_base_date_stays_in_a_table_of_latest_values(bank: Bank, door: Door) -> None:
    bank.create("latest")
    bank.respond("latest", [{"symbol": "A", "base_date": "2026-10-30", "price": "2"}])
    door("sub", "--feed=latest")
    bank.respond("latest", [{"symbol": "A", "base_date": "2026-10-29", "price": "1"}])
    assert door("sub", "--feed=latest").counts("loaded", "superseded") == [0, 1]
    assert bank.value("SELECT price::text FROM latest") == "2.00000000"


def test_sub__an_answer_is_complete_when_its_count_is_met(bank: Bank, door: Door) -> None:
    bank.create("fx")
    bank.respond("fx", rates(), DAY)
    door("sub", "--feed=fx")
    assert bank.rows("SELECT status, count, settled, base_date, seq FROM feedfall.request") == [
        ("complete", 3, 3, DAY, 1)
    ]


def test_sub__a_poison_row_is_quarantined_and_the_rest_load(bank: Bank, door: Door) -> None:
    bank.create("fx")
    bank.respond("fx", [*rates(), {"base_date": "2026-10-30", "currency": "ISK", "rate": "N.A."}], DAY)
    done = door("sub", "--feed=fx")
    assert done.counts("read", "loaded", "quarantined") == [4, 3, 1]
    [(reason, value)] = bank.rows("SELECT reason, value FROM feedfall.quarantine")
    assert reason.startswith("rate: 'N.A.' is not a number above zero")
    assert b'"ISK"' in bytes(value)
    assert bank.value("SELECT status FROM feedfall.request") == "complete"
    assert bank.broken("fx") == []


def test_sub__a_feed_without_a_key_keeps_every_row(bank: Bank, door: Door) -> None:
    bank.create("tick")
    note = "tab\there, \\N, back\\slash,\nnew line\r, 끝"
    rows = [{"symbol": "A", "price": "-1.5", "volume": 7, "note": each} for each in (note, None, note)]
    bank.respond("tick", rows)
    assert door("sub", "--feed=tick").counts("read", "loaded") == [3, 3]
    assert bank.rows("SELECT note, volume FROM tick ORDER BY note") == [(note, 7), (note, 7), (None, 7)]
    assert bank.broken("tick") == []


def test_sub__many_chunks_abut(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=3)
    bank.respond("tick", [{"symbol": f"S{n}", "price": "1", "volume": n, "note": None} for n in range(1050)])
    assert door("sub", "--feed=tick").counts("read", "loaded") == [1050, 1050]
    assert bank.value("SELECT count(*) FROM feedfall.span") >= 11
    assert bank.broken("tick") == []


def test_sub__a_row_that_only_the_database_refuses_is_found(bank: Bank, door: Door) -> None:
    bank.create("latest", partitions=1)
    bank.rows("ALTER TABLE latest ADD CHECK (price <> 13)")
    prices = [
        {"symbol": f"S{n}", "base_date": "2026-10-30", "price": "13" if n in (3, 77) else "7"} for n in range(100)
    ]
    bank.respond("latest", prices)
    done = door("sub", "--feed=latest")
    assert done.counts("read", "loaded", "quarantined") == [100, 98, 2]
    assert {reason for (reason,) in bank.rows("SELECT reason FROM feedfall.quarantine")} == {
        (
            'the database refuses it: new row for relation "_incoming" '
            'violates check constraint "latest_price_check" (23514)'
        )
    }
    assert b'"S77"' in bytes(bank.value('SELECT value FROM feedfall.quarantine WHERE "offset" = 77'))
    assert bank.broken("latest") == []


ECB = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:subject>Reference rates</gesmes:subject>
<gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
<Cube><Cube time='2026-10-30'><Cube currency='USD' rate='1.1225'/><Cube currency='KRW' rate='broken'/>
<Cube currency='JPY' rate='171.3'/></Cube></Cube></gesmes:Envelope>"""


def test_sub__an_outside_response_is_one_message_with_many_rows(bank: Bank, door: Door) -> None:
    bank.create("bulletin")
    bank.send(bank.topic("bulletin"), ECB)
    bank.send(bank.topic("bulletin"), b"<html>down for maintenance</html>")
    done = door("sub", "--feed=bulletin")
    assert done.counts("read", "loaded", "quarantined") == [4, 2, 2]
    assert bank.rows("SELECT row, left(reason, 26) FROM feedfall.quarantine ORDER BY row") == [
        (-1, "read= of feed bulletin: Va"),
        (1, "rate: 'broken' is not a nu"),
    ]
    assert bank.rows("SELECT status, count, settled FROM feedfall.request") == [("complete", 3, 3)]
    assert bank.rows("SELECT currency, _row FROM bulletin_rate ORDER BY _row") == [("USD", 0), ("JPY", 2)]
    assert bank.broken("bulletin") == []
