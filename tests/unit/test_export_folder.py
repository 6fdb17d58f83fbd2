"""Folders that are written for others: nothing that was there is lost, and nothing half is left."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from t2ipal.errors import UserError
from t2ipal.export.folder import cell, new_folder, scalar
from t2ipal.marks import mark


def write(folder: Path) -> None:
    with new_folder(folder) as part:
        (part / "data").mkdir()
        (part / "data/a").write_text("a")
        (part / "README.md").write_text("b")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["new", "deep/er/new", "é b%#'", "-x", "empty", "link"])
def test_a_new_or_empty_folder_is_filled(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    write(tmp_path / name)
    assert names(tmp_path / name) == ["README.md", "data", "data/a"]
    assert (tmp_path / "link").is_symlink()


def test_the_current_folder_stays_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write(Path("."))
    assert names(Path(os.getcwd())) == ["README.md", "data", "data/a"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda path: path.write_text("mine"), "x: not an empty folder"),
        (lambda path: path.symlink_to("nowhere"), "x: not an empty folder"),
        (lambda path: (path.mkdir(), (path / ".hidden").write_text("mine")), "x: not an empty folder"),
        (lambda path: path.with_name("x").symlink_to("x"), "x: not an empty folder"),
    ],
)
def test_what_is_there_stays(tmp_path: Path, made: Callable[[Path], object], message: str) -> None:
    made(tmp_path / "x")
    before = names(tmp_path)
    with pytest.raises(UserError, match=message):
        write(tmp_path / "x")
    assert names(tmp_path) == before


def test_what_cannot_be_written_is_one_line_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"file/x: cannot be written: (not a directory|file exists)"):
        write(tmp_path / "file/x")
    with pytest.raises(UserError, match="name too long"):
        write(tmp_path / ("x" * 300))
    with pytest.raises(UserError, match="x: cannot be written: no space left on device"), new_folder(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(UserError, match=r"photo\.png: permission denied"), new_folder(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "Permission denied", "photo.png")
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "x"):
        raise KeyboardInterrupt
    assert names(tmp_path) == ["file"]


def test_only_what_a_killed_export_left_is_removed(tmp_path: Path) -> None:
    mark(tmp_path / ".x.999999998.part")
    (tmp_path / ".x.999999999.part").mkdir()
    write(tmp_path / "x")
    assert names(tmp_path) == [".x.999999999.part", "x", "x/README.md", "x/data", "x/data/a"]


@pytest.mark.parametrize(
    "text", ["mit", "cc-by-4.0", "CC BY: 4.0", "no", "1.0", "a\nlicense: b", "", "é # x", "- x", "{a}"]
)
def test_a_licence_is_one_text_in_the_header_of_a_card(text: str) -> None:
    assert yaml.safe_load(f"license: {scalar(text)}\ntags: [x]") == {"license": text, "tags": ["x"]}
    assert "\n" not in cell(text)


def test_bars_of_a_cell_are_escaped() -> None:
    assert cell("a | b\n c") == "a \\| b c"
