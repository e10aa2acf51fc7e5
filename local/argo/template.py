"""What a WorkflowTemplate and a CronWorkflow say, as far as the local player plays them. All else is refused by name.

Called by `player` and `clock` with the very documents that `workflows` renders. Values in, values out.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

Document = Mapping[str, Any]
Configuration = Mapping[str, Mapping[str, str]]
"""What stands for the Secrets and ConfigMaps: name → key → value."""
Keys = dict[str, "Keys | None"]
"""Keys that are understood → those below; None: whatever is there, only a cluster looks at it, or it is read here."""


class NotPlayed(ValueError):  # noqa: N818 -- reads as what happened
    """A document asks for something that only a cluster does; the message says what and where."""


def keys(words: str = "", **below: Keys) -> Keys:
    return {**dict.fromkeys(words.split()), **below}


REFERENCE = keys("name key optional")
SOURCE = keys(secretKeyRef=REFERENCE, configMapKeyRef=REFERENCE)
CONTAINER = keys(
    "command args image imagePullPolicy resources securityContext volumeMounts",
    env=keys("name value", valueFrom=SOURCE),
    envFrom=keys(secretRef=REFERENCE, configMapRef=REFERENCE),
)
RETRY = keys("limit expression", backoff=keys("duration factor cap"))
STEP = keys(
    "name activeDeadlineSeconds podSpecPatch securityContext serviceAccountName",
    inputs=keys(parameters=keys("name")),
    container=CONTAINER,
    retryStrategy=RETRY,
    volumes=keys("name emptyDir"),
)
# Several pods side by side: the one form that workflows/pod.py renders.
INDEX = "inputs.parameters.index"
SIDE_BY_SIDE = keys(
    "name",
    steps=keys("name template", withSequence=keys("count"), arguments=keys(parameters=keys("name value"))),
)
SPEC = keys(
    "entrypoint activeDeadlineSeconds podGC podMetadata serviceAccountName ttlStrategy",
    arguments=keys(parameters=keys("name value enum description")),
    workflowMetadata=keys("labels"),
    templates=STEP,
)
CRON = keys(
    "schedules timezone concurrencyPolicy startingDeadlineSeconds successfulJobsHistoryLimit failedJobsHistoryLimit",
    workflowSpec=keys(workflowTemplateRef=keys("name")),
)
PATCH = keys("terminationGracePeriodSeconds enableServiceLinks")

# The one form that workflows/pod.py renders: we read it, we have no engine for any other.
EXPRESSION = re.compile(r"lastRetry\.status == 'Error' \|\| lastRetry\.exitCode in \[('-?\d+'(?:,'-?\d+')*)\]")
VARIABLE = re.compile(r"{{\s*(.*?)\s*}}")
OURS = {"workflow.uid", "workflow.name", "workflow.namespace"}
SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Retry:
    """When an attempt is made again."""

    limit: int = 0
    first: float = 0.0
    factor: float = 1.0
    cap: float = 0.0
    codes: frozenset[str] = frozenset()

    def pauses(self) -> Iterator[float]:
        """Seconds before each attempt: none before the first."""
        yield 0.0
        yield from (min(self.first * self.factor**number, self.cap) for number in range(self.limit))

    def retries(self, status: str, code: str) -> bool:
        return status == "Error" or (status == "Failed" and code in self.codes)


@dataclass(frozen=True)
class Template:
    """One container, its parameters and its limits in seconds. `pods`: how many of it run side by side."""

    name: str
    step: str
    labels: Mapping[str, str]
    parameters: Mapping[str, str]
    enums: Mapping[str, list[str]]
    container: Document
    retry: Retry
    deadline: float | None
    pod_deadline: float | None
    grace: float
    pods: int = 1

    def arguments(self, given: Mapping[str, str]) -> dict[str, str]:
        """All parameters with their values. ValueError for one that the template does not have, or may not be that."""
        for name, value in given.items():
            if name not in self.parameters:
                there = ", ".join(self.parameters) or "none"
                raise ValueError(f"{self.name} has no parameter {name!r}: there are {there}")
            if value not in self.enums.get(name, [value]):
                raise ValueError(f"parameter {name} of {self.name} is one of {self.enums[name]}, not {value!r}")
        return {**self.parameters, **given}

    def command(self, variables: Mapping[str, str]) -> list[str]:
        """Give the command and its arguments; `python` is the interpreter that plays."""
        first, *rest = self.container["command"] + self.container.get("args", [])
        return [sys.executable if first == "python" else first, *(substitute(word, variables) for word in rest)]

    def environment(self, configuration: Configuration, variables: Mapping[str, str]) -> dict[str, str]:
        """The container's environment, as Kubernetes makes it: a name in `env` wins over one from `envFrom`."""
        found: dict[str, str] = {}
        for source in self.container.get("envFrom", []):
            (reference,) = source.values()
            found.update(_found(self.name, configuration, reference) or {})
        for variable in self.container.get("env", []):
            if "valueFrom" not in variable:
                found[variable["name"]] = substitute(variable.get("value", ""), variables)
                continue
            (reference,) = variable["valueFrom"].values()
            if (values := _found(self.name, configuration, reference)) is not None:
                found[variable["name"]] = values[reference["key"]]
        return found


def substitute(text: str, variables: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda found: variables[found[1]], text)


