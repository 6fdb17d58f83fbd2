"""Captions and labelled images in tar shards, as WebDataset has them."""

from __future__ import annotations

import gzip
import io
import json
import re
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


@pytest.mark.parametrize(("suffix", "kind"), [("bmp", "BMP"), ("TIFF", "TIFF"), ("gif", "GIF"), ("jfif", "JPEG")])
def test_pictures_of_any_format(tmp_path: Path, suffix: str, kind: str) -> None:
    files = {f"{number}.cls": str(number).encode() for number in range(4)}
    path = shard(tmp_path / "x.tar", {f"{number}.{suffix}": picture(kind) for number in range(4)} | files)
    rows = list(image_source({"source": "webdataset", "path": str(path)}).read(FEW))
    assert [row.labels.index(1) for row in rows] == [0, 1, 2, 3]


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


def test_a_key_twice_in_one_shard_and_links_are_counted(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.tar", {"a.txt": b"first", "b.txt": b"b"})
    with tarfile.open(path, "a") as tar:
        for name, kind in (("a.txt", tarfile.REGTYPE), ("c.txt", tarfile.SYMTYPE), ("d.txt", tarfile.LNKTYPE)):
            about = tarfile.TarInfo(name)
            about.type, about.linkname, about.size = kind, "a.txt", 6 if kind == tarfile.REGTYPE else 0
            tar.addfile(about, io.BytesIO(b"second"))
    rows = list(caption_source({"source": "webdataset", "path": str(path)}).read(0))
    assert [(row.caption_id, getattr(row, "reason", "")) for row in rows] == [
        ("a", ""), ("b", ""), ("a", "caption id occurs more than once; its first caption is taken"),
        ("c", "no caption"), ("d", "no caption"),
    ]  # fmt: skip


def _two_in_one(content: bytes) -> bytes:
    return content + content


def _damaged(content: bytes) -> bytes:
    second = content.index(b"b.txt")
    return content[:second] + b"?" * 200 + content[second + 200 :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_two_in_one, "no header at byte 2,048, but more behind it; expected one whole tar file"),
        (_damaged, "no header at byte 1,024, but more behind it"),
        (lambda content: content[:2048], "it ends without an end mark"),
        (lambda content: content[:1600], "unexpected end of data"),
        (lambda content: b"", "empty file"),
        (gzip.compress, "damaged tar file"),
    ],
)
def test_nothing_of_a_damaged_shard_is_lost_without_a_word(tmp_path: Path, change: Any, message: str) -> None:
    path = shard(tmp_path / "x.tar", {"a.txt": b"a dog", "b.txt": b"a cat"})
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=rf"x\.tar: .*{message}"):
        list(caption_source({"source": "webdataset", "path": str(path)}).read(0))


@pytest.mark.parametrize("name", ["y.tar.gz", "y.tgz", "y.TAR.ZST", "y.tar.part"])
def test_a_compressed_shard_among_others_is_not_left_out(tmp_path: Path, name: str) -> None:
    shard(tmp_path / "x.tar", {"a.txt": b"a dog"})
    (tmp_path / "._x.tar").write_bytes(b"of a Mac")
    source = caption_source({"source": "webdataset", "path": str(tmp_path)})
    assert source.count().items == 1
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=f"{name}: compressed, or not downloaded whole; expected uncompressed"):
        source.count()
    (finding,) = source.check("pools.x")
    assert finding.missing


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["x-000000.tar", "x-000001.tar", "x-000003.tar"], ["x-000002.tar"]),
        (["00-of-03.tar", "02-of-03.tar"], ["01-of-03.tar"]),
        (["5.tar", "6.TAR"], []),
        (["20240131.tar", "20250131.tar"], []),
        (["a.tar", "b1.tar", "c9.tar"], []),
    ],
)
def test_numbers_that_are_left_out_are_told_before_a_run(tmp_path: Path, names: list[str], lost: list[str]) -> None:
    for name in names:
        shard(tmp_path / name, {"a.txt": b"a dog"})
    (finding,) = caption_source({"source": "webdataset", "path": str(tmp_path)}).check("pools.x")
    assert finding.text.partition("; ")[0].endswith(f": {len(names)} shards")
    assert ("the first: " + lost[0] in finding.text) if lost else ("left out" not in finding.text)


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ({"labels": "dog, couch"}, "label 'dog, couch' is several names in one text; expected a list"),
        ({"labels": ["dog|zebra"]}, r"label 'dog\|zebra' is several names in one text"),
        (b"dog person\n", "label 'dog person' is several names in one text"),
        (b"1 3", "class 1 3; expected a number from 0 to 3"),
        (b"1.0", "class 1.0; expected a number from 0 to 3"),
        (b"-1", "class -1; expected a number from 0 to 3"),
        (b"9" * 5000, "class 9+; expected a number from 0 to 3"),
        (b"zebra, white", None),
        ({"labels": ["dog couch"]}, None),
    ],
)
def test_no_label_is_lost_in_a_text_of_several(tmp_path: Path, label: Any, found: str | None) -> None:
    """As one name, it would be of no class of the list, and the image would have none."""
    files = {f"{number}.cls": str(number).encode() for number in range(4)}
    files["4.json" if isinstance(label, dict) else "4.cls"] = label
    path = shard(tmp_path / "x.tar", {f"{number}.jpg": picture("JPEG") for number in range(5)} | files)
    source = image_source({"source": "webdataset", "path": str(path)})
    if found and "several" in found:
        with pytest.raises(UserError, match=found):
            list(source.read(FEW))
        return
    *_, last = source.read(FEW)
    assert re.fullmatch(found, last.reason) if found else last.labels == (0, 0, 0, 0)


def test_a_key_twice_in_a_json_file_is_a_reject(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.tar", {"a.json": b'{"text": "a dog", "text": "a cat"}', "b.txt": b"a dog"})
    first, _ = caption_source({"source": "webdataset", "path": str(path)}).read(0)
    assert first.reason == "key 'text' occurs twice in one object"
