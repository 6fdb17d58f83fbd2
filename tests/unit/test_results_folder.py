"""Where outputs go."""

import os
from pathlib import Path

import pytest

from t2ipal.errors import UserError
from t2ipal.results import results_folder


def test_relative_absolute_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert results_folder("results", "micro") == "results/micro"
    assert results_folder("./results/", "micro") == "results/micro"
    assert results_folder(str(tmp_path / "a" / "b"), "micro") == f"{tmp_path}/a/b/micro"
    assert results_folder("~/out", "micro") == f"{tmp_path}/out/micro"
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert results_folder(str(tmp_path / "link"), "micro") == f"{tmp_path}/link/micro"


def test_a_file_or_a_folder_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"results_dir: .*file: not a folder"):
        results_folder(str(tmp_path / "file"), "micro")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(UserError, match=rf"results_dir: {tmp_path}: no permission to write"):
        results_folder(str(tmp_path / "new"), "micro")
