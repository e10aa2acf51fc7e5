"""What every feedfall pod is: ONE container factory, and the Workflow that wraps it.

The stages' files beside this one call it and give what differs (arguments, rights, deadline). What a security officer
or an operator wants to know is here, in one place:

    CronWorkflow ──workflowTemplateRef──▶ WorkflowTemplate ──one container──▶ python -m steps <stage> --feed=…
    `cron`                                `template`                          `container`
"""

import json
from collections.abc import Sequence
from datetime import time

from hera.workflows import (
    ConfigMapEnv,
    ConfigMapEnvFrom,
    Container,
    CronWorkflow,
    EmptyDirVolume,
    Env,
    Parameter,
    Resources,
    RetryStrategy,
    SecretEnv,
    SecretEnvFrom,
    Step,
    Steps,
    WorkflowTemplate,
)
from hera.workflows.models import (
    Backoff,
    Capabilities,
    ImagePullPolicy,
    IntOrString,
    Metadata,
    PodGC,
    PodSecurityContext,
    Quantity,
    SeccompProfile,
    SecurityContext,
    TTLStrategy,
    WorkflowMetadata,
    WorkflowTemplateRef,
)
from hera.workflows.models import (
    Sequence as Numbers,
)

from ledger.databases import variable
from steps.run.exits import RETRIED

# kustomize's `images:` reaches it only beside a `configurations:` file that names `spec/templates/container/image` of
# kind WorkflowTemplate. Not a workflow parameter: with one, everybody who may submit could choose what runs.
IMAGE = "ghcr.io/feedfall/feedfall:0.1.0"

POD, SWEEP = "feedfall-pod", "feedfall-sweep"
"""Service accounts; `rights.py` says what each may do."""

DEADLINE = 2100
"""Seconds. A run ends by itself after 30 minutes (`MORE`); five more are for its last chunk."""

USER = 10001

GRACE = 60
"""Seconds between SIGTERM and SIGKILL: finish or roll back the chunk, release the lease."""


SIDE_BY_SIDE = "side-by-side"
INDEX = Env(name="FEEDFALL_INDEX", value="{{inputs.parameters.index}}")


def container(
    stage: str,
    *args: str,
    databases: Sequence[str] = ("",),
    account: str = POD,
    env: Sequence[Env | ConfigMapEnv] = (),
    secrets: Sequence[str] = (),
    deadline: int = DEADLINE,
    grace: int = GRACE,
    retry: bool = True,
    pods: int = 1,
) -> Container:
    """Return the one container of a template: `python -m steps <stage> <args>`.

    `databases`: whose addresses it gets. `pods`: how many of it run side by side; its number tells a pod that is tried
    again from the pods beside it. All keys of `secrets` become variables, where the Secret exists; a name that `env`
    sets wins over them.
    """
    return Container(
        name=stage,
        image=IMAGE,
        image_pull_policy=ImagePullPolicy.if_not_present,
        command=["python", "-m", "steps", stage],
        args=list(args) or None,
        env=[*map(_address, databases), *_environment(), *env, *([INDEX] if pods > 1 else [])],
        inputs=[Parameter(name="index")] if pods > 1 else None,
        env_from=[
            ConfigMapEnvFrom(name="feedfall-settings", optional=True),
            *(SecretEnvFrom(name=name, optional=True) for name in ("feedfall-kafka", *secrets)),
        ],
        resources=Resources(cpu_request="100m", cpu_limit="1", memory_request="128Mi", memory_limit="512Mi"),
        security_context=_container_security(),
        pod_security_context=_pod_security(),
        volumes=[EmptyDirVolume(name="tmp", mount_path="/tmp", size_limit=Quantity(root="64Mi"))],  # noqa: S108 -- the root is read-only
        # The token stays mounted: Argo's own wait container reports the exit code with it, and an executor account of
        # its own needs a long-lived token Secret (workflow/controller/workflowpod.go, setupServiceAccount).
        service_account_name=account,
        active_deadline_seconds=deadline,
        retry_strategy=_retry() if retry else None,
        pod_spec_patch=_patch(grace),
    )


def _address(database: str) -> SecretEnv:
    """Return the address of a database: each name is a key of one Secret."""
    key = f"database-url-{database}" if database else "database-url"
    return SecretEnv(name=variable(database), secret_name="feedfall", secret_key=key)  # noqa: S106 -- its name


def _environment() -> list[Env | ConfigMapEnv]:
    return [
        ConfigMapEnv(
            name="KAFKA_BOOTSTRAP_SERVERS", config_map_name="feedfall", config_map_key="kafka-bootstrap-servers"
        ),
        Env(name="WORKFLOW_UID", value="{{workflow.uid}}"),
        Env(name="WORKFLOW_NAME", value="{{workflow.name}}"),
    ]


