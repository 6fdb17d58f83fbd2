"""Pascal VOC: labels from lists and from XML, and where copies have the files."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from image_sets import DOG, FEW, Classes, Entry, photo

from t2ipal.classes import load_classes
from t2ipal.errors import UserError
from t2ipal.sources.image_rows import ImageRow, RejectedImage
from t2ipal.sources.registry import image_source
from t2ipal.sources.voc import VocImages


def labels(root: Path, difficult: str) -> dict[str, list[int]]:
    """The labels of the test images by id."""
    return VocImages(source="voc", root=str(root), difficult=difficult).labels(load_classes("voc2007"))[0]


@pytest.mark.slow
def test_real_images(real_data: object) -> None:
    root = real_data("VOCdevkit", "VOC2007")
    names = sorted(path.stem[:-5] for path in (root / "ImageSets" / "Main").glob("*_test.txt"))
    classes = Classes(tuple(Entry({"tvmonitor": "TV monitor"}.get(name, name)) for name in names))
    for difficult, code_of_0 in (("negative", 0), ("ignore", -1)):
        source = {"source": "voc", "root": str(root), "split": "test", "difficult": difficult}
        items = list(image_source(source).read(classes))
        assert len(items) == 4952
        assert sum(isinstance(item, ImageRow) for item in items) == 5
        assert Counter(item.reason for item in items if isinstance(item, RejectedImage)) == {"no such file": 4947}
        for row in (item for item in items if isinstance(item, ImageRow)):
            for name, label in zip(names, row.labels, strict=True):
                lines = (root / "ImageSets" / "Main" / f"{name}_test.txt").read_text().split()
                code = lines[lines.index(row.image_id) + 1]
                assert label == {"1": 1, "-1": 0, "0": code_of_0}[code]


def test_counts_those_of_the_devkit(real_data: object) -> None:
    root = real_data("VOCdevkit")  # the folder above will do
    table = labels(root, "negative")
    assert len(table) == 4952
    # positives of the official class lists, difficult ones as absent
    official = [204, 239, 282, 172, 212, 174, 721, 322, 417, 127, 190, 418, 274, 222, 2007, 224, 97, 223, 259, 229]
    assert np.array(list(table.values())).sum(0).tolist() == official
    ignored = np.array(list(labels(root, "ignore").values()))
    assert (ignored == 1).sum(0).tolist() == official
    assert (ignored == -1).sum() > 100


def test_lists_and_xml_agree(tmp_path: Path) -> None:
    root = tmp_path / "VOC2007"
    main = root / "ImageSets" / "Main"
    main.mkdir(parents=True)
    (root / "Annotations").mkdir()
    truth = {"000007": {"dog": 1, "sofa": -1}, "000012": {"person": 1}, "000003": {}}
    (main / "test.txt").write_bytes("".join(f"{key}\r\n" for key in truth).encode())
    for key, labels in truth.items():
        photo(root / "JPEGImages" / f"{key}.jpg")
        objects = "".join(
            f"<object><name>{name}</name><difficult>{int(label == -1)}</difficult></object>"
            for name, label in [*labels.items(), *[(n, -1) for n, label in labels.items() if label == 1]]
        )
        (root / "Annotations" / f"{key}.xml").write_text(f"<annotation>{objects}</annotation>")
    source = {"source": "voc", "root": str(root), "split": "test", "difficult": "ignore"}
    expected = {"000003": (0, 0, 0, 0), "000007": (1, 0, -1, 0), "000012": (0, 0, 0, 1)}
    from_xml = {row.image_id: row.labels for row in image_source(source).read(FEW)}
    for name in ("dog", "diningtable", "sofa", "person"):
        code = {1: "1", -1: "0"}
        lines = "".join(f"{key}  {code.get(labels.get(name), '-1')}\r\n" for key, labels in truth.items())
        (main / f"{name}_test.txt").write_bytes(lines.encode())
    for path in (root / "Annotations").iterdir():
        path.unlink()
    from_lists = {row.image_id: row.labels for row in image_source(source).read(FEW)}
    assert from_xml == from_lists == expected
    (main / "dog_test.txt").write_text("000003 2\n")
    with pytest.raises(UserError, match="expected an image id and 1, 0 or -1"):
        list(image_source(source).read(FEW))
    (main / "dog_test.txt").write_text("000003 1\n000007 1\n")
    with pytest.raises(UserError, match="its images are not those of the split; image 000012 is in one list alone"):
        list(image_source(source).read(FEW))


def write_voc(home: Path, split: str, labels: dict[str, str], xml: bool = False) -> None:
    """A home of VOC with photographs of one dog, or of none, per image."""
    main = home / "ImageSets" / "Main"
    main.mkdir(parents=True, exist_ok=True)
    (main / f"{split}.txt").write_text("".join(f"{key}\n" for key in labels))
    for key, code in labels.items():
        photo(home / "JPEGImages" / f"{key}.jpg")
        if xml:
            (home / "Annotations").mkdir(exist_ok=True)
            name = "dog" if code == "1" else "cat"
            (home / "Annotations" / f"{key}.xml").write_text(
                f"<annotation><object><name>{name}</name></object></annotation>"
            )
    if not xml:
        (main / f"dog_{split}.txt").write_text("".join(f"{key} {code:>2}\n" for key, code in labels.items()))


@pytest.mark.parametrize("home", [
    "VOC2007", "VOCdevkit/VOC2007", "VOCtest_06-Nov-2007/VOCdevkit/VOC2007", "VOCtest/VOC2007",
])  # fmt: skip
@pytest.mark.parametrize("xml", [False, True])
def test_the_test_split_may_be_apart(tmp_path: Path, home: str, xml: bool) -> None:
    write_voc(tmp_path / "VOCdevkit/VOC2007", "trainval", {"000005": "1"})
    write_voc(tmp_path / home, "test", {"000001": "1", "000002": "-1"}, xml)
    source = {"source": "voc", "root": str(tmp_path), "split": "test"}
    rows = image_source(source).read(DOG)
    assert [(row.image_id, row.labels) for row in rows] == [("000001", (1,)), ("000002", (0,))]
    assert [path.is_file() for _, path in image_source(source).listed()] == [True, True]
    (row,) = image_source(source | {"split": "trainval"}).read(DOG)
    assert (row.image_id, row.labels) == ("000005", (1,))


def test_without_annotations(tmp_path: Path) -> None:
    write_voc(tmp_path, "test", {"000001": "1", "000002": "-1", "000003": "1"}, xml=True)
    (tmp_path / "Annotations/000002.xml").unlink()
    (tmp_path / "Annotations/000003.xml").write_text("<annotation><object>")
    source = {"source": "voc", "root": str(tmp_path), "split": "test"}
    items = list(image_source(source).read(DOG))
    assert [item.image_id for item in items] == ["000001", "000002", "000003"]
    assert items[1].reason == "annotations: no such file"
    assert "damaged annotations" in items[2].reason
    for path in (tmp_path / "Annotations").iterdir():
        path.unlink()
    (tmp_path / "Annotations").rmdir()
    with pytest.raises(UserError, match="Annotations: no such folder"):
        list(image_source(source).read(DOG))
    (tmp_path / "ImageSets/Main/test.txt").write_bytes(b"1\n\xff")
    with pytest.raises(UserError, match=r"test\.txt: line 2: byte 0xFF is not UTF-8 text"):
        list(image_source(source).read(DOG))
    with pytest.raises(UserError, match=r"ImageSets/Main/val\.txt: no such file"):
        list(image_source(source | {"split": "val"}).read(DOG))


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ("<object><name> Dog\r\n</name></object>", (1,)),
        ("<object><name>dog</name><difficult>1</difficult></object>", (0,)),
        ("<object/>", "an object without a name"),
        ("<object><name>dog</name><difficult>true</difficult></object>", "difficult is 'true'"),
    ],
)
def test_objects_as_people_write_them(tmp_path: Path, objects: str, expected: tuple[int, ...] | str) -> None:
    write_voc(tmp_path, "test", {"000001": "1"}, xml=True)
    (tmp_path / "Annotations/000001.xml").write_text(f"<annotation>{objects}</annotation>", newline="")
    (item,) = image_source({"source": "voc", "root": str(tmp_path)}).read(DOG)
    assert expected in (
        getattr(item, "labels", None),
        getattr(item, "reason", "").partition("annotations: ")[2].partition(";")[0],
    )


def test_annotations_that_are_none_are_rejects(tmp_path: Path) -> None:
    contents = {"4": '<?xml version="1.0" encoding="none"?><annotation/>', "5": "<html/>", "6": "<a>\xe9</a>"}
    write_voc(tmp_path, "test", dict.fromkeys("123456", "1"), xml=True)
    (tmp_path / "ImageSets/Main/test.txt").write_text("\n".join("123456") + f"\n{'7' * 300}\n")
    for path in (tmp_path / "Annotations").iterdir():
        path.unlink()
    os.mkfifo(tmp_path / "Annotations/2.xml")
    (tmp_path / "Annotations/3.xml").mkdir()
    for key, content in contents.items():
        (tmp_path / f"Annotations/{key}.xml").write_bytes(content.encode("latin-1"))
    items = list(image_source({"source": "voc", "root": str(tmp_path)}).read(DOG))
    assert {item.image_id[:2]: item.reason.split(": ")[1] for item in items} == {
        "1": "no such file",
        "2": "is a pipe, a socket or a device",
        "3": "is a directory",
        "4": "unknown encoding",
        "5": "found <html>; expected <annotation>",
        "6": "not well-formed (invalid token)",
        "77": "file name too long",
    }


def test_an_image_with_two_marks_is_one_line(tmp_path: Path) -> None:
    write_voc(tmp_path, "test", {"000001": "1"})
    path = tmp_path / "ImageSets/Main/dog_test.txt"
    path.write_text(path.read_text() + "000001 -1\n")
    with pytest.raises(UserError, match=r"dog_test\.txt: image 000001 has two marks; expected one"):
        list(image_source({"source": "voc", "root": str(tmp_path)}).read(DOG))


@pytest.mark.parametrize("split", ["test", "trainval"])
def test_files_name_the_download_that_has_them(split: str) -> None:
    source = image_source({"source": "voc", "root": "VOC2007", "split": split})
    assert {file.download for file in source.files()} == {f"voc2007-{split}"}
