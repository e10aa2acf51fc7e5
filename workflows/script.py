"""script: the shape of a short job that runs and finishes. A team's own are made as `verify` is, in three lines.

A keyed script has a run key like pub's (base date, seq), so that the same day is not run twice.
"""

from dataclasses import dataclass
from datetime import time

from hera.workflows import CronWorkflow, Parameter, WorkflowTemplate

from catalog import Feed
from workflows import pod


@dataclass(frozen=True)
class Script:
    """A job of one feed: which stage of `steps` runs, with what, when, as whom."""

    feed: Feed
    stage: str
    about: str
    args: tuple[str, ...] = ()
    at: time | None = None
    """Local time in the feed's zone, every day; None: only when somebody submits it."""
    keyed: bool = False
    account: str = pod.POD
    deadline: int = pod.DEADLINE

    @property
    def name(self) -> str:
        return f"{self.feed.name}-{self.stage}"


def verify(feed: Feed) -> Script:
    """Prove the ledger every night, when most feeds are silent."""
    return Script(feed, "verify", f"Proves that every offset and row of {feed.name} is accounted for", at=time(3, 0))


def template(script: Script) -> WorkflowTemplate:
    parameters = _key(script.feed) if script.keyed else []
    key = [f"--{parameter.name}={{{{workflow.parameters.{parameter.name}}}}}" for parameter in parameters]
    args = (f"--feed={script.feed.name}", *key, *script.args)
    return pod.template(
        script.name,
        script.about,
        pod.container(script.stage, *args, account=script.account, deadline=script.deadline),
        feed=script.feed.name,
        parameters=parameters,
    )


def cron(script: Script) -> CronWorkflow | None:
    if script.at is None:
        return None
    patience = pod.until_midnight(script.at)
    return pod.cron(template(script), pod.daily(script.at), zone=script.feed.zone, patience=patience)


def _key(feed: Feed) -> list[Parameter]:
    return [
        Parameter(name="base-date", value="", description=f"기준일자, YYYY-MM-DD; empty: today in {feed.zone}"),
        Parameter(name="seq", value="1", description="1, or higher to run the same base date again"),
    ]
