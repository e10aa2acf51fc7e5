"""The local player without servers: what it reads in a template, what it refuses, what it tries again, and its API."""

import threading
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from catalog import find
from local.argo.player import Player
from local.argo.template import NotPlayed, Retry, read_cron, read_template
from local.argo.workflow import ApiError
from local.servers.process import Processes
from played import CONFIGURATION, RENDERED, SECONDS, SLEEPER, Document, Play, rendered, script
from workflows import manifests

# -- what is played --


def test_template__all_that_we_render_is_played() -> None:
    for (kind, name), document in RENDERED.items():
        assert (read_template if kind == "WorkflowTemplate" else read_cron)(document).name == name


def test_command__is_the_containers_with_its_parameters() -> None:
    pub = read_template(rendered("fx-pub"))
    values = pub.arguments({"base-date": "2026-10-30"})
    command = pub.command({f"workflow.parameters.{name}": value for name, value in values.items()})
    assert command[1:5] == ["-m", "steps", "pub", "--feed=fx"]
    assert command[5:] == ["--base-date=2026-10-30", "--seq=1", "--from=", "--to=", "--policy=DoNotOrder"]


def test_command__a_value_is_filled_in_once_and_never_read_as_a_variable() -> None:
    pub = read_template(rendered("fx-pub"))
    values = {**pub.parameters, "from": "{{workflow.uid}}"}
    command = pub.command({f"workflow.parameters.{name}": value for name, value in values.items()})
    assert "--from={{workflow.uid}}" in command


def test_environment__is_what_the_container_declares() -> None:
    variables = {"workflow.uid": "u", "workflow.name": "n", "workflow.namespace": "local"}
    settings = {"feedfall-settings": {"FEEDFALL_FEEDS": "feeds", "WORKFLOW_UID": "a lie"}}
    assert read_template(rendered("feedfall-sweep")).environment(CONFIGURATION | settings, variables) == {
        "DATABASE_URL": "postgresql://there",
        "KAFKA_BOOTSTRAP_SERVERS": "there:1",
        "FEEDFALL_FEEDS": "feeds",
        "WORKFLOW_UID": "u",  # `env` goes before `envFrom`
        "WORKFLOW_NAME": "n",
        "ARGO_NAMESPACE": "local",  # and the optional ARGO_SERVER is not there
    }


def test_environment__what_is_not_optional_and_missing_is_named() -> None:
    with pytest.raises(NotPlayed, match="fx-sub wants database-url of feedfall, which is not configured"):
        read_template(rendered("fx-sub")).environment({"feedfall": {}}, {})


def test_environment__of_a_child_has_nothing_of_the_callers(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "production:9092")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "secret")
    code = "import os; print(os.environ['KAFKA_BOOTSTRAP_SERVERS'], 'KAFKA_SASL_PASSWORD' in os.environ)"
    one = play(script(code))
    workflow = one.wait(one.submit("fx-sub").name, SECONDS)
    assert workflow.attempts[0].log.read_text() == "there:1 False\n"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda spec: spec.update(onExit="x"), "spec.onExit"),
        (lambda spec: spec["templates"].append({"name": "two", "container": {}}), "exactly one template"),
        (lambda spec: spec.update(entrypoint="other"), "exactly one template"),
        (lambda spec: spec["templates"][0].pop("container"), "exactly one template"),
        (lambda spec: spec["templates"][0].update(dag={"tasks": []}), "spec.templates.dag"),
        (lambda spec: spec["templates"][0].update(steps=[]), "spec.templates.steps"),
        (lambda spec: spec["templates"][0].update(script={}), "spec.templates.script"),
        (lambda spec: spec["templates"][0].update(initContainers=[]), "spec.templates.initContainers"),
        (lambda spec: spec["templates"][0].update(sidecars=[]), "spec.templates.sidecars"),
        (lambda spec: spec["templates"][0].update(synchronization={}), "spec.templates.synchronization"),
        (
            lambda spec: spec["templates"][0]["volumes"].append({"name": "x", "secret": {}}),
            "spec.templates.volumes.secret",
        ),
        (lambda spec: container(spec).update(workingDir="/"), "spec.templates.container.workingDir"),
        (lambda spec: container(spec).pop("command"), "with a command"),  # an image's own entrypoint is not here
        (
            lambda spec: container(spec)["env"].append({"name": "A", "valueFrom": {"fieldRef": {}}}),
            "valueFrom.fieldRef",
        ),
        (lambda spec: container(spec)["envFrom"].append({"prefix": "A"}), "container.envFrom.prefix"),
        (lambda spec: container(spec)["args"].append("{{inputs.parameters.a}}"), "{{inputs.parameters.a}}"),
        (lambda spec: container(spec)["args"].append("{{workflow.parameters.a}}"), "{{workflow.parameters.a}}"),
        (lambda spec: spec.update(arguments={"artifacts": []}), "spec.arguments.artifacts"),
        (lambda spec: spec["templates"][0].update(podSpecPatch='{"hostNetwork": true}'), "podSpecPatch.hostNetwork"),
        (lambda spec: retry(spec).update(retryPolicy="Always"), "spec.templates.retryStrategy.retryPolicy"),
        (lambda spec: retry(spec).update(expression="asInt(lastRetry.exitCode) > 64"), "only the retryStrategy"),
        (lambda spec: retry(spec).pop("limit"), "only the retryStrategy"),
        (lambda spec: retry(spec)["backoff"].pop("cap"), "only the retryStrategy"),
        (lambda spec: retry(spec)["backoff"].update(duration="soon"), "'soon' is not a duration"),
    ],
)
def test_template__anything_else_is_refused_by_its_name(change: Callable[[Document], object], named: str) -> None:
    document = rendered("fx-sub")
    change(document["spec"])
    with pytest.raises(NotPlayed, match=r"^fx-sub: ") as refused:
        read_template(document)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda spec: spec.update(when="true"), "spec.when"),
        (lambda spec: spec.update(concurrencyPolicy="Replace"), "only concurrencyPolicy Forbid"),
        (lambda spec: spec["workflowSpec"].update(templates=[]), "spec.workflowSpec.templates"),
    ],
)
def test_cron__anything_else_is_refused_by_its_name(change: Callable[[Document], object], named: str) -> None:
    document = rendered("fx-pub", "CronWorkflow")
    change(document["spec"])
    with pytest.raises(NotPlayed, match=named):
        read_cron(document)


