"""The documents say what is there: commands, settings, statuses, files, links, and code as it stands."""

import re
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from catalog import find
from cli.__main__ import app
from steps.__main__ import STAGES
from steps.run.exits import RETRIED, Exit
from steps.run.status import Status
from workflows import render

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "tests").glob("**/README.md")]
DOCUMENTS = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in FILES}
README, REFERENCE = DOCUMENTS["README.md"], DOCUMENTS["docs/reference.md"]
FENCED = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def section(text: str, title: str) -> str:
    """From a heading of the second level to the next one."""
    return re.split(r"^## ", text, flags=re.MULTILINE)[1:][titles(text).index(title)]


def titles(text: str) -> list[str]:
    return re.findall(r"^## (.*)", FENCED.sub("", text), re.MULTILINE)


def blocks(text: str) -> list[str]:
    return FENCED.findall(text)


# -- commands --


def commands() -> dict[str, set[str]]:
    """Command → its options."""
    found, root = {}, get_command(app)
    for name in root.list_commands(None):  # type: ignore[attr-defined]
        command = root.get_command(None, name)  # type: ignore[attr-defined]
        group = getattr(command, "commands", None)
        for part, each in group.items() if group else [("", command)]:
            options = {option for parameter in each.params for option in (*parameter.opts, *parameter.secondary_opts)}
            found[f"{name} {part}".strip()] = options | {"--help"}
    return found


def typed(text: str) -> dict[str, set[str]]:
    """What a document tells its reader to type after `feedfall`, in a line of code or in a sentence: with options."""
    code = [line for block in blocks(text) for line in block.splitlines()]
    code += re.findall(r"^    (.*)", text, re.MULTILINE)
    code += re.findall(r"`([^`\n]+)`", FENCED.sub("", text))
    form = r"^(?:\$ )?(?:\.venv/bin/)?feedfall ((?:quarantine |calendar )?[a-z][a-z-]*)(?=[ `]|$)"
    found: dict[str, set[str]] = {}
    for line in code:
        if words := re.match(form, line):
            found.setdefault(words[1], set()).update(re.findall(r"(?<= )--[a-z-]+", line.split("   ")[0]))
    return found


def test_reference__lists_every_command_of_feedfall_and_no_other() -> None:
    rows = re.findall(r"^\| `feedfall ((?:quarantine |calendar )?[a-z-]+)", REFERENCE, re.MULTILINE)
    assert sorted(rows) == sorted(commands())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents__type_only_commands_and_options_that_exist(name: str) -> None:
    known, said = commands(), typed(DOCUMENTS[name])
    assert {command for command in said if command not in {*known, "quarantine", "calendar"}} == set()
    wrong = {command: options - known[command] for command, options in said.items() if command in known}
    assert {command: options for command, options in wrong.items() if options} == {}


def test_typed__finds_commands_where_a_reader_finds_them() -> None:
    """The check above would pass on a document in which it finds nothing."""
    assert {"submit", "migrate", "verify", "quarantine list"} <= {*typed(README)}
    text = "```\n$ feedfall hang fx --long\n```\n    feedfall calendar gone     --no option\n\nSay `feedfall sing`."
    assert typed(text) == {"hang": {"--long"}, "calendar gone": set(), "sing": set()}


