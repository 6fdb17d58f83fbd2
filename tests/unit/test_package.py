"""What a wheel is made of: the package, its resources, its command and its version."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from own_toy import write_photos, write_recogniser
from warm import python_command

from t2ipal import resource_files
from t2ipal.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("classes", "templates.yaml", "paper_results.csv", "unit_costs.yaml", "data_sources.csv", "zoo/manifest.json")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as a wheel installs it, without what it depends on."""
    target = tmp_path_factory.mktemp("installed")
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, ROOT], check=True)
    return target


def run(installed: Path, cwd: Path, *command: str) -> str:
    """What a command prints that sees the installed package and no checkout."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_checkout_has_its_resources_beside_the_package() -> None:
    assert resource_files.resources_folder() == ROOT / "resources"
    assert [name for name in SHIPPED if not resource_files.resource(name).exists()] == []


@pytest.mark.slow
def test_a_wheel_has_its_resources_inside_the_package(installed: Path, tmp_path: Path) -> None:
    program = (
        "from t2ipal.resource_files import resources_folder, resource\n"
        f"print(resources_folder(), *(name for name in {SHIPPED!r} if not resource(name).exists()))"
    )
    assert run(installed, tmp_path, sys.executable, "-c", program).split() == [str(installed / "t2ipal/resources")]


@pytest.mark.slow
def test_an_installed_command_works_in_any_folder(installed: Path, tmp_path: Path) -> None:
    command = str(installed / "bin/t2ipal")
    assert run(installed, tmp_path, command, "--version") == f"t2ipal {VERSION}\n"
    assert "predict" in run(installed, tmp_path, command, "--help")
    assert "aeroplane" in run(installed, tmp_path, command, "classes", "voc2007")


@pytest.mark.slow
def test_a_wheel_has_the_templates_of_pages(installed: Path, tmp_path: Path) -> None:
    program = (
        "from t2ipal.pages.environment import environment, render\n"
        "print(render('captions.html.j2', title='x', counts={}, verdicts={}, kept=[], rejects=[]))"
    )
    assert "<h1>x</h1>" in run(installed, tmp_path, sys.executable, "-c", program)


@pytest.mark.slow
def test_an_installed_command_predicts_with_its_own_resources(installed: Path, tmp_path: Path) -> None:
    write_recogniser(tmp_path)
    photos = write_photos(tmp_path / "photos")
    arguments = ("--model", "m.safetensors", "--gallery", "page.html", "--csv", "scores.csv", "photos")
    python = shlex.split(python_command())  # a fork that has torch
    run(installed, tmp_path, *python, str(installed / "bin/t2ipal"), "predict", *arguments)
    assert len((tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(photos)
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")


def imported() -> set[str]:
    """Top-level modules that the package imports, wherever in a file, but for type checkers."""
    files = sorted((ROOT / "t2ipal").rglob("*.py"))
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"t2ipal"}


@pytest.mark.slow
def test_every_package_imported_is_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [lines for name, lines in project["optional-dependencies"].items() if name != "dev"]
    lines = [*project["dependencies"], *chain(*extras)]
    declared = {re.match(r"[\w-]+", line)[0] for line in lines}
    assert declared == {name.lower() for name in declared}
    distributions = packages_distributions()
    providers = {name: {re.sub(r"[-_.]+", "-", dist.lower()) for dist in distributions[name]} for name in imported()}
    assert {name: found for name, found in providers.items() if not found & declared} == {}