# -- trying again --


def test_retry__is_read_as_it_is_rendered() -> None:
    retry = read_template(rendered("fx-sub")).retry
    assert list(retry.pauses()) == [0, 10, 20, 40, 80, 160, 300, 300, 300]
    assert retry.codes == {"75", "137", "143", "-1"}


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [
        ("Succeeded", "0", False),
        ("Failed", "75", True),
        ("Failed", "137", True),
        ("Failed", "65", False),
        ("Failed", "", False),
        ("Error", "", True),
    ],
)
def test_retry__is_what_the_expression_says(status: str, code: str, again: bool) -> None:  # noqa: FBT001 -- a table's column
    assert read_template(rendered("fx-sub")).retry.retries(status, code) is again


def test_retry__without_a_strategy_is_none() -> None:
    assert list(Retry().pauses()) == [0]


def test_player__tries_a_transient_failure_again_with_the_same_uid(play: Play, tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; seen = pathlib.Path('seen'); print(os.environ['WORKFLOW_UID']);"
        "sys.exit(0 if seen.exists() else seen.touch() or 75)"
    )
    one = play(script(code))
    workflow = one.wait(one.submit("fx-sub").name, SECONDS)
    assert [each.code for each in workflow.attempts] == ["75", "0"]
    assert {each.log.read_text().strip() for each in workflow.attempts} == {workflow.uid}
    assert (workflow.phase, workflow.message) == ("Succeeded", "")


@pytest.mark.parametrize(
    ("code", "attempts", "message"),
    [
        ("raise SystemExit(65)", 1, "main: Error (exit code 65)"),
        ("raise SystemExit(75)", 9, "No more retries left"),
        ("import os; os.kill(os.getpid(), 9)", 9, "No more retries left"),
    ],
)
def test_player__gives_up(play: Play, code: str, attempts: int, message: str) -> None:
    one = play(script(code))
    workflow = one.wait(one.submit("fx-sub").name, SECONDS)
    assert (workflow.phase, workflow.message, len(workflow.attempts)) == ("Failed", message, attempts)


DEAF = "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEPER


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        (SLEEPER, "143"),
        (DEAF, "137"),  # SIGKILL after the grace period
    ],
)
def test_player__what_an_operator_stopped_is_not_tried_again(play: Play, code: str, ends: str) -> None:
    up = threading.Event()
    one = play(script(code), on_event=lambda event: event.kind == "line" and up.set())
    workflow = one.submit("fx-sub")
    assert up.wait(SECONDS)
    one.stop(workflow.name)
    one.wait(workflow.name, SECONDS)
    assert [each.code for each in workflow.attempts] == [ends]
    assert (workflow.phase, workflow.message) == ("Failed", "Stopped with strategy 'Stop'")


