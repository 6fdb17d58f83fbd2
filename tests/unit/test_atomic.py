"""Files that are there when they are whole: links, pipes, devices, modes, and what killed processes left."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from t2ipal.atomic import atomic, is_at_work, unfinished
from t2ipal.errors import UserError
from t2ipal.store import read_header, read_json, read_parquet, write_parquet, write_tensors, write_text


@pytest.fixture
def ended() -> int:
    """The id of a process that is gone."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_every_file_has_the_mode_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "a")
        write_tensors(tmp_path / "b.safetensors", {"x": torch.zeros(1)})
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in sorted(tmp_path.iterdir())] == [0o640, 0o640]


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    for name in ("there", "new"):
        (tmp_path / name).symlink_to(tmp_path / f"far/{name}.txt")
    (tmp_path / "far/there.txt").write_text("old")
    for name in ("there", "new"):
        write_text(tmp_path / name, name)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / f"far/{name}.txt").read_text() == name
    assert len(list((tmp_path / "far").iterdir())) == 2


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "text")
    reader.join(10)
    assert found == ["text"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_full_device_is_one_line_and_stays(tmp_path: Path) -> None:
    before = os.stat("/dev/full")
    with pytest.raises(UserError, match="/dev/full: cannot be written: no space left on device"):
        write_text("/dev/full", "text")
    write_text("/dev/null", "text")
    assert os.stat("/dev/full").st_ino == before.st_ino
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("mode", ["ab", "pipe"])
def test_standard_output_is_written_to_behind_what_is_there(tmp_path: Path, name: str, mode: str) -> None:
    code = f"from t2ipal.atomic import atomic\nwith atomic({name!r}) as part: part.write_text('new')"
    (tmp_path / "log").write_text("old ")
    with (tmp_path / "log").open("ab") as file:
        out = subprocess.PIPE if mode == "pipe" else file
        result = subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (result.stdout, (tmp_path / "log").read_text()) == (
        (b"new", "old ") if mode == "pipe" else (None, "old new")
    )
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("folder", "loop", "file/below", "x" * 300, f"{'y' * 300}/x"):
        with pytest.raises(UserError, match=rf"{tmp_path}/{name}: cannot be written: [a-z]"):
            write_text(tmp_path / name, "new")
    assert (tmp_path / "file").read_text() == "old"
    assert (tmp_path / "loop").is_symlink()
    write_text(tmp_path / "new/below/file", "new")


def test_an_input_that_fails_is_not_called_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="input"), atomic(tmp_path / "output"):
        (tmp_path / "input").read_text()
    with pytest.raises(UserError, match="output: cannot be written"), atomic(tmp_path / "output"):
        raise OSError(errno.ENOSPC, "")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path, ended: int) -> None:
    path = tmp_path / "scores [1].csv"
    left = [tmp_path / f".{path.name}.{number}.part" for number in (ended, f"0-{ended}", 2**70)]
    names = (f"{path.name}.{os.getppid()}", f"{path.name}.0-{os.getpid()}", f"{path.name}.x", f"b.csv.{ended}")
    kept = [tmp_path / f".{name}.part" for name in names]
    for part in (*left, *kept):
        part.write_text("half")
    with left[0].open() as held:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)  # as a process of another machine does
        assert is_at_work(left[0])
        write_text(path, "whole")
        assert left[0].exists()
    write_text(path, "whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, *kept])
    assert sorted(unfinished(path)) == sorted(kept[:2])


def test_an_unfinished_file_is_locked_while_it_is_written(tmp_path: Path) -> None:
    with atomic(tmp_path / "a") as part:
        ask = f"from t2ipal.atomic import is_at_work\nfrom pathlib import Path\nprint(is_at_work(Path({str(part)!r})))"
        result = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert result.stdout == "True\n"


def test_a_model_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetensors.torch
    from safetensors import SafetensorError

    def full(*arguments: object, **options: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(UserError, match=r"a.safetensors: cannot be written: .*No space left"):
        write_tensors(tmp_path / "a.safetensors", {"x": torch.zeros(1)})
    assert not list(tmp_path.iterdir())


def test_parquet_goes_whole_into_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.parquet"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    table = pa.table({"a": list(range(1000))})
    write_parquet(table, pipe)
    reader.join(5)
    assert pq.read_table(pa.BufferReader(read[0])).equals(table)
    assert pipe.is_fifo()
    write_parquet(table, os.devnull)


@pytest.mark.parametrize("read", [read_parquet, read_header, read_json])
def test_a_pipe_in_place_of_an_artifact_is_one_line(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, what in {"pipe": "not a regular file", "folder": "a folder"}.items():
        with pytest.raises(UserError, match=f"{name}: {what}; expected a file"):
            read(tmp_path / name)


@pytest.mark.parametrize("content", [b"\xff", b"[" * 200_000, b"9" * 5000, b"{", b""])
def test_json_that_is_none_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json: not a JSON file: "):
        read_json(path)
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(path) == {"a": 1}


def test_a_name_that_is_too_long_is_no_file(tmp_path: Path) -> None:
    for read in (read_parquet, read_header, read_json):
        with pytest.raises(UserError, match=r"a+: no such file"):
            read(tmp_path / ("a" * 300))
