"""The report page: made from a finished run, and opened in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from project import Project, copy_project

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


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
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser: install one of {', '.join(BROWSERS)}")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--virtual-time-budget=20000", "--timeout=60000"]
    shown = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    text = re.sub(r"<script.*?</script>", "", shown.stdout, flags=re.DOTALL)
    for category in ("Tables", "Figures", "Examples"):
        assert category in text, text[:2000]
    picture = tmp_path / "page.png"
    subprocess.run(
        [*command, "--window-size=1400,900", f"--screenshot={picture}", page.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    from PIL import Image

    with Image.open(picture) as image:
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
