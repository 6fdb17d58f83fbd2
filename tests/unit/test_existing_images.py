"""Images of captions that exist already: tied to captions, checked, and written like generated ones."""

from __future__ import annotations

import importlib.util
import io
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from configs import ROOT, default, merged
from PIL import Image

from t2ipal.config import load_config
from t2ipal.costs.workload import Workload
from t2ipal.errors import UserError
from t2ipal.export.images import export_images
from t2ipal.images.encode import decode
from t2ipal.images.existing import existing_shard, is_flat, shown_counts
from t2ipal.images.generate import shard_schema
from t2ipal.images.tally import tally, tally_csv, tally_line
from t2ipal.plan.make import make_plan
from t2ipal.rows.synthetic import read_flagged
from t2ipal.sources.base import source_of
from t2ipal.sources.existing.base import ExistingImages
from t2ipal.sources.existing.folder import ExistingFolder
from t2ipal.sources.existing.hub import ExistingHubImages
from t2ipal.sources.text import TextCaptions
from t2ipal.store import read_parquet, write_parquet

CAPTIONS = {"a": "a dog", "b": "a cat  on a sofa", "c/d": "a bus", "e": "a dog"}


def picture(seed: int, size: tuple[int, int] = (24, 16), kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def folder_of(path: Path, **settings: Any) -> ExistingFolder:
    return ExistingFolder(**{"source": "folder", "path": str(path), "samples": 2, **settings})


def shard(source: ExistingImages, path: Path, sample: int = 0, **options: Any) -> tuple[list[dict[str, Any]], Any]:
    counts = existing_shard(list(CAPTIONS), source.tie(CAPTIONS).images, path, sample=sample, **options)
    return read_parquet(path).to_pylist(), counts


def test_files_are_tied_by_their_names(tmp_path: Path) -> None:
    names = ("a.png", "a_1.jpg", "b-01.png", "c/d_0.png", "sub/e.WEBP", "a_7.png", "nobody_0.png", "notes.txt")
    source = folder_of(write(tmp_path / "images", dict.fromkeys(names, b"x")))
    tied = source.tie(CAPTIONS)
    opened = {key: opener().relative_to(tmp_path / "images").as_posix() for key, opener in tied.images.items()}
    assert opened == {
        ("a", 0): "a.png", ("a", 1): "a_1.jpg", ("b", 1): "b-01.png", ("c/d", 0): "c/d_0.png", ("e", 0): "sub/e.WEBP"
    }  # fmt: skip
    assert dict(tied.unused) == {"no caption of the pool has it": ["nobody_0.png"], "beyond `samples`": ["a_7.png"]}


def test_links_and_odd_files_are_used_or_told(tmp_path: Path) -> None:
    """One picture may be of two captions, by a link or a second name."""
    images = write(tmp_path / "images", {"a.png": b"x", "b.jfif": b"x", "images.csv": b"x", "B C%#.PNG": b"x"})
    (images / "b_0.png").symlink_to("a.png")
    (images / "e.png").hardlink_to(images / "a.png")
    (images / "a_1.png").symlink_to("gone.png")
    (images / "b_1.png").mkdir()
    os.mkfifo(images / "e_1.png")
    tied = folder_of(images).tie({**CAPTIONS, "B C%#": "a tram"})
    opened = {key: opener().name for key, opener in tied.images.items()}
    assert opened == {("a", 0): "a.png", ("b", 0): "b_0.png", ("e", 0): "e.png", ("B C%#", 0): "B C%#.PNG"}
    unused = {name: reason for reason, names in tied.unused.items() for name in names}
    assert unused.keys() == {"b.jfif", "a_1.png", "b_1.png", "e_1.png"}
    assert unused["b.jfif"] == "its ending is that of no picture"
    with pytest.raises(UserError, match=r"a\.png: not a folder"):
        folder_of(images / "a.png").tie(CAPTIONS)


@pytest.mark.parametrize(
    ("names", "captions", "message"),
    [
        (["a.png", "a_0.png"], ["a"], "a.png and a_0.png: both are image 0 of caption 'a'"),
        (["a-1.png"], ["a", "a-1"], "a-1.png: may be image 0 of caption 'a-1' or image 1 of caption 'a'"),
        (["x/a.png"], ["a", "x/a"], "may be image 0 of caption 'x/a' or image 0 of caption 'a'"),
    ],
)
def test_a_name_of_several_captions_is_an_error(
    tmp_path: Path, names: list[str], captions: list[str], message: str
) -> None:
    source = folder_of(write(tmp_path, dict.fromkeys(names, b"x")))
    with pytest.raises(UserError, match=message):
        source.tie(dict.fromkeys(captions, ""))


def test_a_table_ties_by_ids_or_by_captions(tmp_path: Path) -> None:
    images = write(tmp_path / "images", dict.fromkeys(("1.png", "2.png", "3.png", "4.png"), b"x"))
    table = tmp_path / "table.csv"
    table.write_text("image,caption_id,prompt\n1.png,a,a  dog\n2.PNG,a,a dog\n3.png,z,a cat on a sofa\ngone.png,b,x\n")
    tied = folder_of(images, table=str(table)).tie(CAPTIONS)
    assert {key: opener().name for key, opener in tied.images.items()} == {("a", 0): "1.png", ("a", 1): "2.png"}
    assert list(tied.notes()) == [
        "1 image is not used: no caption of the pool has it; the first: 3.png",
        "1 image is not used: no row of the table names it; the first: 4.png",
    ]
    tied = folder_of(images, table=str(table), text_column="prompt").tie(CAPTIONS)
    assert {key: opener().name for key, opener in tied.images.items()} == {
        ("a", 0): "1.png", ("a", 1): "2.png", ("e", 0): "1.png", ("e", 1): "2.png", ("b", 0): "3.png"
    }  # fmt: skip


def test_a_line_twice_is_no_second_image(tmp_path: Path) -> None:
    images = write(tmp_path / "images", dict.fromkeys(("1.png", "2.png"), b"x"))
    (tmp_path / "table.csv").write_text("image,id\n1.png,a\n1.png,a\n1.png,b\n2.png,a\n")
    tied = folder_of(images, table=str(tmp_path / "table.csv")).tie(CAPTIONS)
    opened = {key: opener().name for key, opener in tied.images.items()}
    assert opened == {("a", 0): "1.png", ("a", 1): "2.png", ("b", 0): "1.png"}
    assert list(tied.notes()) == ["1 image is not used: its caption has it already; the first: 1.png"]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("image,caption\n1.png,a\n", {}, "no column 'caption_id' or 'id'; it has image, caption"),
        ("image,id\n1.png,a\n", {"sample_column": "k"}, "no column 'k'"),
        ("image,id,sample\n1.png,a,first\n", {}, "line 2: sample is 'first'; expected 0, 1, 2"),
        ("image,id\n../1.png,a\n", {}, "line 2: image '../1.png' is outside of"),
        ("image,id\n1.png,\n", {}, "line 2: found '1.png,'; expected an image and its caption"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, settings: dict[str, str], message: str) -> None:
    images = write(tmp_path / "images", {"1.png": b"x"})
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        folder_of(images, table=str(tmp_path / "table.csv"), **settings).tie(CAPTIONS)


def test_a_shard_has_a_row_of_each_caption_and_the_files_bytes(tmp_path: Path) -> None:
    flat = io.BytesIO()
    Image.new("RGB", (9, 9), (200, 10, 10)).save(flat, "PNG")
    files = {
        "a.png": picture(1),
        "b.jpg": picture(2, kind="JPEG"),
        "e.png": flat.getvalue(),
        "c/d_1.png": b"\x89PNG no",
    }
    source = folder_of(write(tmp_path / "images", files))
    rows, counts = shard(source, tmp_path / "shard.parquet")
    assert [(row["caption_id"], row["sample"], row["seed"], row["flag"]) for row in rows] == [
        ("a", 0, None, ""), ("b", 0, None, ""), ("c/d", 0, None, "missing"), ("e", 0, None, "black")
    ]  # fmt: skip
    assert [row["image"]["bytes"] for row in rows[:2]] == [files["a.png"], files["b.jpg"]]
    assert (rows[0]["width"], rows[0]["height"]) == (24, 16)
    assert decode(rows[2]["image"]["bytes"]).size == (8, 8)
    assert read_parquet(tmp_path / "shard.parquet").schema.names == shard_schema().names
    rows, second = shard(source, tmp_path / "second.parquet", sample=1)
    assert {row["caption_id"]: row["flag"] for row in rows} == dict.fromkeys("abe", "missing") | {"c/d": "broken"}
    assert (counts.rows, second.flags) == (4, {"missing": 3, "broken": 1})
    assert [line.partition(": ")[0] for line in shown_counts(second)] == [
        "1 of 4 images is broken; training leaves them out. The first",
        "3 of 4 images are missing; training leaves them out. The first",
    ]
    assert f"image 1 of caption 'c/d': {tmp_path / 'images/c/d_1.png'}: " in "".join(shown_counts(second))


def test_large_images_are_stored_smaller_if_asked(tmp_path: Path) -> None:
    source = folder_of(write(tmp_path / "images", {"a.jpg": picture(0, (64, 32), "JPEG"), "b.png": picture(1, (8, 8))}))
    rows, _ = shard(source, tmp_path / "shard.parquet", store_size=16)
    assert [(row["width"], row["height"]) for row in rows[:2]] == [(32, 16), (8, 8)]
    assert decode(rows[0]["image"]["bytes"]).size == (32, 16)


def test_flat_as_generated_images_are() -> None:
    for spread in range(5):
        pixels = np.full((4, 4, 3), 100, np.uint8)
        pixels[0, 0, 1] += spread
        assert is_flat(Image.fromarray(pixels)) == (spread <= 2)


def test_a_data_set_of_the_package_datasets_is_read_alike(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    columns = {
        "image": [{"bytes": picture(1), "path": "x.png"}, None, {"bytes": b"no image", "path": None}],
        "caption_id": ["a", "b", "e"],
        "sample": [1, 0, 0],
    }
    features = datasets.Features(
        {"image": datasets.Image(), "caption_id": datasets.Value("string"), "sample": datasets.Value("int64")}
    )
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(tmp_path / "set")
    source = ExistingHubImages(source="huggingface", path=str(tmp_path / "set"), samples=2)
    assert next(iter(source.check("k"))).text.endswith("there, with columns image, caption_id, sample")
    rows, _ = shard(source, tmp_path / "1.parquet", sample=1)
    assert rows[0]["image"]["bytes"] == columns["image"][0]["bytes"]
    rows, counts = shard(source, tmp_path / "0.parquet")
    assert counts.flags == {"missing": 2, "broken": 2}
    with pytest.raises(UserError, match="no column 'id' of captions; it has image, caption_id, sample"):
        source.model_copy(update={"id_column": "id"}).tie(CAPTIONS)


def test_what_was_exported_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows, _ = shard(folder_of(write(tmp_path / "images", {"a.png": picture(1), "b.png": picture(2)})), tmp_path / "s")
    columns = {
        "caption_id": list(CAPTIONS),
        "text": list(CAPTIONS.values()),
        "positive": [[0]] * 4,
        "unknown": [[]] * 4,
    }
    write_parquet(pa.table(columns), tmp_path / "labelled.parquet")
    about = dict.fromkeys(("title", "model", "filter", "version", "license"), "x") | {"settings": {}, "seed": 0}
    export_images([tmp_path / "s"], tmp_path / "labelled.parquet", ["dog"], tmp_path / "exported", about)
    source = ExistingHubImages(source="huggingface", path=str(tmp_path / "exported"), samples=1)
    again, counts = shard(source, tmp_path / "again.parquet")
    assert [row["image"] for row in again[:2]] == [row["image"] for row in rows[:2]]
    assert counts.flags == {"missing": 2}


def test_what_is_missing_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("id,text\na,a dog\nb,a cat\n")
    pool = TextCaptions(source="text", path=str(tmp_path / "captions.csv"))
    source = folder_of(write(tmp_path / "images", {"a_0.png": b"x", "a_1.png": b"x", "b_1.png": b"x"}))
    found = source.check_pool("text_to_image.own", "mine", pool, 0)
    assert not found.missing
    assert found.text == (
        "3 of the 4 images that pool 'mine' may need are there; the first that is not: image 0 of caption 'b'"
    )
    assert folder_of(write(tmp_path / "none", {"z.png": b"x"})).check_pool("k", "mine", pool, 0).missing


def test_existing_images_need_no_gpu_and_no_hours(tmp_path: Path) -> None:
    own = {"source": "folder", "path": str(tmp_path), "samples": 2}
    data = merged(default(), {"text_to_image": {"own": own}, "use": {"text_to_image": "own"}})
    data["ablations"] = data["sweeps"] = {}
    config = load_config(data)
    works = Workload(config, make_plan(config), {"png": 1.0, "micro_image": 1.0, "micro_scene": 1.0}, tmp_path, 1).all()
    (work,) = (work for work in works if work.at == "existing_images/micro/own")
    assert (work.jobs, work.gpu, work.items) == (2, False, {})
    assert not any("generate" in work.at for work in works if work.at.startswith("generate/"))
    assert source_of(config.text_to_image["own"].spec()) == config.text_to_image["own"]


def test_real_images_through_the_script(real_data: Callable[..., Path], tmp_path: Path) -> None:
    """80 images that Stable Diffusion made, of 40 captions in the same table."""
    real = real_data("sd_images")
    pool = TextCaptions(source="text", path=str(real / "images.csv"))
    kept = {row.caption_id: row.text for row in pool.read(0) if hasattr(row, "source")}
    assert len(kept) == 40
    write_parquet(pa.table({"caption_id": list(kept), "text": list(kept.values())}), tmp_path / "selected.parquet")
    spec = importlib.util.spec_from_file_location("script", ROOT / "workflow_scripts/existing_images.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    shards = []
    for sample, table in ((0, str(real / "images.csv")), (1, None)):
        source = folder_of(real, table=table)
        at = [str(tmp_path / f"{sample}{end}.parquet") for end in ("", "-flagged")]
        script.main(
            SimpleNamespace(
                params=SimpleNamespace(spec={"source": source.spec(), "shards": 1}),
                wildcards=SimpleNamespace(sample=str(sample), shard="0", t2i="own"),
                input=SimpleNamespace(captions=str(tmp_path / "selected.parquet")),
                output=SimpleNamespace(images=at[0], flagged=at[1]),
            )
        )
        shards.append(at[0])
        assert read_flagged([at[1]]) == set()
    line = tally_line(tally_csv(tally(shards, 0)))
    assert line == "80 images, 0 of them generated again with another seed; left out: 0"
