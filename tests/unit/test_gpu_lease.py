"""Leases of GPUs: with invented ids, since all that is decided here is who may see which."""

from __future__ import annotations

import os
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from t2ipal.errors import UserError
from t2ipal.runtime import gpu_lease
from t2ipal.runtime.gpu_lease import default_folder, lease, visible

HOLD = """
import os, sys, pathlib
from t2ipal.runtime.gpu_lease import lease
with lease(int(sys.argv[1]), pathlib.Path(sys.argv[2]), wait=0.05):
    print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
    sys.stdin.read()
"""


def begin(wanted: int, folder: Path, seen: str | None) -> subprocess.Popen[str]:
    """A job that wants devices on a machine where `seen` are in sight, and keeps them until its stdin is closed."""
    environment = dict(os.environ)
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if seen is not None:
        environment["CUDA_VISIBLE_DEVICES"] = seen
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(wanted), str(folder)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def got(job: subprocess.Popen[str]) -> str:
    return job.stdout.readline().strip()


def end(*jobs: subprocess.Popen[str]) -> None:
    for job in jobs:
        job.stdin.close()
        job.wait(20)
        job.stdout.close()


def test_jobs_at_the_same_time_see_a_device_each(tmp_path: Path) -> None:
    jobs = [begin(1, tmp_path, "GPU-a,GPU-b,GPU-c") for _ in range(3)]
    assert sorted(got(job) for job in jobs) == ["GPU-a", "GPU-b", "GPU-c"]
    end(*jobs)


@pytest.mark.slow
def test_a_job_waits_for_a_device_until_its_holder_is_killed(tmp_path: Path) -> None:
    first, second = begin(1, tmp_path, "0,1"), begin(1, tmp_path, "0,1")
    held = {got(first), got(second)}
    assert held == {"0", "1"}
    third = begin(1, tmp_path, "0,1")
    assert not select.select([third.stdout], [], [], 1.0)[0], "it did not wait"
    second.kill()
    assert got(third) in held
    end(first, third)
    second.communicate()


def test_a_job_of_two_devices_gets_both_or_none(tmp_path: Path) -> None:
    one = begin(1, tmp_path, "0,1,2")
    assert got(one) == "0"
    two = begin(2, tmp_path, "0,1,2")
    assert got(two) == "1,2"
    end(one, two)


@pytest.mark.parametrize("seen", ["1", "", "GPU-5c3f"])
def test_what_a_scheduler_gave_is_left_as_it_is(tmp_path: Path, seen: str) -> None:
    jobs = [begin(1, tmp_path / "leases", seen) for _ in range(2)]
    assert [got(job) for job in jobs] == [seen, seen]
    end(*jobs)
    assert not (tmp_path / "leases").exists()


def test_a_job_without_gpu_leases_none(tmp_path: Path) -> None:
    job = begin(0, tmp_path, "0,1")
    assert got(job) == "0,1"
    end(job)
    assert not list(tmp_path.iterdir())


def test_devices_of_the_machine_are_those_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\n[ "$1 $2" = "--query-gpu=uuid --format=csv,noheader" ] && printf "GPU-1\\nGPU-2\\n"\n'
    )
    program.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert visible() == ["GPU-1", "GPU-2"]
    program.write_text("#!/bin/sh\necho no driver is loaded\nexit 9\n")
    assert visible() == []
    program.unlink()
    assert visible() == []


def test_the_environment_names_devices_before_the_driver_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", " 2, GPU-7 ")
    assert visible() == ["2", "GPU-7"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible() == []


def test_equal_ids_of_two_allocations_are_not_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    first = default_folder()
    monkeypatch.setenv("SLURM_JOB_ID", "13")
    assert first != default_folder()
    monkeypatch.delenv("SLURM_JOB_ID")
    assert default_folder() not in (first, default_folder() / "13")
    assert default_folder().name == "machine"


def test_the_environment_is_restored_by_the_end_of_a_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "a/1,b/2")
    with lease(1, tmp_path):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "a/1"
        with lease(1, tmp_path):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "a/1", "one device is in sight, and it is ours"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "a/1,b/2"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temp directory, with two devices in sight."""
    monkeypatch.setattr(gpu_lease.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "a,b")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path


def test_the_folder_of_leases_is_this_users_alone(temporary: Path) -> None:
    default_folder().parent.mkdir(mode=0o755)
    with lease(1):
        (lock,) = default_folder().iterdir()
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (lock, default_folder(), default_folder().parent)]
    assert modes == [0o600, 0o700, 0o700]


@pytest.mark.parametrize("depth", ["user", "machine"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "file", "another user's"])
def test_a_folder_of_leases_that_is_not_ones_own_is_one_line(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, depth: str, kind: str
) -> None:
    place = default_folder() if depth == "machine" else default_folder().parent
    place.parent.mkdir(exist_ok=True)
    (temporary / "victim").mkdir()
    if kind == "file":
        place.write_text("")
    elif kind == "another user's":
        place.mkdir()
        user = os.getuid()
        folder = default_folder()
        place.parent.chmod(0o700)
        monkeypatch.setattr(gpu_lease, "default_folder", lambda: folder)
        if depth == "user":
            monkeypatch.setattr(os, "getuid", lambda: user + 1)
        else:
            os.chown(place, user + 1, -1) if user == 0 else pytest.skip("only root can give a folder away")
    else:
        place.symlink_to(temporary / ("victim" if kind == "link" else "nowhere"))
    with (
        pytest.raises(UserError, match=rf"{place}: .*expected a folder of one's own: remove it, or set TMPDIR"),
        lease(1),
    ):
        pass
    assert list((temporary / "victim").iterdir()) == []
    assert not (temporary / "nowhere").exists()


def test_a_link_in_place_of_a_lock_is_not_followed(temporary: Path) -> None:
    default_folder().mkdir(parents=True)
    (default_folder() / "a.lock").symlink_to(temporary / "victim")
    with pytest.raises(UserError, match=r"a.lock: .*expected"), lease(1):
        pass
    assert not (temporary / "victim").exists()
