"""Serves the night of board_desk for a browser: `python tests/serve_board.py PORT`. It prints the one-time token."""

import socket
import sys
from datetime import UTC, datetime

import uvicorn

from board_desk import app_of, board_of, local_sign_in, night
from service.board.html import ZONE


def main(port: int) -> None:
    fixed = datetime.now(ZONE).replace(hour=3, minute=12, second=5, microsecond=0).astimezone(UTC)
    sign_in, printed = local_sign_in()
    board = board_of(lambda _: night(fixed), sign_in, now=lambda: fixed)
    listener = socket.create_server(("127.0.0.1", port))
    print(f"TOKEN {printed[0]}", flush=True)
    uvicorn.Server(uvicorn.Config(app_of(board), log_level="error")).run([listener])


if __name__ == "__main__":
    main(int(sys.argv[1]))
