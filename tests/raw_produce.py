"""Writes record batches byte by byte: what a C client may write, and confluent-kafka's producer may not."""

from __future__ import annotations

import socket
import struct
import time
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Headers = Sequence[tuple[bytes, bytes]]


PRODUCE, VERSION, GZIP = 0, 3, 1
UNKNOWN_PARTITION, NOT_LEADER = 3, 6


def produce(kafka: str, topic: str, batch: bytes, partition: int = 0) -> int:
    """Write one record batch; the offset of its first record. A new partition has a leader a moment later."""
    deadline = time.monotonic() + 10
    while True:
        error, offset = _produce(kafka, topic, batch, partition)
        if error == 0:
            return offset
        assert error in (UNKNOWN_PARTITION, NOT_LEADER), f"Kafka refused the batch: error {error}"
        assert time.monotonic() < deadline, "the partition has no leader"
        time.sleep(0.05)


def _produce(kafka: str, topic: str, batch: bytes, partition: int) -> tuple[int, int]:
    name = struct.pack(">h", len(topic)) + topic.encode()
    data = struct.pack(">ii", partition, len(batch)) + batch
    body = struct.pack(">hhi", -1, 1, 10_000) + struct.pack(">i", 1) + name + struct.pack(">i", 1) + data
    header = struct.pack(">hhih", PRODUCE, VERSION, 1, -1)
    host, port = kafka.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as wire:
        wire.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
        answer = _read(wire, struct.unpack(">i", _read(wire, 4))[0])
    error, offset = struct.unpack_from(">hq", answer, 4 + 4 + len(name) + 4 + 4)
    return int(error), int(offset)


def batch(records: Sequence[bytes], attributes: int = 0, packed: bytes | None = None) -> bytes:
    """A record batch (magic 2) of records as `record` makes them; `packed`: their bytes, compressed by the caller."""
    now = int(time.time() * 1000)  # an older one is retention's, at its next look
    after_crc = struct.pack(">hiqqqhii", attributes, len(records) - 1, now, now, -1, -1, -1, len(records)) + (
        b"".join(records) if packed is None else packed
    )
    after_length = struct.pack(">ibI", -1, 2, crc32c(after_crc)) + after_crc
    return struct.pack(">qi", 0, len(after_length)) + after_length


def record(number: int, value: bytes, key: bytes | None = None, headers: Headers = ()) -> bytes:
    """One record; `number` is its place in the batch. A header's name is whatever bytes are given."""
    body = b"\x00" + _varint(0) + _varint(number) + _sized(key) + _sized(value) + _varint(len(headers))
    body += b"".join(_sized(name) + _sized(said) for name, said in headers)
    return _varint(len(body)) + body


def gzipped(records: Iterable[bytes]) -> bytes:
    """Compressed one by one, so that a batch that is huge when it is unpacked is never whole here."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(each) for each in records), packer.flush()])


def _sized(data: bytes | None) -> bytes:
    return _varint(-1) if data is None else _varint(len(data)) + data


def _varint(number: int) -> bytes:
    """Zigzag, seven bits a byte."""
    rest, out = (number << 1) ^ (number >> 63), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # noqa: PLW2901 -- shifted bit by bit
        table.append(value)
    return table


TABLE = _table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _read(wire: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        some = wire.recv(size - len(found))
        assert some, "Kafka closed the connection"
        found += some
    return found
