"""The local player without servers: what it reads in a template, what it refuses, what it tries again, and its API."""

import copy
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from catalog import find
from local.argo import player, server
from local.argo.clock import Clock
from local.argo.doorbell import Bell, bells
from local.argo.player import Player
from local.argo.template import Cron, NotPlayed, Retry, read_cron, read_template
from local.argo.workflow import ApiError, Event, Workflow
from local.servers.process import Processes
from workflows import manifests

Document = dict[str, Any]
Play = Callable[..., Player]

RENDERED = {
    (found["kind"], found["metadata"]["name"]): found
    for documents in manifests(find.every()).values()
    for found in documents
    if found["kind"] in ("WorkflowTemplate", "CronWorkflow")
}
CONFIGURATION = {"feedfall": {"database-url": "postgresql://there", "kafka-bootstrap-servers": "there:1"}}
SECONDS = 20


def rendered(name: str, kind: str = "WorkflowTemplate") -> Document:
    return copy.deepcopy(RENDERED[kind, name])


def script(code: str, step: Document | None = None, **spec: object) -> Document:
    """fx-sub, but its container runs this Python."""
    document = rendered("fx-sub")
    only = document["spec"]["templates"][0]
    only["container"].update(command=["python", "-c", code], args=["{{workflow.parameters.shard}}"])
    only["retryStrategy"]["backoff"] = {"duration": "1s", "factor": 1, "cap": "1s"}
    only["podSpecPatch"] = json.dumps({"terminationGracePeriodSeconds": 1})
    only.update(step or {})
    document["spec"].update(spec)
    return document


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Make a player of documents; it has left nothing behind when the test is over."""
    with Processes() as processes:
        made: list[Player] = []

        def of(
            *documents: Document, on_event: Callable[[Event], None] = lambda _: None, history: int = player.HISTORY
        ) -> Player:
            made.append(Player(processes, documents, CONFIGURATION, tmp_path, on_event, backoff=0.01, history=history))
            return made[-1].__enter__()

        yield of
        for each in made:
            each.__exit__()


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
        (lambda spec: spec["arguments"].update(artifacts=[]), "spec.arguments.artifacts"),
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


SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
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
        script("import sys; print('one'); print('둘', file=sys.stderr); print('shard', sys.argv[1])"),
        on_event=lambda event: told.append((event.kind, event.text)),
    )
    one.wait(one.submit("fx-sub").name, SECONDS)
    assert told == [("started", ""), ("line", "one"), ("line", "둘"), ("line", "shard 0"), ("ended", "Succeeded 0")]


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


# -- the clock --


class Orders:
    """Submits nothing; keeps what was ordered, still running until it is told to have ended."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.last: Workflow | None = None

    def __call__(self, template: str, *, name: str, labels: dict[str, str]) -> Workflow:
        assert labels == {"workflows.argoproj.io/cron-workflow": name.rpartition("-")[0]}
        self.names.append(name)
        self.last = Workflow(name, read_template(rendered(template)), {}, labels)
        return self.last


def cron(schedule: str, zone: str = "UTC", patience: float = 10) -> Cron:
    return Cron("feedfall-sweep", "feedfall-sweep", (schedule,), ZoneInfo(zone), patience)


NOON = datetime(2026, 10, 30, 12, 0, tzinfo=UTC)


def ticked(found: Cron, start: datetime, *seconds: float, ends: bool = True) -> list[int]:
    """Seconds after start for which a Workflow was started, when the clock is told these times."""
    orders = Orders()
    clock = Clock({found.name: found}, orders, start)
    for each in seconds:
        clock.tick(start + timedelta(seconds=each))
        if ends and orders.last:
            orders.last.ended.set()
    return [int(name.rpartition("-")[2]) - int(start.timestamp()) for name in orders.names]


def test_clock__starts_each_minute_once() -> None:
    assert ticked(cron("* * * * *"), NOON, 0, 59.5, 60, 60.5, 61, 120.1) == [60, 120]


