"""A small copy of the project, with models of random weights, that tests run, break and change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from code_copies import copy_code
from configs import merged
from warm import branch, run_snakemake

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "Snakefile",
    "config.yaml",
    "config",
    "rules",
    "workflow_scripts",
    "t2ipal",
    "report",
    "envs",
    "profiles",
    "resources",
)
NONE = dict.fromkeys
TINY: dict[str, Any] = {
    "name": "tiny",
    "seeds": [1, 2],
    "pools": {"micro": {"size": 60}, **NONE(("drop-20", "drop-40"))},
    "datasets": {
        "micro": {
            "train": {"source": "micro", "size": 120},
            "validation": {"source": "micro", "size": 60},
            "test": {"source": "micro", "size": 150},
        }
    },
    "text_to_image": {
        "micro": {"model": "models/text-to-image", "samples": 1, "steps": 2, "batch": 8},
        **NONE(("steps-2", "steps-4")),
    },
    "clip": {"micro": {"model": "models/clip.safetensors", "image_size": 32, "batch": 32}, "small": None},
    "methods": ["zsclip", "tai_dpt", "t2i_pal"],
    "extra": {"zsclip_sparc": {"scores": "cells"}, **NONE(("tai_dpt_sparc", "t2i_pal_sparc", "t2i_pal_shared"))},
    "score_rules": None,
    "partial": {"levels": [50, 90], "methods": ["partial_bce", "dualcoop"]},
    "novel": {"levels": [1], "methods": ["laso"], "zero_shot": ["tai_dpt"]},
    "few_shot": {"levels": [1, 2]},
    "training": {"epochs": 3, "batch": 16, "templates": 2},
    "settings": {
        "t2i_pal": {"n_ctx": 4},
        "tai_dpt": {"n_ctx": 4},
        "coop": {"n_ctx": 4, "epochs": 2},
        "dualcoop": {"n_ctx": 4, "epochs": 2},
        "partial_bce": {"epochs": 2},
        "laso": {"op_epochs": 1, "classifier_epochs": 1},
    },
    "ablations": {
        "table5": {
            "rows": {
                **NONE(("original", "own_text", "three")),
                **{"text": {"against": []}, "synthetic": {"against": ["text"]}, "full": {"against": ["text"]}},
            }
        },
        **NONE(("table6", "supplement", "calibration")),
    },
    "sweeps": {"fig3a": {"values": [0.2, 0.6]}, **NONE(("fig3b", "fig3c", "fig4"))},
    "search": {"partial_bce": {"level": 50, "grid": {"lr": [0.001, 0.01]}}},
    "bootstrap": 100,
}
"""Merged over config.yaml: minutes become seconds."""


@dataclass(frozen=True)
class Project:
    """A project folder and how to run it.

    Attributes:
        path: the folder.
        branch: of the warm Python, with the project's modules imported (`with_modules`); None for none.
    """

    path: Path
    branch: str | None = None

    def file(self, name: str) -> Path:
        """A file below results/tiny."""
        return self.path / "results/tiny" / name

    def configure(self, change: dict[str, Any] | None = None) -> None:
        """Write the tiny config with a change."""
        (self.path / "tiny.yaml").write_text(yaml.safe_dump(merged(TINY, change or {})))

    def command(self, *arguments: str) -> list[str]:
        # Targets go first: options that take several values would swallow them.
        return [sys.executable, "-m", "snakemake", *arguments, "--cores", "2", "--configfile", "tiny.yaml"]

    def environment(self) -> dict[str, str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith(("T2IPAL_OWNER", "PYTEST"))}
        return {**own, "PYTHONPATH": str(self.path)}

    def run(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run snakemake to its end, in a fork of a Python that has it imported; stdout and stderr together."""
        return run_snakemake(self.command(*arguments)[3:], self.path, self.environment(), timeout, self.branch)

    @contextmanager
    def with_modules(self, jobs: bool = False) -> Iterator[Project]:
        """The project for many dry runs: what Snakefile, rules and methods import stays imported, as it is now.

        For a run of many `jobs`, what their scripts import does too.
        """
        files = [self.path / "Snakefile", *self.path.glob("rules/*.smk")]
        files += self.path.glob("workflow_scripts/*.py") if jobs else []
        texts = [path.read_text(encoding="utf-8") for path in files]
        modules = sorted({name for text in texts for name in re.findall(r"^ *from (t2ipal[\w.]*) import", text, re.M)})
        methods = [f"t2ipal.methods.{path.stem}" for path in sorted(self.path.glob("t2ipal/methods/[!_]*.py"))]
        with contextmanager(branch)(self.path, [*modules, *methods], self.environment()) as socket:
            yield Project(self.path, socket)

    def run_command(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """As `run`, from a command line: each process starts anew, as for users."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.path,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start snakemake; its output goes to run.log."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.path,
            env=self.environment(),
            stdout=(self.path / "run.log").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs by rule that a dry run announces, targets without work left out."""
        return announced(self.run("-n", *arguments))


def announced(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Jobs by rule that a dry run said it would run, targets without work left out."""
    assert result.returncode == 0, result.stdout
    table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", result.stdout, re.DOTALL)
    rows = dict(line.split() for line in table[1].splitlines()) if table else {}
    return {rule: int(count) for rule, count in rows.items() if rule != "all"}


def one_error(result: subprocess.CompletedProcess[str], *parts: str) -> str:
    """Assert that a run ended with an error of one line that holds all `parts`, and return the line."""
    assert result.returncode != 0, result.stdout
    lines = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stdout
    assert "Traceback" not in result.stdout, result.stdout
    for part in parts:
        assert part in lines[0], lines[0]
    return lines[0]


def copy_sources(path: Path) -> Project:
    """The project's own files, without the zoo's weights, in a new folder."""
    path.mkdir(parents=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            copy_code(ROOT / name, path / name, ROOT / "resources/zoo")
        else:
            shutil.copy(ROOT / name, path / name)
    project = Project(path)
    project.configure()
    return project


def copy_project(source: Project, path: Path) -> Project:
    """A finished project with its results and Snakemake's memory."""
    subprocess.run(["cp", "-RLp", source.path, path], check=True)  # a third of the CPU time of shutil's
    return Project(path)


def make_models(folder: Path) -> None:
    """A CLIP and a text-to-image pipeline of random weights, with their manifest."""
    import torch
    from clip.model import CLIP
    from tiny_pipeline import build

    from t2ipal.store import sha256_file, write_json, write_tensors

    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = CLIP(32, 32, (1, 1, 1, 1), 8, None, 77, 49408, 64, 1, 1)
        clip.initialize_parameters()
        for module in clip.modules():  # a batch norm whose weight starts at 0 hides what its block computes
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.ones_(module.weight)
    write_tensors(folder / "clip.safetensors", clip.state_dict())
    build(folder / "text-to-image")
    shutil.rmtree(folder / "text-to-image-vocabulary")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    entries = {str(path.relative_to(folder)): {"sha256": sha256_file(path)} for path in files}
    write_json(folder / "manifest.json", {"files": entries})
