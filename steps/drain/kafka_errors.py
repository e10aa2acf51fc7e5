"""Kafka's errors become failures: the one place that knows which code stands for which.

KafkaException ──translate──▶ Misconfigured   a setting, right or topic is wrong
     │                        OffsetGap       the offset to read is gone
     │                        Fenced          a newer run writes under the same transactional id
     │                        Transient       everything else: nothing was lost, the next run goes on
     └── a bare time-out: `Trouble` has the cause that librdkafka reported beside the call
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from steps.drain.tls_probe import mismatch
from steps.run.exits import Failure, Fenced, Misconfigured, OffsetGap, Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ABSENT = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)  # noqa: SLF001 -- so named by librdkafka
SETTINGS = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError._AUTHENTICATION,  # noqa: SLF001 -- so named by librdkafka
    KafkaError._SSL,  # noqa: SLF001 -- so named by librdkafka
    KafkaError._INVALID_ARG,  # noqa: SLF001 -- so named by librdkafka
    KafkaError._UNKNOWN_PROTOCOL,  # noqa: SLF001 -- so named by librdkafka
)
#: What librdkafka reports after the error that explains it.
CONSEQUENCES = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT)  # noqa: SLF001 -- so named by librdkafka
#: What is reported of connections that end at once: TLS on one side only, or no broker behind the port.
ENDED = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)  # noqa: SLF001 -- so named by librdkafka
GROUP = KafkaError.GROUP_AUTHORIZATION_FAILED
UNSEEN = (KafkaError.CLUSTER_AUTHORIZATION_FAILED, GROUP)
TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)
SMALLER = "Let the feed write less (its request=), or, below 1,000,000 bytes, raise the topic's max.message.bytes"
ELECTING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
GAPS = (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION)  # noqa: SLF001 -- so named by librdkafka
FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)  # noqa: SLF001 -- so named by librdkafka


class Trouble:
    """What librdkafka reports beside the calls: the cause behind a bare time-out."""

    def __init__(self, kafka: Mapping[str, str] | None = None) -> None:
        self._kafka = kafka or {}
        self.last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if self.last is None or (self.last.code() not in SETTINGS and error.code() not in CONSEQUENCES):
            self.last = error

    def mismatch(self) -> str | None:
        """What is wrong where only one side speaks TLS. Looked at where connections were made and ended at once."""
        return mismatch(self._kafka) if self.last and self.last.code() in ENDED else None

    def words(self) -> str:
        return f" ({self.last.str()})" if self.last else ""

    def raise_fatal(self) -> None:
        """Raise where a reader would wait for ever. Not for its group, which is for lag tools only."""
        if self.last is not None and self.last.code() in SETTINGS and self.last.code() != GROUP:
            raise translate(KafkaException(self.last))


@contextmanager
def translated(trouble: Trouble | None = None) -> Iterator[None]:
    """Turn the driver's errors into failures."""
    try:
        yield
    except KafkaException as error:
        raise translate(error, trouble) from error


def translate(error: KafkaException, trouble: Trouble | None = None) -> Failure:
    """The failure that a driver's error stands for: what is not known to need a person is transient."""
    cause: KafkaError = error.args[0]
    if trouble and trouble.last and cause.code() == KafkaError._TIMED_OUT:  # noqa: SLF001 -- so named by librdkafka
        cause = trouble.last
    for codes, kind, sentence in FAILURES:
        if cause.code() in codes:
            return kind(sentence.format(cause.str()))
    wrong = trouble.mismatch() if trouble else None
    if wrong:
        return Misconfigured(f"Kafka cannot understand this client: {wrong}. Check the KAFKA_* settings")
    words = cause.str()
    return Transient(f"Kafka is out of reach or not ready: {words}. Nothing was lost; the next run goes on from here")


#: Codes → the failure and its sentence.
FAILURES: tuple[tuple[tuple[int, ...], type[Failure], str], ...] = (
    (ABSENT, Misconfigured, "Kafka does not know the topic: {}. Create it"),
    (SETTINGS, Misconfigured, "Kafka refuses this client: {}. Check the KAFKA_* settings and the topic's rights"),
    (GAPS, OffsetGap, "Kafka no longer has the offset to read: {}. Retention or a re-creation ate data: look first"),
    (FENCED, Fenced, "a newer run writes under the same transactional id: {}"),
    (TOO_LARGE, Misconfigured, f"a message of this run is too large: {{}}. {SMALLER}"),
)


def undelivered(error: KafkaException, topic: str, size: int) -> Failure:
    """The failure of a message that was not written: refused by librdkafka or by the broker, it is the same."""
    if error.args[0].code() in TOO_LARGE:
        return Misconfigured(f"a message of {size:,} bytes is too large for {topic}. {SMALLER}")
    return translate(error)
