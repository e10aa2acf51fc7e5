"""/metrics of a real ledger's desk, as a process: `python tests/serve_desk_metrics.py PORT FEED…`, until SIGTERM."""

from __future__ import annotations

import os
import sys

from bank import PACKAGES
from catalog import find
from operate.desk.read import Reader
from service.desk_side import desk_side
from service.repeated import Repeated
from service.server import Endpoint, Limits, listen, run


def main(port: int, names: list[str]) -> None:
    feeds = [find.load(name, PACKAGES) for name in names]
    desk = Repeated(Reader(feeds).read, 1, "desk")
    with desk.follow(), desk_side(lambda: desk.newest, feeds, os.environ, every=1) as app:
        run(Endpoint(app, listen("127.0.0.1", port, Limits()), Limits()), None)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
