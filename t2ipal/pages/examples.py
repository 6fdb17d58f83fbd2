"""Which captions and images a person is shown: a sample that depends on the seed and the ids alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal import store
from t2ipal.pages.sheets import CaptionExample, ImageExample, cropped, open_image
from t2ipal.seeds import seed_of

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image

    from t2ipal.features.memory import MemoryBudget


def sample_rows(table: pa.Table, key: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Up to `count` rows, sampled by the hash of their id, in the order of ids."""
    import pyarrow as pa

    ids = table[key].to_pylist()
    chosen = sorted(range(len(ids)), key=lambda row: seed_of("example", seed, ids[row]))[:count]
    return table.take(pa.array(sorted(chosen, key=lambda row: ids[row]), pa.int64())).to_pylist()


def caption_examples(
    labelled: str | Path, shards: Sequence[str | Path], names: Sequence[str], count: int, seed: int
) -> list[CaptionExample]:
    """Captions with their generated images.

    Args:
        labelled: captions with their labels.
        shards: images of all samples.
        names: of the classes.
        count: how many captions.
        seed: of the choice.
    """
    rows = sample_rows(store.read_parquet(labelled), "caption_id", count, seed)
    wanted = {row["caption_id"] for row in rows}
    images: dict[str, dict[int, Any]] = {identity: {} for identity in wanted}
    for shard in shards:
        for row in _rows_of(shard, ["caption_id", "sample", "image", "flag"], wanted):
            images[row["caption_id"]][row["sample"]] = None if row["flag"] else open_image(row["image"])
    return [
        CaptionExample(
            row["text"],
            tuple(names[index] for index in row["positive"]),
            tuple(image for _, image in sorted(images[row["caption_id"]].items())),
            tuple(names[index] for index in row["unknown"]),
        )
        for row in rows
    ]


def _rows_of(path: str | Path, columns: Sequence[str], wanted: set[str]) -> list[dict[str, Any]]:
    """The rows of some ids (first column); of the other columns, only the row groups that hold one are read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = pa.array(sorted(wanted))
    rows: list[dict[str, Any]] = []
    with store.open_parquet(path, columns) as file, store.parquet_errors(path):
        for group in range(file.num_row_groups):
            here = pc.is_in(file.read_row_group(group, list(columns[:1]))[columns[0]], ids)
            if pc.any(here).as_py():
                rows += file.read_row_group(group, list(columns)).filter(here).to_pylist()
    return rows


def images_of(shards: Sequence[str | Path], wanted: set[str]) -> dict[str, Image]:
    """The first image of each caption of some ids."""
    rows = [row for shard in shards for row in _rows_of(shard, ["caption_id", "image"], wanted)]
    return {row["caption_id"]: open_image(row["image"]) for row in rows}


def image_examples(
    model: str | Path,
    features: str | Path,
    images: str | Path,
    spec: Mapping[str, Any],
    count: int,
    maps: int = 3,
    budget: MemoryBudget | None = None,
) -> list[ImageExample]:
    """Test images with the heat maps of the classes that the first seed scores highest.

    Args:
        model: of a method that has heat maps.
        features: of the test images.
        images: the test images.
        spec: the crop that CLIP sees, the class names, the seed of the choice.
        count: how many images, of those with the most classes.
        maps: heat maps per image.
        budget: what the features may fill; None: memory without limit.
    """
    import torch

    from t2ipal.features.cache import load_image_features
    from t2ipal.methods.model_files import read_model

    encoded = load_image_features(features, budget)
    method, tensors, _ = read_model(model)
    table = store.read_parquet(images, ["image_id", "labels"])
    rich = [row for row in table.to_pylist() if row["labels"] and sum(label == 1 for label in row["labels"]) > 1]
    chosen = sorted(rich or table.to_pylist(), key=lambda row: seed_of("example", spec["seed"], row["image_id"]))[
        :count
    ]
    labels = {row["image_id"]: row["labels"] or [] for row in chosen}
    pictures = {row["image_id"]: row["image"] for row in _rows_of(images, ["image_id", "image"], set(labels))}
    ids = sorted(labels)
    row_of = {identity: row for row, identity in enumerate(encoded.ids)}
    index = torch.tensor([row_of[identity] for identity in ids])
    scores = method.scores(tensors, encoded)[0][index]
    heat = method.heat_maps(tensors, encoded.local[index])[0].unflatten(-1, encoded.grid)
    names = spec["classes"]
    return [
        ImageExample(
            cropped(open_image(pictures[identity]), spec["crop"]),
            tuple(name for name, label in zip(names, labels[identity], strict=True) if label == 1),
            tuple(
                (names[c], heat[row, c].numpy(), float(scores[row, c]))
                for c in scores[row].argsort(descending=True)[:maps].tolist()
            ),
        )
        for row, identity in enumerate(ids)
    ]
