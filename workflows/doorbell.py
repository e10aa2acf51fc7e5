"""The doorbell: Argo Events' three objects, which start a drain when a message lands. Rendered into `argo-events/`.

    topic ──EventSource──▶ EventBus ──Sensor: `fx && tick`──▶ creates a Workflow from a template of `argo-workflows/`

It may lose, double and delay messages: the pod reads the topic itself, and the sweep finds what did not ring. So the
only thing that it passes on is that something arrived.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from catalog import Feed
from workflows.argo_events import (
    USER,
    Amounts,
    Backoff,
    Calendar,
    ConsumerGroup,
    Container,
    ContainerSecurity,
    ContainerTemplate,
    Dependency,
    Document,
    EventBus,
    EventSource,
    JetStream,
    K8s,
    Kafka,
    Parameter,
    ParameterSource,
    PodSecurity,
    Resource,
    Resources,
    Sasl,
    SecretKey,
    Sensor,
    Template,
    Tls,
    Trigger,
    TriggerTemplate,
    Variable,
    to_manifest,
)

NAME = "feedfall"
SENSOR, SOURCE = "feedfall-doorbell", "feedfall-listener"
"""Service accounts; `rights.py` says what each may do."""

TICK = "2s"
"""A single message starts a run at once; all that follow within one tick start one more run together."""

BOOTSTRAP = "kafka:9092"
"""The address at which the EventSource finds Kafka: `deploy/` replaces it with the cluster's own."""

NATS = "2.10.29"
"""One of the versions that the controller's own ConfigMap of Argo Events v1.9.11 names; never `latest`."""

KAFKA = "2.8.0"
"""The protocol version that sarama speaks: Kafka 4 answers no version before 2.1."""

SARAMA = "consumer:\n  isolationLevel: 1\n"
"""Committed records only: otherwise it rings before the rows are visible. For sarama 1 is ReadCommitted."""


@dataclass(frozen=True)
class Bell:
    """A topic that rings for a drain; `json` is true where feedfall itself writes every value on it, as JSON."""

    feed: str
    stage: str
    topic: str
    json: bool
    largest: int

    @property
    def name(self) -> str:
        return f"{self.feed}-{self.stage}"


def documents(feeds: Sequence[Feed], prefix: str = "") -> dict[str, Document]:
    """Return the three objects, by their kind; `prefix` stands before every topic's name."""
    topics = bells(feeds, prefix)
    specs = (bus(topics), source(topics), sensor(topics))
    return {type(spec).__name__: _object(spec) for spec in specs}


def address(feeds: Sequence[Feed]) -> Document:
    """Return a kustomize component that replaces BOOTSTRAP with the address of Kafka in ConfigMap feedfall.

    kustomize has no wildcard for a map's keys; with this file, adding a feed changes no overlay.
    """
    return {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "replacements": [
            {
                "source": {"kind": "ConfigMap", "name": NAME, "fieldPath": "data.kafka-bootstrap-servers"},
                "targets": [
                    {
                        "select": {"kind": "EventSource", "name": NAME},
                        "fieldPaths": [f"spec.kafka.{bell.name}.url" for bell in bells(feeds)],
                    }
                ],
            }
        ],
    }


def sasl_ssl(feeds: Sequence[Feed]) -> Document:
    """Return a kustomize component that makes the EventSource use TLS and SASL, with the pods' own Secrets."""
    kafka = "feedfall-kafka"
    secured = {
        "tls": to_manifest(Tls(ca_cert_secret=SecretKey(name="feedfall-ca", key="kafka.pem"))),
        "sasl": to_manifest(
            Sasl(
                mechanism="SCRAM-SHA-512",
                user_secret=SecretKey(name=kafka, key="KAFKA_SASL_USERNAME"),
                password_secret=SecretKey(name=kafka, key="KAFKA_SASL_PASSWORD"),
            )
        ),
    }
    spec = {"kafka": {bell.name: secured for bell in bells(feeds)}}
    patch = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "EventSource",
        "metadata": {"name": NAME},
        "spec": spec,
    }
    return {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "patches": [{"patch": json.dumps(patch)}],
    }


def bells(feeds: Sequence[Feed], prefix: str = "") -> list[Bell]:
    """Return which topic rings for which drain."""
    topics = []
    for feed in feeds:
        if feed.partner:
            topic = feed.topic("request", prefix)
            topics.append(Bell(feed.name, "relay", topic, feed.request is None, 0))
        outside = 0 if feed.rings else feed.max_message
        topics.append(Bell(feed.name, "sub", feed.topic(feed.bell, prefix), feed.rings, outside))
    return topics


