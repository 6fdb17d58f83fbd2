"""The report page: made from a finished run, and opened in a real browser."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from chromium import BROWSERS, Tab, browser
from PIL import Image
from project import Project, copy_project


@pytest.fixture(scope="module")
def page(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_project(finished, tmp_path_factory.mktemp("report") / "project")
    path = project.file("report.html")
    result = project.run("--report", str(path.relative_to(project.path)))
    assert result.returncode == 0, result.stdout
    return path


def test_the_report_needs_no_network(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["']https?://""", text)


def test_a_browser_shows_every_category(page: Path, tmp_path: Path) -> None:
    command = browser()
    if command is None:
        pytest.skip(f"no browser: install one of {', '.join(BROWSERS)}")
    with Tab(command, tmp_path / "profile") as tab:
        tab.load(page.as_uri())
        for category in ("Tables", "Figures", "Examples"):
            tab.until(f'document.body.innerText.includes("{category}")')
        picture = tab.picture()
    with Image.open(io.BytesIO(picture)) as image:
        assert len(image.convert("RGB").getcolors(1 << 24)) > 20, "an empty page"


def test_every_result_of_the_report_has_a_caption(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in (
        "table1.html",
        "fig3a-micro.png",
        "captions-micro.html",
        "contact_sheet-micro.png",
        "heat_maps-micro.png",
    ):
        assert name in text
