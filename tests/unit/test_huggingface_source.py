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
