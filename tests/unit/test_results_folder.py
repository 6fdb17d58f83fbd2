"""Where outputs go."""

import os
from pathlib import Path

import pytest

from t2ipal.errors import UserError
from t2ipal.marks import claim, is_marked, mark
from t2ipal.results import remove_results, results_folder


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
    assert results_folder(str(tmp_path / "new"), "micro", to_write=False) == f"{tmp_path}/new/micro"


def test_only_what_the_workflow_made_is_removed(tmp_path: Path) -> None:
    folder, far = tmp_path / "big disk/micro", tmp_path / "far"
    mark(folder)
    for path in (folder / "tables/table1.txt", folder / "my notes.txt", far / "image.jpg"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    (folder / "images").symlink_to(far)
    assert remove_results(folder) == [folder / "my notes.txt"]
    assert sorted(path.name for path in folder.iterdir()) == [".t2ipal", "my notes.txt"]
    assert (far / "image.jpg").exists()
    (folder / "my notes.txt").unlink()
    assert remove_results(folder) == []
    assert not folder.exists()
    assert remove_results(folder) == []


def test_a_home_a_checkout_and_a_folder_without_mark_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, checkout = tmp_path / "home/me", tmp_path / "work/checkout"
    for folder in (home, checkout, tmp_path / "mine"):
        (folder / "images").mkdir(parents=True)
    (tmp_path / "link").symlink_to(home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(checkout)
    for folder in (home, home.parent, checkout, checkout.parent, tmp_path / "link", Path("/"), Path()):
        if folder.resolve() != Path("/"):
            mark(folder)
        with pytest.raises(UserError, match="not removed: a folder around others"):
            remove_results(folder)
    with pytest.raises(UserError, match=r"mine: not removed: no run of this project made it .expected a file .t2ipal"):
        remove_results(tmp_path / "mine")
    assert all((folder / "images").exists() for folder in (home, checkout, tmp_path / "mine"))


def test_photos_of_ones_own_in_a_folder_that_a_run_finished_in_stay(tmp_path: Path) -> None:
    """A run may write next to photos in `images`: what it left there makes the folder not ours."""
    for path in ("images/my.jpg", "logs/run.log", "tables/table1.txt", "report/claims.html"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("x")
    claim(tmp_path)
    with pytest.raises(UserError, match="no run of this project made it"):
        remove_results(tmp_path)
    assert (tmp_path / "images/my.jpg").exists()


def test_results_of_others_and_inputs_in_the_folder_stay(tmp_path: Path) -> None:
    folder = tmp_path / "micro"
    for name in (".", "runs/other", "predictions/a-thumbnails"):
        mark(folder / name)
    (folder / "runs/other/tables").mkdir()
    (folder / "tables").mkdir()
    with pytest.raises(UserError, match=r"micro: not removed: the config reads .*tables/mine.csv in it"):
        remove_results(folder, [tmp_path / "elsewhere", folder / "tables/mine.csv"])
    assert remove_results(folder, [tmp_path / "micro.csv"]) == [folder / "runs"]
    assert sorted(path.name for path in folder.iterdir()) == [".t2ipal", "runs"]
    assert (folder / "runs/other/tables").exists()


def test_a_folder_that_cannot_be_is_one_line() -> None:
    for root, line in (("~nobody-of-this-name/x", "no such user"), ("a" * 300, "more than 255 bytes")):
        with pytest.raises(UserError, match=f"config: results_dir: {root}: .*{line}"):
            results_folder(root, "micro")


def test_a_run_claims_a_new_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "package/images").mkdir(parents=True)
    for name in ("new/micro", "empty", "package"):
        claim(tmp_path / name)
    assert [is_marked(tmp_path / name) for name in ("new/micro", "empty", "package")] == [True, True, False]
    with pytest.raises(UserError, match="no run of this project made it"):
        remove_results(tmp_path / "package")
