"""The pages in a real browser: nothing blocked or broken, everything named, reachable by keyboard, readable on a small screen.

Each page is also checked against WCAG 2.2 A and AA by axe, in the light and in the dark scheme.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest
from browsing import Browser
from chromium import Chromium, program

from gateway.web.sessions import COOKIE

CHROMIUM = program()
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="NO CHROMIUM: no page was looked at in a browser; name one in SALLYPORT_CHROMIUM"
)

PAGES = (
    "", "datasets", "datasets/clinic", "access", "access/ask/clinic", "leases", "promotions", "models", "egress", "boundary",
    "access-reviews", "nothing-here",
)  # fmt: skip
OF_CARL = ("", "policies", "audit", "audit/exports", "audit/timeline?id=olga", "audit/trace?id=olga", "access-reviews")
ROLES = ("button", "link", "textbox", "checkbox", "combobox", "spinbutton", "Date")
RULES = "['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa']"
VIOLATIONS = f"axe.run({{runOnly: {RULES}}}).then(r => r.violations.map(v => [v.id, v.nodes[0].html, v.nodes[0].failureSummary]))"
WIDEST = (
    "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 321)"
    ".map(e => e.outerHTML.slice(0, 90)).slice(0, 4)"
)
OUTLINE = (
    "(e => [e.textContent.trim(), getComputedStyle(e).outlineStyle, e.getBoundingClientRect().left >= 0])(document.activeElement)"
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(str(CHROMIUM), tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def logged_in(chromium: Chromium, browser: Callable[[str], Browser], url: str) -> Callable[[str], Chromium]:
    def become(name: str) -> Chromium:
        cookie = browser(name).http.cookies[COOKIE]
        chromium.call("Network.setCookie", name=COOKIE, value=cookie, url=f"{url}/web/", path="/web", httpOnly=True)
        return chromium

    return become


@pytest.mark.parametrize(("name", "pages"), [("sam", PAGES), ("carl", OF_CARL)])
def test_in_every_page_nothing_is_blocked_everything_is_named_and_it_fits_a_small_screen(
    logged_in: Callable[[str], Chromium], url: str, clinic: Path, checked: Callable[..., str], name: str, pages: tuple[str, ...]
) -> None:
    page = logged_in(name)
    dossier = [f"promotions/{checked(f'seen-by-{name}')}"]
    for path in [*pages, *dossier]:
        page.call("Emulation.setDeviceMetricsOverride", width=320, height=800, deviceScaleFactor=1, mobile=False)
        page.open(f"{url}/web/{path}")
        problems = [e["params"] for e in page.events if e.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]
        blocked = [one for one in problems if "404" not in str(one)] if path == "nothing-here" else problems
        assert not blocked, (path, blocked)
        wide = page.evaluate(WIDEST)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, (path, wide)
        assert page.evaluate("document.querySelectorAll('h1').length") == 1, path
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        shown = [node for node in nodes if not node.get("ignored") and node.get("role", {}).get("value") in ROLES]
        unnamed = [node["role"]["value"] for node in shown if not node.get("name", {}).get("value")]
        assert shown and not unnamed, (path, unnamed)
        page.call("Emulation.clearDeviceMetricsOverride")
        for scheme in ("light", "dark"):
            page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            page.evaluate(AXE + ";0")
            found = page.evaluate(VIOLATIONS)
            assert not found, (path, scheme, found)


def test_the_keyboard_alone_reaches_the_content_and_shows_where_it_is(
    logged_in: Callable[[str], Chromium], url: str, clinic: Path
) -> None:
    page = logged_in("sam")
    page.open(f"{url}/web/datasets")
    page.press("Tab", 9)
    text, outline, visible = page.evaluate(OUTLINE)
    assert (text, visible) == ("Skip to the content", True)
    assert outline != "none"
    for _ in range(9):
        page.press("Tab", 9)
        _, outline, visible = page.evaluate(OUTLINE)
        assert outline != "none"
        assert visible


def test_a_person_logs_in_by_keyboard(chromium: Chromium, url: str, password: Callable[[str], str]) -> None:
    chromium.call("Network.clearBrowserCookies")
    chromium.open(f"{url}/web/access")
    chromium.evaluate("document.getElementById('name').focus()")
    chromium.call("Input.insertText", text="dana")
    chromium.press("Tab", 9)
    chromium.call("Input.insertText", text=password("dana"))
    chromium.events.clear()
    chromium.call("Input.dispatchKeyEvent", type="char", text="\r", key="Enter", windowsVirtualKeyCode=13)
    end = time.monotonic() + 30
    while chromium.evaluate("location.pathname + document.readyState") != "/web/accesscomplete" and time.monotonic() < end:
        assert not chromium.evaluate("document.querySelector('[role=alert]')?.textContent")
        time.sleep(0.05)
    assert "dana" in chromium.evaluate("document.querySelector('header').textContent")
