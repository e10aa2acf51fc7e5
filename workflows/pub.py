"""pub: requests a day's rows, by the clock or by hand. Its parameters are the form that a person fills in."""

from hera.workflows import CronWorkflow, Parameter, WorkflowTemplate

from catalog import Feed, Policy
from workflows import pod


def template(feed: Feed) -> WorkflowTemplate:
    parameters = _parameters(feed)
    args = [f"--{parameter.name}={{{{workflow.parameters.{parameter.name}}}}}" for parameter in parameters]
    return pod.template(
        f"{feed.name}-pub",
        f"Asks for the rows of a base date on {feed.topic('request')}, if the {feed.calendar} calendar is open",
        pod.container("pub", f"--feed={feed.name}", *args, databases=[feed.database]),
        feed=feed.name,
        parameters=parameters,
    )


def cron(feed: Feed) -> CronWorkflow:
    """Return the cron. It runs every day, holidays too: the gate in the pod decides what to do with a closed day."""
    at = feed.order or feed.due
    return pod.cron(template(feed), pod.daily(at), zone=feed.zone, patience=pod.until_midnight(at))


def _parameters(feed: Feed) -> list[Parameter]:
    policies = [policy.value for policy in Policy]
    return [
        Parameter(name="base-date", value="", description=f"기준일자, YYYY-MM-DD; empty: today in {feed.zone}"),
        Parameter(name="seq", value="1", description="Which request of that base date: 1, or higher to ask again"),
        Parameter(name="from", value="", description="First base date of a range, YYYY-MM-DD, instead of base-date"),
        Parameter(name="to", value="", description="Last base date of that range"),
        Parameter(
            name="policy", value=feed.policy.value, enum=policies, description="What to do on a day that is closed"
        ),
    ]
