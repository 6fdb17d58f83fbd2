"""Feature files: what goes in comes out, batch by batch, in any number of shards."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from tiny_clip import DIM, tiny_clip

from t2ipal.errors import UserError
from t2ipal.features.cache import load_global_features, load_image_features, load_text_features
from t2ipal.features.encoding import dequantised, quantised
from t2ipal.features.extract import extract_captions, extract_images, extract_texts
from t2ipal.features.fields import ALL_FIELDS, GROUP
from t2ipal.store import open_parquet, read_parquet, write_parquet

CLIP = tiny_clip()
MODES = ("RGB", "L", "CMYK", "P", "RGBA", "1")
TEXTS = {"c0": "a dog.", "c1": "word " * 100, "c2": "two men riding a motor bike next to a car", "c3": "a", "c4": ""}


def picture(number: int) -> tuple[bytes, Image.Image]:
    """File bytes in one of several modes, and the picture as RGB."""
    pixels = np.random.default_rng(number).integers(0, 255, (70, 90 + number, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(MODES[number % len(MODES)])
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if image.mode == "CMYK" else "PNG")
    return buffer.getvalue(), Image.open(buffer).convert("RGB")


def write_images(path: Path, numbers: range, key: str = "caption_id") -> None:
    columns = {
        key: [f"i{n:02d}" for n in numbers],
        "sample": pa.array([3] * len(numbers), pa.int16()),
        "image": [{"bytes": picture(n)[0], "path": None} for n in numbers],
    }
    write_parquet(pa.table(columns), path, row_group_size=5)


def write_captions(path: Path, texts: dict[str, str] = TEXTS) -> None:
    write_parquet(pa.table({"caption_id": list(texts), "text": list(texts.values())}), path)


def test_images_in_and_out(tmp_path: Path) -> None:
    write_images(tmp_path / "images.parquet", range(12))
    seen: list[int] = []
    rows = extract_images(
        tmp_path / "images.parquet", tmp_path / "f.parquet", CLIP, image_size=64, batch=5, on_progress=seen.append
    )
    assert rows == 12
    assert seen == [5, 10, 12]
    assert set(read_parquet(tmp_path / "f.parquet")["sample"].to_pylist()) == {3}
    features = load_image_features(tmp_path / "f.parquet")
    assert features.ids == tuple(f"i{n:02d}" for n in range(12))
    assert features.grid == (2, 2)
    assert features.clip_sha256 == CLIP.sha256
    pixels = torch.stack([CLIP.preprocess(64)(picture(n)[1]) for n in range(12)])
    for name, expected in zip(("global_pos", "global_nopos", "local"), CLIP.image_dense(pixels), strict=True):
        found = getattr(features, name)
        assert found.dtype == torch.float16
        assert found.shape == expected.shape
        torch.testing.assert_close(found.float(), expected, atol=1e-3, rtol=1e-3)


def test_batch_size_changes_no_more_than_rounding(tmp_path: Path) -> None:
    write_images(tmp_path / "images.parquet", range(7), "image_id")
    found = []
    for batch in (1, 7):
        extract_images(tmp_path / "images.parquet", tmp_path / f"{batch}.parquet", CLIP, image_size=64, batch=batch)
        found.append(load_image_features(tmp_path / f"{batch}.parquet"))
    torch.testing.assert_close(found[0].local, found[1].local, atol=2e-3, rtol=0)


def test_on_a_cpu_threads_encode_images_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "images.parquet", range(7))
    calls: list[tuple[str, int, int]] = []
    for name in ("image_dense", "image_global"):
        plain = getattr(CLIP, name)

        def recorded(pixels: torch.Tensor, name: str = name, plain=plain) -> tuple[torch.Tensor, ...]:
            calls.append((name, len(pixels), torch.get_num_threads()))
            return plain(pixels)

        monkeypatch.setattr(CLIP, name, recorded, raising=False)
    before, found = torch.get_num_threads(), []
    try:
        torch.set_num_threads(4)
        for workers, fields in ((2, ALL_FIELDS), (1, {"global_nopos"})):
            path = tmp_path / f"{workers}.parquet"
            options = {"image_size": 64, "batch": 5, "workers": workers, "fields": fields}
            extract_images(tmp_path / "images.parquet", path, CLIP, **options)
            assert torch.get_num_threads() == 4
            found.append(load_global_features(path, "global_nopos"))
    finally:
        torch.set_num_threads(before)
    of_two, of_one = ([call for call in calls if call[2] == threads] for threads in (2, 4))
    assert sorted(of_two) == [("image_dense", size, 2) for size in (1, 1, 2, 3)]
    assert {name for name, *_ in of_one} >= {"image_global"}
    torch.testing.assert_close(found[0], found[1], atol=2e-3, rtol=0)


def test_images_on_disk_and_squash(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(0)[0])
    table = pa.table({"image_id": ["a"], "image": [{"bytes": None, "path": str(tmp_path / "a.png")}]})
    write_parquet(table, tmp_path / "images.parquet")
    extract_images(tmp_path / "images.parquet", tmp_path / "f.parquet", CLIP, image_size=96, crop="squash")
    features = load_image_features(tmp_path / "f.parquet")
    expected = CLIP.image_dense(CLIP.preprocess(96, "squash")(picture(0)[1])[None])
    assert features.local.shape == (1, 9, DIM)
    torch.testing.assert_close(features.global_pos.float(), expected[0], atol=1e-3, rtol=1e-3)


def test_shards_are_one_set_in_order_of_ids(tmp_path: Path) -> None:
    paths = []
    for name, numbers in (("late", range(6, 9)), ("early", range(6))):
        write_images(tmp_path / f"{name}-images.parquet", numbers)
        paths.append(tmp_path / f"{name}.parquet")
        extract_images(tmp_path / f"{name}-images.parquet", paths[-1], CLIP, image_size=64)
    features, early = load_image_features(paths), load_image_features(paths[1])
    assert features.ids == tuple(f"i{n:02d}" for n in range(9))
    assert torch.equal(features.local[:6], early.local)
    with pytest.raises(UserError, match="'i00' is there twice"):
        load_image_features([paths[1], paths[1]])


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_captions_are_ragged(tmp_path: Path, batch: int) -> None:
    write_captions(tmp_path / "captions.parquet")
    assert extract_captions(tmp_path / "captions.parquet", tmp_path / "f.parquet", CLIP, batch=batch) == len(TEXTS)
    features = load_text_features(tmp_path / "f.parquet")
    tokens, lengths = CLIP.tokenize(list(TEXTS.values()))
    pooled, local = CLIP.text_dense(tokens, lengths)
    assert features.ids == tuple(TEXTS)
    assert (features.offsets[1:] - features.offsets[:-1]).tolist() == lengths.tolist()
    assert lengths.tolist()[1] == 77
    assert lengths.tolist()[4] == 2
    torch.testing.assert_close(features.pooled.float(), pooled, atol=1e-3, rtol=1e-3)
    index = torch.tensor([2, 0, 2])
    text, place, found = features.positions(index)
    assert text.bincount().tolist() == lengths[index].tolist()
    for row, n in enumerate(index.tolist()):
        assert place[text == row].tolist() == list(range(lengths[n]))
        torch.testing.assert_close(found[text == row].float(), local[n, : lengths[n]], atol=1e-3, rtol=1e-3)
        start, stop = features.offsets[n : n + 2].tolist()
        assert features.tokens[start:stop].tolist() == tokens[n, : lengths[n]].tolist()


def test_texts_out_of_order_are_sorted_by_id(tmp_path: Path) -> None:
    extract_texts(TEXTS.items(), tmp_path / "a.parquet", CLIP)
    extract_texts(reversed(TEXTS.items()), tmp_path / "b.parquet", CLIP)
    a, b = (load_text_features(tmp_path / f"{name}.parquet") for name in "ab")
    assert a.ids == b.ids
    assert torch.equal(a.tokens, b.tokens)
    assert torch.equal(a.offsets, b.offsets)
    torch.testing.assert_close(a.local, b.local, atol=2e-3, rtol=0)


def test_float16_on_disk(tmp_path: Path) -> None:
    extract_texts(TEXTS.items(), tmp_path / "f.parquet", CLIP)
    with open_parquet(tmp_path / "f.parquet") as file:
        schema = file.schema_arrow
    assert schema.field("global").type == pa.list_(pa.float16(), DIM)
    assert schema.field("local").type.value_type == pa.float16()
    assert schema.metadata[b"kind"] == b"text"
    assert schema.metadata[b"dim"] == str(DIM).encode()


def test_unreadable_image_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    table = pa.table({"image_id": ["ok", "torn"], "image": [{"bytes": part, "path": None} for part in _halves()]})
    write_parquet(table, tmp_path / "images.parquet")
    with pytest.raises(UserError, match=r"image torn: .*not a whole image"):
        extract_images(tmp_path / "images.parquet", tmp_path / "f.parquet", CLIP, image_size=64)
    assert not list(tmp_path.glob("*f.parquet*"))


def _halves() -> tuple[bytes, bytes]:
    whole = picture(0)[0]
    return whole, whole[: len(whole) // 2]


def test_refusals(tmp_path: Path) -> None:
    write_captions(tmp_path / "captions.parquet")
    write_images(tmp_path / "images.parquet", range(3))
    extract_captions(tmp_path / "captions.parquet", tmp_path / "t.parquet", CLIP)
    extract_images(tmp_path / "images.parquet", tmp_path / "i.parquet", CLIP, image_size=64)
    with pytest.raises(UserError, match="no image features"):
        load_image_features(tmp_path / "t.parquet")
    with pytest.raises(UserError, match="no column"):
        extract_images(tmp_path / "captions.parquet", tmp_path / "x.parquet", CLIP, image_size=64)
    with pytest.raises(UserError, match="no such file"):
        load_text_features(tmp_path / "none.parquet")
    other = tiny_clip()
    object.__setattr__(other, "sha256", "f" * 64)
    extract_images(tmp_path / "images.parquet", tmp_path / "o.parquet", other, image_size=64)
    with pytest.raises(UserError, match="clip_sha256 is ffff"):
        load_image_features([tmp_path / "i.parquet", tmp_path / "o.parquet"])


@pytest.mark.parametrize("where", [0.2, 0.5, 0.9])
def test_damaged_shard(tmp_path: Path, where: float) -> None:
    write_images(tmp_path / "images.parquet", range(6))
    path = tmp_path / "f.parquet"
    extract_images(tmp_path / "images.parquet", path, CLIP, image_size=64)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: int(where * len(content))])
    with pytest.raises(UserError, match="damaged"):
        load_image_features(path)


def test_features_that_are_no_numbers(tmp_path: Path) -> None:
    broken = tiny_clip()
    broken.model.ln_final.weight.data[0] = float("nan")
    with pytest.raises(UserError, match="'c0' are not finite"):
        extract_texts(TEXTS.items(), tmp_path / "f.parquet", broken)


def by_the_formula(vectors: torch.Tensor) -> torch.Tensor:
    """Integers of -127 to 127 times a scale in half precision, for each group of numbers of each vector."""
    out = []
    for vector in vectors.double().flatten(0, -2):
        groups = vector.split(GROUP if len(vector) % GROUP == 0 else len(vector))
        for group in groups:
            wanted = float(group.abs().max()) / 127
            scale = np.float16(wanted)
            while float(scale) < wanted:
                scale = np.nextafter(scale, np.float16(1))
            out += [round(float(number) / float(scale)) * float(scale) if scale else 0.0 for number in group]
    return torch.tensor(out).view(vectors.shape)


@pytest.mark.parametrize("dim", [64, 20])
def test_features_in_8_bits_are_those_of_the_formula(dim: int) -> None:
    vectors = torch.randn(30, dim, generator=torch.Generator().manual_seed(1)) / dim**0.5
    vectors[3], vectors[4], vectors[5, 0] = 0, 1e-7, 0.9
    found = torch.from_numpy(dequantised(quantised(vectors.numpy()), dim)).float()
    torch.testing.assert_close(found, by_the_formula(vectors).float(), atol=1e-6, rtol=1e-3)
    assert (found - vectors).abs().max() < 0.9 / 127


def test_files_of_8_bits_hold_the_same_features_in_half_the_bytes(tmp_path: Path) -> None:
    write_images(tmp_path / "images.parquet", range(12))
    write_captions(tmp_path / "captions.parquet")
    for store in ("float16", "int8"):
        extract_images(tmp_path / "images.parquet", tmp_path / f"i-{store}.parquet", CLIP, image_size=96, store=store)
        extract_captions(tmp_path / "captions.parquet", tmp_path / f"t-{store}.parquet", CLIP, batch=2, store=store)
    images = [load_image_features(tmp_path / f"i-{store}.parquet") for store in ("float16", "int8")]
    texts = [load_text_features(tmp_path / f"t-{store}.parquet") for store in ("float16", "int8")]
    for whole, small in (images, texts):
        assert whole.ids == small.ids
        assert small.local.dtype == torch.float16
        torch.testing.assert_close(small.local, by_the_formula(whole.local.float()).half(), atol=0.006, rtol=0)
    assert torch.equal(texts[0].offsets, texts[1].offsets)
    pooled = load_global_features(tmp_path / "i-int8.parquet", "global_pos")
    assert torch.equal(pooled, images[1].global_pos)
    with open_parquet(tmp_path / "i-int8.parquet") as file:
        assert file.schema_arrow.field("local").type.byte_width == 9 * (DIM + 2)
        assert file.schema_arrow.metadata[b"store"] == b"int8"
    with pytest.raises(UserError, match="store is int8, expected float16 as in"):
        load_image_features([tmp_path / "i-float16.parquet", tmp_path / "i-int8.parquet"])
    content = bytearray((tmp_path / "i-int8.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "i-int8.parquet").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load_image_features(tmp_path / "i-int8.parquet")


def test_fields_that_nobody_reads_are_no_columns(tmp_path: Path) -> None:
    write_images(tmp_path / "images.parquet", range(6))
    path = tmp_path / "f.parquet"
    extract_images(tmp_path / "images.parquet", path, CLIP, image_size=64, fields={"global_nopos"})
    assert read_parquet(path).column_names == ["id", "sample", "global_nopos"]
    features = load_image_features(path)
    assert features.global_nopos.shape == (6, DIM)
    assert features.get("local").shape == (6, 0)
    with pytest.raises(UserError, match="no local; expected a method whose `image_fields` names it"):
        _ = features.local
    with pytest.raises(UserError, match=r"f\.parquet: no column 'global_pos'; it has id, sample, global_nopos"):
        load_image_features(path, fields=("global_pos", "global_nopos"))
    assert not hasattr(features, "colour")
