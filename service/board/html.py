"""Pages out of templates. Whatever comes from outside is text: escaped, made visible, and cut where it is too long.

Every `{{ … }}` goes through `as_text` and then through autoescape: no template can leave it out. A page without a
form is sent compressed and with an ETag; one with a form is neither (a secret beside another's text must not be).
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ledger import printable
from service.board.texts import TABLES, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request

    from service.board.sources import Language

FOLDER = Path(__file__).parent
ZONE, ZONE_NAME = ZoneInfo("Asia/Seoul"), "KST"
LONGEST_TEXT = 2000
"""Characters of one value on a page; how many more there are is said."""
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class File:
    """A file of static/, as it is sent. Its name has its digest: a browser may keep it for ever."""

    kind: str
    body: bytes
    compressed: bytes


class Pages:
    """The templates and the static files, read once."""

    def __init__(self) -> None:
        files = [each for each in sorted((FOLDER / "static").iterdir()) if each.suffix in KINDS]
        self.files = {hashed(each): _file(each) for each in files}
        addresses = {each.name: f"/static/{hashed(each)}" for each in files}
        self._templates = {language: _environment(language) for language in TABLES}
        for each in self._templates.values():
            each.globals.update(static=addresses.__getitem__, path=path, zone=ZONE_NAME)

    def render(self, template: str, language: Language, values: Mapping[str, Any]) -> str:
        """One page in one language."""
        return self._templates[language].get_template(template).render(values)


def _environment(language: Language) -> Environment:
    """The templates of one language."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=partial(as_text, language),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(t=partial(text, language), language=language)
    return made


def as_text(language: Language, value: object) -> object:
    """A value as it may be shown: nothing that hides or turns text, and not too long. Markup is a template's own."""
    if value is None:
        return ""
    if isinstance(value, Markup) or callable(value):
        return value
    whole = str(value)
    shown = printable.escaped(whole[:LONGEST_TEXT], keep="\n")
    return shown + text(language, "cut", number=len(whole) - LONGEST_TEXT) if len(whole) > LONGEST_TEXT else shown


def path(*parts: object, **query: object) -> str:
    """An address of the board: each part and value is quoted."""
    address = "/" + "/".join(quote(str(each), safe="") for each in parts)
    given = [(name, value) for name, value in query.items() if value not in (None, "")]
    return address + ("?" if given else "") + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in given)


def clock(at: datetime | None, now: datetime) -> str:
    """`03:05`; with its date where that is another one than today's. In Korean time."""
    if at is None:
        return ""
    local = at.astimezone(ZONE)
    return f"{local:%H:%M}" if local.date() == now.astimezone(ZONE).date() else f"{local:%m-%d %H:%M}"


def moment(at: datetime | None, now: datetime) -> str:
    """`03:05 KST`, likewise, for a sentence."""
    return f"{clock(at, now)} {ZONE_NAME}" if at else ""


def reply(request: Request, page: str, headers: Mapping[str, str] | None = None) -> Response:
    """A page without a form: with an ETag, or 304, and compressed."""
    body = page.encode()
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    sent = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, HX-Request, Cookie"}
    sent |= headers or {}
    if tag in request.headers.get("if-none-match", "").replace("W/", "").replace(" ", "").split(","):
        return Response(None, 304, sent)
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, sent = gzip.compress(body, 5, mtime=0), {**sent, "Content-Encoding": "gzip"}
    return Response(body, 200, sent, media_type="text/html; charset=utf-8")


def send_file(request: Request, file: File) -> Response:
    """A static file."""
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, 200, {**headers, "Content-Encoding": "gzip"}, media_type=file.kind)
    return Response(file.body, 200, headers, media_type=file.kind)


def hashed(path: Path) -> str:
    """`board.1a2b3c4d5e6f.css`."""
    return f"{path.stem}.{blake2b(path.read_bytes(), digest_size=6).hexdigest()}{path.suffix}"


def _file(path: Path) -> File:
    body = path.read_bytes()
    return File(KINDS[path.suffix], body, gzip.compress(body, 9, mtime=0))
