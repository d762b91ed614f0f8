"""A headless Chromium over its debugging pipe (Chrome DevTools Protocol), without any network."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.commands import no_network

PROGRAM = shutil.which("chromium")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Browser:
    """One page. `asked` has the URL of every request that the page made, its own aside."""

    def __init__(self, to: int, of: int) -> None:
        self._to, self._of = to, of
        self._rest = b""
        self._number = 0
        self._session = ""
        self.asked: list[str] = []
        target = self._command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Network", "Page", "Runtime"):
            self._command(f"{domain}.enable")

    def open(self, page: Path, width: int, height: int = 900) -> None:
        self.asked.clear()
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self._command("Page.navigate", url=page.resolve().as_uri())
        while self.evaluate("document.readyState") != "complete":
            pass
        self.asked = [url for url in self.asked if urlsplit(url).path != str(page.resolve())]

    def evaluate(self, expression: str) -> Any:
        return self._command("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get(
            "value"
        )

    def screenshot(self, width: int, height: int) -> bytes:
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shown = self._command("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shown["data"])

    def _command(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("method") == "Network.requestWillBeSent":
                self.asked.append(answer["params"]["request"]["url"])
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self) -> Any:
        while b"\0" not in self._rest:
            chunk = os.read(self._of, 1 << 16)
            assert chunk, "the browser is gone"
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Its profile lies below `folder`."""
    assert PROGRAM is not None
    (theirs, to), (of, ours) = os.pipe(), os.pipe()

    def wire() -> None:
        """The protocol wants them as 3 and 4."""
        first, second = os.dup(theirs), os.dup(ours)
        os.dup2(first, 3)
        os.dup2(second, 4)

    process = subprocess.Popen(
        [*no_network(), PROGRAM, *_OPTIONS, f"--user-data-dir={folder / 'profile'}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder), "DBUS_SESSION_BUS_ADDRESS": "disabled:"},
        preexec_fn=wire,
        close_fds=False,
        pass_fds=(),
    )
    os.close(theirs)
    os.close(ours)
    try:
        yield Browser(to, of)
    finally:
        os.close(to)
        process.terminate()
        process.wait(30)
        os.close(of)
