"""A folder of images, with and without a table of labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_sets import FEW, photo

from t2ipal.errors import UserError
from t2ipal.sources.folder import FolderImages
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
