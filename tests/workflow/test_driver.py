"""Which code a script runs, and what becomes of the locks of a killed Snakemake."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import driver
from driver import code_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "workflow_scripts/one.py": "from job import run\ndef main():\n    from lib.a import f\n    import json\n",
        "workflow_scripts/job.py": "import lib.unused\n",
        "lib/__init__.py": "",
        "lib/a.py": "from typing import TYPE_CHECKING\nfrom . import b\nif TYPE_CHECKING:\n    import lib.types\n",
        "lib/b.py": "import lib.sub.c as c\n",
        "lib/sub/__init__.py": "from lib.sub.d import x\n",
        "lib/sub/c.py": "",
        "lib/sub/d.py": "from lib.a import f\n",
        "lib/types.py": "",
        "lib/unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_code_is_the_closure_of_what_is_imported(tree: Path) -> None:
    assert code_of(str(tree), "workflow_scripts/one.py") == [
        "lib/__init__.py",
        "lib/a.py",
        "lib/b.py",
        "lib/sub/__init__.py",
        "lib/sub/c.py",
        "lib/sub/d.py",
        "workflow_scripts/one.py",
    ]


@pytest.mark.parametrize(
    "script", sorted({path.name for path in (ROOT / "workflow_scripts").glob("*.py")} - {"plan_costs.py"})
)
def test_no_script_depends_on_the_config_or_the_plan(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job needs reaches it as a parameter, so an edit of the schema reruns nothing; the plan writes nothing."""
    monkeypatch.chdir(ROOT)
    code = code_of(str(ROOT), f"workflow_scripts/{script}")
    assert not {"t2ipal/config/__init__.py", "t2ipal/config/schema.py", "t2ipal/plan.py"} & set(code)


def test_every_import_that_happens_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import a script's whole declared code in a process of its own: nothing else of the project may load."""
    monkeypatch.chdir(ROOT)
    code = code_of(str(ROOT), "workflow_scripts/train.py", "t2ipal/methods/t2i_pal.py")
    modules = [
        name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in code if "t2ipal" in name
    ]
    program = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] == 't2ipal'))"
    )
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) - {"t2ipal.version"} == set(modules)


JOIN = "from driver import join_run; share = join_run({}); print('joined', flush=True); input()"


def joined(folder: Path, is_main: bool = True) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", JOIN.format(is_main)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow_scripts")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "joined\n"
    return process


def test_a_lock_outlives_its_owner_only_until_the_next_run(tmp_path: Path) -> None:
    lock = tmp_path / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(parents=True)
    first = joined(tmp_path)
    lock.write_text("")
    second = joined(tmp_path)
    assert lock.exists(), "the owner lives"
    first.kill()
    first.wait()
    third = joined(tmp_path)
    assert lock.exists(), "another one lives"
    for process in (second, third):
        process.kill()
        process.wait()
    with (tmp_path / ".snakemake/alive").open() as share:
        fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
    last = joined(tmp_path)
    assert not lock.exists()
    last.kill()
    last.wait()


def test_the_snakemake_inside_a_job_owns_no_lock_and_removes_none(tmp_path: Path) -> None:
    lock = tmp_path / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    inside = joined(tmp_path, is_main=False)
    assert lock.exists(), "the run that owns it may live on another machine"
    after = joined(tmp_path)
    assert not lock.exists(), "a job that outlived its run is no owner"
    for process in (inside, after):
        process.kill()
        process.communicate()


def failure(event: str, log: Path, **more: object) -> logging.LogRecord:
    """A record as Snakemake makes it when a job fails, or a group of jobs."""
    record = logging.LogRecord("snakemake.logging", logging.ERROR, "", 0, "Error in rule train", None, None)
    record.__dict__ |= {"event": SimpleNamespace(value=event), "log": [str(log)], **more}
    return record


def test_what_a_job_told_a_cluster_is_told_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, other = tmp_path / "train.log", tmp_path / "other.log"
    log.write_text("INFO begins\nerror: a.parquet: no such file\n")
    other.write_text("INFO begins\n")
    assert not driver._is_news(failure("job_error", log)), "told by the job, in this terminal"
    assert capsys.readouterr().err == ""
    assert not driver._is_news(failure("job_error", log, aux={"external_jobid": "12"}))
    assert capsys.readouterr().err == "error: a.parquet: no such file\n"
    group = [{"log": [str(other)]}, {"log": [str(log)]}]
    assert not driver._is_news(failure("group_error", log, job_error_info=group))
    assert capsys.readouterr().err == "error: a.parquet: no such file\n"
    assert not driver._is_news(failure("job_error", log, indent=True)), "told with its group"
    assert driver._is_news(failure("job_error", other, aux={"external_jobid": "12"})), "killed: it said nothing"
    os.utime(log, (0, 0))
    assert driver._is_news(failure("job_error", log)), "the line of an earlier run"
    assert capsys.readouterr().err == ""
