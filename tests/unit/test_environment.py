"""The files that describe the environment say the same."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s\\;]+)", re.MULTILINE)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower())


def locked() -> dict[str, str]:
    return {plain(name): version for name, version in PIN.findall((ROOT / "envs/requirements.txt").read_text())}


def test_conda_users_get_the_locked_versions() -> None:
    environment = yaml.safe_load((ROOT / "envs/environment.yaml").read_text())
    pins = dict(PIN.findall("\n".join(environment["dependencies"][-1]["pip"])))
    wanted = re.findall(r"^([A-Za-z0-9._-]+)", (ROOT / "envs/requirements.in").read_text(), re.MULTILINE)
    assert {plain(name): version for name, version in pins.items()} == {
        plain(name): locked()[plain(name)] for name in wanted
    }


def test_every_locked_package_has_a_hash_and_no_file_names_an_index() -> None:
    for name in ("requirements.txt", "uv.txt"):
        text = (ROOT / "envs" / name).read_text()
        entries = re.split(r"\n(?=[A-Za-z0-9])", text)
        assert all("--hash=sha256:" in entry for entry in entries if PIN.match(entry))
    for path in [*(ROOT / "envs").iterdir(), ROOT / "Makefile", ROOT / "pyproject.toml"]:
        assert not re.search(r"https?://|index-url [^-]|find-links", path.read_text()), path
