"""python -m benchmarks.peers.one_by_one KAFKA URL MESSAGES: a message, a row, two commits, and again."""

from benchmarks.peers.consumer import NAMES, run

INSERT = f"INSERT INTO peer VALUES ({', '.join(['%s'] * len(NAMES))})"

if __name__ == "__main__":
    run(lambda cursor, rows: cursor.execute(INSERT, rows[0]), at_once=1)
