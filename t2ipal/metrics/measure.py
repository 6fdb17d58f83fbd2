"""Scores of a run, from its model or from the scores of other runs, and what is measured of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from t2ipal.backbones import DEFAULT
from t2ipal.errors import UserError
from t2ipal.methods.model_files import read_model
from t2ipal.metrics.cell_scores import cell_scores
from t2ipal.metrics.combinations import Calibration, Combination, ScoreRule, Selection
from t2ipal.metrics.records import VALIDATION_MAP
from t2ipal.metrics.score_files import TEST, VALIDATION, Scores, align
from t2ipal.metrics.score_rules import apply, scale_of
from t2ipal.rows.join import read_image_labels

if TYPE_CHECKING:
    from t2ipal.features.cache import ImageFeatures

Metrics = dict[str, Any]


def score(
    model: str | Path, features: Mapping[str, ImageFeatures], device: str = "auto", cells: ScoreRule | None = None
) -> tuple[Scores, dict[str, Any]]:
    """The scores of a saved model on image sets by name ("test", "validation"), and the model's header.

    Args:
        model: the file.
        features: by part.
        device: where to compute.
        cells: the rule `cells`, instead of the method's own scores; the header then has its scales as "k".

    Raises:
        UserError: the model was trained on features of another backbone.
    """
    from t2ipal.device import pick_device

    method, tensors, header = read_model(model)
    chosen = pick_device(device)
    tensors = {name: value.to(chosen) for name, value in tensors.items()}
    for part, images in features.items():
        if header["clip_sha256"] != images.clip_sha256:
            own, other = header["clip_sha256"][:12], images.clip_sha256[:12]
            raise UserError(f"{model}: trained with CLIP {own}, but the {part} images' features are of {other}")
        kind = header.get("encoder", DEFAULT)
        if kind != images.encoder:
            raise UserError(
                f"{model}: trained with a backbone of kind {kind}, but the {part} images' features are of "
                f"kind {images.encoder}"
            )
    if cells is None:
        values = {part: method.scores(tensors, images).cpu().numpy() for part, images in features.items()}
        values = {part: scores.astype(np.float32) for part, scores in values.items()}
    else:
        values, scale = cell_scores(method, tensors, features, cells.scale)
        header = {**header, "k": scale.tolist()}
    members = tuple((level, seed) for level in header["levels"] for seed in header["seeds"])
    ids = {part: images.ids for part, images in features.items()}
    return Scores(members, tuple(header["classes"]), ids, values), header


def labels_by_part(scores: Scores, tables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """True labels [N, C'] of all classes for each part that was scored, from the tables of labelled images.

    Args:
        scores: whose images are meant.
        tables: by part, the path of the table, or a list with it; empty if it has none.
    """
    paths = {part: [table] if isinstance(table, str | Path) else list(table) for part, table in tables.items()}
    return {part: read_image_labels(paths[part][0], ids).numpy() for part, ids in scores.ids.items()}


def combined(sources: Sequence[Scores], how: Combination, labels: Mapping[str, np.ndarray] | None = None) -> Scores:
    """Scores made from scores.

    Args:
        sources: of the runs to combine; the first gives levels and seeds.
        how: a fusion of two runs; a score rule, a selection or a calibration of one.
        labels: true labels by part, which a calibration fits to those of the validation images.

    Raises:
        UserError: the runs differ in images, classes or seeds.
    """
    from t2ipal.metrics.score_fusion import fuse

    first = sources[0]
    if isinstance(how, Selection):
        columns = [first.classes.index(name) for name in how.classes]
        values = {part: scores[..., columns] for part, scores in first.values.items()}
        return replace(first, classes=how.classes, values=values)
    if isinstance(how, ScoreRule):
        scale = scales(first, how)
        return replace(first, values={part: apply(how.rule, values, scale) for part, values in first.values.items()})
    if isinstance(how, Calibration):
        return calibrated(first, how.seeds, labels[VALIDATION])
    members = max((source.members for source in sources), key=len)
    base, partner = (align(source, members, "fusion") for source in sources)
    if (base.classes, base.ids) != (partner.classes, partner.ids):
        raise UserError("fusion: the two runs differ in images or classes; expected scores of the same")
    values = {part: fuse(partner.values[part], scores, how.weight, how.norm) for part, scores in base.values.items()}
    return replace(base, values=values)


def calibrated(scores: Scores, seeds: Collection[int], truth: np.ndarray) -> Scores:
    """Probabilities, from Platt's fit of the mean over seeds to the labels of validation images, as one model.

    Args:
        scores: of a run with one level, with validation images.
        seeds: those of the mean, or more.
        truth: [N, C] labels of the validation images.
    """
    from t2ipal.metrics.calibration import fit

    rows = [row for row, (_, seed) in enumerate(scores.members) if seed in seeds]
    means = {part: values[rows].mean(0, dtype=np.float32) for part, values in scores.values.items()}
    fitted = fit(means[VALIDATION], truth)
    values = {part: fitted.probabilities(mean)[None].astype(np.float32) for part, mean in means.items()}
    return replace(scores, members=(scores.members[rows[0]],), values=values)


def scales(scores: Scores, how: ScoreRule) -> np.ndarray:
    """k of a score rule for each model [M]: the rule's own, else that of the validation images' scores.

    Without validation images it is that of the test images: one number that they share, and no label.
    """
    if how.scale is not None or not how.scaled:
        return np.full(len(scores.members), how.scale or 1.0)
    return scale_of(scores.values.get(VALIDATION, scores.values[TEST]))


def measure(
    scores: Scores,
    labels: Mapping[str, np.ndarray],
    names: Sequence[str],
    replicates: int,
    seed: int,
    own_metric: str = "",
    probabilities: bool = False,
) -> list[Metrics]:
    """What is measured of each model of a run, in the order of its members.

    Args:
        scores: of test images, and of validation images if there are any.
        labels: [N, C'] by part, of all classes.
        names: of all C' classes, among them those scored.
        replicates: resamples of the test images.
        seed: of the resamples; equal for all runs of a data set, so that differences are paired.
        own_metric: `Method.own_metric`.
        probabilities: whether the scores are probabilities.
    """
    from t2ipal.metrics.bootstrap import resample_counts
    from t2ipal.metrics.evaluate import average_precision, best_threshold, mean_average_precision
    from t2ipal.metrics.original import PUBLISHED
    from t2ipal.metrics.registry import METRICS

    columns = [list(names).index(name) for name in scores.classes]
    truth = {part: labels_of_part[:, columns] for part, labels_of_part in labels.items()}
    counts = resample_counts(len(truth[TEST]), replicates, seed)
    measured = []
    for member, (level, model_seed) in enumerate(scores.members):
        test, threshold, on_validation = scores.values[TEST][member], None, None
        if VALIDATION in truth:
            held_out, there = scores.values[VALIDATION][member], (truth[VALIDATION] == 1).any(0)
            threshold = best_threshold(held_out, truth[VALIDATION])
            if there.any():
                on_validation = mean_average_precision(held_out[:, there], truth[VALIDATION][:, there], "ignore")
        metrics: Metrics = {
            "level": level,
            "seed": model_seed,
            "ap": average_precision(test, truth[TEST], "ignore", scores.classes).tolist(),
            "threshold": threshold,
            VALIDATION_MAP: on_validation,
        }
        for name, metric in METRICS.items():
            known = threshold is not None or not metric.needs_threshold
            known &= probabilities or not metric.needs_probabilities
            metrics[name] = metric.of(test, truth[TEST], threshold) if known else None
            resampled = metric.bootstrap(test, truth[TEST], counts, threshold).tolist() if known else None
            metrics[metric.bootstrap_column] = resampled
        if own_metric:
            title, own = PUBLISHED[own_metric]
            metrics |= {"own_metric": title, "own": own(test, truth[TEST])}
        measured.append(metrics)
    return measured
