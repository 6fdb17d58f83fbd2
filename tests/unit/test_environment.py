"""The files that describe the environment say the same."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[\w-]+(?:\[\w+\])?")
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s\\;]+)", re.MULTILINE)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower())


def locked() -> dict[str, str]:
    return {plain(name): version for name, version in PIN.findall((ROOT / "envs/requirements.txt").read_text())}


def required() -> list[str]:
    """What pyproject.toml asks for, all extras included: a name, with the extras of its own, each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return [NAME.match(line)[0] for line in (*project["dependencies"], *(line for extra in extras for line in extra))]


def test_the_lock_has_all_that_the_project_asks_for() -> None:
    """After a change of pyproject.toml: `make lock`."""
    assert {plain(name.partition("[")[0]) for name in required()} - set(locked()) == set()


def test_conda_users_get_the_locked_versions() -> None:
    environment = yaml.safe_load((ROOT / "envs/environment.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == [
        f"{name}=={locked()[plain(name.partition('[')[0])]}" for name in required()
    ]


def test_every_locked_package_has_a_hash_and_no_file_names_an_index() -> None:
    for name in ("requirements.txt", "uv.txt"):
        text = (ROOT / "envs" / name).read_text()
        entries = re.split(r"\n(?=[A-Za-z0-9])", text)
        assert all("--hash=sha256:" in entry for entry in entries if PIN.match(entry))
    for path in [*(ROOT / "envs").iterdir(), ROOT / "Makefile", ROOT / "pyproject.toml"]:
        assert not re.search(r"https?://|index-url [^-]|find-links", path.read_text()), path
