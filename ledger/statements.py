"""Named SQL: `sql("lease.take")` is the block after `-- name: take` in lease.sql, read at its first use."""

from functools import cache
from pathlib import Path
from typing import LiteralString

from psycopg import sql as compose

HERE = Path(__file__).parent


@cache
def sql(name: str) -> LiteralString:
    """The text of one statement, values as %(name)s. KeyError when there is none."""
    file, _, statement = name.partition(".")
    return _blocks(file)[statement]


def with_names(name: str, **names: compose.Composable) -> compose.Composed:
    """A statement whose {names} of tables and columns are filled in, quoted by the driver."""
    return compose.SQL(sql(name)).format(**names)


@cache
def _blocks(file: str) -> dict[str, LiteralString]:
    blocks = (HERE / f"{file}.sql").read_text(encoding="utf-8").split("-- name: ")[1:]
    named = (block.split("\n", 1) for block in blocks)
    return {title.strip(): body.strip() for title, body in named}
