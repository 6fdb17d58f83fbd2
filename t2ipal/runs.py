"""One run from its files to its files: training data joined, a method trained, its model saved, its scores measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from t2ipal import methods, store
from t2ipal.errors import UserError
from t2ipal.features.cache import ImageFeatures, load_image_features, load_text_features
from t2ipal.score_files import TEST, VALIDATION, Scores, align
from t2ipal.train import LOSSES
from t2ipal.training_data import TrainingData, join_captions, join_rows, label_matrix, template_labels

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from t2ipal.methods.base import Method, Tensors

Paths = Sequence[str | Path]
Metrics = dict[str, Any]


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


def score(
    model: str | Path, features: Mapping[str, ImageFeatures], device: str = "auto"
) -> tuple[Scores, dict[str, Any]]:
    """The scores of a saved model on image sets by name ("test", "validation"), and the model's header.

    Raises:
        UserError: the model was trained on features of another CLIP.
    """
    from t2ipal.train import pick_device

    method, tensors, header = read_model(model)
    place = pick_device(device)
    tensors = {name: value.to(place) for name, value in tensors.items()}
    values = {}
    for part, images in features.items():
        if header["clip_sha256"] != images.clip_sha256:
            wanted, found = header["clip_sha256"][:12], images.clip_sha256[:12]
            raise UserError(f"{model}: trained with CLIP {wanted}, but the {part} images' features are of {found}")
        values[part] = method.scores(tensors, images).cpu().numpy().astype(np.float32)
    members = tuple((level, seed) for level in header["levels"] for seed in header["seeds"])
    ids = {part: images.ids for part, images in features.items()}
    return Scores(members, tuple(header["classes"]), ids, values), header


def labels_by_part(scores: Scores, tables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """True labels [N, C'] of all classes for each part that was scored, from the tables of labelled images.

    Args:
        scores: whose images are meant.
        tables: by part, the path of the table, or a list with it; empty where there is none.
    """
    paths = {part: [table] if isinstance(table, str | Path) else list(table) for part, table in tables.items()}
    return {part: labels_of(paths[part][0], ids).numpy() for part, ids in scores.ids.items()}


def combined(sources: Sequence[Scores], how: Mapping[str, Any]) -> Scores:
    """Scores made from scores.

    Args:
        sources: of the runs to combine; the first gives levels and seeds.
        how: {"kind": "fuse", "weight", "norm"} of two, {"kind": "sparc"} or {"kind": "novel", "classes"} of one.

    Raises:
        UserError: the runs differ in images, classes or seeds.
    """
    from t2ipal.score_fusion import fuse, standardise

    first = sources[0]
    if how["kind"] == "novel":
        columns = [first.classes.index(name) for name in how["classes"]]
        values = {part: found[..., columns] for part, found in first.values.items()}
        return replace(first, classes=tuple(how["classes"]), values=values)
    if how["kind"] == "sparc":
        return replace(first, values={part: standardise(found) for part, found in first.values.items()})
    members = max((source.members for source in sources), key=len)
    base, partner = (align(source, members, "fusion") for source in sources)
    if (base.classes, base.ids) != (partner.classes, partner.ids):
        raise UserError("fusion: the two runs differ in images or classes; expected scores of the same")
    values = {
        part: fuse(partner.values[part], found, how["weight"], how["norm"]) for part, found in base.values.items()
    }
    return replace(base, values=values)


def measure(
    scores: Scores, labels: Mapping[str, np.ndarray], names: Sequence[str], replicates: int, seed: int
) -> list[Metrics]:
    """What is measured of each model of a run, in the order of its members.

    Args:
        scores: of test images, and of validation images if there are any.
        labels: [N, C'] by part, of all classes.
        names: of all C' classes, among them those scored.
        replicates: resamples of the test images.
        seed: of the resamples; equal for all runs of a data set, so that differences are paired.
    """
    from t2ipal.bootstrap import bootstrap_map, resample_counts
    from t2ipal.evaluate import average_precision, best_threshold, f1_threshold, f1_top_k

    columns = [list(names).index(name) for name in scores.classes]
    truth = {part: found[:, columns] for part, found in labels.items()}
    counts = resample_counts(len(truth[TEST]), replicates, seed)
    found = []
    for place, (level, model_seed) in enumerate(scores.members):
        test = scores.values[TEST][place]
        precisions = average_precision(test, truth[TEST], "ignore", scores.classes)
        top = f1_top_k(test, truth[TEST], 3)
        metrics: Metrics = {
            "level": level,
            "seed": model_seed,
            "mAP": float(precisions.mean()),
            "ap": precisions.tolist(),
        }
        threshold = f1 = None
        if VALIDATION in truth:
            threshold = best_threshold(scores.values[VALIDATION][place], truth[VALIDATION])
            f1 = f1_threshold(test, truth[TEST], threshold)
        metrics |= {"CF1": f1.CF1 if f1 else None, "OF1": f1.OF1 if f1 else None, "threshold": threshold}
        metrics |= {"CF1_top3": top.CF1, "OF1_top3": top.OF1}
        found.append(metrics | {"bootstrap": bootstrap_map(test, truth[TEST], counts).tolist()})
    return found


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
