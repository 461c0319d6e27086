"""Headless Chromium over its DevTools protocol: pages that are opened, clicked, read and photographed."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

WALL = 60.0  # seconds after which a wait is given up
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-port=0",
         "--autoplay-policy=no-user-gesture-required", "--force-color-profile=srgb"]  # fmt: skip


class Browser:
    """A browser, until the end of the context."""

    def __enter__(self) -> "Browser":
        self.home = Path(tempfile.mkdtemp(prefix="vipa-browser-"))
        line = [CHROMIUM, *FLAGS, f"--user-data-dir={self.home}", "about:blank"]
        self.process = subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        told, deadline = self.home / "DevToolsActivePort", time.monotonic() + WALL
        while not (told.is_file() and told.read_text(encoding="utf-8").count("\n")):
            assert self.process.poll() is None and time.monotonic() < deadline, "the browser did not start"
            time.sleep(0.05)
        self.port = int(told.read_text(encoding="utf-8").splitlines()[0])
        self.pages: list[Page] = []
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()  # first: Chromium answers no socket's farewell, which is waited for
        self.process.wait()
        for page in self.pages:
            page.socket.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def open(self, url: str, width: int = 390, height: int = 844, dark: bool = False) -> "Page":
        """A tab of that size, at `url`; a narrow one is a phone's, two pixels a point."""
        made = urllib.request.Request(f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(made, timeout=WALL) as answer:
            page = Page(json.load(answer)["webSocketDebuggerUrl"])
        self.pages.append(page)
        phone = width < 600
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        page.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        page.call("Page.enable")
        page.call("Runtime.enable")
        page.call("Log.enable")
        page.call("Page.navigate", url=url)
        page.wait("document.readyState === 'complete'")
        return page


class Page:
    """A tab. errors: what its console said went wrong."""

    def __init__(self, address: str):
        self.socket = connect(address, max_size=None, compression=None, legacy=True, close_timeout=0.5)
        self.numbers = itertools.count(1)
        self.errors: list[str] = []

    def call(self, method: str, **parameters) -> dict:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self.socket.recv(WALL))
            if said.get("id") == number:
                assert "error" not in said, (method, said["error"])
                return said["result"]
            if said.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(said["params"]["exceptionDetails"])[:500])
            elif said.get("method") == "Log.entryAdded" and said["params"]["entry"]["level"] == "error":
                self.errors.append(said["params"]["entry"]["text"] + " " + said["params"]["entry"].get("url", ""))

    def run(self, script: str):
        """The value of the JavaScript expression, awaited."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, (script, result["exceptionDetails"])
        return result["result"].get("value")

    def wait(self, script: str) -> None:
        """Until the expression is true."""
        deadline = time.monotonic() + WALL
        while not self.run(script):
            assert time.monotonic() < deadline, (
                f"waited {WALL:g} s for {script}; the page says: {self.run('document.body.innerText')}"
            )
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def click(self, selector: str, times: int = 1) -> None:
        """Taps in the middle of the element, as a person does: what covers it is hit instead."""
        quoted = json.dumps(selector)
        self.call("Page.bringToFront")  # a tab behind another one gets no taps
        self.wait(f"(e => e && !e.disabled && e.getClientRects().length > 0)(document.querySelector({quoted}))")
        self.run(f"document.querySelector({quoted}).scrollIntoView({{block: 'center'}})")
        x, y = self.run(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector({quoted}).getBoundingClientRect())"
        )
        for i in range(times):
            for kind in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=i + 1)

    def type(self, selector: str, words: str) -> None:
        self.click(selector)
        self.call("Input.insertText", text=words)

    def photograph(self, path: Path, whole: bool = False) -> None:
        """A PNG of what is seen, or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(shot["data"]))
