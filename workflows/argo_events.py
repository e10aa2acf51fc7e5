"""Argo Events' three custom resources, typed: here an unknown field is a TypeError. `doorbell.py` fills them in.

The CRDs accept any field without an error, and hera's models drop a misspelt one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

Document = dict[str, Any]


USER = 10002


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    drop: tuple[str, ...] = ("ALL",)


@dataclass(frozen=True, kw_only=True)
class Seccomp:
    type: str = "RuntimeDefault"


@dataclass(frozen=True, kw_only=True)
class ContainerSecurity:
    """What Pod Security `restricted` wants of a container, and a read-only root where the image allows it."""

    allow_privilege_escalation: bool = False
    capabilities: Capabilities = Capabilities()
    read_only_root_filesystem: bool | None = None


@dataclass(frozen=True, kw_only=True)
class PodSecurity:
    run_as_non_root: bool = True
    run_as_user: int = USER
    run_as_group: int = USER
    fs_group: int | None = None
    seccomp_profile: Seccomp = Seccomp()


@dataclass(frozen=True, kw_only=True)
class Amounts:
    cpu: str | None = None
    memory: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resources:
    requests: Amounts
    limits: Amounts


@dataclass(frozen=True, kw_only=True)
class ContainerTemplate:
    """A container of the bus: it takes no environment."""

    resources: Resources
    security_context: ContainerSecurity = ContainerSecurity()


@dataclass(frozen=True, kw_only=True)
class Variable:
    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Container:
    resources: Resources
    security_context: ContainerSecurity
    env: tuple[Variable, ...]


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Waits `duration`, then `factor` times longer each time; `steps` attempts in all."""

    duration: str
    factor: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class Template:
    """The pod of an EventSource or a Sensor."""

    service_account_name: str
    container: Container
    security_context: PodSecurity = PodSecurity()


@dataclass(frozen=True, kw_only=True)
class JetStream:
    version: str
    replicas: int
    stream_config: str
    max_payload: str
    settings: str
    container_template: ContainerTemplate
    reloader_container_template: ContainerTemplate
    metrics_container_template: ContainerTemplate
    security_context: PodSecurity


@dataclass(frozen=True, kw_only=True)
class EventBus:
    jetstream: JetStream


@dataclass(frozen=True, kw_only=True)
class ConsumerGroup:
    group_name: str
    oldest: bool = True
    """A new group reads its topic from the beginning; otherwise the first messages of a feed would not ring."""
    rebalance_strategy: str = "range"


@dataclass(frozen=True, kw_only=True)
class Kafka:
    url: str
    topic: str
    version: str
    consumer_group: ConsumerGroup
    config: str
    json_body: bool
    connection_backoff: Backoff


@dataclass(frozen=True, kw_only=True)
class SecretKey:
    name: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Tls:
    ca_cert_secret: SecretKey


@dataclass(frozen=True, kw_only=True)
class Sasl:
    mechanism: str
    user_secret: SecretKey
    password_secret: SecretKey


@dataclass(frozen=True, kw_only=True)
class Calendar:
    interval: str


@dataclass(frozen=True, kw_only=True)
class EventSource:
    event_bus_name: str
    template: Template
    kafka: Mapping[str, Kafka]
    calendar: Mapping[str, Calendar]


@dataclass(frozen=True, kw_only=True)
class Dependency:
    name: str
    event_source_name: str
    event_name: str


@dataclass(frozen=True, kw_only=True)
class ParameterSource:
    dependency_name: str
    context_key: str


@dataclass(frozen=True, kw_only=True)
class Parameter:
    src: ParameterSource
    dest: str


@dataclass(frozen=True, kw_only=True)
class Resource:
    """An object of another API, written as it is there."""

    resource: Document


@dataclass(frozen=True, kw_only=True)
class K8s:
    operation: str
    source: Resource
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, kw_only=True)
class TriggerTemplate:
    name: str
    conditions: str
    k8s: K8s


@dataclass(frozen=True, kw_only=True)
class Trigger:
    template: TriggerTemplate
    retry_strategy: Backoff
    at_least_once: bool = True
    """Without it an event is acknowledged before it has started anything, and `retry_strategy` does nothing."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    event_bus_name: str
    template: Template
    dependencies: tuple[Dependency, ...]
    triggers: tuple[Trigger, ...]


def to_manifest(value: object) -> Any:  # noqa: ANN401 -- what YAML can hold
    """Return a builder in its manifest's form: names in camelCase, fields that are None left out."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {_camel(name): to_manifest(part) for name, part in pairs if part is not None}
    if isinstance(value, Mapping):
        return {name: to_manifest(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_manifest(part) for part in value]
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
