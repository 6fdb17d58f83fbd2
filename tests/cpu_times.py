"""pytest --cpu-times: CPU-seconds (user and system) of tests, with those of the processes that they started."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from warm import server_seconds

SHOWN = 30


class CpuTimes:
    """Measures each test where it runs, and prints the sums by file and the costliest tests.

    What a test shares with those after it, such as an import or a fixture of its file, counts for the first of them.
    """

    def __init__(self) -> None:
        self.before = 0.0
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logstart(self) -> None:
        self.before = spent()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        if call.when == "teardown":  # the report takes it to the process that prints
            item.user_properties.append(("cpu_seconds", spent() - self.before))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self.seconds[report.nodeid] = dict(report.user_properties).get("cpu_seconds", 0.0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        files: Counter[str] = Counter()
        for test, seconds in self.seconds.items():
            files[test.split("::")[0]] += seconds
        for title, sums in (("files", files), ("tests", Counter(self.seconds))):
            terminalreporter.section(f"CPU-seconds of {title}")
            for name, seconds in sums.most_common(SHOWN):
                terminalreporter.write_line(f"{seconds:7.1f}  {name}")
        terminalreporter.write_line(f"{sum(files.values()):7.1f}  all {len(self.seconds)} tests")


def spent() -> float:
    """CPU-seconds of this process, of the processes that it has waited for, and of the server of warm Pythons."""
    return sum(os.times()[:4]) + server_seconds()
