"""sub: loads the messages that wait on the response topic, once, and ends. The doorbell or the sweep starts it."""

from hera.workflows import WorkflowTemplate

from catalog import Feed
from workflows import pod


def template(feed: Feed) -> WorkflowTemplate:
    return pod.template(
        f"{feed.name}-sub",
        f"Loads what waits on {feed.topic('response')} into {feed.table}; two at once are harmless",
        pod.container("sub", f"--feed={feed.name}", databases=[feed.database], pods=feed.parallel),
        feed=feed.name,
        pods=feed.parallel,
    )