def test_clock__starts_nothing_beside_one_that_still_runs() -> None:
    assert ticked(cron("* * * * *"), NOON, 60, 120, 180, ends=False) == [60]


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("Europe/Brussels", 15 + 5 / 60),  # 16:05 there, in winter
        ("Asia/Seoul", 7 + 5 / 60),
        ("UTC", 16 + 5 / 60),
    ],
)
def test_clock__ticks_in_the_crons_zone(zone: str, hours: float) -> None:
    midnight = datetime(2026, 10, 30, tzinfo=UTC)
    seconds = round(hours * 3600)
    assert ticked(cron("5 16 * * *", zone), midnight, seconds - 1, seconds) == [seconds]


@pytest.mark.parametrize(
    ("patience", "late", "started"),
    [
        (28_500, 3600, [60]),  # a laptop that slept for an hour: pub may still order today
        (10, 3600, []),
    ],
)
def test_clock__catches_up_one_missed_start_within_its_patience(
    patience: float, late: float, started: list[int]
) -> None:
    assert ticked(cron("1 12 * * *", patience=patience), NOON, 60 + late, 61 + late) == started


def test_cron__is_read_as_it_is_rendered() -> None:
    pub = read_cron(rendered("fx-pub", "CronWorkflow"))
    assert (pub.template, pub.schedules, pub.zone.key, pub.patience) == (
        "fx-pub",
        ("5 16 * * *",),
        "Europe/Brussels",
        28500,
    )


# -- the doorbell --


def test_bell__a_lone_message_fires_at_once_and_a_burst_is_gathered() -> None:
    bell, fired = Bell("fx-sub", 1, every=2), []
    for tenth in range(100):
        bell.rung |= tenth == 5 or 30 <= tenth < 70
        if bell.fires(tenth / 10):
            fired.append(tenth)
    assert fired == [5, 30, 40, 60, 80]  # the last one after the last message


def test_bells__listen_where_each_feed_rings() -> None:
    found = bells(find.every(["feeds", "sample_feeds"]), "x.")
    assert (found["x.fx.request"].template, found["x.fx.bell"].template) == ("fx-relay", "fx-sub")
    assert found["x.bulletin.response"].template == "bulletin-sub"
    assert "x.bulletin.request" not in found


# -- Argo's API --


