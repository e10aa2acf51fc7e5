"""Writes to Kafka and confirms; with a transactional id, all of a transaction or none. Called by pub and relay."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from steps.drain.client_settings import config
from steps.drain.kafka import SECONDS
from steps.drain.kafka_errors import Trouble, translated, undelivered
from steps.run.exits import Failure, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from steps.run.settings import Settings


class Publisher:
    """Writes to topics and confirms. Closing it early loses nothing that was confirmed."""

    def __init__(self, settings: Settings, transactional_id: str | None = None) -> None:
        self._trouble = Trouble(settings.kafka)
        self._failed: list[Failure] = []
        extra = {"transactional.id": transactional_id} if transactional_id else {}
        with translated(self._trouble):
            idempotent = {"enable.idempotence": True, "linger.ms": 5}
            self._producer = Producer({**config(settings, self._trouble), **idempotent, **extra})
            if transactional_id:
                self._init_transactions()

    def _init_transactions(self) -> None:
        """Fence a zombie and end its open transaction."""
        try:
            self._producer.init_transactions(SECONDS)
        except KafkaException:
            self._producer.poll(0)  # librdkafka reports the cause of a time-out only to who polls
            raise

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Give librdkafka a message to write. Raises Misconfigured for one that is too large for any topic."""
        while True:
            try:
                return self._producer.produce(topic, value, key, headers=list(headers), on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as error:
                raise undelivered(error, topic, len(value)) from error

    def confirm(self, seconds: float = 30.0) -> None:
        """Wait until all that was sent is on the brokers. Raises when one message is not."""
        with translated(self._trouble):
            left = self._producer.flush(seconds)
            if self._failed:
                raise self._failed[0]
            if left:
                raise Transient(f"Kafka did not confirm {left} messages within {seconds:.0f} s{self._trouble.words()}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's messages, or none. Aborts when the block raises."""
        with translated(self._trouble):
            self._failed.clear()
            self._producer.begin_transaction()
            try:
                yield
                _within(SECONDS * 3, lambda: self._producer.commit_transaction(SECONDS * 3))
            except BaseException:
                self._abort()
                raise

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(SECONDS)
        except KafkaException:
            return  # fenced, or out of reach: the broker ends it by itself

    def _delivered(self, error: KafkaError | None, message: Any) -> None:  # noqa: ANN401 -- the driver's own
        if error is not None:
            self._failed.append(undelivered(KafkaException(error), message.topic(), len(message.value())))

    def close(self) -> None:
        with suppress(KafkaException):  # fenced: the failure has been raised before
            self._producer.flush(0)


def _within(seconds: float, call: Callable[[], None]) -> None:
    """A call that may never return, though it takes a time-out, once a connection broke (librdkafka #5456, #5511).

    Made in a thread that ends with the process: only the end of the process helps.
    """
    failed: list[KafkaException] = []

    def make() -> None:
        try:
            call()
        except KafkaException as error:
            failed.append(error)

    thread = threading.Thread(target=make, name="within", daemon=True)
    thread.start()
    thread.join(seconds + 1.0)
    if thread.is_alive():
        raise Transient(f"Kafka's coordinator did not answer within {seconds:.0f} s; the next run goes on from here")
    if failed:
        raise failed[0]
