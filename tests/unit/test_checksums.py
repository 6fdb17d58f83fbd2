"""Artifacts with bits and bytes flipped, and cut ones: equal content or one line, with fixed seeds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
    copies = list(damaged_copies(content, 1, 200))
    changed = sum(copy != content for copy in copies)
    # one byte of the file's own padding or spaces may change without a change of content
    assert errors_of(path, iter(copies), store.read_tensors, as_written) >= changed - 5


def test_a_damaged_header_is_one_line_without_reading_tensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    store.write_tensors(path, TENSORS, METADATA)
    content = path.read_bytes()
    errors_of(path, damaged_copies(content, 2, 100), store.read_header, METADATA.__eq__)


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
