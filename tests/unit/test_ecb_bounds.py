"""Documents made to cost memory or time: each is Malformed with a sentence, and costs no more than a few megabytes."""

import struct
from collections.abc import Callable
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from catalog.partner import Malformed
from feeds.partners.ecb_documents import DAILY, HISTORY, LAST_90_DAYS, MAX_BYTES, read
from memory import peak_below

MB = 2**20
HEAD = (
    b'<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" '
    b'xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><Cube>'
)
FOOT = b"</Cube></gesmes:Envelope>"


def filled(unit: bytes, size: int = 8 * MB) -> bytes:
    """Our envelope, filled with one thing up to almost so many bytes."""
    return HEAD + unit * ((size - len(HEAD) - len(FOOT)) // len(unit)) + FOOT


def numbered(form: str, count: int) -> bytes:
    return "".join(form.format(number) for number in range(count)).encode()


def packed(csv: bytes) -> bytes:
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("eurofxref-hist.csv", csv)
    return file.getvalue()


def crowded(names: int) -> bytes:
    """A zip whose directory lists one small file so many times."""
    once = packed(b"Date,USD,\n2026-11-20,1.1,\n")
    start, end = once.index(b"PK\x01\x02"), once.index(b"PK\x05\x06")
    directory = once[start:end] * names
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, names % 2**16, names % 2**16, len(directory), start, 0)
    return once[:start] + directory + tail


XML: dict[str, Callable[[], bytes]] = {
    "two million elements": lambda: filled(b"<a/>"),
    "a million fixings": lambda: filled(b"<Cube time=''/>"),
    "elements with attributes": lambda: filled(b'<a a="" b="" c=""/>'),
    "nesting": lambda: HEAD + b"<a>" * 1_000_000 + b"</a>" * 1_000_000 + FOOT,
    "one element of a million attributes": lambda: HEAD + b"<a " + numbered('a{}="" ', 600_000) + b"/>" + FOOT,
    "one attribute of 7 MB": lambda: HEAD + b'<a b="' + b"x" * 7 * MB + b'"/>' + FOOT,
    "one name of 7 MB": lambda: HEAD + b"<" + b"x" * 7 * MB + b"/>" + FOOT,
    "one comment of 7 MB": lambda: HEAD + b"<!--" + b"x" * 7 * MB + b"-->" + FOOT,
    "a name a namespace of 60 kB": lambda: (
        HEAD + b'<a:b xmlns:a="' + b"x" * 60_000 + b'">' + numbered("<a:c{}/>", 9_000) + b"</a:b>" + FOOT
    ),
    "a million names": lambda: HEAD + numbered("<a{}/>", 700_000) + FOOT,
}


@pytest.mark.parametrize("case", XML)
@pytest.mark.parametrize("name", [DAILY, LAST_90_DAYS])
def test_xml__made_to_cost_memory_is_malformed(case: str, name: str) -> None:
    document = XML[case]()
    assert len(document) <= MAX_BYTES
    with peak_below(24 * MB):
        found = read(name, document)
    assert isinstance(found, Malformed), case
    assert "ValueError" in found.reason


def test_xml__of_text_alone_holds_no_rates() -> None:
    with peak_below(24 * MB):
        assert read(DAILY, filled(b"text ")) == Malformed(f"{DAILY}: no rates in it")


CSV: dict[str, tuple[Callable[[], bytes], str]] = {
    "600,000 columns": (lambda: b"Date," + numbered("C{},", 600_000) + b"\n", "600,002 columns"),
    "8 million empty columns": (lambda: b"Date" + b"," * (8 * MB - 10) + b"\n", "columns, and 200 are allowed"),
    "a line of 8 million columns": (
        lambda: b"Date,USD,\n2026-11-20" + b"," * (8 * MB - 40),
        "8,388,569 columns",
    ),
    "8 million lines": (lambda: b"Date,USD,\n" + b"\n" * (8 * MB - 10), "lines, and 20,000 are allowed"),
    "a bomb": (lambda: b"Date,USD,\n" + b"0" * 512 * MB, "more than 8,388,608 bytes unpacked"),
}


@pytest.mark.parametrize("case", CSV)
def test_history__made_to_cost_memory_is_malformed(case: str) -> None:
    make, said = CSV[case]
    document = packed(make())
    with peak_below(32 * MB):
        found = read(HISTORY, document)
    assert isinstance(found, Malformed), case
    assert said in found.reason


def test_history__of_more_rates_than_ever_was_is_malformed() -> None:
    lines = b"".join(b"%04d-%02d-%02d," % (y, m, d) + b"1," * 198 + b"\n" for y, m, d in days(18_000))
    document = packed(b"Date," + numbered("C{},", 198) + b"\n" + lines)
    with peak_below(128 * MB):
        found = read(HISTORY, document)
    assert isinstance(found, Malformed)
    assert "more than 600,000 rates" in found.reason


def test_history__of_a_hundred_thousand_names_is_malformed() -> None:
    document = crowded(90_000)
    with peak_below(16 * MB):
        found = read(HISTORY, document)
    assert isinstance(found, Malformed)
    assert "90,000 files" in found.reason


def days(count: int) -> list[tuple[int, int, int]]:
    return [(1900 + n // 336, n // 28 % 12 + 1, n % 28 + 1) for n in range(count)]
