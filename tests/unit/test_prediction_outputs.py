"""Where predictions may go: nothing is overwritten or removed that `t2ipal predict` did not make."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_toy import write_photos
from photo_page import write_page

from t2ipal.errors import UserError
from t2ipal.marks import MARK, mark
from t2ipal.prediction import gallery
from t2ipal.prediction.outputs import GENERATOR, check_outputs
from t2ipal.prediction.photos import find_photos
from t2ipal.prediction.thumbnails import thumbnail_folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, photos, and files of the user's."""
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos", 2)
    for name in ("model.safetensors", "other.safetensors", "thesis.docx"):
        Path(name).write_bytes(b"PK\0\1")
    Path("old.csv").write_text("photo,problem\n")
    Path("site.html").write_text("<!doctype html><title>mine</title>")
    Path("notes").write_text("x")
    Path("captions.csv").write_text("caption\na photo, problem or not\n")
    pq.write_table(pa.table({"caption": ["a dog"]}), "captions.parquet")
    pq.write_table(pa.table({"photo": ["a.jpg"], "problem": [None]}), "old.parquet")
    Path("empty.html").write_text("")
    Path("link.csv").symlink_to("photos/000.jpg")
    os.link("photos/000.jpg", "hard.csv")
    os.mkfifo("pipe")
    for name in ("w-thumbnails/mine.jpg", "v-thumbnails/000000.jpg", "u-thumbnails/000000.jpg", "t-thumbnails"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("x")
    mark("u-thumbnails")
    Path("s-thumbnails").symlink_to("photos")
    return tmp_path


def check(outputs: str) -> None:
    """Check "--csv a --gallery b" against the model and the photos."""
    words = outputs.split()
    options = dict(zip(words[::2], map(Path, words[1::2]), strict=True))
    check_outputs(options, [Path("model.safetensors"), *(photo.path for photo in find_photos(["photos"]))])


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ("--csv photos", "photos: a folder"),
        ("--csv .", "[.]: a folder"),
        ("--csv notes/x.csv", "notes/x.csv: .*/notes is not a folder"),
        ("--csv a --parquet a", "a: both --csv and --parquet"),
        ("--csv ./a --gallery photos/../a", "[a-z]+: both --csv and --gallery"),
        ("--csv pipe --parquet pipe", "[a-z]+: both --csv and --parquet"),
        ("--csv model.safetensors", "model.safetensors: --csv would overwrite an input"),
        ("--parquet photos/001.png", "photos/001.png: --parquet would overwrite an input"),
        ("--csv link.csv", "link.csv: --csv would overwrite an input, photos/000.jpg"),
        ("--csv hard.csv", "hard.csv: --csv would overwrite an input, photos/000.jpg"),
        ("--csv other.safetensors", "other.safetensors: not a text file, and would be overwritten by --csv"),
        ("--csv thesis.docx", "thesis.docx: not a text file"),
        ("--csv captions.csv", "captions.csv: not a table of predictions, and would be overwritten by --csv"),
        ("--csv notes", "notes: not a table of predictions"),
        ("--csv site.html", "site.html: not a table of predictions"),
        ("--parquet captions.parquet", "captions.parquet: not a table of predictions"),
        ("--parquet old.csv", "old.csv: not a Parquet file"),
        ("--gallery site.html", "site.html: not a page of this project"),
        ("--gallery w.html", "w-thumbnails: contains 'mine.jpg', which no page of this project made"),
        ("--gallery v.html", "v-thumbnails: contains '000000.jpg', which no page of this project made"),
        ("--gallery t.html", "t-thumbnails: not a folder of this project"),
        ("--gallery s.html", "s-thumbnails: not a folder of this project"),
        ("--gallery u.html --csv u-thumbnails/a.csv", "u-thumbnails/a.csv: in u-thumbnails"),
        ("--gallery n.html --csv n-thumbnails", "n-thumbnails: in n-thumbnails"),
    ],
)
def test_refused(folder: Path, outputs: str, told: str) -> None:
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(UserError, match=rf"^{told}.*expected"):
        check(outputs)
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(
    "outputs",
    [
        "--csv new/folder/a.csv --parquet new/folder/a.parquet --gallery new/folder/a.html",
        "--csv old.csv --gallery empty.html",
        "--parquet old.parquet",
        "--csv /dev/null --parquet /dev/null",
        "--csv pipe --gallery /dev/stdout",
        "--gallery u.html",
        "--gallery photos/page.html",
    ],
)
def test_allowed(folder: Path, outputs: str) -> None:
    check(outputs)


def test_a_folder_that_cannot_be_written_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(UserError, match=rf"new/a.csv: no permission to write in {folder}"):
        check("--csv new/a.csv")
    with pytest.raises(UserError, match="pipe: no permission to write"):
        check("--csv pipe")


def test_photos_in_the_thumbnails_of_the_page_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"u-thumbnails/000000.jpg: an input in u-thumbnails"):
        check_outputs({"--gallery": Path("u.html")}, [Path("u-thumbnails/000000.jpg")])


def test_a_page_of_ours_is_written_again_and_its_thumbnails_are_no_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "EMBEDDED", 3)
    page, _ = write_page(tmp_path, 4)
    assert page.read_bytes()[:200].count(GENERATOR) == 1
    write_photos(tmp_path / "out put", 2)
    assert [photo.path.name for photo in find_photos([tmp_path / "out put"])] == ["000.jpg", "001.png"]
    check_outputs({"--gallery": page}, [photo.path for photo in find_photos([tmp_path / "out put"])])
    write_page(tmp_path, 5)
    assert len(list(thumbnail_folder(page).glob("*.jpg"))) == 5


def test_thumbnails_appear_when_they_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "EMBEDDED", 3)
    page, _ = write_page(tmp_path, 4)
    folder = thumbnail_folder(page)
    left = folder.with_name(f".{folder.name}.{2**70}.part")  # no process has this number
    mark(left)
    (left / "000000.jpg").write_text("half")

    def fail(*arguments: object) -> None:
        assert not left.exists()
        assert list(folder.parent.glob(".*.part"))
        raise KeyboardInterrupt

    monkeypatch.setattr(gallery.Gallery, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        write_page(tmp_path, 6)
    assert len(list(folder.glob("*.jpg"))) == 4
    assert sorted(path.name for path in page.parent.iterdir()) == [folder.name, page.name]


def test_a_file_that_came_into_the_thumbnails_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "EMBEDDED", 3)
    page, _ = write_page(tmp_path, 4)
    (thumbnail_folder(page) / "mine.txt").write_text("x")
    with pytest.raises(UserError, match=re.escape("contains 'mine.txt'")):
        write_page(tmp_path, 2)
    assert len(list(thumbnail_folder(page).iterdir())) == 6
    assert (thumbnail_folder(page) / MARK).exists()


def test_a_full_disk_is_that_of_the_thumbnails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gallery, "EMBEDDED", 3)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"page-thumbnails: cannot be written: no space left on device"):
        write_page(tmp_path, 4)
    assert not list((tmp_path / "out put").iterdir())


def test_a_page_that_cannot_be_written_keeps_the_thumbnails_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.write_text

    def full(path: Path, *arguments: object, **options: object) -> int:
        if ".html" in path.name:
            raise OSError(28, "No space left on device")
        return real(path, *arguments, **options)

    monkeypatch.setattr(gallery, "EMBEDDED", 3)
    page, _ = write_page(tmp_path, 4)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=r"page.html: cannot be written: no space left on device"):
        write_page(tmp_path, 6)
    assert len(list(thumbnail_folder(page).glob("*.jpg"))) == 4
    assert len(list(page.parent.iterdir())) == 2
