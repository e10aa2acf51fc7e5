"""relay: sends pub's requests to the partner. Only feeds with a partner have one."""

from hera.workflows import WorkflowTemplate

from catalog import Feed
from workflows import pod

PARTNERS = "feedfall-partners"
"""The Secret with the partners' keys: no other stage has it."""


def template(feed: Feed) -> WorkflowTemplate:
    return pod.template(
        f"{feed.name}-relay",
        f"Asks the partner for what waits on {feed.topic('request')}, answers on {feed.topic('response')}",
        pod.container("relay", f"--feed={feed.name}", databases=[feed.database], secrets=[PARTNERS]),
        feed=feed.name,
    )
