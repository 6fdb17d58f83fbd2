"""One run from its files to its files: training data joined, a method trained, its model saved, its scores measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from t2ipal import methods, store
from t2ipal.errors import UserError
from t2ipal.features.cache import ImageFeatures, load_image_features, load_text_features
from t2ipal.training_data import TrainingData, join_captions, join_rows, label_matrix, template_labels

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


def load_training_data(files: TrainingFiles, classes: int) -> TrainingData:
    """Read and join what a run trains on; `classes` is the number of classes.

    Raises:
        UserError: a file is missing or damaged, or rows do not match.
    """
    found = TrainingData()
    if files.labelled:
        table = store.read_parquet(files.labelled[0], ["caption_id", "positive", "unknown"])
        labels = label_matrix(table["positive"].to_pylist(), table["unknown"].to_pylist(), classes)
        samples = [load_image_features(shards) for shards in files.images]
        captions = load_text_features(files.captions)
        found = join_captions(table["caption_id"].to_pylist(), labels, captions, samples, read_flagged(files.flagged))
    more: dict[str, Any] = {}
    if files.templates:
        more["templates"] = load_text_features(files.templates)
        more["template_labels"] = template_labels(more["templates"].ids, classes)
    if files.train:
        more["train"] = load_image_features(files.train)
        more["train_labels"] = labels_of(files.train_images[0], more["train"].ids)
    return TrainingData(**{**vars(found), **more})


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


def write_model(path: str | Path, tensors: Tensors, method: str, settings: Mapping[str, Any], **header: object) -> None:
    """Save what a method learned; the header says what it takes to score with it: method, settings, classes, seeds."""
    store.write_tensors(path, tensors, {"method": method, "settings": dict(settings), **header})


def read_model(path: str | Path) -> tuple[Method, Tensors, dict[str, Any]]:
    """The method, its tensors and the header of a model file.

    Raises:
        UserError: the file is missing, damaged, or no model of ours.
    """
    tensors, header = store.read_tensors(path)
    missing = {"method", "settings", "classes", "seeds", "clip_sha256"} - header.keys()
    if missing:
        raise UserError(f"{path}: no model of t2ipal: its header has no {min(missing)!r}")
    kind = methods.get(header["method"])
    return kind(kind.Settings(**header["settings"]), header["classes"]), tensors, header


def score(path: str | Path, features: ImageFeatures, device: str = "auto") -> tuple[np.ndarray, dict[str, Any]]:
    """Scores [S, N, C] float32 of images by a saved model, and the model's header.

    Raises:
        UserError: the model was trained on features of another CLIP.
    """
    from t2ipal.train import pick_device

    method, tensors, header = read_model(path)
    if header["clip_sha256"] != features.clip_sha256:
        wanted, found = header["clip_sha256"][:12], features.clip_sha256[:12]
        raise UserError(f"{path}: trained with CLIP {wanted}, but the images' features are of {found}")
    place = pick_device(device)
    tensors = {name: value.to(place) for name, value in tensors.items()}
    return method.scores(tensors, features).cpu().numpy().astype(np.float32), header


def measure(scores: np.ndarray, labels: np.ndarray, names: Sequence[str], counts: np.ndarray) -> dict[str, Any]:
    """The metrics of one seed: scores and labels [N, C], and `counts` [B, N] of the data set's resamples."""
    from t2ipal.bootstrap import bootstrap_map
    from t2ipal.evaluate import average_precision, f1_top_k

    precisions = average_precision(scores, labels, names=names)
    top = f1_top_k(scores, labels, 3)
    return {
        "mAP": float(precisions.mean()),
        "ap": precisions.tolist(),
        "CF1_top3": top.CF1,
        "OF1_top3": top.OF1,
        "bootstrap": bootstrap_map(scores, labels, counts).tolist(),
    }


def write_scores(path: str | Path, ids: Sequence[str], seeds: Sequence[int], scores: np.ndarray) -> None:
    """Scores [S, N, C] as rows of image and seed."""
    import pyarrow as pa

    count = scores.shape[-1]
    values = pa.FixedSizeListArray.from_arrays(pa.array(scores.reshape(-1)), count)
    columns = {
        "image_id": [identity for _ in seeds for identity in ids],
        "seed": pa.array(np.repeat(np.asarray(seeds, dtype=np.int64), len(ids))),
        "scores": values,
    }
    store.write_parquet(pa.table(columns), path)


def history_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The training history as a table; without rows for a method that trains nothing."""
    import pyarrow as pa

    numbers = ("loss", "loss_text", "loss_image", "loss_train", "lr", "seconds")
    schema = pa.schema([("seed", pa.int64()), ("epoch", pa.int32()), *((name, pa.float64()) for name in numbers)])
    return pa.Table.from_pylist(list(rows), schema)


def training_seconds(history: pa.Table) -> float:
    """Seconds of all epochs; each epoch's row stands once per seed."""
    return sum(dict(zip(history["epoch"].to_pylist(), history["seconds"].to_pylist(), strict=True)).values())