def test_reference__lists_every_target_of_make_and_no_other() -> None:
    targets = re.findall(r"^([a-z0-9]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    rows = re.findall(r"^\| `make ([a-z0-9]+)`", REFERENCE, re.MULTILINE)
    assert sorted(rows) == sorted({*targets} - {"help"})
    assert len(rows) <= 10


def test_reference__lists_every_stage_and_no_other() -> None:
    assert re.findall(r"^\| `([a-z]+)` \|", section(REFERENCE, "Commands"), re.MULTILINE) == list(STAGES)


# -- settings, statuses, exit codes --


def test_reference__lists_every_setting_and_no_other() -> None:
    name = r"(?:KAFKA|FEEDFALL|ARGO|WORKFLOW|DATABASE)_[A-Z_]*[A-Z]"
    rooms = [ROOT / room for room in ("cli", "ledger", "local", "operate", "service", "steps", "workflows")]
    code = [file.read_text(encoding="utf-8") for room in rooms for file in room.rglob("*.py")]
    read = {found for text in code for found in re.findall(rf'"({name})"', text)}
    told = set(re.findall(rf"`({name})`", section(REFERENCE, "Settings")))
    families = (
        "FEEDFALL_PARTNER_URL_",
        "DATABASE_URL_",
    )  # one a partner, by its module's name; one a database, by its own
    assert {each for each in told if not each.startswith(families)} == read
    assert all(any(each.startswith(family) for each in told) for family in families)


def statuses() -> str:
    """The table of the reference, as the code says it."""
    lines = [f"| `{each}` | {_exits(each)} | {each.sentence} | {each.action} |" for each in Status]
    return "\n".join(["| Status | Exit | Meaning | What to do |", "|---|---|---|---|", *lines])


def _exits(status: Status) -> str:
    if status.code is None:
        return "-"
    return f"{status.code:d}, {Exit.NOT_DONE:d}" if status.idle else f"{status.code:d}"


def exits() -> str:
    """Likewise."""
    state, again = {True: "blocked", False: "open"}, {True: "yes", False: "no"}
    lines = [f"| {each:d} | {each.sentence} | {state[each.blocks]} | {again[each in RETRIED]} |" for each in Exit]
    return "\n".join(["| Exit | Meaning | The feed is | Argo starts it again |", "|---|---|---|---|", *lines])


def test_reference__has_the_statuses_and_exit_codes_of_the_code() -> None:
    assert statuses() in REFERENCE, statuses()
    assert exits() in REFERENCE, exits()


def test_operate__names_each_exit_code_that_needs_a_person() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", section(DOCUMENTS["docs/operate.md"], "A run failed"), re.MULTILINE)
    told = {int(code) for row in rows for code in row.split(",")}
    assert {int(each) for each in Exit} - {Exit.OK, Exit.NOT_DONE, Exit.NO_RESPONSE} | {137} == told


# -- files and links --

#: What looks like a file of ours: a feed that the reader writes, and a ConfigMap with its namespace.
NO_FILES = {"feeds/euro.py", "argo/workflow-controller-configmap"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents__name_files_that_are_there(name: str) -> None:
    quoted = set(re.findall(r"`((?:[a-z_-]+/)+[a-zA-Z0-9_.-]*)`", DOCUMENTS[name])) - NO_FILES
    places = (ROOT, ROOT / "tests", (ROOT / name).parent)
    assert {each for each in quoted if not any((at / each).exists() for at in places)} == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents__name_tests_that_are_there(name: str) -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+__\w+)`", DOCUMENTS[name])) - {"test_subject__case"}
    assert {test for test in named if f"def {test}(" not in code} == set()


def anchors(text: str) -> set[str]:
    """The headings' anchors, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents__link_to_what_is_there(name: str) -> None:
    broken = []
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", FENCED.sub("", DOCUMENTS[name])):
        target = (ROOT / name).parent / path if path else ROOT / name
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(f"{path}#{anchor}")
    assert broken == []


def test_anchors__are_made_as_github_makes_them() -> None:
    text = "# A\n## A temporary holiday at 22:00\n### What `verify` can\n```\n# no heading\n```\n## 첫 피드\n"
    assert anchors(text) == {"a", "a-temporary-holiday-at-2200", "what-verify-can", "첫-피드"}


@pytest.mark.parametrize("name", sorted(name for name in DOCUMENTS if name.startswith("docs/")))
def test_readme__leads_to_every_page(name: str) -> None:
    assert f"]({name})" in README


# -- the README --


def test_readme__is_short_and_has_one_picture() -> None:
    assert len(README.splitlines()) <= 120
    assert len([block for block in blocks(README) if "▶" in block]) == 1
    assert "![" not in README


def first_feed(folder: Path) -> str:
    """Write the README's feed into a package of its own, and return the package's name."""
    [code] = [block for block in blocks(README) if "EURO = Feed(" in block]
    (folder / "a_team").mkdir()
    (folder / "a_team" / "__init__.py").touch()
    (folder / "a_team" / "euro.py").write_text(code, encoding="utf-8")
    return "a_team"


def test_readme__its_first_feed_loads_and_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = first_feed(tmp_path)
    feed = find.load("euro", [package])
    assert [feed.topic(kind) for kind in ("request", "response", "bell")] == [
        "euro.request",
        "euro.response",
        "euro.bell",
    ]
    assert feed.partner
    assert (ROOT / feed.partner.replace(".", "/")).with_suffix(".py").exists()
    assert "argo-workflows/euro-sub.workflowtemplate.yaml" in render.render([package])
    sys.modules.pop("a_team.euro")


# -- two languages --


def test_start__says_the_same_in_both_languages() -> None:
    english, korean = DOCUMENTS["docs/start.md"], DOCUMENTS["docs/start.ko.md"]
    assert blocks(english) == blocks(korean)
    assert len(titles(english)) == len(titles(korean))
    assert re.findall(r"\]\((?!start)([^)]*)\)", english) == re.findall(r"\]\((?!start)([^)]*)\)", korean)
    assert english.count("\n|") == korean.count("\n|")


#: What a newcomer must find in the glossary, whatever else is there.
WORDS = """
    absent bell block checkpoint chunk deferred doorbell drain epoch fate fencing free hold lag late lease ledger
    override quarantine redrive replay request response seq skip-gap span stage sweep zombie offset partition
    retention Workflow WorkflowTemplate CronWorkflow EventSource Sensor EventBus COPY SQLSTATE
    관제 영업일 기준일자 전영업일 익영업일 임시휴일 임시공휴일 대체공휴일 건수대사 보류 해제 재수행
"""
PHRASES = {"base date", "run key", "consumer group", "high watermark", "advisory lock", "exit code"}


def test_glossary__has_one_line_a_word_and_none_is_missing() -> None:
    rows = [row.strip("|").split(" | ") for row in re.findall(r"^\|.*\|$", DOCUMENTS["docs/glossary.md"], re.MULTILINE)]
    rows = [[cell.strip() for cell in row] for row in rows if "---" not in row[0] and row[0].strip() != "Word"]
    assert {len(row) for row in rows} == {3}
    assert all(all(row) for row in rows)
    words = [row[0] for row in rows]
    assert sorted({word for word in words if words.count(word) > 1}) == []
    said = {*words, *(row[1] for row in rows)}
    assert {*WORDS.split(), *PHRASES} - said == set()


# -- code as it stands --

#: A block of a document → the file in which it must stand just so.
QUOTED = {
    "class FxRate(Row)": "feeds/fx.py",
    "def template(feed": "workflows/sub.py",
    "    container:\n": "argo-workflows/fx-sub.workflowtemplate.yaml",
}


@pytest.mark.parametrize("start", QUOTED)
def test_feeds__quotes_code_as_it_stands(start: str) -> None:
    [block] = [block for block in blocks(DOCUMENTS["docs/feeds.md"]) if block.startswith(start)]
    assert block in (ROOT / QUOTED[start]).read_text(encoding="utf-8")
