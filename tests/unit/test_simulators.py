"""Which partner is simulated: the one that has a file of its name in `local/partners`, and no other."""

from dataclasses import replace

import httpx

from feeds.fx import FX
from local.partners import simulators
from local.partners.ecb import Ecb
from local.partners.server import Call, Reply, serve_simulator

NOBODY = replace(FX, name="gold", table="gold", partner="feeds.partners.gold")


def test_every__makes_one_of_each_partner_that_has_a_file() -> None:
    assert simulators.every([FX, replace(FX, name="fx2", table="fx2")]) == {"ecb": Ecb()}


def test_every__leaves_out_a_partner_without_one() -> None:
    assert simulators.names([FX, NOBODY]) == ["ecb", "gold"]
    assert list(simulators.every([FX, NOBODY])) == ["ecb"]


def test_every__a_partner_named_as_our_machinery_has_none() -> None:
    assert simulators.every([replace(NOBODY, partner="feeds.partners.server")]) == {}


class Echo:
    """A partner with a path, a query and a body of its own."""

    PATH = "/api/v1/"

    def __init__(self) -> None:
        self.requests: list[str] = []

    def answer(self, call: Call) -> Reply:
        self.requests.append(call.path)
        return Reply(201, call.body, {"Content-Type": call.method, "X-Day": call.query["day"][0]})


def test_server__serves_any_simulator_below_its_own_path() -> None:
    echo = Echo()
    with serve_simulator(echo) as url, httpx.Client(trust_env=False) as client:
        answer = client.post(url + "rates/usd?day=2026-11-20&empty=", content=b"body")
        elsewhere = client.get(url.removesuffix("api/v1/") + "other")
    assert (answer.status_code, answer.content, answer.headers["X-Day"]) == (201, b"body", "2026-11-20")
    assert answer.headers["Content-Type"] == "POST"
    assert (elsewhere.status_code, echo.requests) == (404, ["rates/usd"])
