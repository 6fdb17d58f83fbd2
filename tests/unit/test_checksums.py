"""Artifacts with bits and bytes flipped, and cut ones: equal content or one line, with fixed seeds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from t2ipal import store
from t2ipal.errors import UserError

TENSORS = {
    "class_global": torch.arange(24.0).reshape(2, 3, 4),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "scale": torch.tensor(1.5),
    "none": torch.zeros(0, 3),
}
METADATA = {"method": "t2i_pal", "settings": {"gamma": 0.5, "words": None}, "classes": ["café", "dog"], "seeds": [1, 2]}


def damaged_copies(content: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Copies with one bit flipped, copies with one byte replaced, and cut ones: `count` of each."""
    chance = random.Random(seed)
    for _ in range(count):
        place = chance.randrange(len(content))
        yield content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
        place = chance.randrange(len(content))
        yield content[:place] + chance.randbytes(1) + content[place + 1 :]
        yield content[: chance.randrange(len(content))]


def errors_of(path: Path, copies: Iterator[bytes], read: Callable[[Path], Any], same: Callable[[Any], bool]) -> int:
    """Put each copy in the file's place and read it; returns how many ended in one line. The others are `same`."""
    errors = []
    for content in copies:
        path.write_bytes(content)
        try:
            assert same(read(path))
        except UserError as error:
            errors.append(str(error))
    assert [line for line in errors if not line.startswith(str(path))] == []
    return len(errors)


def as_written(found: tuple[dict[str, torch.Tensor], dict[str, Any]]) -> bool:
    tensors, metadata = found
    equal = all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS if name in tensors)
    return equal and tensors.keys() == TENSORS.keys() and metadata == METADATA


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    store.write_tensors(path, TENSORS, METADATA)
    content = path.read_bytes()
    copies = list(damaged_copies(content, 1, 100))
    changed = sum(copy != content for copy in copies)
    # one byte of the file's own padding or spaces may change without a change of content
    assert errors_of(path, iter(copies), store.read_tensors, as_written) >= changed - 5


def test_a_damaged_header_is_one_line_without_reading_tensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    store.write_tensors(path, TENSORS, METADATA)
    content = path.read_bytes()
    errors_of(path, damaged_copies(content, 2, 50), store.read_header, METADATA.__eq__)


