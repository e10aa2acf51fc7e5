"""Does Argo answer, and is its controller strict? A check of `feedfall doctor`: (state, words) for each line."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import yaml

from operate import controller as config
from operate.argo import Argo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def server(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The Argo Server, by a list that is empty. Raises what a command would."""
    if not environ.get("ARGO_SERVER"):
        yield "advice", "not looked at: ARGO_SERVER is not set. The sweep, `submit`, `kill` and `logs` need it"
        return
    with Argo(environ) as argo:
        argo.running({"feedfall/feed": "none"})
        yield "ok", f"{argo.server} lists the Workflows of {argo.namespace}"


def controller(place: str) -> Iterator[tuple[str, str]]:
    """What `feedfall deploy` says of templateReferencing. An empty `place`: it is not looked at."""
    if not place:
        yield "advice", "templateReferencing is not looked at"
        return
    try:
        config.template_referencing(config.read(place))
    except (LookupError, OSError, ValueError, subprocess.SubprocessError, yaml.YAMLError):
        yield "not reached", config.check(place).removeprefix("WARNING: ")
        return
    words = config.check(place)
    yield "to do" if words.startswith("WARNING") else "ok", words.removeprefix("WARNING: ")
