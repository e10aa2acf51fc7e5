"""The folder of feeds: one file a feed, and only the one asked for is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from catalog import find
from catalog.find import BrokenFeed, SharedFeed, UnknownFeed

SAMPLES = ("feeds", "sample_feeds")


def test_load__by_its_name() -> None:
    assert find.load("fx").name == "fx"
    assert find.load("tick", SAMPLES).table == "tick"


@pytest.mark.parametrize(
    "name", ["gold", "", "form", "partners", "FX", "fx.", "../fx", "fx\n", "__init__", "class", "끝"]
)
def test_load__what_is_no_feed_is_named_beside_those_there_are(name: str) -> None:
    with pytest.raises(UnknownFeed) as raised:
        find.load(name)
    assert str(raised.value) == f"no feed {name!r}: there are {', '.join(find.names())}"
    assert "fx" in find.names()


def test_load__a_package_that_is_not_there_is_named() -> None:
    for package in ("acme", "acme.feeds", "feeds.fx.more"):
        with pytest.raises(UnknownFeed, match=f"FEEDFALL_FEEDS names {package}, which is no package here"):
            find.load("gold", ["feeds", package])


def test_load__a_file_without_its_feed_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "team_feeds"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "euro_gold.py").write_text("from feeds.fx import FX\n")  # another's feed under a file of its own
    monkeypatch.syspath_prepend(tmp_path)
    assert list(find.names(["team_feeds"])) == ["euro-gold"]
    with pytest.raises(BrokenFeed, match=r"team_feeds.euro_gold holds the feed 'fx', .* write Feed\('euro-gold', …\)"):
        find.load("euro-gold", ["team_feeds"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("from catalog import Feed\n\nFeed('gold')\n", ", line 3: TypeError: "),
        (
            "from feeds.fx import FX\nfrom dataclasses import replace\nreplace(FX, key='currency')\n",
            ", line 3: feed 'fx'",
        ),
        ("import no_such_module\n", ", line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)\n", ", line 1: SystemExit: 3"),
        ("def broken(:\n", ": SyntaxError: "),
    ],
)
def test_load__a_file_that_cannot_be_imported_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    package = own_package(tmp_path, monkeypatch, gold=text)
    with pytest.raises(BrokenFeed) as raised:
        find.load("gold", [package])
    assert str(raised.value).startswith(f"its file cannot be imported: {package}.gold{says}")
    _, unusable = find.usable([package])
    assert unusable == {"gold": str(raised.value)}


def test_load__a_partner_that_is_no_module_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "from dataclasses import replace",
        "from feeds.fx import FX",
        "A = replace(FX, name='gold', partner='feeds.nn')",
    )
    package = own_package(tmp_path, monkeypatch, gold="\n".join(lines))
    with pytest.raises(BrokenFeed, match=r"feed 'gold': partner='feeds\.nn' is no module here"):
        find.load("gold", [package])


def test_names__are_read_from_the_files_alone() -> None:
    """In a process of its own, where nothing has imported a feed yet."""
    code = "import sys; from catalog import find; print(list(find.names()), 'feeds.fx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{list(find.names())} False\n"


def test_every__is_sorted_by_name() -> None:
    found = [feed.name for feed in find.every(SAMPLES)]
    assert found == sorted(found)
    assert {"fx", "tick", "bulletin"} <= set(found)


def own_package(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> str:
    """A team's package of feeds, importable."""
    package = folder / f"team_{folder.name.rpartition('-')[2].replace('__', '_')}"
    package.mkdir()
    for name, text in {"__init__": "", **files}.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    return package.name


def test_load__two_feeds_of_one_name_have_one_topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = own_package(tmp_path, monkeypatch, fx="from feeds.fx import FX\n")
    both = ["feeds", package]
    with pytest.raises(SharedFeed, match=rf"feeds\.fx and {package}\.fx are two feeds named 'fx', on one topic"):
        find.load("fx", both)
    with pytest.raises(SharedFeed, match="two feeds named 'fx'"):
        find.every(both)


def test_every__two_feeds_on_one_table_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = "from dataclasses import replace\nfrom feeds.fx import FX as original\n"
    package = own_package(tmp_path, monkeypatch, fx_again=f"{again}AGAIN = replace(original, name='fx-again')\n")
    with pytest.raises(SharedFeed, match="feeds 'fx' and 'fx-again' share the table fx_rate"):
        find.every(["feeds", package])
    assert find.load("fx-again", ["feeds", package]).table == "fx_rate"  # a pod imports its own feed alone
