"""script: the form of a short job that runs and ends. A team writes its own as `verify` is written, in three lines.

A keyed script has a run key like pub's (base date, seq), so that the same day does not run twice.
"""

from hera.workflows import CronWorkflow, Parameter, WorkflowTemplate

from catalog import Feed
from catalog.script import Script
from workflows import pod


def template(script: Script) -> WorkflowTemplate:
    parameters = _key(script.feed) if script.keyed else []
    key = [f"--{parameter.name}={{{{workflow.parameters.{parameter.name}}}}}" for parameter in parameters]
    args = (f"--feed={script.feed.name}", *key, *script.args)
    return pod.template(
        script.name,
        script.about,
        pod.container(
            script.stage,
            *args,
            databases=[script.feed.database],
            account=script.account or pod.POD,
            deadline=script.deadline or pod.DEADLINE,
        ),
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
