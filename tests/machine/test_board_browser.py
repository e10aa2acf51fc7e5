"""The board in Chromium: by mouse, by keyboard, without script, on a phone. Hostile values never run; axe is content.

It needs Debian's chromium and fonts-noto-cjk, requirements/browser.txt, and axe-core from npm: `make browser`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = shutil.which("chromium")
ROOT = Path(__file__).parents[2]
AXE = ROOT / ".local/axe/node_modules/axe-core/axe.min.js"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
DAY = "2026-11-24"
PICTURES = Path(os.environ.get("PICTURES", "/nonexistent"))
PAGES = {
    "tonight": "/",
    "chosen": f"/?feed=fx&day={DAY}",
    "case": f"/feeds/fx/{DAY}",
    "feed": "/feeds/loan",
    "run": "/runs/81",
    "hold": f"/do/hold?feed=fx&day={DAY}",
    "missing": "/nothing",
}
SIZES = {"desk": (1280, 900), "phone": (390, 844)}

pytest.importorskip("playwright", reason="`make browser` installs requirements/browser.txt")
if CHROMIUM is None:
    pytest.skip("no chromium: apt-get install -y chromium fonts-noto-cjk", allow_module_level=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 -- not installed where this file is skipped

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def server() -> Iterator[tuple[str, str]]:
    """A board of a night, in a process of its own: its address, and the first token."""
    port = free_port()
    command = [sys.executable, ROOT / "tests/serve_board.py", str(port)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}) as child:
        assert child.stdout is not None
        try:
            token = next(line.split()[1] for line in child.stdout if line.startswith("TOKEN"))
            yield f"http://127.0.0.1:{port}", token
        finally:
            child.terminate()


def enter(context: BrowserContext, server: tuple[str, str]) -> Page:
    """A page that is signed in. Whatever it logs as an error fails the test at `quiet`."""
    page, (address, token) = context.new_page(), server
    page.set_default_timeout(15_000)
    page.goto(f"{address}/sign-in?token={token}", wait_until="commit")
    page.wait_for_url(f"{address}/")
    return page


@pytest.fixture
def page(chromium: Browser, server: tuple[str, str]) -> Iterator[Page]:
    context = chromium.new_context(base_url=server[0], viewport={"width": 1280, "height": 900}, locale="ko-KR")
    found: list[str] = []
    entered = enter(context, server)
    entered.on("pageerror", lambda error: found.append(str(error)))
    entered.on("dialog", lambda dialog: found.append(dialog.message))
    entered.on("console", lambda message: found.append(message.text) if "Content Security" in message.text else None)
    yield entered
    context.close()
    assert found == []


def test_mouse__chooses_a_case_and_holds_its_feed(page: Page) -> None:
    page.click("a.case:text-is('fx')")
    page.wait_for_selector("aside .why")
    page.click("aside a.button:text-is('보류')")
    page.fill("#reason", "월말 점검")
    page.click("button:text-is('보류 실행')")
    page.wait_for_selector("h1:has-text('됨: 보류')")
    assert "fx: hold. 월말 점검" in page.inner_text("main")


def test_keyboard__does_all_of_it(page: Page) -> None:
    for key in ("j", "j", "j"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.textContent") == "fx"
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == "evil"
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("aside .why")
    page.keyboard.press("h")
    page.wait_for_url("**/do/hold?feed=fx**")
    page.keyboard.type("hand over")  # a key typed into a field is a letter
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('됨: 보류')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/")


def test_keys__find_help_pause_and_can_be_switched_off(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("loan")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=loan")
    assert page.locator("a.case").all_inner_texts() == ["loan"]
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.click("#keys-toggle")
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    assert not page.locator("#paused").is_visible()
    page.click("#keys-open")
    page.click("#keys-toggle")
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    assert page.locator("#paused").is_visible()


def test_refresh__keeps_focus_and_what_was_unfolded(page: Page) -> None:
    page.click("#over summary")
    page.focus("a.case:text-is('swap')")
    with page.expect_response(lambda each: each.request.headers.get("hx-request") == "true", timeout=15_000):
        pass
    page.wait_for_timeout(300)
    assert page.evaluate("document.activeElement.textContent") == "swap"
    assert page.evaluate("document.getElementById('over').open")


def test_refresh__says_when_the_server_is_gone(page: Page) -> None:
    page.context.set_offline(True)
    page.wait_for_selector("#lost:not([hidden])", timeout=20_000)
    page.context.set_offline(False)
    page.wait_for_selector("#lost", state="hidden", timeout=20_000)


def test_hostile_values__are_shown_and_never_run(page: Page) -> None:
    for address in ("/", f"/feeds/evil/{DAY}", "/runs/85", "/?q=<script>alert(1)</script>"):
        page.goto(address)
        assert page.locator("main img, main script").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"/feeds/evil/{DAY}")
    assert "<script>alert(1)</script>" in page.inner_text("main")


INJECTED = """() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = 1";
    document.body.append(script);
    document.body.insertAdjacentHTML("beforeend", '<img src="/x" onerror="window.ran = 1">');
}"""


def test_script__that_somebody_wrote_into_a_page_is_not_run(chromium: Browser, server: tuple[str, str]) -> None:
    context = chromium.new_context(base_url=server[0])
    page = enter(context, server)
    page.evaluate(INJECTED)
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran === undefined")
    context.close()


def test_board__works_without_script(chromium: Browser, server: tuple[str, str]) -> None:
    context = chromium.new_context(base_url=server[0], java_script_enabled=False, locale="en-GB")
    page = enter(context, server)
    assert page.locator("noscript meta[http-equiv=refresh], meta[http-equiv=refresh]").count() == 1
    page.click("a.case:text-is('fx')")
    page.click("aside a.button:text-is('Accept')")
    page.fill("#reason", "substitute rate")
    page.click("button:text-is('Ask for Accept')")
    assert "Done: Accept" in page.inner_text("h1")
    context.close()


def test_first_load__is_at_most_60_kb_and_from_here_alone(chromium: Browser, server: tuple[str, str]) -> None:
    context = chromium.new_context(base_url=server[0])
    page = enter(context, server)
    asked: list[str] = []
    page.on("request", lambda each: asked.append(each.url))
    client = context.new_cdp_session(page)
    client.send("Network.enable")
    sizes: list[float] = []
    client.on("Network.loadingFinished", lambda each: sizes.append(each["encodedDataLength"]))
    client.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.goto("/", wait_until="networkidle")
    assert [each for each in asked if not each.startswith(server[0])] == []
    assert 5_000 < sum(sizes) <= 60_000
    context.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["ko", "en"])
def test_look__every_page_has_no_serious_finding_and_fits(
    chromium: Browser, server: tuple[str, str], size: str, scheme: str, language: str
) -> None:
    if not AXE.exists():
        pytest.skip("no axe-core: `make browser` fetches it")
    width, height = SIZES[size]
    options = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "bypass_csp": True}
    context = chromium.new_context(base_url=server[0], **options)  # type: ignore[arg-type]
    page = enter(context, server)
    page.goto(f"/language?to={language}&back=/")
    found: dict[str, list[str]] = {}
    for name, address in PAGES.items():
        page.goto(address)
        if PICTURES.exists():
            page.screenshot(path=PICTURES / f"{name}-{size}-{scheme}-{language}.png", full_page=size == "phone")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        page.add_script_tag(path=AXE)
        result = page.evaluate(
            "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
        )
        serious = [each for each in result["violations"] if each["impact"] in ("serious", "critical")]
        found[name] = [f"{each['id']}: {each['nodes'][0]['html'][:150]}" for each in serious]
    context.close()
    assert {name: each for name, each in found.items() if each} == {}


SMALL = """() => [...document.querySelectorAll("a, button, summary, input:not([type=hidden])")]
    .filter((each) => each.offsetParent && !each.matches(".skip"))
    .filter((each) => each.getBoundingClientRect().height < 24 || each.getBoundingClientRect().width < 24)
    .map((each) => each.textContent.trim())"""


def test_targets__are_large_enough(chromium: Browser, server: tuple[str, str]) -> None:
    context = chromium.new_context(base_url=server[0], viewport={"width": 390, "height": 844})
    page = enter(context, server)
    small = page.evaluate(SMALL)
    first = page.evaluate("document.querySelector('.card .button.first').getBoundingClientRect().height")
    assert (small, first) == ([], 44)
    context.close()
