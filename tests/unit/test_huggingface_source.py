"""Captions and labelled images in data sets that the package `datasets` wrote and reads."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_sets import FEW
from PIL import Image

from t2ipal.errors import UserError
from t2ipal.sources.base import source_of
from t2ipal.sources.caption_rows import Caption
from t2ipal.sources.huggingface import rows as hub_rows
from t2ipal.sources.image_rows import ImageRow
from t2ipal.sources.registry import caption_source, image_source

datasets = pytest.importorskip("datasets")
ROWS: list[tuple[Any, ...]] = [
    ("c", ["dog", "sofa"], 0), ("a", [], 1), ("b", None, 2), ("d", ["person", "zebra"], None), ("e", ["dog"], 3)
]  # fmt: skip
"""(id, labels, image); the image None is missing, 3 is damaged."""
NAMES = ["zebra", "dog", "couch", "dining table", "person"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.getbasetemp() / "datasets")


def picture(number: int | None) -> dict[str, Any] | None:
    if number is None:
        return None
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 5, 3), 40 * number, np.uint8)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue() if number < 3 else b"no image", "path": f"{number}.png"}


def saved(folder: Path, columns: dict[str, list[Any]], features: dict[str, Any], parquet: bool = True) -> Path:
    """The data set in Parquet, as the hub has it, or as `save_to_disk` writes it."""
    known = datasets.Features({name: features.get(name, datasets.Value("string")) for name in columns})
    data = datasets.Dataset.from_dict(columns, features=known)
    if parquet:
        folder.mkdir(parents=True)
        data.to_parquet(folder / "train-00000-of-00001.parquet")
    else:
        data.save_to_disk(folder)
    return folder


def images(folder: Path, labels: dict[str, list[Any]], features: dict[str, Any], parquet: bool = True) -> Path:
    columns = {"id": [row[0] for row in ROWS], "image": [picture(row[2]) for row in ROWS], **labels}
    return saved(folder, columns, {"image": datasets.Image(), **features}, parquet)


def read(path: Path, **settings: Any) -> list[tuple[str, Any]]:
    source = source_of(image_source({"source": "huggingface", "path": str(path), **settings}).spec())
    return [(row.image_id, row.labels if isinstance(row, ImageRow) else row.reason) for row in source.read(FEW)]


LABELS = [("a", (0, 0, 0, 0)), ("b", "no labels"), ("c", (1, 0, 1, 0)), ("d", "no image"),
          ("e", "not an image file")]  # fmt: skip


def test_labels_as_lists_of_class_labels_sorted_by_id(tmp_path: Path) -> None:
    listed = [
        None if row[1] is None else [NAMES.index(name.replace("sofa", "couch")) for name in row[1]] for row in ROWS
    ]
    known = {"labels": datasets.Sequence(datasets.ClassLabel(names=NAMES))}
    path = images(tmp_path / "set", {"labels": listed}, known, parquet=False)
    assert read(path, id_column="id") == LABELS
    with pytest.raises(UserError, match="no column 'nr' of ids; it has "):
        read(path, id_column="nr")
    source = image_source({"source": "huggingface", "path": str(path)})
    assert source.all_positives(FEW) == (2, 0, 1, 1)
    (row,) = [row for row in source.read(FEW) if row.image_id == "00000000"]
    assert (row.data, row.path, row.width, row.height) == (picture(0)["bytes"], None, 5, 6)


def test_labels_by_name_are_streamed(tmp_path: Path) -> None:
    named = [row[1] and [name.replace("sofa", "Couch") for name in row[1]] for row in ROWS]
    extra = [["dining-table"], None, None, None, None]
    text = datasets.Sequence(datasets.Value("string"))
    path = images(tmp_path / "set", {"labels": named, "maybe": extra}, {"labels": text, "maybe": text})
    assert read(path, unknown="maybe")[:2] == [("00000000", (1, -1, 1, 0)), ("00000001", (0, 0, 0, 0))]
    with pytest.raises(UserError, match="rows are not sorted by 'id'; expected streaming: false"):
        read(path, unknown="maybe", id_column="id")
    with pytest.raises(UserError, match="no category for class 'dining table'"):
        read(path)


def test_one_column_per_class(tmp_path: Path) -> None:
    marks = {"dog": [1, 0, None, 0, 1], "settee": [0, -1, 0, 0, 0], "Sofa": [1, 0, 0, 0, 0]}
    marks |= {"dining_table": [0] * 5, "person": [0, 0, 0, 1, 0]}
    path = images(tmp_path / "set", marks, dict.fromkeys(marks, datasets.Value("int8")), parquet=False)
    assert read(path, id_column="id") == [
        ("a", (0, 0, -1, 0)), ("b", "no label in column 'dog'"), ("c", (1, 0, 1, 0)), *LABELS[3:]
    ]  # fmt: skip


def test_captions(tmp_path: Path) -> None:
    texts = {"caption": [["a dog", "two dogs"], ["a cat"], [], ["  "], ["x"]], "id": ["p", "q", "r", "s", "p"]}
    path = saved(tmp_path / "set", texts, {"caption": datasets.Sequence(datasets.Value("string"))})
    source = caption_source({"source": "huggingface", "path": str(path)})
    assert source.count().items == 5
    items = list(source.read(0))
    assert [(item.caption_id, item.text if isinstance(item, Caption) else item.reason) for item in items] == [
        ("p", "a dog"), ("p-1", "two dogs"), ("q", "a cat"), ("r", "empty caption"), ("s", "empty caption"),
        ("p", "caption id occurs more than once; its first caption is taken"),
    ]  # fmt: skip


def test_text_files_and_splits(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/test.csv").write_text("text,image_id\na dog,7\n,8\n")
    settings = {"source": "huggingface", "path": str(tmp_path / "set"), "split": "test"}
    first, second = caption_source(settings).read(0)
    assert first == Caption("00000000", "7", "a dog", "huggingface")
    assert second.reason == "empty caption"
    with pytest.raises(UserError, match=r"set, split train: the package datasets cannot read it: .*test"):
        list(caption_source(settings | {"split": "train"}).read(0))
    with pytest.raises(UserError, match="no column 'words' of captions; it has text, image_id"):
        list(caption_source(settings | {"text_column": "words"}).read(0))


def test_what_is_missing_is_told_before_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = caption_source({"source": "huggingface", "path": str(tmp_path / "none")})
    assert [(found.key, found.missing) for found in source.check("pools.x")] == [("pools.x.path", True)]
    hub = caption_source({"source": "huggingface", "hub": "someone/captions"})
    assert [(found.key, found.missing) for found in hub.check("pools.x")] == [("pools.x.hub", False)]
    monkeypatch.setattr(hub_rows, "find_spec", lambda name: None)
    (found,) = source.check("pools.x")
    assert found.missing
    assert "pip install 't2ipal[huggingface]'" in found.text


def test_a_split_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/test.csv").write_text("text\na dog\n")
    source = caption_source({"source": "huggingface", "path": str(tmp_path / "set"), "split": "train"})
    (found,) = source.check("pools.x")
    assert (found.key, found.missing) == ("pools.x", True)
    assert "set, split train: the package datasets cannot read it: " in found.text


@pytest.mark.parametrize(
    ("cells", "kind", "message"),
    [
        ([[0, 1, 1, 0, 0]] * 5, "numbers", "labels has a 0 or 1 for each of 5 names; expected the numbers"),
        ([["dog", "Sofa"], ["dining table, person"], [], [], []], "names", "'dining table, person' is several names"),
        ([["dog, couch"], ["couch"], ["dining table"], ["person"], []], "names", "'dog, couch' is several names"),
        ([[0], [1], [2], [3], [4]], "combinations", "'dog, couch' is several names in one text; expected a list"),
    ],
)
def test_labels_of_another_kind_are_one_line(tmp_path: Path, cells: list[Any], kind: str, message: str) -> None:
    """Read as numbers or single names, they would be other labels, or none."""
    several = ["dog, couch", "dog", "couch", "dining table", "person"]
    types = {"numbers": datasets.ClassLabel(names=NAMES), "combinations": datasets.ClassLabel(names=several)}
    known = {"labels": datasets.Sequence(types.get(kind, datasets.Value("string")))}
    with pytest.raises(UserError, match=message):
        read(images(tmp_path / "set", {"labels": cells}, known))


def test_marks_are_told_from_numbers_of_names(tmp_path: Path) -> None:
    cells = [[1, 1, 0, 0, 0], [1, 2, 3, 4], [], [0, 1], None]
    known = {"labels": datasets.Sequence(datasets.ClassLabel(names=NAMES))}
    assert read(images(tmp_path / "set", {"labels": cells}, known))[0] == ("00000000", (1, 0, 0, 0))


def test_paths_as_text_are_those_of_the_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of the working directory, and no file elsewhere."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.png").write_bytes(picture(1)["bytes"])
    (tmp_path / "b.png").write_bytes(picture(2)["bytes"])
    monkeypatch.chdir(tmp_path)
    paths = ["a.png", "./a.png", "b.png", "../b.png", str(tmp_path / "b.png"), "http://x.org/a.png", "", "set/a.png"]
    lines = [f"{name},dog" for name in paths] + ["a.png,couch", "a.png,person", "a.png,dining table"]
    (tmp_path / "set/train.csv").write_text("\n".join(["image,labels", *lines]))
    found = [value if isinstance(value, str) else "read" for _, value in read(tmp_path / "set")]
    gone = "a path outside of the data set: "
    assert found[:7] == [
        "read", "read", "no such file", f"{gone}../b.png", f"{gone}{tmp_path}/b.png", f"{gone}http://x.org/a.png",
        "no image",
    ]  # fmt: skip
    assert found[8:] == ["read"] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hub": "https://huggingface.co/datasets/a/b"}, "not a name of the hub, such as OWNER/NAME"),
        ({"hub": "../mine"}, "not a name of the hub"),
        ({"hub": "a/b", "path": "x"}, "found path and hub"),
        ({}, "found neither path nor hub"),
        ({"path": "x", "revision": "main"}, "a folder has no revisions"),
        ({"path": "x", "split": "test[:100]"}, r"split 'test\[:100\]' is a part of a split, or several"),
        ({"path": "x", "split": " "}, "split: ' ': empty"),
        ({"path": "x", "split": ["train", "test"]}, "is not text"),
        ({"path": "x", "Split": "test"}, "unknown key 'Split' .did you mean 'split'"),
        ({"path": "x", "streaming": "yes"}, "is not true or false"),
    ],
)
def test_blocks_that_cannot_be_meant(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        source_of({"class": "t2ipal.sources.huggingface.captions.HubCaptions", "source": "huggingface", **change})


def test_nothing_is_read_in_the_place_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder by the name of a data set on the hub, and a saved split of another name."""
    (tmp_path / "someone/captions").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="someone/captions: something here has the name of this data set"):
        list(caption_source({"source": "huggingface", "hub": "someone/captions"}).read(0))
    data = datasets.Dataset.from_dict({"text": ["a dog"], "nr": [None]}, split="test")
    data.save_to_disk(tmp_path / "saved")
    about = {"source": "huggingface", "path": str(tmp_path / "saved")}
    with pytest.raises(UserError, match="saved: contains split test; found split: train in the config"):
        list(caption_source(about).read(0))
    assert [row.text for row in caption_source(about | {"split": "test"}).read(0)] == ["a dog"]
    (row,) = caption_source(about | {"split": "test", "id_column": "nr"}).read(0)
    assert row.reason == "no id in column 'nr'"
    with pytest.raises(UserError, match="saved data have no configuration 'en'"):
        list(caption_source(about | {"split": "test", "config": "en"}).read(0))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("text,id\na dog,1\na cat,\na bus,3\n", [("1", "a dog"), ("00000001", "a cat"), ("3", "a bus")]),
        ("text,text\na dog,a cat\n", "column 'text' occurs twice; expected unique columns"),
        ("text;id\na dog;1\n", "no column 'text' or 'caption' of captions; it has text;id"),
        ("text,id\na dog,1\na cat, big,2\n", "Expected 2 fields in line 3, saw 3"),
        ("Text\na dog\n", "no column 'text' or 'caption' of captions; it has Text"),
    ],
)
def test_tables_as_people_have_them(
    tmp_path: Path, text: str, found: list[Any] | str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whole numbers with one missing are read as floats; a header of two equal names is read as two names."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set/train.csv").write_text(text)
    source = caption_source({"source": "huggingface", "path": str(tmp_path / "set")})
    if isinstance(found, str):
        with pytest.raises(UserError, match=found):
            list(source.read(0))
    else:
        assert [(row.caption_id, row.text) for row in source.read(0)] == found
    assert capfd.readouterr().err == ""
