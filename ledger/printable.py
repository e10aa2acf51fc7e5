"""Text that may reach a terminal or a log: which characters are dangerous there, shown harmlessly or refused.

A partner, a file or a request can send ESC, U+009B or a bidirectional mark. A terminal obeys them: it changes colours
or titles, or shows words in another order. `cli/show.py` and the service's log show their escape (`escaped`); a name, a
reason or evidence for the journal must not have them (`check`).
"""

from __future__ import annotations

import re
from unicodedata import category

from ledger.errors import Misconfigured

#: Controls, invisible formats and bidirectional marks, lone surrogates, and the separators that break a line.
DANGEROUS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: What needs no look at its category: printable ASCII and Hangul.
UNUSUAL = re.compile("[^ -~가-힣]")
ASTRAL = 0x10000


class Unprintable(Misconfigured):
    """A name, a reason or evidence has a character that cannot be seen."""


def escaped(text: str, keep: str = "") -> str:
    r"""The text with each dangerous character as \xNN, \n, or \uNNNN; those of `keep` stay."""
    return UNUSUAL.sub(lambda found: found[0] if found[0] in keep else _plain(found[0]), text)


def escaped_json(text: str) -> str:
    r"""JSON with each dangerous character as \uNNNN: the same document, and harmless. Line ends stay."""
    return UNUSUAL.sub(lambda found: found[0] if found[0] == "\n" else _json(found[0]), text)


def check(**texts: str) -> None:
    """Refuse texts with a dangerous character, a line end too. Raises Unprintable, which names the text."""
    for name, text in texts.items():
        bad = next((each[0] for each in UNUSUAL.finditer(text) if category(each[0]) in DANGEROUS), None)
        if bad is not None:
            raise Unprintable(f"{name} has the character U+{ord(bad):04X}, which cannot be seen: leave it out")


def _plain(character: str) -> str:
    if category(character) not in DANGEROUS:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _json(character: str) -> str:
    if category(character) not in DANGEROUS:
        return character
    code = ord(character)
    if code < ASTRAL:
        return f"\\u{code:04x}"
    high, low = divmod(code - ASTRAL, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