@pytest.fixture
def api(play: Play) -> Iterator[httpx.Client]:
    code = "import sys; print('하나'); print('two'); sys.exit(65 * (sys.argv[1] == '1'))"
    document = script(code)
    document["spec"]["arguments"]["parameters"][0]["enum"] = ["0", "1"]
    with server.serve_argo(play(document)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def order(
    api: httpx.Client, resource: str = "fx-sub", kind: str = "WorkflowTemplate", **options: object
) -> httpx.Response:
    body = {"namespace": "local", "resourceKind": kind, "resourceName": resource, "submitOptions": options}
    return api.post("/api/v1/workflows/local/submit", json=body)


def over(api: httpx.Client, name: str) -> Document:
    api.get(f"/api/v1/workflows/local/{name}/log?logOptions.container=main&logOptions.follow=true")
    found: Document = api.get(f"/api/v1/workflows/local/{name}").json()
    return found


def test_submit__answers_with_the_workflow(api: httpx.Client) -> None:
    answered = order(api, name="mine", parameters=["shard=1"], labels="a=b,c/d=e")
    assert answered.status_code == 200
    found = answered.json()
    assert found["metadata"].keys() == {"name", "namespace", "uid", "creationTimestamp", "labels"}
    assert found["metadata"]["name"] == "mine"
    wanted = {"a": "b", "c/d": "e", "feedfall/feed": "fx", "workflows.argoproj.io/workflow-template": "fx-sub"}
    assert wanted.items() <= found["metadata"]["labels"].items()
    assert found["spec"]["arguments"] == {"parameters": [{"name": "shard", "value": "1"}]}
    assert found["status"]["phase"] in ("Pending", "Running")


def test_submit__draws_a_name_where_none_is_given(api: httpx.Client) -> None:
    assert order(api).json()["metadata"]["name"].startswith("fx-sub-")
    assert order(api, generateName="by-hand-").json()["metadata"]["name"].startswith("by-hand-")


@pytest.mark.parametrize(
    ("options", "status", "code", "message"),
    [
        ({"resource": "no-such"}, 404, 5, 'workflowtemplates.argoproj.io "no-such" not found'),
        ({"parameters": ["a=b"]}, 400, 3, "fx-sub has no parameter 'a': there are shard"),
        ({"parameters": ["shard"]}, 400, 3, "this is no order"),
        ({"parameters": ["shard=7"]}, 400, 3, "parameter shard of fx-sub is one of ['0', '1'], not '7'"),
        ({"kind": "CronWorkflow"}, 400, 3, "submits a WorkflowTemplate"),
        ({"serviceAccount": "root"}, 400, 3, "submits a WorkflowTemplate"),  # never taken in silence
        ({"labels": "a"}, 400, 3, "labels are written"),
        ({"name": "../../etc"}, 400, 3, "is no name"),
    ],
)
def test_submit__is_refused(api: httpx.Client, options: dict[str, Any], status: int, code: int, message: str) -> None:
    answered = order(api, **options)
    assert (answered.status_code, answered.json()["code"]) == (status, code)
    assert message in answered.json()["message"]


def test_submit__the_same_name_twice_is_a_conflict(api: httpx.Client) -> None:
    order(api, name="mine")
    answered = order(api, name="mine")
    assert (answered.status_code, answered.json()) == (
        409,
        {"code": 6, "message": 'workflows.argoproj.io "mine" already exists'},
    )


def test_get__shows_how_it_ended(api: httpx.Client) -> None:
    order(api, name="mine", parameters=["shard=1"])
    status = over(api, "mine")["status"]
    [node] = status["nodes"].values()
    assert (status["phase"], status["message"]) == ("Failed", "main: Error (exit code 65)")
    assert (node["type"], node["phase"], node["templateName"]) == ("Pod", "Failed", "sub")
    assert node["outputs"] == {"exitCode": "65"}
    assert datetime.fromisoformat(status["startedAt"]) <= datetime.fromisoformat(status["finishedAt"])


def test_get__of_an_unknown_one_is_not_found(api: httpx.Client) -> None:
    answered = api.get("/api/v1/workflows/local/none")
    assert (answered.status_code, answered.json()) == (
        404,
        {"code": 5, "message": 'workflows.argoproj.io "none" not found'},
    )
    assert api.get("/api/v1/workflows/elsewhere/none").status_code == 404


def test_list__is_null_where_there_is_none_as_in_argo(api: httpx.Client) -> None:
    assert api.get("/api/v1/workflows/local").json()["items"] is None


def test_list__by_label(api: httpx.Client) -> None:
    for name in "ab":
        order(api, name=name, labels=f"who={name}")
    found = api.get("/api/v1/workflows/local", params={"listOptions.labelSelector": "who=b,feedfall/feed=fx"}).json()
    assert [each["metadata"]["name"] for each in found["items"]] == ["b"]


def test_log__is_a_json_document_a_line(api: httpx.Client) -> None:
    order(api, name="mine")
    answered = api.get("/api/v1/workflows/local/mine/log?logOptions.container=main&logOptions.follow=true")
    assert [json.loads(line)["result"] for line in answered.text.splitlines()] == [
        {"content": "하나", "podName": "mine-sub-0"},
        {"content": "two", "podName": "mine-sub-0"},
    ]


@pytest.mark.parametrize("verb", ["stop", "terminate"])
def test_stop__ends_it(play: Play, verb: str) -> None:
    with server.serve_argo(play(script(SLEEPER))) as url, httpx.Client(base_url=url, trust_env=False) as api:
        order(api, name="mine")
        assert api.put(f"/api/v1/workflows/local/mine/{verb}", json={"name": "mine"}).status_code == 200
        status = over(api, "mine")["status"]
        assert (status["phase"], status["message"]) == ("Failed", f"Stopped with strategy '{verb.capitalize()}'")
        assert api.get("/api/v1/workflows/local/mine").json()["spec"]["shutdown"] == verb.capitalize()


def test_api__says_what_it_does_not_serve(api: httpx.Client) -> None:
    answered = api.put("/api/v1/workflows/local/mine/retry")
    assert (answered.status_code, answered.json()["code"]) == (501, 12)


def container(spec: Document) -> Document:
    found: Document = spec["templates"][0]["container"]
    return found


def retry(spec: Document) -> Document:
    found: Document = spec["templates"][0]["retryStrategy"]
    return found
