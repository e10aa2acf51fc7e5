"""What the tests of faults do to a bank: fill a topic, slow a table down, wait, and count what came of it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable

    from bank import Bank, Door
    from faults.wire import Wired

#: So many that a fault can meet a run in the middle of them.
COUNT = 3000


def ticks(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"symbol": "A", "price": "1", "volume": n, "note": "x" * 100} for n in range(first, first + count)]


def assert_each_once(bank: Bank, count: int = COUNT) -> None:
    assert bank.rows("SELECT count(*), count(DISTINCT volume) FROM tick") == [(count, count)]
    assert bank.value("SELECT count(*) FROM feedfall.quarantine") == 0
    assert bank.value("SELECT count(*) FROM feedfall.feed_control WHERE blocked_at IS NOT NULL") == 0
    assert bank.broken("tick") == []


def slow(bank: Bank, condition: str, seconds: float) -> None:
    """A table that takes its time at some rows: a run that meets them can be met itself."""
    bank.rows(
        f"""CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF NEW.volume {condition} THEN PERFORM pg_sleep({seconds}); END IF; RETURN NEW; END $$;
            CREATE TRIGGER slow BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION slow()"""
    )


def asleep(bank: Bank) -> bool:
    return bank.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1


def rate(currency: str, number: int = 1) -> bytes:
    return json.dumps({"base_date": "2026-10-30", "currency": currency, "rate": str(number)}).encode()


def transactional(bank: Bank) -> Producer:
    config = {
        "bootstrap.servers": bank.kafka,
        "transactional.id": f"{bank.prefix}{time.monotonic_ns()}",
        "log_level": 0,
    }
    producer = Producer(config)
    producer.init_transactions(30)
    return producer


def survives(wire: Wired, bank: Bank, door: Door, act: Callable[[Wired], None], exits: set[int]) -> None:
    """The run ends as designed, and healed every row is there once."""
    act(wire)
    assert door("sub", "--feed=tick", WORKFLOW_UID="w1").exit in exits
    wire.heal()
    assert door("sub", "--feed=tick", WORKFLOW_UID="w1").status == "SUCCEEDED"
    assert_each_once(bank)


def needs_a_person(wire: Wired, bank: Bank, door: Door, password: str, says: str) -> None:
    """Kafka refuses the pod, the feed is blocked, and granted and freed every row is there once."""
    secured = wire.secured(password)
    done = door("sub", "--feed=tick", **secured)
    assert (done.exit, says in done.words["reason"]) == (78, True)
    assert door("sub", "--feed=tick", **secured).status == "BLOCKED"
    grant(bank, AclOperation.DESCRIBE, AclOperation.READ)
    bank.rows("UPDATE feedfall.feed_control SET blocked_at = NULL, blocked_reason = NULL")
    assert door("sub", "--feed=tick", **secured | {"KAFKA_SASL_PASSWORD": "pod"}).status == "SUCCEEDED"
    assert_each_once(bank)


def allow(bank: Bank, kind: ResourceType, prefix: str, *rights: AclOperation) -> None:
    """Rights to all whose name begins so."""
    named = (kind, prefix, ResourcePatternType.PREFIXED, "User:pod", "*")
    for future in bank.admin.create_acls(
        [AclBinding(*named, each, AclPermissionType.ALLOW) for each in rights]
    ).values():
        future.result(10)
    time.sleep(0.2)


def grant(bank: Bank, *rights: AclOperation) -> None:
    """READ of the topic is all that sub needs. Of its group nothing: that is only for lag tools."""
    topic = (ResourceType.TOPIC, bank.topic("tick"), ResourcePatternType.LITERAL, "User:pod", "*")
    bindings = [AclBinding(*topic, right, AclPermissionType.ALLOW) for right in rights]
    for future in bank.admin.create_acls(bindings).values() if bindings else ():
        future.result(10)
    time.sleep(0.2)
