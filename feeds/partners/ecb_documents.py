"""Reads the ECB's documents: XML of one or 90 days, and a zip with the CSV of all days.

A document comes from outside, so nothing in it decides how much memory it takes: bytes, elements, depth, names, lines,
columns and rates each have a limit far above the ECB's own. A document that exceeds one is Malformed.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from datetime import date
from io import BytesIO
from xml.etree import ElementTree as ET
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from catalog.partner import Malformed

DAILY, LAST_90_DAYS, HISTORY = "eurofxref-daily.xml", "eurofxref-hist-90d.xml", "eurofxref-hist.zip"
MAX_BYTES = 8 * 2**20
"""No document is larger, packed or unpacked: the history is 1.9 MB of CSV in 2026."""
MAX_ELEMENTS, MAX_DEPTH = 10_000, 8
"""90 days are 2,000 elements, four deep."""
MAX_TAG = 1_000
"""Characters of an element's name and attributes together."""
FEED, MAX_SILENCE = 4_096, 16_384
"""Bytes that expat gets at once, and bytes of which it may make nothing: it stores the whole of what has no end yet."""
MAX_LINES, MAX_COLUMNS, MAX_RATES, MAX_FILES = 20_000, 200, 600_000, 16
"""7,126 days of 41 currencies in 2026; a zip has one file, and the marks of a few more may occur by chance."""

GESMES = "{http://www.gesmes.org/xml/2002-08-01}"
EUROFXREF = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}"
ENVELOPE, CUBE = f"{GESMES}Envelope", f"{EUROFXREF}Cube"
FIXING, RATE = [ENVELOPE, CUBE, CUBE], [ENVELOPE, CUBE, CUBE, CUBE]
NO_RATE = "N/A"
UNREADABLE = (
    *(ET.ParseError, BadZipFile, zlib.error, struct.error, EOFError),
    *(ValueError, LookupError, OverflowError, RuntimeError),
)

Document = Mapping[date, Mapping[str, str]]
"""Fixing day → currency → rate, as it was written."""
Fixing = tuple[date, dict[str, str]]


def read(name: str, body: bytes) -> Document | Malformed:
    """Read a document by its name."""
    try:
        if len(body) > MAX_BYTES:
            return Malformed(f"{name}: more than {MAX_BYTES:,} bytes")
        fixings = from_zip(body) if name == HISTORY else from_xml(body)
        return {day: rates for day, rates in fixings if rates} or Malformed(f"{name}: no rates in it")
    except UNREADABLE as error:
        return Malformed(f"{name}: {type(error).__name__}: {error}"[:300])


def from_xml(body: bytes) -> list[Fixing]:
    """Read XML. Raises one of UNREADABLE."""
    target = _Fixings()
    parser = ET.XMLParser(target=target)  # noqa: S314 -- no DOCTYPE, no entities, and no tree
    heard = 0
    for start in range(0, len(body), FEED):
        events = target.events
        parser.feed(body[start : start + FEED])
        heard = start if target.events > events else heard
        if start - heard > MAX_SILENCE:
            raise ValueError(f"more than {MAX_SILENCE:,} bytes without an end of a tag")
    parser.close()
    return target.fixings


class _Fixings:
    """What expat calls while it reads: collects fixings and builds no tree."""

    def __init__(self) -> None:
        self.fixings: list[Fixing] = []
        self.events = 0
        self._elements, self._path = 0, list[str]()

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002 -- expat's signature
        """Called where a DOCTYPE begins, before an entity in it counts."""
        raise ValueError(f"a DOCTYPE ({name}), which the ECB's documents do not have")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.events += 1
        self._elements += 1
        self._path.append(tag)
        self._check(tag, attributes)
        if self._path == FIXING:
            self.fixings.append((date.fromisoformat(attributes["time"]), {}))
        elif self._path == RATE:
            self.fixings[-1][1][attributes["currency"]] = attributes["rate"]

    def end(self, tag: str) -> None:  # noqa: ARG002 -- likewise
        self.events += 1
        self._path.pop()

    def data(self, text: str) -> None:  # noqa: ARG002 -- likewise
        self.events += 1

    def comment(self, text: str) -> None:  # noqa: ARG002 -- likewise
        self.events += 1

    def close(self) -> None:
        """Nothing: `fixings` is the result."""

    def _check(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(tag) + sum(len(name) + len(value) for name, value in attributes.items()) > MAX_TAG:
            raise ValueError(f"an element of more than {MAX_TAG:,} characters: {tag[:60]}")
        if self._path[0] != ENVELOPE:
            raise ValueError(f"{tag} where gesmes:Envelope should be")
        if self._elements > MAX_ELEMENTS:
            raise ValueError(f"more than {MAX_ELEMENTS:,} elements")
        if len(self._path) > MAX_DEPTH:
            raise ValueError(f"elements nested more than {MAX_DEPTH} deep")


def from_zip(body: bytes) -> Iterator[Fixing]:
    """Read the zip's CSV. Raises one of UNREADABLE."""
    csv = _unpack(body)
    lines = csv.count(b"\n")
    if lines > MAX_LINES:
        raise ValueError(f"{lines:,} lines, and {MAX_LINES:,} are allowed")
    header, *rest = BytesIO(csv) if csv else [b""]
    first, *currencies = _fields(header)
    if first != "Date":
        raise ValueError(f"a first column {first[:60]!r} where Date should be")
    count = 0
    for line in rest:
        day, *rates = _fields(line)
        count += len(rates)
        if count > MAX_RATES:
            raise ValueError(f"more than {MAX_RATES:,} rates")
        pairs = zip(currencies, rates, strict=True)  # the last column has no name and no values
        yield date.fromisoformat(day), {currency: rate for currency, rate in pairs if currency and rate != NO_RATE}


def _unpack(body: bytes) -> bytes:
    files = body.count(b"PK\x01\x02")  # zipfile makes an object of each before it can be asked how many
    if files > MAX_FILES:
        raise ValueError(f"a zip of {files:,} files")
    with ZipFile(BytesIO(body)) as archive:
        packed = archive.infolist()[0]
        if packed.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ValueError(f"packed by method {packed.compress_type}")
        with archive.open(packed) as file:
            csv = file.read(MAX_BYTES + 1)
    if len(csv) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES:,} bytes unpacked")
    return csv


def _fields(line: bytes) -> list[str]:
    count = line.count(b",") + 1
    if count > MAX_COLUMNS:
        raise ValueError(f"{count:,} columns, and {MAX_COLUMNS} are allowed")
    return line.decode("ascii").rstrip("\r\n").split(",")
