"""Without a cluster: play the templates here, or show the whole way from a request to rows."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.errors import Misconfigured
from steps.run import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.world import World

ROOT = Path(__file__).parents[1]
ADDRESS = re.compile(r"http://\S+/sign-in\S+")
Folder = Annotated[Path, typer.Option(help="Where Kafka and PostgreSQL keep their data.", file_okay=False)]
Partner = Annotated[
    bool, typer.Option("--simulate/--real", help="Simulate each partner that has a simulator, or call the real ones.")
]
Board = Annotated[bool, typer.Option("--board", help="Serve the board too: open the address that is printed.")]
Days = Annotated[str, typer.Option(help="So many TARGET days up to 2026-10-30, or all (7,126 since 1999).")]


def play(folder: Folder = Path(".local"), *, simulate: Partner = True, board: Board = False) -> None:
    """Play feedfall here, without a cluster, until Ctrl-C: crons tick, the doorbell rings, Argo's API answers."""
    from local.world import run_local  # noqa: PLC0415 -- only this command needs the local extra

    beside = serve_board if board else nullcontext
    sys.exit(run_local(folder, settings.packages(os.environ), say=typer.echo, simulate=simulate, beside=beside))


@contextmanager
def serve_board(here: World) -> Iterator[None]:
    """The board of this world, as a process of its own: the address that signs in is printed."""
    from local.servers.process import Processes, free_port  # noqa: PLC0415 -- likewise

    log, port = here.folder / "board.log", free_port()
    environ = {**os.environ, **here.environ, "PYTHONUNBUFFERED": "1"}
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    log.unlink(missing_ok=True)
    log.touch(0o600)  # its addresses let whoever reads them in
    with Processes() as processes:
        child = processes.start(
            [sys.executable, "-m", "cli", "serve", "--board", f"--port={port}"], env=environ, cwd=here.folder, log=log
        )
        while child.poll() is None and not (found := ADDRESS.findall(log.read_text(encoding="utf-8"))):
            time.sleep(0.1)
        if child.poll() is not None:
            raise Misconfigured(f"the board ended: {log.read_text(encoding='utf-8')[-500:]}")
        typer.echo(f"The board: {found[-1]}   (for one browser; {log} has the next address)")
        yield


def demo(days: Days = "250") -> None:
    """Show the whole way, from a request to rows, on real Kafka and PostgreSQL, in less than a minute."""
    from local import demo as story  # noqa: PLC0415 -- only this command needs the local extra

    if days != "all" and not (days.isdecimal() and 1 <= int(days) <= 7126):  # noqa: PLR2004 -- said in the message
        raise typer.BadParameter("give a number from 1 to 7126, or all", param_hint="--days")
    with tempfile.TemporaryDirectory(prefix="feedfall-demo-") as folder:
        try:
            story.demo(Path(folder), None if days == "all" else int(days), typer.echo)
        except story.Stuck as error:
            typer.echo(str(error), err=True)
            sys.exit(1)
