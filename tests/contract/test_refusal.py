"""Why PostgreSQL refuses a connection is told by its SQLSTATE, in whatever language its sentence is."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from bank import Bank
from ledger.database import connect
from ledger.errors import Failure, Misconfigured, Transient
from ledger.refusal import sqlstate

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a server built with Korean messages says (its src/backend/po/ko.po), as the protocol carries it.
KOREAN = [
    ("28P01", '사용자 "pod"의 password 인증을 실패했습니다', Misconfigured),
    ("28000", '호스트 "10.0.0.1", 사용자 "pod", 데이터베이스 "bank"에 대한 설정이 없습니다', Misconfigured),
    ("3D000", '"bank" 데이터베이스 없음', Misconfigured),
    ("42501", '"bank" 데이터베이스 액세스 권한 없음', Misconfigured),
    ("53300", "최대 동시 접속자 수를 초과했습니다.", Transient),
    ("57P03", "데이터베이스 시스템이 새로 가동 중입니다.", Transient),
    ("57P03", "데이터베이스 시스템이 중지 중입니다", Transient),
    ("99999", "모르는 오류", Transient),  # a state that no PostgreSQL has
]


@contextmanager
def refusing(state: str, words: str) -> Iterator[str]:
    """A server that answers each connection with one ErrorResponse."""
    fields = b"".join(
        kind + text.encode() + b"\0"
        for kind, text in ((b"S", "치명적오류"), (b"V", "FATAL"), (b"C", state), (b"M", words))
    )
    answer = b"E" + (len(fields) + 5).to_bytes(4, "big") + fields + b"\0"

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                if len(client.recv(4096)) == SSL_REQUEST:
                    client.sendall(b"N")
                    client.recv(4096)
                client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"postgresql://pod:hidden@127.0.0.1:{server.getsockname()[1]}/bank"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


#: Bytes of the question whether the server speaks TLS.
SSL_REQUEST = 8


@pytest.mark.parametrize(("state", "words", "kind"), KOREAN, ids=[state for state, *_ in KOREAN])
def test_refusal__is_understood_in_korean(state: str, words: str, kind: type[Failure]) -> None:
    with refusing(state, words) as url, pytest.raises(kind, match=re.escape(words)) as caught:
        connect(url, "pod")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "wrong", "state"),
    [
        (r":[^:@]+@", ":guess@", "28P01"),
        (r"/\w+$", "/nothing", "3D000"),
        (r":\d+/", ":1/", None),  # nobody there
        (r"x^", "", None),  # nothing wrong
    ],
)
def test_refusal__of_a_real_server_has_its_sqlstate(bank: Bank, pattern: str, wrong: str, state: str | None) -> None:
    assert sqlstate(re.sub(pattern, wrong, bank.url, count=1)) == state


@pytest.mark.parametrize(
    ("act", "state", "kind"),
    [
        ("ALTER ROLE pod NOLOGIN", "28000", Misconfigured),
        ("REVOKE CONNECT ON DATABASE {name} FROM public", "42501", Misconfigured),
        ("ALTER ROLE pod CONNECTION LIMIT 0", "53300", Transient),
        ("ALTER DATABASE {name} CONNECTION LIMIT 0", "53300", Transient),
    ],
)
def test_refusal__of_a_role_or_a_database(bank: Bank, act: str, state: str, kind: type[Failure]) -> None:
    with psycopg.connect(bank.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE pod LOGIN PASSWORD 'pod'")
        try:
            admin.execute(act.format(name=bank.url.rsplit("/", 1)[1]).encode())
            url = re.sub(r"//[^@]+@", "//pod:pod@", bank.url)
            assert sqlstate(url) == state
            with pytest.raises(kind):
                connect(url, "pod")
        finally:
            admin.execute("DROP OWNED BY pod")
            admin.execute("DROP ROLE pod")
