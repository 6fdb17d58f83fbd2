"""A real Slurm on this machine: the whole pipeline through its queue, a cancelled job, and a kill -9 of Snakemake."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from project import Project, copy_sources, make_models

from t2ipal.errors import UserError
from t2ipal.runtime.output_locks import hold
from t2ipal.runtime.slurm import is_active
from t2ipal.store import content_hash, read_parquet, write_parquet

SCRIPT = Path(__file__).with_name("slurm_local.sh")
TARGET = "table1"
SMALL = {
    "seeds": [1],
    "pools": {"micro": {"size": 30}},
    "datasets": {"micro": {"train": None, "validation": None, "test": {"size": 60}}},
    "methods": ["t2i_pal"],
    "extra": {"zsclip_sparc": None},
    "partial": None,
    "novel": None,
    "few_shot": None,
    "training": {"epochs": 2, "templates": 0},
}
"""A job costs Slurm and Snakemake some seconds, whatever it does: as few jobs as a whole pipeline has."""
MEASURED = {"seconds", "peak_mb"}
DRAWING = "generate"
CANCELLED = "labelled_images"


@dataclass(frozen=True)
class ClusterProject(Project):
    """A project folder whose jobs go to Slurm; `look` is after how many seconds a run first looks for a job's end."""

    look: int = field(kw_only=True)

    def command(self, *arguments: str) -> list[str]:
        # Without accounting, squeue alone knows how a job ended.
        status = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", str(self.look))
        start = [sys.executable, "-m", "snakemake", *arguments, "--workflow-profile", "profiles/slurm"]
        return [*start, *status, "--configfile", "tiny.yaml"]

    def log(self) -> str:
        return (self.path / "run.log").read_text()


def ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def jobs(rule: str) -> dict[str, tuple[str, str]]:
    """All jobs of a rule that Slurm remembers: state and memory by id, in the order of submission."""
    rows = [line.split("|") for line in ask("squeue", "-h", "--states=all", "-o", "%A|%k|%T|%m").splitlines()]
    found = {job: (state, memory) for job, comment, state, memory in rows if comment.startswith(f"rule_{rule}_")}
    return {job: found[job] for job in sorted(found, key=int)}


