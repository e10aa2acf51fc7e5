"""Kafka and PostgreSQL, with their settings, as processes of this machine. Pods and tests use the same two servers."""

import shutil
import subprocess
from pathlib import Path

from parts.processes import start
from parts.settings import HOME, HOST
from parts.shell import sh


def start_kafka(state):
    data = state / "kafka-data"
    (HOME / "kafka.properties").write_text(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:9092,POD://{HOST}:9094,CONTROLLER://127.0.0.1:9093
advertised.listeners=PLAINTEXT://127.0.0.1:9092,POD://kafka.rig.svc:9092
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,POD:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
""")
    java = ["java", "-Xmx512m", "-cp", f"{HOME}/kafka/*"]
    sh(*java, "kafka.tools.StorageTool", "format", "-t", "cmlnLWthZmthLWNsdXN0ZQ", "-c", HOME / "kafka.properties",
       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    start("kafka", *java, "kafka.Kafka", HOME / "kafka.properties")


def start_postgres(state):
    data = state / "postgres"
    data.mkdir(parents=True)
    shutil.chown(data, "postgres", "postgres")
    for folder in (HOME, state, *HOME.parents):
        if folder.is_relative_to(Path.home()):
            folder.chmod(folder.stat().st_mode | 0o011)
    tools = sorted(Path("/usr/lib/postgresql").iterdir())[-1] / "bin"
    password = HOME / "pgpass"
    password.write_text("rig")
    password.chmod(0o644)
    sh(tools / "initdb", "-D", data, "-U", "rig", "-A", "scram-sha-256", f"--pwfile={password}", user="postgres",
       stdout=subprocess.DEVNULL, cwd="/")
    with open(data / "pg_hba.conf", "a") as file:
        file.write("host all all 10.42.0.0/16 scram-sha-256\n")
    start("postgres", tools / "postgres", "-D", data, "-c", f"listen_addresses={HOST},127.0.0.1", "-c", "port=5433",
          "-c", f"unix_socket_directories={data}", user="postgres")
