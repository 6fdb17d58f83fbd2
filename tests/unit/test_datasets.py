"""Image sets: what real folders bring is accepted or rejected with a reason, and the counts add up."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from image_sets import Classes, Entry, photo, small_coco

from t2ipal.captions import json_stream
from t2ipal.classes import load_classes
from t2ipal.datasets import ImageRow, Reject, listed_images, read_images, voc, write_image_set
from t2ipal.errors import UserError
from t2ipal.images.encode import decode

FEW = Classes((Entry("dog", ("puppy",)), Entry("dining table"), Entry("sofa", ("settee", "couch")), Entry("person")))


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

    assert "instances_train2014.json: no such file" in message(split="train2014")
    assert "no category for class 'unicorn' of few" in message(Classes((Entry("unicorn"),)))
    path = coco / "annotations" / "instances_val2014.json"
    whole = path.read_text()
    path.write_text(whole[:50])
    assert "cut off or malformed" in message()
    path.write_text("{}")
    assert "'images'" in message()
    path.write_text(whole.replace('"category_id": 18', '"category_id": 99'))
    assert "unknown category 99" in message()
    path.write_text(whole.replace('"file_name"', '"name"'))
    assert "not COCO instances: no 'file_name'" in message()
    path.write_text(whole.replace('"id": 10, "file_name"', '"id": 9, "file_name"'))
    assert "image id 9 occurs more than once" in message()
    path.unlink()
    assert "no such file" in message()
    for photo_path in (coco / "val2014").iterdir():
        photo_path.unlink()
    (coco / "val2014").rmdir()
    assert "val2014: no such folder of images" in message()


DOG = Classes((Entry("dog"),))


@pytest.mark.parametrize(("split", "annotations", "folder", "listed", "name"), [
    ("val2014", "annotations", "val2014", "COCO_val2014_000000000042.jpg", "COCO_val2014_000000000042.jpg"),
    ("val2017", "annotations", "val2017", "000000000042.jpg", "000000000042.jpg"),
    ("val2014", "annotations/annotations", "images/val2014", "COCO_val2014_000000000042.jpg",
     "COCO_val2014_000000000042.jpg"),
    ("val2014", "annotations_trainval2014/annotations", "val2014/val2014", "COCO_val2014_000000000042.jpg",
     "COCO_val2014_000000000042.jpg"),
    # the photographs of the other year, where they have the other name
    ("val2014", "annotations", "train2017", "COCO_val2014_000000000042.jpg", "000000000042.jpg"),
    ("val2017", ".", "images/val2014", "000000000042.jpg", "COCO_val2014_000000000042.jpg"),
    ("val2014", "annotations", "val2014", "COCO_val2014_000000000042.jpg", "000000000042.jpg"),
    ("mine", "annotations", "mine", "a/cat.jpg", "cat.jpg"),
])  # fmt: skip
def test_coco_layouts(tmp_path: Path, split: str, annotations: str, folder: str, listed: str, name: str) -> None:
    source = small_coco(tmp_path, split, {42: listed}, annotations)
    photo(tmp_path / folder / name)
    (row,) = read_images(source, DOG)
    assert (row.image_id, row.labels, Path(row.path)) == ("000000000042", (1,), tmp_path / folder / name)
    assert list(listed_images(source)) == [("000000000042", tmp_path / folder / name)]


def test_a_split_in_its_own_folder_is_not_taken_from_others(tmp_path: Path) -> None:
    source = small_coco(tmp_path, "val2014", {42: "COCO_val2014_000000000042.jpg", 43: "plain.jpg"})
    for path in ("val2014/COCO_val2014_000000000042.jpg", "train2017/000000000042.jpg", "train2017/plain.jpg"):
        photo(tmp_path / path)
    rows = list(read_images(source, DOG))
    assert Path(rows[0].path).parent.name == "val2014"
    assert (rows[1].reason, rows[1].path) == ("no such file", str(tmp_path / "val2014/plain.jpg"))


def test_coco_memory_is_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", 1 << 14)
    source = small_coco(tmp_path, "val2017", {number: f"{number:012d}.jpg" for number in range(300)})
    path = tmp_path / "annotations/instances_val2017.json"
    content = json.loads(path.read_text())
    (tmp_path / "val2017").mkdir()
    outlines = [{**item, "segmentation": [[1.5] * 200]} for item in content["annotations"]]
    peaks = []
    for times in (1, 5):
        path.write_text(json.dumps({**content, "annotations": outlines * times}))
        tracemalloc.start()
        items = read_images(source, DOG)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(list(items)) == 300
    assert path.stat().st_size > 1_400_000
    assert peaks[1] < 1.2 * peaks[0]


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
    for difficult, code_of_0 in (("negative", 0), ("ignore", -1)):
        source = {"source": "voc", "root": str(root), "split": "test", "difficult": difficult}
        items = list(read_images(source, classes))
        assert len(items) == 4952
        assert sum(isinstance(item, ImageRow) for item in items) == 5
        assert Counter(item.reason for item in items if isinstance(item, Reject)) == {"no such file": 4947}
        for row in (item for item in items if isinstance(item, ImageRow)):
            for name, label in zip(names, row.labels, strict=True):
                lines = (root / "ImageSets" / "Main" / f"{name}_test.txt").read_text().split()
                code = lines[lines.index(row.image_id) + 1]
                assert label == {"1": 1, "-1": 0, "0": code_of_0}[code]


def test_real_voc_counts_those_of_the_devkit(real_data: object) -> None:
    root = real_data("VOCdevkit")  # the folder above will do
    table = voc.labels(root, "test", load_classes("voc2007"), "negative")[0]
    assert len(table) == 4952
    # positives of the official class lists, difficult ones as absent
    official = [204, 239, 282, 172, 212, 174, 721, 322, 417, 127, 190, 418, 274, 222, 2007, 224, 97, 223, 259, 229]
    assert np.array(list(table.values())).sum(0).tolist() == official
    ignored = np.array(list(voc.labels(root, "test", load_classes("voc2007"), "ignore")[0].values()))
    assert (ignored == 1).sum(0).tolist() == official
    assert (ignored == -1).sum() > 100


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
    source = {"source": "voc", "root": str(root), "split": "test", "difficult": "ignore"}
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
    (main / "dog_test.txt").write_text("000003 1\n000007 1\n")
    with pytest.raises(UserError, match="its images are not those of the split; image 000012 is in one list alone"):
        list(read_images(source, FEW))


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
            (home / "Annotations" / f"{key}.xml").write_text(f"<a><object><name>{name}</name></object></a>")
    if not xml:
        (main / f"dog_{split}.txt").write_text("".join(f"{key} {code:>2}\n" for key, code in labels.items()))


@pytest.mark.parametrize("home", [
    "VOC2007", "VOCdevkit/VOC2007", "VOCtest_06-Nov-2007/VOCdevkit/VOC2007", "VOCtest/VOC2007",
])  # fmt: skip
@pytest.mark.parametrize("xml", [False, True])
def test_voc_test_may_lie_apart(tmp_path: Path, home: str, xml: bool) -> None:
    write_voc(tmp_path / "VOCdevkit/VOC2007", "trainval", {"000005": "1"})
    write_voc(tmp_path / home, "test", {"000001": "1", "000002": "-1"}, xml)
    source = {"source": "voc", "root": str(tmp_path), "split": "test"}
    assert [(row.image_id, row.labels) for row in read_images(source, DOG)] == [("000001", (1,)), ("000002", (0,))]
    assert [path.is_file() for _, path in listed_images(source)] == [True, True]
    (row,) = read_images(source | {"split": "trainval"}, DOG)
    assert (row.image_id, row.labels) == ("000005", (1,))


def test_voc_without_annotations(tmp_path: Path) -> None:
    write_voc(tmp_path, "test", {"000001": "1", "000002": "-1", "000003": "1"}, xml=True)
    (tmp_path / "Annotations/000002.xml").unlink()
    (tmp_path / "Annotations/000003.xml").write_text("<a><object>")
    source = {"source": "voc", "root": str(tmp_path), "split": "test"}
    items = list(read_images(source, DOG))
    assert [item.image_id for item in items] == ["000001", "000002", "000003"]
    assert items[1].reason == "no such file of annotations"
    assert "damaged annotations" in items[2].reason
    for path in (tmp_path / "Annotations").iterdir():
        path.unlink()
    (tmp_path / "Annotations").rmdir()
    with pytest.raises(UserError, match="Annotations: no such folder"):
        list(read_images(source, DOG))
    (tmp_path / "ImageSets/Main/test.txt").write_bytes(b"\xff\xfe0\x00")
    with pytest.raises(UserError, match=r"test\.txt: not a text file"):
        list(read_images(source, DOG))
    with pytest.raises(UserError, match=r"ImageSets/Main/val\.txt: no such file"):
        list(read_images(source | {"split": "val"}, DOG))


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
    with pytest.raises(UserError, match="expected micro, coco, voc, nuswide or folder"):
        read_images({"source": "imagenet"}, FEW)
