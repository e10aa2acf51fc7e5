"""The README and the documents say what is there: commands, settings, files, and code as it stands."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from cli.__main__ import app
from steps.__main__ import STAGES
from steps.run import settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = {"README.md": README, **{f"docs/{file.name}": file.read_text() for file in (ROOT / "docs").glob("*.md")}}


def commands() -> set[str]:
    group = get_command(app)
    names = set()
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        names |= {f"{name} {each}" for each in getattr(command, "commands", {})} or {name}
    return names


def test_readme__names_every_command_of_feedfall() -> None:
    table = README[README.index("## Commands") : README.index("## Settings")]
    assert [name for name in commands() if f"`{name}`" not in table and f"`feedfall {name}`" not in table] == ["demo"]


def test_documents__type_only_commands_that_exist() -> None:
    for name, text in DOCUMENTS.items():
        for words in re.findall(
            r"feedfall ((?:quarantine |calendar )?[a-z]+)(?= |`|$)", "\n".join(re.findall(r"`[^`\n]+`", text))
        ):
            assert words in commands(), f"{name}: feedfall {words}"


def test_readme__names_every_target_of_make() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {"help"}
    assert {target for target in targets if f"`make {target}`" not in README} == set()
    assert len(targets) <= 10


def test_readme__names_every_setting() -> None:
    read = set(
        re.findall(r'"((?:KAFKA|FEEDFALL|ARGO|WORKFLOW|DATABASE)_[A-Z_]+)"', Path(settings.__file__).read_text())
    )
    read -= {"FEEDFALL_PARTNER_URL_"}
    assert {name for name in read if f"`{name}`" not in README} == set()


def test_readme__names_every_stage() -> None:
    assert [stage for stage in STAGES if f"`{stage}`" not in README and f"steps {stage}" not in README] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents__name_files_that_are_there(name: str) -> None:
    quoted = {ROOT / path for path in re.findall(r"`((?:[a-z_-]+/)+[a-zA-Z0-9_.-]*)`", DOCUMENTS[name])}
    linked = {(ROOT / name).parent / path for path in re.findall(r"\]\(((?!http)[^)#]+)[^)]*\)", DOCUMENTS[name])}
    assert {path for path in quoted | linked if not path.exists()} == set()


#: A block of the README → the file in which it must stand just so.
QUOTED = {
    "class FxRate(Row)": "feeds/fx.py",
    "def template(feed": "workflows/sub.py",
    "    container:\n": "argo-workflows/fx-sub.workflowtemplate.yaml",
}


@pytest.mark.parametrize("start", QUOTED)
def test_readme__quotes_code_as_it_stands(start: str) -> None:
    blocks = [
        block for block in re.findall(r"```(?:python|yaml)\n(.*?)```", README, re.DOTALL) if block.startswith(start)
    ]
    assert len(blocks) == 1
    assert blocks[0] in (ROOT / QUOTED[start]).read_text()