def _container_security() -> SecurityContext:
    return SecurityContext(
        allow_privilege_escalation=False,
        capabilities=Capabilities(drop=["ALL"]),
        privileged=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
        seccomp_profile=SeccompProfile(type="RuntimeDefault"),
    )


def _pod_security() -> PodSecurityContext:
    """Return what applies to Argo's init and wait containers too; the controller sets the rest of theirs."""
    return PodSecurityContext(
        run_as_non_root=True, run_as_user=USER, run_as_group=USER, seccomp_profile=SeccompProfile(type="RuntimeDefault")
    )


def _patch(grace: int) -> str:
    """Return the pod settings that a template has no field for (v4.0 to v4.1).

    `templateReferencing: Strict` refuses a patch in the Workflow, not this one in the WorkflowTemplate
    (workflow/util/merge.go, ValidateUserOverrides). `deploy/policy` lists the patches that may stand there.
    """
    return json.dumps(
        {
            "terminationGracePeriodSeconds": grace,
            "enableServiceLinks": False,  # a Service named kafka would set KAFKA_PORT and others among our settings
        }
    )


def _retry() -> RetryStrategy:
    """Return when Argo tries again. No `retryPolicy`: beside an expression it is Always, and the expression decides."""
    codes = ",".join(f"'{code:d}'" for code in sorted(RETRIED, key=lambda code: (code < 0, code)))
    return RetryStrategy(
        # 20 minutes in all: nothing else tries pub again that day. Argo waits before it evaluates the expression
        # (workflow/controller/operator.go, processNodeRetries), so a final failure shows 10 s late.
        limit="8",
        backoff=Backoff(duration="10s", factor=IntOrString(root=2), cap="5m"),
        expression=f"lastRetry.status == 'Error' || lastRetry.exitCode in [{codes}]",
    )


def template(
    name: str,
    about: str,
    step: Container,
    *,
    feed: str | None = None,
    parameters: Sequence[Parameter] = (),
    deadline: int | None = None,
    keep: tuple[int, int] = (86_400, 7 * 86_400),
    pods: int = 1,
) -> WorkflowTemplate:
    """Wrap a container. In seconds: `deadline` of the whole Workflow; `keep` it after a success, after a failure.

    `pods`: how many of it run side by side, each a run of its own.
    """
    labels = _labels(step.name, feed)
    success, failure = keep
    return WorkflowTemplate(
        name=name,
        labels=labels,
        annotations={"workflows.argoproj.io/description": about},
        workflow_metadata=WorkflowMetadata(labels=labels),
        pod_metadata=Metadata(labels=labels),
        entrypoint=step.name if pods == 1 else SIDE_BY_SIDE,
        arguments=list(parameters) or None,
        service_account_name=step.service_account_name,
        active_deadline_seconds=deadline,
        ttl_strategy=TTLStrategy(seconds_after_success=success, seconds_after_failure=failure),
        # A failed pod stays, with its log, as long as its Workflow.
        pod_gc=PodGC(strategy="OnPodSuccess", delete_delay_duration="10m"),
        templates=[*([_side_by_side(step, pods)] if pods > 1 else []), step],
    )


def _side_by_side(step: Container, pods: int) -> Steps:
    """Return what starts a container several times, each with its number."""
    name = str(step.name)
    each = Step(
        name=name,
        template=name,
        with_sequence=Numbers(count=IntOrString(root=pods)),
        arguments=[Parameter(name="index", value="{{item}}")],
    )
    return Steps(name=SIDE_BY_SIDE, sub_steps=[[each]])


def cron(
    work: WorkflowTemplate,
    schedule: str,
    *,
    zone: str | None = None,
    patience: int | None = None,
    history: tuple[int, int] = (7, 7),
) -> CronWorkflow:
    """Run a template by the clock. `patience`: for so many seconds a missed start is made up; `history`: good, bad."""
    good, bad = history
    return CronWorkflow(
        name=work.name,
        labels=work.labels,
        annotations=work.annotations,
        schedules=[schedule],
        timezone=zone,
        concurrency_policy="Forbid",
        starting_deadline_seconds=patience,
        successful_jobs_history_limit=good,
        failed_jobs_history_limit=bad,
        workflow_template_ref=WorkflowTemplateRef(name=work.name),
    )


def daily(at: time) -> str:
    """Return the schedule of every day: the pod decides whether it is a business day."""
    return f"{at.minute} {at.hour} * * *"


def until_midnight(at: time) -> int:
    """Return the seconds left of the day: a start made up after midnight would take the next day for today."""
    return 86_400 - at.hour * 3600 - at.minute * 60


def _labels(stage: str | None, feed: str | None) -> dict[str, str]:
    labels = {"app.kubernetes.io/part-of": "feedfall", "feedfall/feed": feed, "feedfall/stage": stage}
    return {label: value for label, value in labels.items() if value}
