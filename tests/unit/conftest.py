"""A local player of documents, for the tests of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.argo import player
from local.argo.player import Player
from local.argo.workflow import Event
from local.servers.process import Processes
from played import CONFIGURATION, Document, Play


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Make a player of documents; it has left nothing behind when the test is over."""
    with Processes() as processes:
        made: list[Player] = []

        def of(
            *documents: Document, on_event: Callable[[Event], None] = lambda _: None, history: int = player.HISTORY
        ) -> Player:
            made.append(Player(processes, documents, CONFIGURATION, tmp_path, on_event, backoff=0.01, history=history))
            return made[-1].__enter__()

        yield of
        for each in made:
            each.__exit__()
