"""A headless Chromium that a test drives, over pipes: no port, no package."""

from __future__ import annotations

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
        while True:
            answer = bytearray()
            while (byte := self.answers.read(1)) != b"\0":
                assert byte, "the browser ended"
                answer += byte
            found = json.loads(answer)
            if found.get("id") == number:
                assert "error" not in found, found
                return found["result"]

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
