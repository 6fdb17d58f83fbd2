"""Checks and file formats of drawn images, on real pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from t2ipal.errors import UserError
from t2ipal.images import checks
from t2ipal.images.encode import decode, encode, shrink, stored_size
from t2ipal.images.manifest import verify
from t2ipal.store import sha256_file, write_json


def flag(picture: np.ndarray, unsafe: bool = False) -> str:
    """What is wrong with one image, which stands between two good ones."""
    good = np.random.default_rng(0).random(picture.shape, np.float32)
    found = checks.flags(torch.from_numpy(np.stack([good, picture, good]).astype(np.float32)), [False, unsafe, False])
    assert found[::2] == ["", ""]
    return found[1]


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    return checks.to_uint8(torch.from_numpy(pixels)).numpy()


@pytest.fixture
def picture() -> np.ndarray:
    """A gradient with a disc on it, [48, 64, 3] in [0, 1]."""
    rows, columns = np.mgrid[:48, :64]
    pixels = np.stack([rows / 48, columns / 64, np.full((48, 64), 0.3)], -1).astype(np.float32)
    pixels[(rows - 24) ** 2 + (columns - 32) ** 2 < 100] = (0.9, 0.1, 0.1)
    return pixels


def test_flags(picture: np.ndarray) -> None:
    assert flag(picture) == ""
    assert flag(picture, unsafe=True) == "flagged"
    assert flag(picture * 0.02) == ""  # dark, but something is there
    for value in (0.0, 0.5, 1.0):
        assert flag(np.full_like(picture, value)) == "black"
    assert flag(picture - 5) == "black"  # all below the range: black once it is clipped
    for bad in (np.nan, np.inf, -np.inf):
        broken = picture.copy()
        broken[3, 4, 1] = bad
        assert flag(broken) == flag(broken, unsafe=True) == "nan"
    one_spot = np.zeros_like(picture)
    one_spot[0, 0, 0] = 0.02
    assert flag(one_spot) == ""


def test_real_photos_are_not_black(real_data: object) -> None:
    for path in sorted(real_data("coco_mini", "val2014").glob("*.jpg"))[:10]:
        assert flag(np.asarray(decode(path), np.float32) / 255) == ""


def test_to_uint8(picture: np.ndarray) -> None:
    assert to_uint8(np.array([-1, 0, 0.5, 1, 2, np.nan, np.inf])).tolist() == [0, 0, 128, 255, 255, 0, 255]
    assert abs(to_uint8(picture) / 255 - picture).max() <= 0.5 / 255 + 1e-6


def test_stored_smaller_but_never_larger(picture: np.ndarray) -> None:
    pixels = to_uint8(picture)
    assert shrink(pixels, None) is pixels
    assert shrink(pixels, 48) is pixels
    assert shrink(pixels, 400) is pixels
    small = shrink(pixels, 24)
    assert small.shape == (24, 32, 3) == (*stored_size(48, 64, 24), 3)
    blocks = pixels.reshape(24, 2, 32, 2, 3).mean((1, 3))
    assert abs(small - blocks).mean() < 2  # the same picture
    assert stored_size(512, 512, 448) == (448, 448)
    assert stored_size(768, 512, 224) == (336, 224)


def test_formats(picture: np.ndarray) -> None:
    pixels = to_uint8(picture)
    assert np.array_equal(np.asarray(decode(encode(pixels))), pixels)
    for encoding in ("webp", "jpeg"):
        assert abs(np.asarray(decode(encode(pixels, encoding, 95)), int) - pixels).mean() < 4


def test_decode_makes_rgb_of_everything(tmp_path: Path, picture: np.ndarray) -> None:
    image = Image.fromarray(to_uint8(picture))
    for mode, suffix in (("L", "jpg"), ("CMYK", "jpg"), ("P", "png"), ("RGBA", "png"), ("1", "png"), ("I;16", "png")):
        path = tmp_path / f"{mode.replace(';', '')}.{suffix}"
        image.convert("L" if mode == "I;16" else mode).convert(mode).save(path)
        assert decode(path).mode == "RGB"
        assert decode(path).size == (64, 48)


def test_decode_names_what_is_damaged(tmp_path: Path, picture: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(picture)).save(buffer, "JPEG")
    path = tmp_path / "half.jpg"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(UserError, match=r"half\.jpg: not a whole image"):
        decode(path)
    with pytest.raises(UserError, match="image bytes: not a whole image"):
        decode(b"no image")
    with pytest.raises(UserError, match="no such image"):
        decode(tmp_path / "absent.jpg")


def test_manifest_beside_or_inside(tmp_path: Path) -> None:
    model = tmp_path / "zoo" / "model"
    (model / "unet").mkdir(parents=True)
    weights = model / "unet" / "weights.safetensors"
    weights.write_bytes(b"weights")
    assert verify(model) == {}
    entry = {"sha256": sha256_file(weights), "bytes": 7}
    # The manifest may list other models that are not here: only this folder counts.
    write_json(tmp_path / "zoo" / "manifest.json", {"files": {"model/unet/weights.safetensors": entry, "x.bin": entry}})
    assert list(verify(model)) == ["model/unet/weights.safetensors"]
    write_json(model / "manifest.json", {"files": {"unet/weights.safetensors": {**entry, "sha256": "0" * 64}}})
    with pytest.raises(UserError, match="sha256"):
        verify(model)
    write_json(model / "manifest.json", {"files": []})
    with pytest.raises(UserError, match="no 'files' table"):
        verify(model)
