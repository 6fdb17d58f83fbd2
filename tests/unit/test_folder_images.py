"""A folder of images, with and without a table of labels."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from image_sets import DOG, FEW, Classes, Entry, photo

from t2ipal.errors import UserError
from t2ipal.sources.folder import FolderImages
from t2ipal.sources.image_rows import RejectedImage
from t2ipal.sources.reading.folders import NamedFiles
from t2ipal.sources.registry import image_source


def test_folder(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photo(folder / "b.png", "RGBA")
    photo(folder / "sub" / "a.jpg")
    photo(folder / ".thumbnails" / "x.jpg")
    (folder / "notes.txt").write_text("hello")
    source = {"source": "folder", "path": str(folder)}
    items = list(image_source(source).read(FEW))
    assert [item.image_id for item in items] == ["b.png", "notes.txt", "sub/a.jpg"]
    assert [getattr(item, "labels", "-") for item in items] == [None, "-", None]
    table = folder / "labels.csv"
    table.write_text("image,Dog,dining_table,couch,person,weather\nb.png,1,0,-1,0,wet\ngone.jpg,0,0,0,0,\n")
    items = list(image_source(source | {"labels": str(table)}).read(FEW))
    assert [(item.image_id, getattr(item, "labels", None) or item.reason) for item in items] == [
        ("b.png", (1, 0, -1, 0)),
        ("gone.jpg", "no such file"),
        ("notes.txt", "not an image file"),
        ("sub/a.jpg", "no row in the table of labels"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,dog\n", "no column 'image'"),
        ("", "no column 'image'"),
        ("image,dog\n", "no category for class 'dining table'"),
        ("image,dog,dining table,sofa,person\na,1,0,0,yes\n", "line 2: person is 'yes'; expected 1, 0 or -1"),
        ("image,dog,dining table,sofa,person\na,1,0,0,0\na,1,0,0,0\n", "one row per image"),
    ],
)
def test_bad_label_tables(tmp_path: Path, text: str, message: str) -> None:
    photo(tmp_path / "photos" / "a.jpg")
    table = tmp_path / "labels.csv"
    table.write_text(text)
    source = FolderImages(source="folder", path=str(tmp_path / "photos"), labels=str(table))
    with pytest.raises(UserError, match=message):
        list(source.read(FEW))


def test_columns_of_synonyms_are_one_class(tmp_path: Path) -> None:
    """Positive where any column is, difficult where none is and one is that."""
    cells = {"a": "0,1,0", "b": "1,0,0", "c": "0,-1,0", "d": "0,0,1", "e": "0,0,0"}
    for name in cells:
        photo(tmp_path / f"photos/{name}.png")
    table = tmp_path / "labels.csv"
    table.write_text("image,puppy,hound,dog,couch\n" + "".join(f"{key}.png,{cell},0\n" for key, cell in cells.items()))
    classes = Classes((Entry("dog", ("puppy", "hound")), Entry("couch")))
    source = FolderImages(source="folder", path=str(tmp_path / "photos"), labels=str(table))
    assert [item.labels[0] for item in source.read(classes)] == [1, 1, -1, 1, 0]
    for header in ("image,dog,couch,dog,x", "image,dog,couch,Dog,x", "image,dog,couch,x,image"):
        table.write_text(f"{header}\na.png,1,0,0,0\n")
        for read in (lambda: list(source.read(classes)), lambda: list(source.listed())):
            with pytest.raises(UserError, match=r"labels\.csv: columns '\w+' and '\w+' are one name"):
                read()


def test_paths_in_a_table_are_matched_once(tmp_path: Path) -> None:
    """As people write them; the check before a run and the run agree."""
    folder = tmp_path / "photos"
    names = ["a.jpg", "sub/b.jpg", "50% off.jpg", "a%20b.jpg", "Caf\u00e9.jpg", "sub/A b.JPG", "gone.jpg"]
    for name in names[:-1]:
        photo(folder / name).rename(folder / name)
    listed = [
        "./a.jpg",
        "sub\\b.jpg",
        "50% off.jpg",
        "a%20b.jpg",
        "cafe\u0301.jpg",
        str(folder / "sub/a b.jpg"),
        "gone.jpg",
    ]
    table = tmp_path / "labels.csv"
    table.write_text("image,dog\n" + "".join(f"{name},1\n" for name in listed))
    source = FolderImages(source="folder", path=str(folder), labels=str(table))
    items = list(source.read(DOG))
    assert [item.image_id for item in items] == sorted(names)
    assert [getattr(item, "reason", "") for item in items if item.image_id == "gone.jpg"] == ["no such file"]
    assert [getattr(item, "reason", "") for item in items if item.image_id != "gone.jpg"] == [""] * 6
    assert sorted(source.listed()) == sorted((name, folder / name) for name in names)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg", r"line 2: image 'a.jpg' may be A.jpg or a.JPG; expected one file"),
        ("../a.jpg", r"line 2: image '../a.jpg' is outside of .*photos"),
        ("/somewhere/a.jpg", r"line 2: image '/somewhere/a.jpg' is outside of .*photos"),
        ("b.jpg,1\n./b.jpg", r"line 3: image './b.jpg', which is in line 2; expected one row per image"),
        ("b.jpg,1,0,0\nc.jpg", r"line 2: 4 cells; expected 2"),
    ],
)
def test_a_path_that_is_not_one_file_is_one_line(tmp_path: Path, row: str, message: str) -> None:
    for name in ("A.jpg", "a.JPG", "b.jpg"):
        photo(tmp_path / "photos" / name)
    table = tmp_path / "labels.csv"
    table.write_text(f"image,dog\n{row},1\n")
    source = FolderImages(source="folder", path=str(tmp_path / "photos"), labels=str(table))
    for read in (lambda: list(source.read(DOG)), lambda: list(source.listed())):
        with pytest.raises(UserError, match=message):
            read()


@pytest.mark.parametrize("labelled", [False, True])
def test_what_is_no_file_is_a_reject_and_the_rest_goes_on(tmp_path: Path, labelled: bool) -> None:
    folder = tmp_path / "photos"
    photo(folder / "a.png")
    photo(folder / "x.jpg" / "b.png")
    (folder / "gone.png").symlink_to("/nowhere.png")
    (folder / "twin.png").symlink_to("a.png")
    os.link(folder / "x.jpg/b.png", folder / "x.jpg/c.png")
    (folder / "x.jpg/loop").symlink_to(folder)
    (folder / "self.png").symlink_to("self.png")
    os.mkfifo(folder / "pipe.png")
    with open(os.fsencode(folder) + b"/\xe9.png", "wb") as file:
        file.write((folder / "a.png").read_bytes())
    rejects = {
        "gone.png": "broken link to /nowhere.png",
        "pipe.png": "is a pipe, a socket or a device",
        "self.png": "too many levels of symbolic links",
        "twin.png": f"the same file as {folder}/a.png",
        "x.jpg": "is a directory",
        "x.jpg/c.png": f"the same file as {folder}/x.jpg/b.png",
        "x.jpg/loop": f"the same folder as {folder}",
        "\\udce9.png": "its name is not UTF-8",
    }
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "image,dog\n" + "".join(f"{name},1\n" for name in ("a.png", "x.jpg/b.png", "twin.png", "gone.png"))
    )
    source = FolderImages(source="folder", path=str(folder), labels=str(labels) if labelled else None)
    items = list(source.read(DOG))
    assert [item.image_id for item in items] == sorted(["a.png", "x.jpg/b.png", *rejects])
    assert {item.image_id: item.reason for item in items if isinstance(item, RejectedImage)} == rejects


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("a%20b.jpg", "a b.jpg"),
        ("A%20B.JPG", "a b.jpg"),
        ("100%25.jpg", "100%25.jpg"),
        ("C:\\photos\\a b.jpg", "is outside of"),
        ("file:///photos/a b.jpg", "is outside of"),
        ("https://example.org/a b.jpg", "is outside of"),
    ],
)
def test_names_of_addresses_and_of_windows(tmp_path: Path, listed: str, expected: str) -> None:
    files = NamedFiles(tmp_path, ["a b.jpg", "100%25.jpg", "100%.jpg"])
    if expected.endswith("jpg"):
        assert files.find(listed) == expected
    else:
        with pytest.raises(ValueError, match=expected):
            files.find(listed)


def test_a_name_that_is_too_long_is_missing(tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "a.jpg")
    table = tmp_path / "labels.csv"
    table.write_text(f'image,dog\na.jpg,1\n{"b" * 300}.jpg,0\n"c\n.jpg",0\n')
    source = FolderImages(source="folder", path=str(tmp_path / "photos"), labels=str(table))
    *_, finding = source.check("test")
    assert "1 of 3 listed images are there" in finding.text
    assert "\n" not in finding.text
    assert [item.image_id[:1] for item in source.read(DOG) if isinstance(item, RejectedImage)] == ["b", "c"]
