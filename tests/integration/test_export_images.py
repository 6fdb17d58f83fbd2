"""Generated images as a data set that the package `datasets` reads."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from t2ipal.errors import UserError
from t2ipal.export.images import export_images
from t2ipal.images.generate import shard_schema
from t2ipal.store import read_parquet, write_parquet

datasets = pytest.importorskip("datasets")
CLASSES = ("dog", "cat | kitten", "Zürich tram")
ABOUT = {
    "title": "toy", "model": "a/model", "settings": {"steps": 8}, "seed": 0, "filter": "default", "version": "1.0",
    "license": "mit",
}  # fmt: skip


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Any]:
    """Four captions, one of them without labels, with two images each, one of which is black."""
    ids = ["a", "b", "c/d", "e"]
    labels = pa.table(
        {
            "caption_id": ids[:3],
            "text": ["a dog", "a dog and a cat", "Ünïcode"],
            "positive": pa.array([[0], [0, 1], []], pa.list_(pa.int16())),
            "unknown": pa.array([[], [], [2]], pa.list_(pa.int16())),
        }
    )
    write_parquet(labels, tmp_path / "labelled.parquet")
    shards = []
    for sample in range(2):
        rows = [
            {"caption_id": key, "sample": sample, "seed": 2**62 + row, "image": {"bytes": picture(row), "path": None},
             "width": 8, "height": 8, "flag": "black" if (key, sample) == ("b", 1) else ""}
            for row, key in enumerate(ids)
        ]  # fmt: skip
        shards.append(tmp_path / f"shard-{sample}.parquet")
        write_parquet(pa.Table.from_pylist(rows, shard_schema()), shards[-1])
    return {"shards": shards, "labelled": tmp_path / "labelled.parquet", "classes": CLASSES, "about": ABOUT}


def test_load_dataset_reads_images_captions_and_labels(made: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    counts = export_images(folder=folder, **made)
    assert (counts.images, dict(counts.left_out), counts.unlabelled) == (5, {"black": 1}, 2)
    assert counts.images + counts.left_out.total() + counts.unlabelled == 8
    rows = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(rows) == 5
    names = rows.features["labels"].feature.names
    assert tuple(names) == CLASSES
    assert [(row["caption_id"], row["sample"]) for row in rows] == [
        ("a", 0),
        ("b", 0),
        ("c/d", 0),
        ("a", 1),
        ("c/d", 1),
    ]
    assert rows[1]["caption"] == "a dog and a cat"
    assert [names[index] for index in rows[1]["labels"]] == ["dog", "cat | kitten"]
    assert (rows[2]["labels"], rows[2]["unknown"]) == ([], [2])
    assert np.asarray(rows[1]["image"].convert("RGB")).max() == 40
    assert rows[0]["seed"] == 2**62
    shard = read_parquet(folder / "data/train-00000-of-00002.parquet")
    assert [image["path"] for image in shard["image"].to_pylist()] == ["a-0.png", "b-0.png", "c%2Fd-0.png"]


def test_the_card_has_the_counts_and_a_header_that_is_yaml(made: dict[str, Any], tmp_path: Path) -> None:
    import yaml

    export_images(folder=tmp_path / "out", **made)
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(card.split("---")[1])
    assert (header["license"], header["size_categories"]) == ("mit", ["n<1K"])
    assert "Left out: 1 flawed images (1 black), 2 images of captions without labels." in card
    counted = re.findall(r"^\| (dog|cat \\\| kitten|Zürich tram) \| (\d+) \|$", card, re.MULTILINE)
    assert counted == [("dog", "3"), ("cat \\| kitten", "1"), ("Zürich tram", "0")]
    assert "| steps | 8 |" in card


def test_nothing_of_others_is_touched_and_nothing_half_stays(made: dict[str, Any], tmp_path: Path) -> None:
    full, new = tmp_path / "full", tmp_path / "new"
    full.mkdir()
    (full / "mine.txt").write_text("x")
    with pytest.raises(UserError, match=r"full: not an empty folder"):
        export_images(folder=full, **made)
    made["shards"][1].write_bytes(b"PAR1 damaged")
    with pytest.raises(UserError, match=r"shard-1.parquet"):
        export_images(folder=new, **made)
    assert not new.exists()
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_command_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from t2ipal.cli import main

    overlay = tmp_path / "o.yaml"
    overlay.write_text(f"results_dir: {tmp_path}/none\n")
    code = main(["export", "images", "--to", str(tmp_path / "x"), "--configfile", str(overlay)])
    assert code == 1
    assert re.match(r"error: .*labelled.parquet: no such file", capsys.readouterr().err)
    assert main(["export", "images", "--to", str(tmp_path / "x"), "--dataset", "y", "--configfile", str(overlay)]) == 1
    assert "error: --dataset: 'y' is not in the config (expected one of micro)" in capsys.readouterr().err


def test_nothing_to_export_is_one_line(made: dict[str, Any], tmp_path: Path) -> None:
    labels = read_parquet(made["labelled"])
    write_parquet(labels.slice(0, 0), made["labelled"])
    with pytest.raises(UserError, match="x: no image is left: 1 flawed, 7 without labels"):
        export_images(folder=tmp_path / "x", **made)
    assert not (tmp_path / "x").exists()
