"""Captions and labelled images in tar shards, as WebDataset has them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_sets import FEW
from PIL import Image

from t2ipal.errors import UserError
from t2ipal.sources.caption_rows import Caption
from t2ipal.sources.image_rows import ImageRow
from t2ipal.sources.registry import caption_source, image_source


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 5, 3), 90, np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def shard(path: Path, files: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return path


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    shard(
        tmp_path / "set/b-000000.tar",
        {
            "02.jpg": picture("JPEG"), "02.txt": b"A dog.\n", "02.json": {"labels": ["dog", "couch"]},
            "01.PNG": picture("PNG"), "01.json": {"caption": "a table", "label": "Dining table"},
            "sub/03.v1.webp": picture("WEBP"), "sub/03.cls": b"3\n", ".hidden.txt": b"no",
        },
    )  # fmt: skip
    shard(
        tmp_path / "set/b-000001.tar",
        {
            "04.jpg": b"no image", "04.cls": b"person", "05.jpg": picture("JPEG"), "05.txt": b"\xff",
            "06.json": {"labels": []}, "07.jpg": picture("JPEG"), "07.cls": b"9", "08.json": b"{",
            "02.jpg": picture("JPEG"), "02.txt": b"again", "02.cls": b"0",
        },
    )  # fmt: skip
    return tmp_path / "set"


def test_captions(shards: Path) -> None:
    source = caption_source({"source": "webdataset", "path": str(shards)})
    items = list(source.read(0))
    assert items[0] == Caption("02", "02", "A dog.", "b-000000.tar")
    assert [(item.caption_id, item.text if isinstance(item, Caption) else item.reason.partition(":")[0]) for item in
            items] == [
        ("02", "A dog."), ("01", "a table"), ("sub/03", "no caption"), ("04", "no caption"), ("05", ".txt"),
        ("06", "no caption"), ("07", "no caption"), ("08", ".json"),
        ("02", "caption id occurs more than once; its first caption is taken"),
    ]  # fmt: skip
    assert source.count().items == 6
    keyed = caption_source({"source": "webdataset", "path": str(shards), "text_key": "label"})
    assert [item.text for item in keyed.read(0) if isinstance(item, Caption)] == ["Dining table"]


def test_images_and_their_labels_sorted_by_key(shards: Path) -> None:
    source = image_source({"source": "webdataset", "path": str(shards)})
    rows = list(source.read(FEW))
    assert [(row.image_id, row.labels if isinstance(row, ImageRow) else row.reason.partition(":")[0]) for row in
            rows] == [
        ("01", (0, 1, 0, 0)), ("02", (1, 0, 1, 0)), ("02 (2)", "key occurs more than once; its first sample is taken"),
        ("04", "not an image file"), ("05", "no labels"), ("06", "no image"),
        ("07", "class 9; expected a number from 0 to 3"), ("08", ".json"), ("sub/03", "no image"),
    ]  # fmt: skip
    assert rows[1].data == picture("JPEG")
    assert source.all_positives(FEW) == (2, 1, 1, 2)
    assert sum(isinstance(row, ImageRow) for row in rows) == 2


def test_a_class_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    classes = {f"{number}.cls": content for number, content in enumerate([b"0", b"1", b"2", b"3", b"\xff"])}
    path = shard(tmp_path / "x.tar", {f"{number}.jpg": picture("JPEG") for number in range(5)} | classes)
    rows = list(image_source({"source": "webdataset", "path": str(path)}).read(FEW))
    assert [getattr(row, "reason", row.image_id) for row in rows] == ["0", "1", "2", "3", ".cls: not UTF-8"]


def test_the_package_datasets_finds_the_same_samples(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    files = {f"{n:02d}.{suffix}": content for n in range(3)
             for suffix, content in (("jpg", picture("JPEG")), ("txt", f"caption {n}".encode()))}  # fmt: skip
    path = shard(tmp_path / "x.tar", files)
    theirs = datasets.load_dataset("webdataset", data_files=str(path), split="train", streaming=True)
    ours = caption_source({"source": "webdataset", "path": str(path)}).read(0)
    assert [(row["__key__"], row["txt"]) for row in theirs] == [(item.caption_id, item.text) for item in ours]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tar", b"not a tar" * 200, "x.tar: damaged tar file"),
        ("x.tar.gz", b"", "found '.gz'; expected an uncompressed .tar file"),
        ("empty/notes.txt", b"", "no .tar files in it"),
    ],
)
def test_what_is_no_shard(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path = path if path.parent == tmp_path else path.parent
    with pytest.raises(UserError, match=message):
        list(caption_source({"source": "webdataset", "path": str(path)}).read(0))


def test_a_shard_that_was_cut_is_damaged(shards: Path) -> None:
    path = shards / "b-000000.tar"
    path.write_bytes(path.read_bytes()[:2100])
    with pytest.raises(UserError, match=r"b-000000\.tar: damaged tar file: unexpected end of data"):
        list(image_source({"source": "webdataset", "path": str(shards)}).read(FEW))