def test_player__a_stop_ends_the_wait_for_the_next_attempt(play: Play) -> None:
    one = play(script("raise SystemExit(75)"))
    one._backoff = 60  # noqa: SLF001 -- a minute between attempts
    workflow = one.submit("fx-sub")
    while not (workflow.attempts and workflow.attempts[-1].finished):
        workflow.ended.wait(0.01)
    one.stop(workflow.name)
    assert one.wait(workflow.name, SECONDS).message == "Stopped with strategy 'Stop'"


def test_player__a_pods_deadline_stops_it_and_counts_as_a_failure(play: Play) -> None:
    document = script(SLEEPER, step={"activeDeadlineSeconds": 0.3})
    del document["spec"]["templates"][0]["retryStrategy"]
    one = play(document)
    workflow = one.wait(one.submit("fx-sub").name, SECONDS)
    assert (workflow.phase, workflow.code) == ("Failed", "143")
    assert workflow.message.startswith("Pod was active on the node longer")


def test_player__the_workflows_deadline_ends_it_for_good(play: Play) -> None:
    one = play(script(SLEEPER, activeDeadlineSeconds=0.3))
    workflow = one.wait(one.submit("fx-sub").name, SECONDS)
    assert (workflow.message, len(workflow.attempts)) == ("Step exceeded its deadline", 1)


def test_player__tells_what_happens_in_its_order(play: Play) -> None:
    told: list[tuple[str, str]] = []
    one = play(
        script("import sys; print('one'); print('둘', file=sys.stderr); print('word', sys.argv[1])"),
        on_event=lambda event: told.append((event.kind, event.text)),
    )
    one.wait(one.submit("fx-sub").name, SECONDS)
    assert told == [("started", ""), ("line", "one"), ("line", "둘"), ("line", "word 0"), ("ended", "Succeeded 0")]


def test_player__leaving_stops_what_runs(tmp_path: Path) -> None:
    up = threading.Event()
    with Processes() as processes:
        with Player(
            processes, [script(SLEEPER)], CONFIGURATION, tmp_path, lambda event: event.kind == "line" and up.set()
        ) as one:
            workflow = one.submit("fx-sub")
            assert up.wait(SECONDS)
        assert (workflow.phase, workflow.code) == ("Failed", "143")
        with pytest.raises(ApiError, match="the player is stopping"):
            one.submit("fx-sub")


def test_player__forgets_the_oldest_with_their_logs(play: Play) -> None:
    one = play(script("print(1)"), history=1)
    logs = [one.wait(one.submit("fx-sub", name=name).name, SECONDS).attempts[0].log for name in ("a", "b", "c")]
    assert [each.name for each in one.workflows()] == ["c", "b"]
    assert [log.exists() for log in logs] == [False, True, True]


def container(spec: Document) -> Document:
    found: Document = spec["templates"][0]["container"]
    return found


def retry(spec: Document) -> Document:
    found: Document = spec["templates"][0]["retryStrategy"]
    return found


def side_by_side(code: str) -> Document:
    """shared-sub, which starts two pods; its container runs this Python."""
    files = manifests([find.load("shared", ["sample_feeds"])])
    found = next(each for each in chain(*files.values()) if each["metadata"]["name"] == "shared-sub")
    step = found["spec"]["templates"][1]
    step["container"].update(command=["python", "-c", code], args=[])
    step["retryStrategy"]["backoff"] = {"duration": "1s", "factor": 1, "cap": "1s"}
    return found


def test_player__starts_pods_side_by_side_each_with_its_own_attempts(play: Play) -> None:
    """The second one fails once with a code that is tried again; its attempts have its number."""
    one = play(
        side_by_side(
            "import os, pathlib, sys; index = os.environ['FEEDFALL_INDEX']; seen = pathlib.Path('seen' + index);"
            "print(index); first = not seen.exists(); seen.touch(); sys.exit(75 if first and index == '1' else 0)"
        )
    )
    workflow = one.wait(one.submit("shared-sub").name, SECONDS)
    assert (workflow.phase, workflow.code) == ("Succeeded", "0")
    assert sorted((each.log.read_text().strip(), each.code) for each in workflow.attempts) == [
        ("0", "0"),
        ("1", "0"),
        ("1", "75"),
    ]


def test_player__one_of_two_pods_that_fails_is_the_workflows_end(play: Play) -> None:
    one = play(side_by_side("import os, sys; sys.exit(65 if os.environ['FEEDFALL_INDEX'] == '1' else 0)"))
    workflow = one.wait(one.submit("shared-sub").name, SECONDS)
    assert (workflow.phase, workflow.code, len(workflow.attempts)) == ("Failed", "65", 2)
