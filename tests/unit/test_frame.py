"""The frame of the commands: each mistake, full disk, closed pipe or Ctrl-C is one line and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from t2ipal.cli import main
from t2ipal.errors import UserError, printable
from t2ipal.runtime.frame import framed

ROOT = Path(__file__).resolve().parents[2]


def raising(error: BaseException) -> int:
    def work() -> int:
        raise error

    return framed(work)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (UserError("a.csv: found\n 3"), 1, "error: a.csv: found 3"),
        (UserError("a\x1b[2J\udcff"), 1, r"error: a\x1b[2J\udcff"),
        (PermissionError(13, "Permission denied", "a.csv"), 1, "error: a.csv: permission denied"),
        (OSError("odd"), 1, "error: OSError: odd (not expected; T2IPAL_TRACEBACK=1 shows where)"),
        (ValueError("two\nlines"), 1, "error: ValueError: two lines (not expected; T2IPAL_TRACEBACK=1 shows where)"),
        (MemoryError("96 GB"), 1, "error: out of memory (expected more of it, or a smaller --batch): 96 GB"),
        (KeyboardInterrupt(), 130, "stopped"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_every_error_is_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, told: str
) -> None:
    assert raising(error) == code
    assert capsys.readouterr().err == (f"{told}\n" if told else "")


def test_a_variable_asks_for_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2IPAL_TRACEBACK", "1")
    with pytest.raises(ValueError, match="here"):
        raising(ValueError("here"))


@pytest.mark.parametrize("words", ["frob", "predict", "example x --photos many\n", "--frob", "show ", "predict --csv="])
def test_wrong_options_are_one_line(capsys: pytest.CaptureFixture[str], words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split(" "))
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    about = {**os.environ, "PYTHONPATH": str(ROOT), "T2IPAL": f"{sys.executable} -m t2ipal", **environment}
    return subprocess.run(["bash", "-c", line], env=about, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("set -o pipefail; $T2IPAL classes coco --all --yaml | head -c 9", 0, ""),
        ("$T2IPAL classes voc2007 > /dev/full", 1, "error: standard output: no space left on device\n"),
        ("$T2IPAL classes voc2007 >&-", 0, ""),
        ("$T2IPAL --help > /dev/full", 0, ""),
        ("$T2IPAL classes none 2> /dev/full", 1, ""),
    ],
)
def test_where_nobody_reads_there_is_no_traceback(line: str, code: int, told: str) -> None:
    result = shell(line)
    assert (result.returncode, result.stderr) == (code, told)


@pytest.mark.slow
def test_names_that_a_terminal_does_not_have_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("gr\u00f6\u00dfe\n\u732b\n", encoding="utf-8")
    result = shell(f"$T2IPAL classes {tmp_path}/c.txt", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (result.returncode, result.stderr) == (0, "")
    assert r"gr\xf6\xdfe" in result.stdout


def test_texts_are_printable() -> None:
    assert printable("\u6587\u4ef6 \u00e9 \u200d") == "\u6587\u4ef6 \u00e9 \u200d"
    assert printable("a\nb\x1b\u2028\x85\udc80") == r"a\nb\x1b\u2028\x85\udc80"


@pytest.mark.parametrize(
    ("captions", "content", "told"),
    [
        ("c.csv", b"", "c.csv: no "),
        ("c.txt", b"\xff\xfe\x00", "c.txt: not UTF-8"),
        ("c.parquet", b"", "c.parquet: damaged or not a parquet file"),
        ("c.jsonl", b"\x93\x00", "c.jsonl: "),
    ],
)
def test_captions_without_any_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], captions: str, content: bytes, told: str
) -> None:
    (tmp_path / captions).write_bytes(content)
    assert main(["classes", "voc2007", "--captions", str(tmp_path / captions)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}/{told}")


def test_a_file_without_captions_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from t2ipal.captions import class_words

    monkeypatch.setattr(class_words, "find_captions", lambda *arguments: ({}, 0, 0))
    assert main(["classes", "voc2007", "--captions", "c.txt"]) == 1
    assert capsys.readouterr().err == "error: c.txt: no captions (expected at least one)\n"


@pytest.mark.parametrize("name", ["file", "file/below", "full", "-"])
def test_an_example_needs_a_new_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("old")
    assert main(["example", f"{tmp_path}/{name}"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


@pytest.mark.parametrize("name", ["cuda:99", "foo", "", "meta", "cuda:-1", "cpu,cuda"])
def test_devices_that_are_not_there(name: str) -> None:
    from t2ipal.device import pick_device

    with pytest.raises(UserError, match=rf"device '{name}': not there .expected auto, cpu"):
        pick_device(name)
    assert pick_device("cpu").type == "cpu"


def test_a_workflow_in_a_read_only_checkout_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from t2ipal.runtime import workflow_run

    def fail(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", ".snakemake")

    monkeypatch.setattr(Path, "mkdir", fail)
    monkeypatch.setattr(workflow_run, "quieten", lambda: None)
    monkeypatch.setattr(workflow_run, "own_jobs", lambda: None)
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(UserError, match=r".*: read-only file system .expected a checkout of one's own"):
        workflow_run.begin_run(str(ROOT), is_main=True, is_dry=True)


def test_other_commands_have_the_frame_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from t2ipal.training.search import main

    (tmp_path / "x.parquet").mkdir()
    for name in ("x.parquet", "none"):
        assert main([f"{tmp_path}/{name}"]) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_file_that_looks_like_an_option_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-x.jpg").write_bytes(b"")
    for words in (["predict", "--model", "m", "-x.jpg"], ["show", "m", "-x.jpg"]):
        with pytest.raises(SystemExit):
            main(words)
        assert "; the file -x.jpg is written ./-x.jpg (see t2ipal" in capsys.readouterr().err