def read_template(document: Document) -> Template:
    """Read a WorkflowTemplate; NotPlayed for the first thing that is not a container run to its end."""
    name, spec = document["metadata"]["name"], document["spec"]
    step, pods = _only_container(name, spec)
    spec = {**spec, "templates": [step]}
    refuse(name, spec, SPEC)
    parameters = spec.get("arguments", {}).get("parameters", [])
    known = OURS | {f"workflow.parameters.{one['name']}" for one in parameters} | ({INDEX} if pods > 1 else set())
    unknown = set(VARIABLE.findall(json.dumps(spec))) - known
    if unknown:
        raise NotPlayed(f"{name}: the local player does not know {{{{{min(unknown)}}}}}")
    patch = json.loads(step.get("podSpecPatch", "{}"))
    refuse(name, patch, PATCH, "podSpecPatch.")
    return Template(
        name=name,
        step=step["name"],
        labels=spec.get("workflowMetadata", {}).get("labels", {}),
        parameters={one["name"]: one.get("value", "") for one in parameters},
        enums={one["name"]: one["enum"] for one in parameters if "enum" in one},
        container=step["container"],
        retry=read_retry(name, step["retryStrategy"]) if "retryStrategy" in step else Retry(),
        deadline=spec.get("activeDeadlineSeconds"),
        pod_deadline=step.get("activeDeadlineSeconds"),
        grace=patch.get("terminationGracePeriodSeconds", 30),
        pods=pods,
    )


def _only_container(name: str, spec: Document) -> tuple[Document, int]:
    """The one container of a template, and how many pods of it are started side by side."""
    *before, step = spec["templates"]
    first, pods = step, 1
    if len(before) == 1 and "steps" in before[0]:
        first = before[0]
        refuse(name, first, SIDE_BY_SIDE, "spec.templates.")
        [[started]] = first["steps"]
        pods = int(started["withSequence"]["count"]) if started["template"] == step["name"] else 0
    is_one = first is spec["templates"][0] and first["name"] == spec["entrypoint"] and pods > 0
    if not is_one or not step.get("container", {}).get("command"):
        raise NotPlayed(
            f"{name}: the local player wants exactly one template, the entrypoint, with a command, or pods of it"
        )
    return step, pods


def read_retry(name: str, strategy: Document) -> Retry:
    form = EXPRESSION.fullmatch(strategy.get("expression", ""))
    if not form or "limit" not in strategy or set(strategy.get("backoff", {})) != {"duration", "factor", "cap"}:
        raise NotPlayed(
            f"{name}: the local player knows only the retryStrategy that workflows/pod.py writes: {strategy}"
        )
    backoff = strategy["backoff"]
    first, cap = (_seconds(name, backoff[each]) for each in ("duration", "cap"))
    codes = frozenset(form[1].replace("'", "").split(","))
    return Retry(int(strategy["limit"]), first, float(backoff["factor"]), cap, codes)


@dataclass(frozen=True)
class Cron:
    """A CronWorkflow: when which template is started. `patience`: seconds in which a missed start is caught up."""

    name: str
    template: str
    schedules: tuple[str, ...]
    zone: ZoneInfo
    patience: float

    def after(self, moment: datetime) -> datetime:
        """Find the next time it is due, in its own zone."""
        found: datetime = min(next(CronSim(schedule, moment.astimezone(self.zone))) for schedule in self.schedules)
        return found


def read_cron(document: Document) -> Cron:
    name, spec = document["metadata"]["name"], document["spec"]
    refuse(name, spec, CRON)
    if spec.get("concurrencyPolicy") != "Forbid":
        raise NotPlayed(f"{name}: the local player knows only concurrencyPolicy Forbid")
    cron = Cron(
        name,
        spec["workflowSpec"]["workflowTemplateRef"]["name"],
        tuple(spec["schedules"]),
        ZoneInfo(spec.get("timezone") or "UTC"),
        max(spec.get("startingDeadlineSeconds") or 0, 10),  # the controller looks every 10 s too
    )
    try:
        cron.after(datetime.now(UTC))
    except CronSimError as error:
        raise NotPlayed(f"{name}: {cron.schedules} is no schedule: {error}") from error
    return cron


def refuse(name: str, found: Any, allowed: Keys, path: str = "spec.") -> None:  # noqa: ANN401 -- whatever the document has
    """Raise NotPlayed for the first key that is not understood."""
    if isinstance(found, list):  # of steps, a list of lists
        for each in found:
            refuse(name, each, allowed, path)
        return
    for key, value in found.items():
        if key not in allowed:
            raise NotPlayed(f"{name}: {path}{key} is for a cluster; the local player runs one container to its end")
        below = allowed[key]
        if below is not None:
            refuse(name, value, below, f"{path}{key}.")


def _found(name: str, configuration: Configuration, reference: Document) -> Mapping[str, str] | None:
    """Find what a reference names; None where it is optional and missing."""
    values = configuration.get(reference["name"])
    if values is not None and reference.get("key") in (None, *values):
        return values
    if reference.get("optional"):
        return None
    raise NotPlayed(f"{name} wants {reference.get('key', 'all')} of {reference['name']}, which is not configured")


def _seconds(name: str, duration: str) -> float:
    amount = re.fullmatch(r"(\d+)([smh]?)", str(duration))
    if not amount:
        raise NotPlayed(f"{name}: {duration!r} is not a duration such as 10s or 5m")
    return float(amount[1]) * SECONDS[amount[2] or "s"]