def bus(bells: Sequence[Bell]) -> EventBus:
    small = ContainerTemplate(resources=_resources("10m", "16Mi", "64Mi"))
    return EventBus(
        jetstream=JetStream(
            version=NATS,
            replicas=3,
            # retention 1, Interest: a message that was delivered is deleted. discard 1, New: a full stream refuses new
            # messages, and the EventSource keeps its offset. The defaults silently delete the oldest unread message.
            stream_config="maxMsgs: 50000\nmaxAge: 72h\nreplicas: 3\nduplicates: 300s\nretention: 1\ndiscard: 1\n",
            max_payload=f"{payload(bells)}MB",
            settings="max_memory_store: 64MB\nmax_file_store: 1GB\n",
            container_template=ContainerTemplate(resources=_resources("50m", "64Mi", memory(bells))),
            reloader_container_template=small,
            metrics_container_template=small,
            security_context=PodSecurity(fs_group=USER),
        )
    )


def payload(bells: Sequence[Bell]) -> int:
    """Return the bus's limit in MB. A larger message is refused for ever, and its partition never rings again.

    The body of an outside message travels as base64, which is a third larger, with its headers beside it.
    """
    return max(8, -(-max((bell.largest for bell in bells), default=0) * 3 // (2 * 2**20)))


def memory(bells: Sequence[Bell]) -> str:
    """Return a memory limit: a pod of the doorbell holds several copies of a large message."""
    return f"{128 + 24 * payload(bells)}Mi"


def source(bells: Sequence[Bell]) -> EventSource:
    return EventSource(
        event_bus_name=NAME,
        template=Template(service_account_name=SOURCE, container=_container(bells)),
        kafka={bell.name: _kafka(bell) for bell in bells},
        calendar={"tick": Calendar(interval=TICK)},
    )


def _kafka(bell: Bell) -> Kafka:
    return Kafka(
        url=BOOTSTRAP,
        topic=bell.topic,
        version=KAFKA,
        # A group of its own. Drains have no group for this: their checkpoints are in the database.
        consumer_group=ConsumerGroup(group_name=f"{NAME}-doorbell-{bell.name}"),
        config=SARAMA,
        # With jsonBody a value that is not JSON does not ring. So a topic that others write is read as base64.
        json_body=bell.json,
        connection_backoff=Backoff(duration="1s", factor=2, steps=10),
    )


def sensor(bells: Sequence[Bell]) -> Sensor:
    return Sensor(
        event_bus_name=NAME,
        template=Template(service_account_name=SENSOR, container=_container(bells)),
        dependencies=tuple(
            Dependency(name=name, event_source_name=NAME, event_name=name)
            for name in (*(bell.name for bell in bells), "tick")
        ),
        triggers=tuple(_trigger(bell) for bell in bells),
    )


def _trigger(bell: Bell) -> Trigger:
    return Trigger(
        template=TriggerTemplate(
            name=bell.name,
            conditions=f"{bell.name} && tick",
            k8s=K8s(
                operation="create",
                source=Resource(resource=_workflow(bell)),
                # The event's id is the only thing passed on. Never the body: text from outside in a manifest is code.
                parameters=(
                    Parameter(
                        src=ParameterSource(dependency_name=bell.name, context_key="id"),
                        dest="metadata.annotations.feedfall/rang",
                    ),
                ),
            ),
        ),
        # Triggers run one after another, so try for half a minute only; after that the sweep finds the message.
        retry_strategy=Backoff(duration="1s", factor=2, steps=5),
    )


def _workflow(bell: Bell) -> Document:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "generateName": f"{bell.name}-",
            "labels": {"app.kubernetes.io/part-of": NAME, "feedfall/feed": bell.feed, "feedfall/stage": bell.stage},
            "annotations": {"feedfall/rang": ""},
        },
        "spec": {
            "workflowTemplateRef": {"name": bell.name},
        },
    }


def _container(bells: Sequence[Bell]) -> Container:
    return Container(
        resources=_resources("20m", "64Mi", memory(bells)),
        security_context=ContainerSecurity(read_only_root_filesystem=True),
        # At `info` each tick logs a line for each trigger: 40,000 a day, without information.
        env=(Variable(name="LOG_LEVEL", value="error"),),
    )


def _resources(cpu: str, memory: str, limit: str) -> Resources:
    return Resources(requests=Amounts(cpu=cpu, memory=memory), limits=Amounts(memory=limit))


def _object(spec: EventBus | EventSource | Sensor) -> Document:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": type(spec).__name__,
        "metadata": {"name": NAME, "labels": {"app.kubernetes.io/part-of": NAME}},
        "spec": to_manifest(spec),
    }
