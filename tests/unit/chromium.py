"""A headless Chromium that a test drives, over pipes: no port, no package."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 120
"""Until something must have happened; a loaded machine is slow."""


def browser() -> str | None:
    """The path of the browser; None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Tab:
    """One tab of a browser that ends with the block."""

    def __init__(self, command: str, profile: Path) -> None:
        requests, to_us = os.pipe(), os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--no-first-run"]
        options += ["--window-size=1300,1000", "--remote-debugging-pipe", "about:blank"]
        script = f'exec "$0" "$@" 3<&{requests[0]} 4>&{to_us[1]}'
        self.process = subprocess.Popen(
            ["bash", "-c", script, command, *options], pass_fds=(requests[0], to_us[1]), stderr=subprocess.DEVNULL
        )
        os.close(requests[0])
        os.close(to_us[1])
        self.requests, self.answers = os.fdopen(requests[1], "wb", buffering=0), os.fdopen(to_us[0], "rb")
        self.unread = b""
        self.numbers, self.session = itertools.count(1), {}
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.requests.close()
        self.answers.close()

    def send(self, method: str, **values: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol; its result. Events in between are dropped."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": values, **self.session}
        self.requests.write(json.dumps(message).encode() + b"\0")
        while (found := json.loads(self._answer())).get("id") != number:
            pass
        assert "error" not in found, found
        return found["result"]

    def _answer(self) -> bytes:
        """The next answer or event."""
        while b"\0" not in self.unread:
            part = self.answers.read1()
            assert part, "the browser ended"
            self.unread += part
        answer, _, self.unread = self.unread.partition(b"\0")
        return answer

    def load(self, address: str) -> None:
        """Load a page, also where it is there already, and wait for its end."""
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=address)
        self.until('document.readyState === "complete"')

    def picture(self) -> bytes:
        """What the window shows, as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot")["data"])

    def value(self, script: str) -> Any:
        """The value of an expression in the page, awaited."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str) -> Any:
        """The value of an expression as soon as it is true."""
        end = time.monotonic() + SECONDS
        while not (value := self.value(script)):
            assert time.monotonic() < end, script
            time.sleep(0.1)
        return value

    def choose(self, selector: str, files: list[Path]) -> None:
        """Choose files, as a person does in a file dialogue."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])
