"""sub: the response topic into the feed's table. Validates each message alone, keeps what is bad, loads the rest once.

Never joins messages into one JSON document: a crafted one would swallow its neighbours.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from feeds.form import Envelope, Kind, Unreadable
from ledger import chunk, rows, schema
from ledger.chunk import Answered, Kept, Settled
from ledger.errors import DataRefused
from steps.drain import Patience, drain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from feeds.form import Feed
    from ledger.chunk import Source
    from ledger.database import Connection
    from ledger.lease import Lease
    from steps.execution import Execution, Outcome
    from steps.intake import Intake
    from steps.kafka import Message, Reader


def sub(execution: Execution, feed: Feed, shard: int = 0, patience: Patience | None = None) -> Outcome:
    """Drain the feed's responses into its table."""
    return drain(execution, feed, Sub(feed, execution.settings.topic_prefix), shard, patience)


class Sub:
    """The sink of sub: one chunk becomes one COPY, or one merge once a key exists."""

    stage, batch = "sub", 500

    def __init__(self, feed: Feed, prefix: str = "") -> None:
        self.topic, self.markers = feed.topic("response", prefix), feed.writes_markers
        self._feed, self._table = feed, rows.Table(feed)
        self._judge = Judge(feed)
        self._merging = self._checked = False

    def open(self, held: Lease, reader: Reader, sources: Mapping[int, Source]) -> None:
        self._lease, self._reader, self._sources = held, reader, sources

    def gather(self, intake: Intake) -> None:
        """Nothing: messages are read while they are copied."""

    def settle(self, connection: Connection, intake: Intake) -> Settled:
        if not self._checked:  # once a run: a column of another type would round without a word
            schema.check_table(connection, self._feed)
            self._checked = True
        budget = self._feed.max_bad - chunk.recent_bad(connection, self._lease)
        portion = Portion(self._judge, self._sources, self._lease.run, budget)
        merged = rows.load(connection, self._table, portion.blocks(intake), portion.kept_blocks, merge=self._merging)
        if merged:
            self._merging = True
            for refused in merged.refused:
                portion.keep_refused(refused, self._reader)
        portion.book(intake, merged)
        return Settled(portion.kept, portion.answered)

    def outcome(self, outcome: Outcome) -> Outcome:
        return outcome


class Judge:
    """What a message of this feed says: its envelope and its rows, or the reason why not."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.validate = TypeAdapter(feed.row).validator.validate_json
        self.encode = rows.encoder(feed)

    def refuse(self, value: bytes | None) -> NoReturn:
        """No reader should be given this value."""
        if value is None:
            raise Unreadable("the message has no value (null): a response is never a deletion")
        raise Unreadable(f"{len(value)} bytes: the feed allows {self.feed.max_message}")

    def outside(self, message: Message) -> tuple[Envelope | None, list[bytes]]:
        """An outside message by the feed's own `read=`: what its body says, and its rows as JSON. Raises Unreadable."""
        assert self.feed.read  # noqa: S101 -- called only where there is one
        value = message.value()
        if value is None or len(value) > self.feed.max_message:
            self.refuse(value)
        try:
            response = self.feed.read(value, message.key(), message.headers() or [])
            return response.envelope, [json.dumps(row, default=str).encode() for row in response.rows]
        except Exception as error:
            raise Unreadable(f"read= of feed {self.feed.name}: {type(error).__name__}: {error}") from error

    def reason(self, error: ValidationError) -> str:
        """What is wrong with a row, in plain words."""
        return "; ".join(self._word(each) for each in error.errors(include_url=False, include_context=False)[:5])

    def _word(self, error: Any) -> str:  # noqa: ANN401 -- pydantic's own dictionary
        column = self.feed.columns.get(str(error["loc"][0])) if error["loc"] else None
        if column is None:
            return str(error["msg"])
        if error["type"] == "missing":
            return f"{error['loc'][0]}: missing"
        return f"{error['loc'][0]}: {str(error['input'])[:80]!r} is not {column.says}"


#: No message's headers, not even those of a message that has none.
UNREAD = object()