@pytest.mark.parametrize("name", ["t2ipal", "header_sha256", "tensors_sha256"])
def test_a_damaged_mark_is_no_file_without_checksums(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.safetensors"
    store.write_tensors(path, TENSORS, METADATA)
    content = path.read_bytes()
    path.write_bytes(content.replace(name.encode(), b"u" + name[1:].encode(), 1))
    with pytest.raises(UserError, match="the checksum of its header is wrong; delete the file and run again"):
        store.read_tensors(path)


def test_changed_tensors_do_not_pass(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    store.write_tensors(path, TENSORS, METADATA)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match="the checksum of its tensors is wrong"):
        store.read_tensors(path)


def test_tensors_from_elsewhere_have_no_checksum(tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    save_file(TENSORS, path, metadata={"format": "pt", "t2ipal": '{"method": "zsclip"}'})
    tensors, metadata = store.read_tensors(path)
    assert metadata == {"format": "pt", "method": "zsclip"}
    assert torch.equal(tensors["class_global"], TENSORS["class_global"])


def test_equal_tensors_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        store.write_tensors(tmp_path / name, TENSORS, METADATA)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def tables() -> dict[str, pa.Table]:
    """Small tables with the columns of captions, images, features, scores and metrics."""
    rows, number = 24, np.random.default_rng(3)
    ids = pa.array([f"caption-{row:04}" for row in range(rows)])
    lists = [number.standard_normal(4 * (1 + row % 4)).astype(np.float16) for row in range(rows)]
    spans = [[{"class": 1, "term": "dog", "start": 2, "end": 5}] * (row % 3) for row in range(rows)]
    vectors = pa.array(number.standard_normal(rows * 4).astype(np.float16))
    scores = pa.array(number.standard_normal(rows * 3).astype(np.float32))
    pictures = pa.array([{"bytes": number.bytes(30), "path": None} for _ in range(rows)])
    return {
        "captions": pa.table({"caption_id": ids, "text": ids, "positive": [[1, 2][: row % 3] for row in range(rows)]}),
        "labelled": pa.table({"caption_id": ids, "spans": spans}),
        "images": pa.table({"caption_id": ids, "image": pictures, "flag": [""] * rows}),
        "texts": pa.table({"id": ids, "local": pa.array(lists, pa.list_(pa.float16()))}),
        "features": pa.table({"id": ids, "global_pos": pa.FixedSizeListArray.from_arrays(vectors, 4)}),
        "scores": pa.table({"level": [0] * rows, "scores": pa.FixedSizeListArray.from_arrays(scores, 3)}),
        "metrics": pa.table({"mAP": number.random(rows), "ap": [list(number.random(3)) for _ in range(rows)]}),
    }


@pytest.mark.parametrize("name", tables())
def test_a_damaged_table_is_one_line(tmp_path: Path, name: str) -> None:
    table, path = tables()[name].replace_schema_metadata({"classes": "dog"}), tmp_path / f"{name}.parquet"
    store.write_parquet(table, path, row_group_size=10)

    def same(found: pa.Table) -> bool:
        return found.equals(table) and found.schema.metadata == {b"classes": b"dog"}

    assert same(store.read_parquet(path))
    errors_of(path, damaged_copies(path.read_bytes(), len(name), 40), store.read_parquet, same)


def test_every_bit_of_a_page_is_checked(tmp_path: Path) -> None:
    path, table = tmp_path / "scores.parquet", tables()["scores"]
    store.write_parquet(table, path)
    content, chunk = path.read_bytes(), pq.ParquetFile(path).metadata.row_group(0).column(1)
    start, stop = chunk.data_page_offset, chunk.dictionary_page_offset + chunk.total_compressed_size
    values = range(stop - 30, stop)  # behind the head of the page
    assert start < values[0]
    copies = [content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :] for at in values]
    assert errors_of(path, iter(copies), store.read_parquet, table.equals) == len(copies)


def test_a_shortened_list_is_one_line(tmp_path: Path) -> None:
    """The head of a page is not part of its checksum: fewer values cut its last list, without an error of pyarrow's."""
    path, table = tmp_path / "texts.parquet", tables()["texts"]
    store.write_parquet(table, path)
    content, chunk = path.read_bytes(), pq.ParquetFile(path).metadata.row_group(0).column(1)
    written, less = (bytes([many & 127 | 128, many >> 7]) for many in (2 * 240, 2 * 236))  # as Thrift writes numbers
    at = content.index(written, chunk.data_page_offset)
    path.write_bytes(content[:at] + less + content[at + 2 :])
    with pytest.raises(UserError, match="damaged: 236 values in lists of local; expected 240"):
        store.read_parquet(path)
    with store.open_parquet(path) as file, pytest.raises(UserError, match="values in lists of local; expected 240"):
        list(store.read_batches(file, path, ["local"], 5))


def test_a_damaged_mark_of_a_footer_is_no_file_without_checksums(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    store.write_parquet(tables()["scores"], path)
    content = path.read_bytes()
    for place in (content.rindex(b"t2ipal_footer"), content.index(b"t2ipal_footer")):
        path.write_bytes(content[:place] + b"u" + content[place + 1 :])
        with pytest.raises(UserError, match="the checksum of its footer is wrong; delete the file and run again"):
            store.read_parquet(path)


def test_a_table_from_a_pipe_has_no_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "seal_footer", lambda path: None)  # a pipe cannot be written again
    store.write_parquet(tables()["scores"], tmp_path / "scores.parquet")
    assert store.read_parquet(tmp_path / "scores.parquet").equals(tables()["scores"])


def test_tables_from_elsewhere_have_no_checksum(tmp_path: Path) -> None:
    path = tmp_path / "captions.parquet"
    pq.write_table(tables()["captions"], path)
    assert store.read_parquet(path).equals(tables()["captions"])


def test_a_table_that_was_read_is_written_again(tmp_path: Path) -> None:
    table = tables()["scores"].replace_schema_metadata({"classes": "dog"})
    for name in ("a", "b"):
        store.write_parquet(table, tmp_path / name)
        table = store.read_parquet(tmp_path / name)
    with store.open_parquet(tmp_path / "a") as file:
        store.write_parquet(pa.Table.from_batches(file.iter_batches()), tmp_path / "c")
    assert store.read_parquet(tmp_path / "c").equals(table)
