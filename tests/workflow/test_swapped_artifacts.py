"""Artifacts in the place of others: one line, and nothing is made of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest
from project import Project

RUNS = "runs/micro"
SWAPS = [
    (f"{RUNS}/tai_dpt/base/model.safetensors", f"{RUNS}/t2i_pal/base/model.safetensors", "scores.parquet", "method"),
    (f"{RUNS}/tai_dpt/base/metrics.parquet", f"{RUNS}/t2i_pal/base/metrics.parquet", None, "method"),
]


@pytest.mark.parametrize(("source", "target", "made", "key"), SWAPS, ids=["model", "metrics"])
def test_a_swapped_artifact_is_one_line(
    project: Project, broken: Callable[..., str], source: str, target: str, made: str | None, key: str
) -> None:
    place = project.file(target)
    shutil.copy(project.file(source), place)
    wanted = place.with_name(made) if made else project.file("tables/table1.html")
    wanted.unlink()
    os.utime(place)
    line = broken(project.run(str(wanted.relative_to(project.path))), target, "delete the file and run again")
    assert f"holds {key} tai_dpt; expected {key} t2i_pal" in line
    assert not wanted.exists()
