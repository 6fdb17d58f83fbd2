"""The profiles repeat what they replace, and the one for Slurm knows every rule."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs_pages import rules

ROOT = Path(__file__).resolve().parents[2]
PROFILES = sorted((ROOT / "profiles").glob("*/profile.v9+.yaml"))
OURS = {"quiet", "show-failed-logs", "printshellcmds", "keep-going", "rerun-incomplete"}


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"profiles/{name}/profile.v9+.yaml").read_text(encoding="utf-8"))


def memory() -> dict[str, int]:
    """What each rule that runs as a job asks for, in MB."""
    found: dict[str, int] = {}
    for file in sorted((ROOT / "rules").glob("*.smk")):
        text = file.read_text(encoding="utf-8")
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \t]+.*\n|\n)*)", text, re.MULTILINE):
            amount = re.search(r"mem_mb=(\d+)", body)
            if amount:
                found[name] = int(amount[1])
    return found


@pytest.mark.parametrize("name", ["gpu", "slurm"])
def test_a_profile_repeats_the_default(name: str) -> None:
    default, profile = read("default"), read(name)
    assert set(default) - {"show-failed-logs"} <= set(profile)
    same = set(default) & set(profile) - {"default-resources"}
    assert {key: profile[key] for key in same} == {key: default[key] for key in same}


def test_slurm_gives_each_rule_its_memory_and_more_at_each_retry() -> None:
    profile = read("slurm")
    assert profile["retries"] > 0
    assert profile["set-resources"] == {rule: {"mem_mb": f"{mb} * attempt"} for rule, mb in memory().items()}


def test_slurm_groups_rules_that_exist_and_need_no_gpu() -> None:
    groups = read("slurm")["groups"]
    assert set(groups) <= set(rules()) & set(memory())
    for file in (ROOT / "rules").glob("*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \t]+.*\n|\n)*)", file.read_text("utf-8"), re.MULTILINE):
            assert name not in groups or "gpu=" not in body, f"{name} holds a GPU for its whole group"
    assert set(read("slurm")["group-components"]) <= set(groups.values())


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_each_entry_has_its_reason(path: Path) -> None:
    """In a comment above it, behind it, or, for what is repeated from the default profile, there."""
    repeated = set(read("default")) if path.parent.name != "default" else set()
    commented = False
    for line in path.read_text(encoding="utf-8").splitlines():
        key = re.match(r"([a-z-]+):", line)
        if line.startswith("#"):
            commented = True
        elif key:
            assert commented or "#" in line or key[1] in repeated | OURS, f"{path}: {key[1]} gives no reason"
            commented = commented and key[1] in OURS
        elif not line.strip():
            commented = False