class Portion:
    """One chunk's rows on their way: encoded blocks, bad rows, and which answers they belong to."""

    def __init__(self, judge: Judge, sources: Mapping[int, Source], run: int, budget: int) -> None:
        self._judge, self._run, self._budget = judge, run, budget
        self._sources = {partition: source.id for partition, source in sources.items()}
        self._partitions = {source: partition for partition, source in self._sources.items()}
        self._encoded: dict[int, int] = dict.fromkeys(self._sources.values(), 0)
        self._headers: object = UNREAD
        self._envelope = Envelope()
        self._answer: Answered | None = None
        self._sent, self._lineage, self._has_row = (0, -1), "", True
        self.kept: list[Kept] = []
        self.kept_blocks: list[bytes] = []
        self.answered: dict[UUID, Answered] = {}

    def blocks(self, intake: Intake) -> Iterator[bytes]:
        """COPY text, a block a batch, kept for a merge that may have to start over."""
        lines = self._outside_lines if self._judge.feed.read else self._lines
        for batch in intake.batches():
            encoded = lines(batch)
            block = "".join(encoded).encode()
            intake.grow(max(0, len(encoded) - len(batch)), len(block))
            if block:
                self.kept_blocks.append(block)
                yield block

    def _lines(self, batch: Sequence[Message]) -> list[str]:
        """Our own form, one row a message: the hot loop of the whole product. Each call saved here is 2% of a run."""
        validate, encode, limit = self._judge.validate, self._judge.encode, self._judge.feed.max_message
        sources, counts = self._sources, self._encoded
        encoded: list[str] = []
        for message in batch:
            value = message.value()
            try:
                if message.headers() != self._headers or message.timestamp() != self._sent:
                    self._enter(message)
                if not self._has_row:
                    continue
                if self._answer is not None:
                    self._answer.settled += 1
                if value is None or len(value) > limit:
                    self._judge.refuse(value)
                row = validate(value)
            except (ValidationError, Unreadable) as error:
                self._keep(message, -1, error, value)
                continue
            source = sources[message.partition()]
            counts[source] += 1
            encoded.append(f"{source}\t{message.offset()}\t0\t{self._lineage}\t{encode(row)}")
        return encoded

    def _outside_lines(self, batch: Sequence[Message]) -> list[str]:
        """An outside response: a message may hold many rows, and each stands or falls alone."""
        encoded: list[str] = []
        for message in batch:
            try:
                self._enter(message)
                said, found = self._judge.outside(message)
                if said is not None:
                    self._open(said)
            except Unreadable as error:
                self._keep(message, -1, error, message.value())
                continue
            finally:
                self._headers = UNREAD
            encoded += self._rows(message, found)
        return encoded

    def _rows(self, message: Message, found: Sequence[bytes]) -> Iterator[str]:
        source = self._sources[message.partition()]
        for number, value in enumerate(found):
            if self._answer is not None:
                self._answer.settled += 1
            try:
                row = self._judge.validate(value)
            except ValidationError as error:
                self._keep(message, number, error, value)
                continue
            self._encoded[source] += 1
            yield f"{source}\t{message.offset()}\t{number}\t{self._lineage}\t{self._judge.encode(row)}"

    def _enter(self, message: Message) -> None:
        """Take in a message's headers and time: rows of one response share the first, many of them the second."""
        headers, self._sent = message.headers(), message.timestamp()
        if headers != self._headers:
            self._headers, self._envelope, self._answer = UNREAD, Envelope(), None
            self._envelope = Envelope.of(headers)
            self._headers = headers
        self._open(self._envelope)

    def _open(self, envelope: Envelope) -> None:
        """The rows that follow are this envelope's."""
        self._envelope, self._answer, self._has_row = envelope, None, envelope.kind is Kind.ROW
        self._lineage = f"{_time(self._sent[1])}\t{envelope.seq}\t{self._run}"
        if envelope.correlation_id is not None:
            said = (envelope.base_date, envelope.seq, envelope.kind, envelope.reason, envelope.count)
            self._answer = self.answered.setdefault(envelope.correlation_id, Answered(*said))

    def _keep(self, message: Message, row: int, error: Exception, value: bytes | None) -> None:
        reason = self._judge.reason(error) if isinstance(error, ValidationError) else str(error)
        self.kept.append(
            Kept(
                source=self._sources[message.partition()],
                offset=message.offset(),
                row=row,
                reason=reason,
                key=message.key(),
                value=value,
                headers=message.headers() or [],
                sent_at=message.timestamp()[1],
                correlation_id=self._envelope.correlation_id,
            )
        )
        if len(self.kept) > self._budget:
            raise DataRefused(
                f"more than {self._judge.feed.max_bad} bad rows in the last ten spans; nothing of this chunk was "
                f"loaded. The last one, {message.partition()}@{message.offset()}: {reason}"
            )

    def keep_refused(self, refused: rows.Refused, reader: Reader) -> None:
        """A row that only the database refuses: read its message again, for quarantine keeps it whole."""
        self._encoded[refused.source] -= 1
        message = reader.fetch(self._partitions[refused.source], refused.offset)
        if self._judge.feed.read is None:
            self._envelope = Envelope.of(message.headers())
            self._keep(message, -1, ValueError(refused.reason), message.value())
        else:
            said, found = self._judge.outside(message)
            self._envelope = said or Envelope.of(message.headers())
            self._keep(message, refused.row, ValueError(refused.reason), found[refused.row])

    def book(self, intake: Intake, merged: rows.Merged | None) -> None:
        """The fates of the chunk's rows, into its spans."""
        bad = dict.fromkeys(self._encoded, 0)
        for kept in self.kept:
            bad[kept.source] += 1
        for span in intake.taken():
            fates = span.fates
            fates.quarantined = bad[span.source]
            fates.read = self._encoded[span.source] + fates.quarantined
            found: Mapping[str, int] = merged.fates[span.source] if merged else {"loaded": self._encoded[span.source]}
            fates.loaded = found.get("loaded", 0)
            fates.superseded = found.get("superseded", 0)
            fates.duplicate = found.get("duplicate", 0)
            if merged:
                span.replaced = dict(merged.replaced[span.source])


def _time(milliseconds: int) -> str:
    """A message's own time as SQL."""
    within = min(max(milliseconds, 0), chunk.LATEST)
    return datetime.fromtimestamp(within // 1000, UTC).replace(microsecond=within % 1000 * 1000).isoformat()


__all__ = ["Judge", "Portion", "Sub", "sub"]
