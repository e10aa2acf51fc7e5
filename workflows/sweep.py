"""sweep: starts the runs that a lost doorbell did not start. One for all feeds, every minute."""

from collections.abc import Sequence

from hera.workflows import ConfigMapEnv, CronWorkflow, Env, WorkflowTemplate

from catalog import Feed
from workflows import pod

DEADLINE = 50
"""Seconds: the next minute is the retry, so a sweep that hangs must end before it (Forbid)."""

WEBHOOK = "feedfall-webhook"
"""The Secret that holds FEEDFALL_WEBHOOK_URL and FEEDFALL_WEBHOOK_SECRET, where absences go to a webhook."""


def template(feeds: Sequence[Feed]) -> WorkflowTemplate:
    step = pod.container(
        "sweep",
        databases=sorted({feed.database for feed in feeds}),
        account=pod.SWEEP,
        env=_argo(),
        secrets=[WEBHOOK],
        deadline=DEADLINE,
        grace=5,
        retry=False,
    )
    return pod.template(
        "feedfall-sweep",
        "Starts relay and sub where messages wait and nobody reads them; reports feeds that are due and absent",
        step,
        deadline=DEADLINE,
        keep=(600, 86_400),
    )


def cron(feeds: Sequence[Feed]) -> CronWorkflow:
    return pod.cron(template(feeds), "* * * * *", history=(3, 10))


def _argo() -> list[Env | ConfigMapEnv]:
    return [
        ConfigMapEnv(name="ARGO_SERVER", config_map_name="feedfall", config_map_key="argo-server", optional=True),
        Env(name="ARGO_NAMESPACE", value="{{workflow.namespace}}"),
    ]
