"""A run's training data from its files, and its model and history to theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal import methods, store
from t2ipal.errors import UserError
from t2ipal.features.cache import load_image_features, load_text_features
from t2ipal.features.memory import MemoryBudget
from t2ipal.training.data import TrainingData, join_captions, join_rows, label_matrix, template_labels
from t2ipal.training.train import LOSSES

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from t2ipal.methods.base import Method, Tensors

Paths = Sequence[str | Path]


@dataclass(frozen=True)
class TrainingFiles:
    """The files of a run's training data; empty where its loss uses none.

    Attributes:
        labelled: captions with their labels.
        captions: features of the captions.
        images: features of the synthetic images, all shards of sample 0, then of sample 1, ...
        flagged: the images not to use, a file per shard.
        templates: features of the class templates.
        train: features of the labelled images.
        train_images: their labels.
    """

    labelled: Paths = ()
    captions: Paths = ()
    images: Sequence[Paths] = ()
    flagged: Paths = ()
    templates: Paths = ()
    train: Paths = ()
    train_images: Paths = ()


def load_training_data(files: TrainingFiles, classes: int, budget: MemoryBudget | None = None) -> TrainingData:
    """Read and join what a run trains on; `classes` is the number of classes, `budget` what features may fill.

    Raises:
        UserError: a file is missing or damaged, or rows do not match.
    """
    import pyarrow as pa

    found, budget = TrainingData(), budget or MemoryBudget()
    if files.labelled:
        table = store.read_parquet(files.labelled[0], ["caption_id", "positive", "unknown"])
        labels = label_matrix(table["positive"].to_pylist(), table["unknown"].to_pylist(), classes)
        samples = [load_image_features(shards, budget, in_steps=True) for shards in files.images]
        captions = load_text_features(files.captions, budget)
        found = join_captions(table["caption_id"].to_pylist(), labels, captions, samples, read_flagged(files.flagged))
    more: dict[str, Any] = {}
    if files.templates:
        more["templates"] = load_text_features(files.templates)
        more["template_labels"] = template_labels(more["templates"].ids, classes)
    if files.train:
        more["train"] = load_image_features(files.train, budget)
        more["train_labels"] = labels_of(files.train_images[0], more["train"].ids)
    pa.default_memory_pool().release_unused()  # what reading left behind: training needs none of it
    return TrainingData(**{**vars(found), **more, "mapped": budget.mapped > 0})


def read_flagged(paths: Paths) -> frozenset[tuple[str, int]]:
    """(caption id, sample) of the images that are black, NaN or flagged."""
    columns = ["caption_id", "sample"]
    tables = [store.read_parquet(path, columns) for path in paths]
    return frozenset(tuple(row[name] for name in columns) for table in tables for row in table.to_pylist())


def labels_of(path: str | Path, ids: Sequence[str]) -> Tensor:
    """True labels [N, C] int8 of the images `ids`, from a table of labelled images.

    Raises:
        UserError: an image without labels.
    """
    import torch

    table = store.read_parquet(path, ["image_id", "labels"])
    if table["labels"].null_count:
        raise UserError(f"{path}: {table['labels'].null_count} images without labels; expected labels for all")
    labels = torch.tensor(table["labels"].to_pylist(), dtype=torch.int8)
    return labels[join_rows(ids, table["image_id"].to_pylist(), str(path))]


def joined(parts: Sequence[Tensors]) -> Tensors:
    """What was learned at several levels as one: the models of the first level, then those of the next, ...

    A tensor that is larger at one level than at another, such as support images, gets zeros behind its values; a method
    with such tensors marks which of them are there.
    """
    import torch

    return {name: torch.cat(_of_one_size([part[name] for part in parts])) for name in parts[0]}


def _of_one_size(values: Sequence[Tensor]) -> list[Tensor]:
    """The values with zeros behind, so that all have the same sizes but for the first."""
    room = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values), strict=True)]
    found = [value.new_zeros(len(value), *room) for value in values]
    for wide, value in zip(found, values, strict=True):
        wide[tuple(slice(size) for size in value.shape)] = value
    return found


def write_model(path: str | Path, tensors: Tensors, method: str, settings: Mapping[str, Any], **header: object) -> None:
    """Save what a method learned; the header says what scoring needs: method, settings, classes, levels, seeds."""
    store.write_tensors(path, tensors, {"method": method, "settings": dict(settings), **header})


def read_model(path: str | Path) -> tuple[Method, Tensors, dict[str, Any]]:
    """The method, its tensors and the header of a model file.

    Raises:
        UserError: the file is missing, damaged, or no model of ours.
    """
    tensors, header = store.read_tensors(path)
    missing = {"method", "settings", "classes", "seeds", "levels", "clip_sha256"} - header.keys()
    if missing:
        raise UserError(f"{path}: no model of t2ipal: its header has no {min(missing)!r}")
    kind = methods.get(header["method"])
    return kind(kind.Settings(**header["settings"]), header["classes"]), tensors, header


def history_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The training history as a table; without rows for a method that trains nothing."""
    import pyarrow as pa

    numbers = (*LOSSES, "lr", "seconds", "peak_mb")
    keys = [("level", pa.int64()), ("seed", pa.int64()), ("epoch", pa.int32())]
    return pa.Table.from_pylist(list(rows), pa.schema([*keys, *((name, pa.float64()) for name in numbers)]))


def training_cost(history: pa.Table) -> dict[int, tuple[float, float]]:
    """By level: seconds of all epochs, whose rows stand once per seed, and the peak memory in MB."""
    seconds: dict[tuple[int, int], float] = {}
    peak: dict[int, float] = {}
    for row in history.select(["level", "epoch", "seconds", "peak_mb"]).to_pylist():
        seconds[row["level"], row["epoch"]] = row["seconds"]
        peak[row["level"]] = max(peak.get(row["level"], 0.0), row["peak_mb"])
    return {level: (sum(s for (at, _), s in seconds.items() if at == level), mb) for level, mb in peak.items()}
