"""Image sets: what real folders bring is accepted or rejected with a reason, and the counts add up."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from t2ipal.datasets import ImageRow, Reject, read_images, write_image_set
from t2ipal.errors import UserError
from t2ipal.images.encode import decode


@dataclass(frozen=True)
class Entry:
    """A class by name, as far as a data set asks."""

    name: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Classes:
    """A class list of a few classes."""

    classes: tuple[Entry, ...]
    name: str = "few"

    @property
    def names(self) -> tuple[str, ...]:
        """Names in label order."""
        return tuple(entry.name for entry in self.classes)


FEW = Classes((Entry("dog", ("puppy",)), Entry("dining table"), Entry("sofa", ("settee", "couch")), Entry("person")))


def photo(path: Path, mode: str = "RGB", seed: int = 0) -> Path:
    """Write a small noisy JPEG or PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).resize((120, 80)).convert(mode).save(path)
    return path


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A COCO tree with one of everything that goes wrong."""
    folder = tmp_path / "coco" / "val2014"
    names = {number: f"COCO_val2014_{number:012d}.jpg" for number in (9, 10, 200, 31, 4, 5, 6)}
    photo(folder / names[9])
    photo(folder / names[10], "L")
    photo(folder / names[200], "CMYK")
    photo(folder / names[31])
    half = photo(folder / names[4])
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    (folder / names[5]).write_text("<html>404</html>")
    categories = {1: "person", 18: "dog", 63: "couch", 67: "dining table", 62: "chair"}
    boxes = [(9, 18), (9, 67), (10, 1), (200, 63), (200, 62), (6, 1), (77, 1), (9, 18)]
    content = {
        "images": [{"id": number, "file_name": name} for number, name in names.items()],
        "categories": [{"id": number, "name": name} for number, name in categories.items()],
        "annotations": [{"id": i, "image_id": image, "category_id": kind} for i, (image, kind) in enumerate(boxes)],
    }
    path = tmp_path / "coco" / "annotations" / "instances_val2014.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return tmp_path / "coco"


def test_coco_keeps_what_can_be_read(coco: Path) -> None:
    items = list(read_images({"source": "coco", "root": "coco", "split": "val2014"}, FEW, data_dir=coco.parent))
    rows = {int(item.image_id): item for item in items if isinstance(item, ImageRow)}
    rejects = {int(item.image_id): item.reason for item in items if isinstance(item, Reject)}
    assert [item.image_id for item in items] == sorted(item.image_id for item in items)
    assert {key: row.labels for key, row in rows.items()} == {
        9: (1, 1, 0, 0),
        10: (0, 0, 0, 1),
        31: (0, 0, 0, 0),  # no instance: stays, all negative
        200: (0, 0, 1, 0),  # a couch is the list's sofa; a chair is nobody's
    }
    assert {key: row.mode for key, row in rows.items()} == {9: "RGB", 10: "L", 31: "RGB", 200: "CMYK"}
    assert {(row.width, row.height, row.data) for row in rows.values()} == {(120, 80, None)}
    assert rejects.keys() == {4, 5, 6, 77}
    assert "damaged" in rejects[4]
    assert rejects[5] == "not an image file"
    assert rejects[6] == "no such file"
    assert rejects[77] == "annotated, but not in the list of images"


def test_written_set(coco: Path, tmp_path: Path) -> None:
    source = {"source": "coco", "root": str(coco), "split": "val2014"}
    seen: list[int] = []
    counts = write_image_set(source, FEW, tmp_path / "a.parquet", tmp_path / "r.parquet", on_progress=seen.append)
    rows, rejects = pq.read_table(tmp_path / "a.parquet"), pq.read_table(tmp_path / "r.parquet")
    assert (counts.read, counts.rows, counts.rejects) == (8, rows.num_rows, rejects.num_rows) == (8, 4, 4)
    assert counts.converted == {"CMYK": 1, "L": 1}
    assert seen == list(range(1, 9))
    assert rows["image_id"].to_pylist() == sorted(rows["image_id"].to_pylist())
    assert all(Path(image["path"]).is_file() and image["bytes"] is None for image in rows["image"].to_pylist())
    assert json.loads(rows.schema.metadata[b"classes"]) == list(FEW.names)


def test_no_usable_image_is_an_error_and_leaves_nothing(coco: Path, tmp_path: Path) -> None:
    for path in (coco / "val2014").iterdir():
        path.unlink()
    source = {"source": "coco", "root": str(coco), "split": "val2014"}
    with pytest.raises(UserError, match=r"not one usable image; 8 rejected, the first is .*no such file"):
        write_image_set(source, FEW, tmp_path / "a.parquet", tmp_path / "r.parquet")
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_coco_errors(coco: Path, tmp_path: Path) -> None:
    def message(classes: Classes = FEW, split: str = "val2014") -> str:
        with pytest.raises(UserError) as error:
            list(read_images({"source": "coco", "root": str(coco), "split": split}, classes))
        return str(error.value)

    assert "no such folder of images" in message(split="train2014")
    assert "no category for class 'unicorn' of few" in message(Classes((Entry("unicorn"),)))
    path = coco / "annotations" / "instances_val2014.json"
    whole = path.read_text()
    path.write_text(whole[:50])
    assert "not a JSON file" in message()
    path.write_text("{}")
    assert "'images'" in message()
    path.write_text(whole.replace('"category_id": 18', '"category_id": 99'))
    assert "unknown category 99" in message()
    path.unlink()
    assert "no such file" in message()


def test_real_coco(real_data: object, tmp_path: Path) -> None:
    root = real_data("coco_mini")
    content = json.loads((root / "annotations" / "instances_val2014.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    classes = Classes(tuple(Entry(name) for name in names.values()))
    source = {"source": "coco", "root": str(root), "split": "val2014"}
    counts = write_image_set(source, classes, tmp_path / "a.parquet", tmp_path / "r.parquet")
    assert (counts.rows, counts.rejects) == (55, 0)
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert sum(counts.converted.values()) == sum(row["mode"] != "RGB" for row in rows)
    instances = {(item["image_id"], names[item["category_id"]]) for item in content["annotations"]}
    assert instances == {
        (int(row["image_id"]), name)
        for row in rows
        for name, label in zip(classes.names, row["labels"], strict=True)
        if label
    }


def test_real_voc(real_data: object) -> None:
    root = real_data("VOCdevkit", "VOC2007")
    names = sorted(path.stem[:-5] for path in (root / "ImageSets" / "Main").glob("*_test.txt"))
    classes = Classes(tuple(Entry({"tvmonitor": "TV monitor"}.get(name, name)) for name in names))
    items = list(read_images({"source": "voc", "root": str(root), "split": "test"}, classes))
    assert len(items) == 4952
    assert sum(isinstance(item, ImageRow) for item in items) == 5
    assert Counter(item.reason for item in items if isinstance(item, Reject)) == {"no such file": 4947}
    for row in (item for item in items if isinstance(item, ImageRow)):
        for name, label in zip(names, row.labels, strict=True):
            lines = (root / "ImageSets" / "Main" / f"{name}_test.txt").read_text().split()
            code = lines[lines.index(row.image_id) + 1]
            assert label == {"1": 1, "-1": 0, "0": -1}[code]


def test_voc_lists_and_xml_agree(tmp_path: Path) -> None:
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
    source = {"source": "voc", "root": str(root), "split": "test"}
    expected = {"000003": (0, 0, 0, 0), "000007": (1, 0, -1, 0), "000012": (0, 0, 0, 1)}
    from_xml = {row.image_id: row.labels for row in read_images(source, FEW)}
    for name in ("dog", "diningtable", "sofa", "person"):
        code = {1: "1", -1: "0"}
        lines = "".join(f"{key}  {code.get(labels.get(name), '-1')}\r\n" for key, labels in truth.items())
        (main / f"{name}_test.txt").write_bytes(lines.encode())
    for path in (root / "Annotations").iterdir():
        path.unlink()
    from_lists = {row.image_id: row.labels for row in read_images(source, FEW)}
    assert from_xml == from_lists == expected
    (main / "dog_test.txt").write_text("000003 2\n")
    with pytest.raises(UserError, match="expected an image id and 1, 0 or -1"):
        list(read_images(source, FEW))


def test_folder(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photo(folder / "b.png", "RGBA")
    photo(folder / "sub" / "a.jpg")
    photo(folder / ".thumbnails" / "x.jpg")
    (folder / "notes.txt").write_text("hello")
    source = {"source": "folder", "path": "photos"}
    items = list(read_images(source, FEW, data_dir=tmp_path))
    assert [item.image_id for item in items] == ["b.png", "notes.txt", "sub/a.jpg"]
    assert [getattr(item, "labels", "-") for item in items] == [None, "-", None]
    table = folder / "labels.csv"
    table.write_text("image,Dog,dining_table,couch,person,weather\nb.png,1,0,-1,0,wet\ngone.jpg,0,0,0,0,\n")
    items = list(read_images(source | {"labels": "photos/labels.csv"}, FEW, data_dir=tmp_path))
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
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        list(read_images({"source": "folder", "path": "photos", "labels": "labels.csv"}, FEW, data_dir=tmp_path))


def test_micro(tmp_path: Path) -> None:
    scenes = pytest.importorskip("t2ipal.micro.scenes")
    classes = Classes(tuple(Entry(name) for name in scenes.CLASSES[::-1]))
    source = {"source": "micro", "size": 12}
    counts = write_image_set(source, classes, tmp_path / "a.parquet", tmp_path / "r.parquet", role="test", seed=3)
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert counts.rows == len(rows) == 12
    assert rows[5]["image_id"] == "test-000005"
    for number, row in enumerate(rows):
        scene = scenes.scene_of("test", number, 3)
        assert np.array_equal(np.asarray(decode(row["image"]["bytes"])), scenes.render(scene, 64))
        shown = {name for name, label in zip(classes.names, row["labels"], strict=True) if label}
        assert shown == {scenes.CLASSES[label] for label in scene.labels}
    more = list(read_images(source | {"size": 14}, classes, role="test", seed=3))
    assert [row.labels for row in more[:12]] == [tuple(row["labels"]) for row in rows]
    other = list(read_images(source, classes, role="train", seed=3))
    assert not {row.data for row in other} & {row["image"]["bytes"] for row in rows}
    with pytest.raises(UserError, match="no category for class 'unicorn'"):
        list(read_images(source, Classes((Entry("unicorn"),))))


def test_unknown_source() -> None:
    with pytest.raises(UserError, match="expected micro, coco, voc or folder"):
        read_images({"source": "imagenet"}, FEW)
