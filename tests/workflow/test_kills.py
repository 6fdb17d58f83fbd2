"""Kill -9 of a job and of Snakemake, then the same command again: the content of an uninterrupted run."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from project import Project
from warm import Started

from t2ipal.store import content_hash

GENERATED = ("images/micro/micro/sample0/shard-0.parquet", "images/micro/micro/sample0/shard-0-flagged.parquet")
TRAINED = ("runs/micro/t2i_pal/base/model.safetensors",)


def begun_drawing(project: Project) -> bool:
    return any(project.file(GENERATED[0]).parent.glob(".*.part"))


def begun_training(project: Project) -> bool:
    log = project.file("logs/train/micro/t2i_pal/base.log")
    return log.exists() and "epoch 1 of" in log.read_text()


STAGES = {
    "generate": (GENERATED, begun_drawing),
    "train": ((*TRAINED, "runs/micro/t2i_pal/base/history.parquet"), begun_training),
}


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def script_of(snakemake: psutil.Process, stage: str) -> psutil.Process | None:
    for child in snakemake.children(recursive=True):
        try:
            if any(part.endswith(f".{stage}.py") for part in child.cmdline()) and "python" in child.name():
                return child
        except psutil.NoSuchProcess:
            continue
    return None


@pytest.mark.parametrize("victim", ["job", "snakemake"])
@pytest.mark.parametrize("stage", STAGES)
def test_killed_and_run_again_is_as_never_killed(project: Project, stage: str, victim: str) -> None:
    outputs, begun = STAGES[stage]
    paths = [project.file(name) for name in outputs]
    expected = [content_hash(path) for path in paths if "history" not in path.name]
    for path in paths:
        path.unlink()
    for log in project.path.glob(f"results/tiny/logs/{stage}/**/*.log"):
        log.unlink()
    target = str(paths[0].relative_to(project.path))

    with (project.path / "run.log").open("w") as log:
        process = Started(project.command(target)[3:], project.path, project.environment(), log)
    snakemake = psutil.Process(process.pid)
    wait_for(lambda: begun(project) or process.wait(0) is not None)
    script = script_of(snakemake, stage)
    assert script is not None, (project.path / "run.log").read_text()
    (script if victim == "job" else snakemake).send_signal(signal.SIGKILL)
    assert process.wait(60) not in (0, None)
    wait_for(lambda: not script.is_running() or script.status() == psutil.STATUS_ZOMBIE, 20)
    assert not paths[0].exists() or victim == "snakemake"

    again = project.run(target)
    assert again.returncode == 0, again.stdout
    assert [content_hash(path) for path in paths if "history" not in path.name] == expected
    assert not list(Path(paths[0].parent).glob(".*.part"))