def scripts(project: Project, rule: str) -> list[psutil.Process]:
    """The living processes that run a rule's script in a project."""
    found = []
    for process in psutil.process_iter():
        try:
            is_script = any(part.endswith(f".{rule}.py") for part in process.cmdline()) and "python" in process.name()
            if is_script and process.cwd() == str(project.path) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def wait_for(condition: Callable[[], object], what: str, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it never happened: {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def slurm() -> Iterator[None]:
    """The cluster, or a skip with the reason why it cannot be had here."""
    for step in ("install", "start"):
        done = subprocess.run([SCRIPT, step], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode == 3:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
    yield
    subprocess.run([SCRIPT, "stop"], check=True)


@dataclass(frozen=True)
class LocalRun:
    """A finished run on this machine, and the seconds that it took."""

    project: Project
    seconds: float


@pytest.fixture(scope="module")
def local(slurm: None, tmp_path_factory: pytest.TempPathFactory) -> LocalRun:
    """The pipeline, run on this machine without Slurm."""
    project = copy_sources(tmp_path_factory.mktemp("cluster") / "local")
    make_models(project.path / "models")
    project.configure(SMALL)
    begun = time.monotonic()
    result = project.run(TARGET, timeout=900)
    assert result.returncode == 0, result.stdout[-6000:]
    return LocalRun(project, time.monotonic() - begun)


@dataclass
class Story:
    """What was seen while the pipeline ran on the cluster."""

    project: ClusterProject
    killed_log: str = ""
    devices: set[str] = field(default_factory=set)
    orphans: list[str] = field(default_factory=list)
    orphans_outlived: bool = False
    at_once: int = 0
    returncode: int | None = None


@pytest.fixture(scope="module")
def story(local: LocalRun, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The pipeline on Slurm: one of its jobs is cancelled, Snakemake is killed, and the same command given again."""
    # A look that comes a little too early is followed by a pause. A job here, with the start of three processes, takes
    # about a third of what ten jobs take two at a time without it, however busy the machine is.
    look = min(max(round(local.seconds / 3), 10), 45)
    project = ClusterProject(copy_sources(tmp_path_factory.mktemp("cluster") / "slurm").path, look=look)
    shutil.copytree(local.project.path / "models", project.path / "models")
    project.configure(SMALL)
    seen = Story(project)

    process = project.start(TARGET)
    alive = lambda: process.poll() is None or pytest.fail(project.log())  # noqa: E731
    wait_for(lambda: alive() and "RUNNING" in [state for state, _ in jobs(CANCELLED).values()], "a job runs")
    ask("scancel", *jobs(CANCELLED))
    wait_for(lambda: alive() and len(jobs(CANCELLED)) == 2, "the cancelled job is submitted again")
    wait_for(lambda: alive() and scripts(project, DRAWING), "drawing begins")
    # Stopped, so that it is still at work when the next run begins, however fast the machine.
    orphan = scripts(project, DRAWING)[0]
    orphan.suspend()
    seen.devices.add(orphan.environ()["CUDA_VISIBLE_DEVICES"])
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen.killed_log = project.log()
    time.sleep(2)
    seen.orphans = [job for job, (state, _) in jobs(DRAWING).items() if state == "RUNNING"]
    seen.orphans_outlived = orphan.is_running()

    process = project.start(TARGET)
    while process.poll() is None:
        drawing = scripts(project, DRAWING)
        seen.at_once = max(seen.at_once, len(drawing))
        time.sleep(0.2)
    seen.returncode = process.returncode
    return seen


def artifacts(project: Project, folder: Path) -> dict[str, str]:
    """Content by path of all that a run made: logs left out, and the columns that tell how long it took."""
    root = project.file("")
    paths = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    found = {}
    for name, path in sorted(paths.items()):
        if path.suffix == ".parquet":
            table = read_parquet(path)
            measured = MEASURED & set(table.column_names)
            if measured:
                path = folder / "unmeasured.parquet"
                write_parquet(table.drop_columns(sorted(measured)), path)
        if not name.startswith(("logs/", "benchmarks/")):
            found[name] = content_hash(path)
    return found


def test_every_artifact_is_as_without_slurm(story: Story, local: LocalRun, tmp_path: Path) -> None:
    assert story.returncode == 0, story.project.log()[-6000:]
    made, expected = artifacts(story.project, tmp_path), artifacts(local.project, tmp_path)
    assert made == expected
    assert any(name.endswith("table1.csv") for name in made)
    assert len(made) > 15


def test_a_cancelled_job_is_tried_again_with_more_memory(story: Story) -> None:
    (first, before), (second, after), *rest = jobs(CANCELLED).values()
    assert (first, before) == ("CANCELLED", "2000M")
    assert (second, after) == ("COMPLETED", "4000M")
    assert not rest


def test_a_run_ends_the_jobs_of_its_killed_predecessor_before_its_own_start(story: Story) -> None:
    assert story.orphans_outlived
    assert len(story.orphans) == 1
    states = [state for state, _ in jobs(DRAWING).values()]
    assert states == ["CANCELLED", "COMPLETED"]
    told = re.search(r"Slurm: ending \d+ jobs of a run that was killed: (.*)", story.project.log())
    assert told
    assert story.orphans[0] in told[1].split(", ")
    assert story.at_once == 1, "two jobs drew the same images at the same time"


def test_a_job_keeps_the_device_that_slurm_gave_it(story: Story) -> None:
    assert story.devices <= {"0", "1"}
    logs = [path.read_text() for path in story.project.file("logs").rglob("*.log")]
    assert logs
    assert not any("GPU: " in text for text in logs), "leased, though Slurm had chosen"


def test_outputs_are_held_until_slurm_says_that_the_job_is_gone(slurm: None, tmp_path: Path) -> None:
    """On a file system without locks, or while the Snakemake around a dead script still cleans up behind it."""
    job = ask("sbatch", "--parsable", "-o", "/dev/null", "--wrap", "sleep 600").strip()
    environment = {**os.environ, "SLURM_JOB_ID": job, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = f"""
import os, pathlib
from t2ipal.runtime.output_locks import hold
with hold(["images.parquet"], pathlib.Path({str(tmp_path)!r})):
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    writing = rf"images.parquet: Slurm job {job} .* is still writing it"
    with pytest.raises(UserError, match=writing), hold(["images.parquet"], tmp_path, patience=1, wait=0.2):
        pass
    ask("scancel", job)
    wait_for(lambda: not is_active(job), "the job ends", 30)
    with hold(["images.parquet"], tmp_path, patience=0):
        pass
