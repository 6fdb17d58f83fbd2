"""Images of MS-COCO: what real folders bring is accepted or rejected with a reason, and the counts add up."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from image_sets import DOG, FEW, Classes, Entry, photo, small_coco

from t2ipal.errors import UserError
from t2ipal.sources.image_rows import ImageRow, RejectedImage, write_image_set
from t2ipal.sources.reading import json_stream
from t2ipal.sources.registry import image_source


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


def test_keeps_what_can_be_read(coco: Path) -> None:
    items = list(image_source({"source": "coco", "root": str(coco), "split": "val2014"}).read(FEW))
    rows = {int(item.image_id): item for item in items if isinstance(item, ImageRow)}
    rejects = {int(item.image_id): item.reason for item in items if isinstance(item, RejectedImage)}
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
    images = image_source(source).read(FEW)
    counts = write_image_set(images, FEW.names, tmp_path / "a.parquet", tmp_path / "r.parquet", on_progress=seen.append)
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
        write_image_set(image_source(source).read(FEW), FEW.names, tmp_path / "a.parquet", tmp_path / "r.parquet")
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_errors(coco: Path, tmp_path: Path) -> None:
    def message(classes: Classes = FEW, split: str = "val2014") -> str:
        with pytest.raises(UserError) as error:
            list(image_source({"source": "coco", "root": str(coco), "split": split}).read(classes))
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
def test_layouts(tmp_path: Path, split: str, annotations: str, folder: str, listed: str, name: str) -> None:
    source = small_coco(tmp_path, split, {42: listed}, annotations)
    photo(tmp_path / folder / name)
    (row,) = image_source(source).read(DOG)
    assert (row.image_id, row.labels, Path(row.path)) == ("000000000042", (1,), tmp_path / folder / name)
    assert list(image_source(source).listed()) == [("000000000042", tmp_path / folder / name)]


def test_a_split_in_its_own_folder_is_not_taken_from_others(tmp_path: Path) -> None:
    source = small_coco(tmp_path, "val2014", {42: "COCO_val2014_000000000042.jpg", 43: "plain.jpg"})
    for path in ("val2014/COCO_val2014_000000000042.jpg", "train2017/000000000042.jpg", "train2017/plain.jpg"):
        photo(tmp_path / path)
    rows = list(image_source(source).read(DOG))
    assert Path(rows[0].path).parent.name == "val2014"
    assert (rows[1].reason, rows[1].path) == ("no such file", str(tmp_path / "val2014/plain.jpg"))


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (["b", "a", "10"], ["b", "a", "000000000010"]),
        ([-5, 0, 10**12], ["-00000000005", "000000000000", "1000000000000"]),
        (["7", 12, "007"], ["000000000007", "000000000012", "007"]),
        ([3, 2, 1], ["000000000003", "000000000002", "000000000001"]),
    ],
)
def test_ids_of_any_kind(tmp_path: Path, ids: list[int | str], texts: list[str]) -> None:
    """Rows are in the order of the ids as texts; a number may be written as text in the annotations alone."""
    source = small_coco(tmp_path, "mine", {key: f"{number}.jpg" for number, key in enumerate(ids)})
    path = tmp_path / "annotations/instances_mine.json"
    content = json.loads(path.read_text())
    content["annotations"] = [{"image_id": str(ids[1]), "category_id": "18"}]
    path.write_text(json.dumps(content))
    for number in range(3):
        photo(tmp_path / f"mine/{number}.jpg")
    rows = list(image_source(source).read(DOG))
    files = dict(zip(texts, range(3), strict=True))
    assert [(row.image_id, Path(row.path).stem, row.labels) for row in rows] == [
        (text, str(files[text]), (int(files[text] == 1),)) for text in sorted(texts)
    ]
    assert sorted(key for key, _ in image_source(source).listed()) == sorted(texts)


@pytest.mark.parametrize(
    ("file_name", "path"),
    [
        ("cam0/a.jpg", "mine/cam0/a.jpg"),
        ("cam0\\a.jpg", "mine/cam0/a.jpg"),
        ("./mine//cam0/a.jpg", "mine/cam0/a.jpg"),
        ("/home/me/data/mine/cam0/a.jpg", "mine/cam0/a.jpg"),
        ("other/a.jpg", "other/a.jpg"),
        ("../cam0/a.jpg", "mine/cam0/a.jpg"),
        ("cam1/a.jpg", "mine/a.jpg"),
    ],
)
def test_folders_in_file_names(tmp_path: Path, file_name: str, path: str) -> None:
    source = small_coco(tmp_path, "mine", {1: file_name, 2: "cam2/b.jpg", 3: "cam3/b.jpg"})
    (tmp_path / "mine").mkdir()
    photo(tmp_path / path)
    photo(tmp_path / "mine/b.jpg")  # of which of the two?
    rows = list(image_source(source).read(DOG))
    assert Path(rows[0].path) == tmp_path / path
    assert [row.reason for row in rows[1:]] == ["no such file"] * 2
    assert [found for _, found in image_source(source).listed()] == [Path(row.path) for row in rows]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"id": 42, "file_name"', '"id": 1.5, "file_name"', "found '1.5'; expected an id"),
        ('"id": 42, "file_name"', '"id": null, "file_name"', "found 'None'; expected an id"),
        ('"id": 42, "file_name"', r'"id": "\ud83d", "file_name"', "expected an id"),
        ('"image_id": 42', '"image": 42', "no 'image_id' in"),
        ('"file_name": "a.jpg"', '"file_name": null', "file_name is 'None'; expected a text"),
        ('[{"id": 42, "file_name": "a.jpg"}]', "[42]", "no 'id' in 42"),
        ('"name": "dog"}]', '"name": "dog"}, {"id": "18", "name": "Dog"}]', "category id 18 occurs more than once"),
    ],
)
def test_entries_that_are_broken_are_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    source = small_coco(tmp_path, "mine", {42: "a.jpg"})
    photo(tmp_path / "mine/a.jpg")
    path = tmp_path / "annotations/instances_mine.json"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=message) as error:
        list(image_source(source).read(DOG))
    assert str(error.value).startswith(f"{path}: not COCO instances: ")


@pytest.mark.slow
def test_memory_is_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        items = image_source(source).read(DOG)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(list(items)) == 300
    assert path.stat().st_size > 1_400_000
    assert peaks[1] < 1.2 * peaks[0]


def test_real_images(real_data: object, tmp_path: Path) -> None:
    root = real_data("coco_mini")
    content = json.loads((root / "annotations" / "instances_val2014.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    classes = Classes(tuple(Entry(name) for name in names.values()))
    source = {"source": "coco", "root": str(root), "split": "val2014"}
    images = image_source(source).read(classes)
    counts = write_image_set(images, classes.names, tmp_path / "a.parquet", tmp_path / "r.parquet")
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


@pytest.mark.parametrize(
    ("there", "listed"),
    [("A.JPG", "a.jpg"), ("Cam0/a.jpg", "cam0/A.jpg"), ("a b.jpg", "a%20b.jpg"), ("e\u0301.jpg", "\u00e9.jpg")],
)
def test_a_file_is_found_as_in_tables_of_labels(tmp_path: Path, there: str, listed: str) -> None:
    path = photo(tmp_path / "val" / there)
    _write(tmp_path, [listed])
    source = image_source({"source": "coco", "root": str(tmp_path), "split": "val"})
    (row,) = source.read(DOG)
    assert (row.path, row.labels) == (str(path), (1,))
    assert [found for _, found in source.listed()] == [path]


def test_a_name_that_may_be_two_files_is_one_line(tmp_path: Path) -> None:
    photo(tmp_path / "val" / "a.jpg")
    photo(tmp_path / "val" / "A.JPG")
    _write(tmp_path, ["a.JPG"])
    source = image_source({"source": "coco", "root": str(tmp_path), "split": "val"})
    with pytest.raises(UserError, match=r"instances_val\.json: image 000000000000: 'a\.JPG' may be A\.JPG or a\.jpg"):
        list(source.read(DOG))
    assert [finding.missing for finding in source.check("test")] == [False, True]


def test_two_images_of_one_file_are_one(tmp_path: Path) -> None:
    photo(tmp_path / "val" / "a.jpg")
    _write(tmp_path, ["a.jpg", "./a.jpg", "b" * 300])
    source = image_source({"source": "coco", "root": str(tmp_path), "split": "val"})
    one, two, three = source.read(DOG)
    assert one.labels == (1,)
    assert two.reason == "the same file as image 000000000000"
    assert three.reason == "file name too long"
    assert "2 of 3 listed images" in list(source.check("test"))[-1].text


def _write(root: Path, names: list[str]) -> None:
    """Annotations of images that all show a dog."""
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"image_id": number, "category_id": 1} for number in range(len(names))],
    }
    path = root / "annotations" / "instances_val.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
