"""release: loads the deferred rows whose day has come. The sweep starts it. Only rows with a base date are deferred."""

from hera.workflows import WorkflowTemplate

from catalog import Feed
from workflows import pod


def template(feed: Feed) -> WorkflowTemplate:
    return pod.template(
        f"{feed.name}-release",
        f"Loads the deferred rows of {feed.name} whose day has come into {feed.table}; two at once are harmless",
        pod.container("release", f"--feed={feed.name}", databases=[feed.database]),
        feed=feed.name,
    )
