"""What labelled images add to a recogniser: probabilities and thresholds, and how far off these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from t2ipal.errors import UserError
from t2ipal.metrics import calibration
from t2ipal.metrics.score_rules import apply, scale_of
from t2ipal.rows.join import read_image_labels

if TYPE_CHECKING:
    from t2ipal.rows.data import TrainingFiles

Source = Literal["validation", "generated"]
UNCALIBRATED: dict[str, Any] = dict.fromkeys(("threshold", "thresholds", "prior", "calibration"))
"""The keys of a recogniser whose scores are no probabilities."""


@dataclass(frozen=True)
class Labelled:
    """Scores of labelled images.

    Attributes:
        values: [S, N, C] float32, the scores of each seed.
        labels: [N, C] of 1, 0 and -1 (unknown).
        ids: [N] of the images.
        groups: [N]; images of one group are never on both sides of a split.
        source: where the labels are from.
    """

    values: np.ndarray
    labels: np.ndarray
    ids: Sequence[str]
    groups: Sequence[str]
    source: Source


def mean_scores(values: np.ndarray, rule: Mapping[str, Any] | None = None) -> np.ndarray:
    """Scores [N, C] of a recogniser from those of its seeds [S, N, C]: their mean, in float32.

    Args:
        values: of all classes that were trained together.
        rule: `score_rule` of a header, for each seed's scores before the mean; None: they stay as they are.
    """
    if rule and rule["kind"] != "own":
        values = apply(rule["kind"], values, 1.0 if rule["k"] is None else np.array(rule["k"]))
    return values.mean(0, dtype="float32")


def score_rule(kind: str, scale: float | None, classes: Sequence[str], seeds: int, rows: Labelled | None) -> dict:
    """`score_rule` of a header.

    Args:
        kind: "own", "mean" or "softmax".
        scale: of the softmax; None: `scale_of` the labelled images' scores.
        classes: names of those that the rule compares.
        seeds: how many there are.
        rows: labelled images, if there are any.
    """
    k = None
    if kind == "softmax":
        k = [scale] * seeds if scale else scale_of(rows.values).tolist()
    return {"kind": kind, "k": k, "classes": list(classes)}


def validation_scores(run: str | Path, features: str | Path, images: str | Path) -> Labelled:
    """Of labelled validation images.

    Raises:
        UserError: a file is missing or damaged, or made with another CLIP.
    """
    from t2ipal.features.cache import load_image_features
    from t2ipal.metrics import measure
    from t2ipal.metrics.score_files import VALIDATION

    scores, _ = measure.score(run, {VALIDATION: load_image_features(features)})
    ids = scores.ids[VALIDATION]
    return Labelled(scores.values[VALIDATION], read_image_labels(images, ids).numpy(), ids, ids, "validation")


def generated_scores(run: str | Path, files: TrainingFiles) -> Labelled:
    """Of the generated images of captions held out of training, with the labels of their captions.

    Args:
        run: the model, trained without these captions.
        files: inputs "labelled", "images" and "flagged", and which captions are held out.

    Raises:
        UserError: a file is missing or damaged, made with another CLIP, or no image is left.
    """
    from t2ipal.features.cache import load_image_features
    from t2ipal.methods.model_files import image_fields
    from t2ipal.metrics import measure
    from t2ipal.metrics.score_files import VALIDATION
    from t2ipal.rows.captions import read_labelled
    from t2ipal.rows.join import join_rows
    from t2ipal.rows.synthetic import read_flagged
    from t2ipal.store import read_header

    captions, truth = read_labelled(files, len(read_header(run)["classes"]), held_out=True)
    flagged, fields = read_flagged(files["flagged"]), image_fields(run)
    values, labels, ids, groups = [], [], [], []
    for sample, shards in enumerate(files.samples("images")):
        kept = [row for row, caption in enumerate(captions) if (caption, sample) not in flagged]
        if not kept:
            continue
        names, images = [captions[row] for row in kept], load_image_features(shards, fields=fields)
        chosen = join_rows(names, images.ids, f"features of the generated images, sample {sample}")
        scores, _ = measure.score(run, {VALIDATION: images.only(chosen)})
        values.append(scores.values[VALIDATION])
        labels.append(truth[kept].numpy())
        ids += [f"{name}/{sample}" for name in names]
        groups += names
    if not values:
        raise UserError(
            f"{files['labelled'][0]}: all images of the captions held out for the calibration are flagged; expected "
            "others too (a larger calibrate_share)"
        )
    return Labelled(np.concatenate(values, 1), np.concatenate(labels), ids, groups, "generated")


def calibrated(rows: Labelled, rule: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`threshold`, `thresholds`, `prior` and `calibration` of a recogniser's header, for scores by its `score_rule`.

    The errors are those of five fits, each to four fifths of the groups; the recogniser has the fit to all.

    Raises:
        UserError: fewer than two independent images, no image with or none without a class, or scores not finite.
    """
    _check(rows)
    scores = mean_scores(rows.values, rule)
    fitted = calibration.fit(scores, rows.labels)
    crossed = calibration.cross_fitted(scores, rows.labels, rows.groups)
    known, positives = (rows.labels >= 0).sum(0), (rows.labels == 1).sum(0)
    return {
        "threshold": calibration.shared_threshold(scores, rows.labels),
        "thresholds": calibration.class_thresholds(scores, rows.labels),
        "prior": (positives / np.maximum(known, 1)).tolist(),
        "calibration": {
            "kind": "platt",
            "a": fitted.a.tolist(),
            "b": fitted.b.tolist(),
            "threshold": calibration.shared_threshold(fitted.probabilities(scores), rows.labels),
            "fitted_on": {
                "source": rows.source,
                "images": len(rows.ids),
                "groups": len(set(rows.groups)),
                "positives": positives.tolist(),
                "sha256": _digest(rows),
            },
            "ece": calibration.errors(crossed, rows.labels)._asdict(),
            "floor": calibration.floors(crossed, rows.labels)._asdict(),
        },
    }


def _check(rows: Labelled) -> None:
    fitted_on = {"source": rows.source, "images": len(rows.ids), "groups": len(set(rows.groups))}
    where = f"calibration: {rests_on(fitted_on)}"
    if fitted_on["groups"] < 2:
        what = "captions (a larger calibrate_share)" if rows.source == "generated" else "images"
        raise UserError(f"{where}; expected at least 2 {what}")
    for value, what in ((1, "with"), (0, "without")):
        if not (rows.labels == value).any():
            raise UserError(f"{where}: not one {what} a class; expected images with and without each class")
    if not np.isfinite(rows.values).all():
        raise UserError(f"{where}: scores that are not finite; expected numbers: is the model damaged?")


def uninformed(header: Mapping[str, Any]) -> list[str]:
    """The classes whose scores said nothing of the labelled images: their probability is the same for every photo."""
    fit = header.get("calibration")
    return [name for name, slope in zip(header["classes"], fit["a"], strict=True) if slope == 0] if fit else []


def rests_on(fitted_on: Mapping[str, Any]) -> str:
    """The labelled images of a calibration, in words."""
    images, groups = fitted_on["images"], fitted_on["groups"]
    if fitted_on["source"] == "generated":
        return f"{images:,} generated images of {groups:,} captions held out of training, with the captions' labels"
    return f"{images:,} labelled validation images"


def _digest(rows: Labelled) -> str:
    """Of the images and their labels."""
    text = "\n".join(rows.ids).encode("utf-8", "surrogateescape")
    return sha256(text + np.ascontiguousarray(rows.labels, dtype=np.int8).tobytes()).hexdigest()
