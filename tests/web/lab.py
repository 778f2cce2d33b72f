"""JupyterLab as a person uses it: by mouse and keyboard, in a real browser."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from chromium import Chromium

SECONDS_TO_START, SECONDS_TO_RUN = 90, 120
# High enough that no cell is left out of the page, as JupyterLab does with those that are not to be seen.
WIDTH, HEIGHT, SEEN = 1100, 6000, 700
PANEL = "document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden)')"
CELLS = f"[...{PANEL}.querySelectorAll('.jp-CodeCell')]"
PLACE = (
    "(e => {{ if (!e) return null; const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})({})"
)
BOX = "(e => {{ const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] }})({})"


class Lab:
    """One page with JupyterLab in it."""

    def __init__(self, browser: Chromium) -> None:
        self.browser = browser
        browser.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)

    def log_in(self, address: str, token: str) -> None:
        """The login page took the token, and the notebook that a new home begins with is open with its kernel ready."""
        self.browser.open(f"{address}/")
        self.browser.evaluate("document.getElementById('password_input').focus()")
        self.browser.call("Input.insertText", text=token)
        self.browser.evaluate("document.getElementById('login_submit').click()")
        self.until(f"!!({PANEL} && {PANEL}.querySelector('.jp-CodeCell'))", SECONDS_TO_START)
        self.until("document.querySelector('.jp-KernelName')?.textContent === 'Sandbox (Python)'", SECONDS_TO_START)
        self.until("!!document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]')", SECONDS_TO_START)

    def run_all(self) -> list[str]:
        """Every cell was run by Run > Run All Cells; the text of each output."""
        self.click("[...document.querySelectorAll('.lm-MenuBar-item')].find(e => e.textContent.trim() === 'Run')")
        self.click("[...document.querySelectorAll('.lm-Menu-item')].find(e => e.textContent.includes('Run All Cells'))")
        self.until(f"{CELLS}.filter(e => /\\[\\d+\\]/.test(e.querySelector('.jp-InputPrompt').textContent)).length >= 3")
        return [self.output(number) for number in range(self.browser.evaluate(f"{CELLS}.length"))]

    def run(self, code: str) -> str:
        """A new last cell holds the code and was run with Shift+Enter; the text of its output."""
        self.click("[...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-footer')].at(-1)")
        self.until(f"{CELLS}.at(-1).querySelector('.cm-content').textContent.trim() === ''", 20)
        last = self.browser.evaluate(f"{CELLS}.length - 1")
        self.click(f"{CELLS}[{last}].querySelector('.cm-content')")
        self.browser.call("Input.insertText", text=code)
        for kind in ("rawKeyDown", "keyUp"):
            self.browser.call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, modifiers=8
            )
        self.until(f"/\\[\\d+\\]/.test({CELLS}[{last}].querySelector('.jp-InputPrompt').textContent)")
        return self.output(last)

    def output(self, number: int) -> str:
        """The text below a code cell."""
        return str(self.browser.evaluate(f"{CELLS}[{number}].querySelector('.jp-Cell-outputWrapper')?.innerText ?? ''"))

    def click(self, element: str) -> None:
        """The mouse was pressed in the middle of the element that the JavaScript expression finds."""
        self.until(f"!!({element})", 20)
        self.browser.evaluate(f"({element}).scrollIntoView({{block: 'center'}})")
        x, y = self.browser.evaluate(PLACE.format(element))
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def until(self, expression: str, seconds: float = SECONDS_TO_RUN) -> None:
        """The JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.browser.evaluate(expression):
            assert time.monotonic() < end, (expression, self.messages())
            time.sleep(0.1)

    def messages(self) -> Any:
        """What the page has shown in dialogs and notes, for whoever reads a failure."""
        return self.browser.evaluate(
            "[...document.querySelectorAll('.jp-Dialog, .Toastify__toast')].map(e => e.innerText.slice(0, 200))"
        )

    def blocked(self) -> list[str]:
        """What the page was kept from loading so far, as the browser reports it."""
        said = [e["params"]["entry"]["text"] for e in self.browser.events if e.get("method") == "Log.entryAdded"]
        return [text for text in said if "Content Security Policy" in text]

    def picture(self, path: Path, cell: int | None = None) -> None:
        """The top of the page, or one code cell with its output, is in the file, as a PNG of few colours."""
        import io

        from PIL import Image

        x, y, width, height = 0, 0, WIDTH, SEEN
        if cell is not None:
            x, y, width, height = self.browser.evaluate(BOX.format(f"{CELLS}.at({cell})"))
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        shot = base64.b64decode(self.browser.call("Page.captureScreenshot", clip=clip)["data"])
        Image.open(io.BytesIO(shot)).convert("RGB").quantize(32).save(path, optimize=True)


def address_of(line: str) -> tuple[str, str] | None:
    """Address and token, when this line of the server's says them."""
    _, found, rest = line.partition("http://127.0.0.1:")
    return (f"http://127.0.0.1:{rest.split('/')[0]}", rest.strip().partition("token=")[2]) if found and "token=" in rest else None


def quoted(text: str) -> str:
    """The text as a JavaScript string."""
    return json.dumps(text)
