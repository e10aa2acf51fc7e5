"""Nothing below the faces (`cli`, `service`) prints, reads a command line or exits, so that a board can be one too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SILENT = ("business_day", "calendar_client", "catalog", "feeds", "ledger", "operate")
#: What only a face, or a pod's door, may call or import.
CALLS = frozenset({"print", "input", "exit", "quit", "breakpoint"})
ATTRIBUTES = frozenset({"sys.exit", "sys.argv", "sys.stdout", "sys.stderr", "os._exit"})
PACKAGES = frozenset({"argparse", "click", "rich", "typer"})

FILES = [file for room in SILENT for file in sorted((ROOT / room).rglob("*.py"))]


def broken_rules(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield f"line {node.lineno} calls {name}"
            case ast.Attribute(value=ast.Name(id=module), attr=name) if f"{module}.{name}" in ATTRIBUTES:
                yield f"line {node.lineno} uses {module}.{name}"
            case ast.ImportFrom(module=str(module), names=names):
                parts = [f"{module}.{each.name}" for each in names]
                yield from _imports(node.lineno, [module, *(part for part in parts if part in ATTRIBUTES)])
            case ast.Import(names=names):
                yield from _imports(node.lineno, [each.name for each in names])
            case ast.Raise(exc=ast.Call(func=ast.Name(id="SystemExit")) | ast.Name(id="SystemExit")):
                yield f"line {node.lineno} raises SystemExit"


def _imports(line: int, modules: list[str]) -> Iterator[str]:
    for module in modules:
        if module in ATTRIBUTES or module.split(".")[0] in PACKAGES:
            yield f"line {line} imports {module}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_silent_rooms__leave_words_and_exits_to_a_face(file: Path) -> None:
    assert list(broken_rules(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("print('x')", "line 1 calls print"),
        ("import sys\nsys.exit(1)", "line 2 uses sys.exit"),
        ("from sys import exit", "line 1 imports sys.exit"),
        ("import typer", "line 1 imports typer"),
        ("from rich.text import Text", "line 1 imports rich.text"),
        ("raise SystemExit(1)", "line 1 raises SystemExit"),
    ],
)
def test_broken_rules__finds_each_way_around_the_rule(source: str, said: str) -> None:
    assert list(broken_rules(source)) == [said]


@pytest.mark.parametrize("source", ["watch.say('x')", "blueprint()", "import sys\nsys.maxsize"])
def test_broken_rules__lets_the_rest_be(source: str) -> None:
    assert list(broken_rules(source)) == []
