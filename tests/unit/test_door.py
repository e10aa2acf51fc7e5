"""The door's form: what a command's words mean."""

from __future__ import annotations

from datetime import date

import pytest

from catalog import Policy
from steps.__main__ import STAGES, parser
from steps.run.exits import Misconfigured

DAY = date(2026, 10, 30)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("sub --feed=fx", {"stage": "sub", "feed": "fx"}),
        ("sub --feed fx", {"feed": "fx"}),
        ("relay --feed=fx", {"stage": "relay"}),
        ("release --feed=fx", {"stage": "release", "feed": "fx"}),
        ("sweep", {"stage": "sweep", "feed": None}),
        ("verify --feed=fx", {"stage": "verify"}),
        ("pub --feed=fx", {"base_date": None, "seq": 1, "first": None, "last": None, "policy": None}),
        ("pub --feed=fx --base-date=20261030", {"base_date": DAY}),
        ("pub --feed=fx --base-date=2026-10-30", {"base_date": DAY}),
        ("pub --feed=fx --from=20261030 --to=2026-10-30", {"first": DAY, "last": DAY}),
        ("pub --feed=fx --seq=2147483647", {"seq": 2**31 - 1}),
        ("pub --feed=fx --policy=OrderAnyway", {"policy": Policy.ANYWAY}),
        # Argo passes a parameter without a value as an empty one
        ("pub --feed=fx --base-date= --from= --to= --policy=", {"base_date": None, "first": None, "policy": None}),
    ],
)
def test_door__understands(words: str, meant: dict[str, object]) -> None:
    parsed = vars(parser().parse_args(words.split()))
    assert {name: parsed[name] for name in meant} == meant


@pytest.mark.parametrize(
    "words",
    [
        "",
        "load",
        "sub",
        "sub --feed",
        "sub --feed=fx extra",
        "sub --feed=fx --seq=1",  # pub's alone
        "sweep --feed=fx",  # for all feeds, always
        "sub --feed=fx --shard=1",
        "pub --feed=fx --shard=1",
        "pub --feed=fx --base-date=2026-1-30",
        "pub --feed=fx --base-date=2026-10",
        "pub --feed=fx --base-date=2026/10/30",
        "pub --feed=fx --base-date=30-10-26",
        "pub --feed=fx --base-date=-2026103",
        "pub --feed=fx --base-date=2026-1030",
        "pub --feed=fx --base-date=today",
        "pub --feed=fx --seq=0",
        "pub --feed=fx --seq=-1",
        "pub --feed=fx --seq=+1",
        "pub --feed=fx --seq=1.0",
        "pub --feed=fx --seq=²",
        "pub --feed=fx --policy=orderanyway",
    ],
)
def test_door__refuses_and_shows_the_form(words: str) -> None:
    with pytest.raises(Misconfigured, match=r"`python -m steps --help` shows the form"):
        parser().parse_args(words.split())


def test_door__help_explains_every_stage() -> None:
    shown = parser().format_help()
    assert [stage for stage, words in STAGES.items() if not (stage in shown and words in shown)] == []
