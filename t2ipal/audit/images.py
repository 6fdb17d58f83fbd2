"""The audit of one data set's generated images, from features of a CLIP that judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from t2ipal.audit.alignment import QUANTILES, auc, below_real, pair_scores, shuffled, unit
from t2ipal.audit.coverage import CHUNK, NEIGHBOURS, Coverage, beside_real
from t2ipal.audit.label_issues import issues, out_of_fold
from t2ipal.errors import UserError
from t2ipal.features.cache import load_global_features, load_image_features
from t2ipal.features.fields import GLOBAL_POS
from t2ipal.metrics.calibration import FEW
from t2ipal.rows.captions import read_labelled
from t2ipal.rows.data import TrainingFiles
from t2ipal.rows.join import join_rows, read_image_labels
from t2ipal.store import read_parquet

if TYPE_CHECKING:
    from torch import Tensor

Paths = Sequence[str | Path]
OWN = "generated image and its caption"
"""Pairs whose CLIP scores are quantiles of an audit."""


class Compared(NamedTuple):
    """Images of the same captions by another text-to-image model.

    Attributes:
        images: how many there are.
        around: density and coverage among the real images; None for too few.
        scores: `QUANTILES` of the CLIP scores of an image and its caption.
        auc: as in `Audit`.
    """

    images: int
    around: Coverage | None
    scores: list[float]
    auc: float


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found; N generated images, one for each caption, and C classes.

    Attributes:
        ids: of the captions.
        labels: [N, C] of the captions.
        around: density and coverage of the generated images among real ones, and of other real ones; None for too few.
        quantiles: of the CLIP scores of pairs, by name of the pairs.
        auc: the chance that a caption's own image has a higher score than another's.
        below: [C], the share of images named so that are below the 5 % quantile of real images of the class.
        flagged: [N, C] labels that cleanlab finds wrong.
        measures: by name a value [N] of each image, the worst lowest.
        others: what other models make of the captions, by their names.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    around: tuple[Coverage, Coverage] | None
    quantiles: dict[str, list[float]]
    auc: float
    below: np.ndarray
    flagged: np.ndarray
    measures: dict[str, np.ndarray]
    others: dict[str, Compared] = field(default_factory=dict)


def audit_images(
    labelled: str | Path,
    generated: Paths,
    captions: str | Path,
    templates: str | Path,
    real: str | Path,
    real_images: str | Path,
    classes: int,
    seed: int,
    others: Mapping[str, Paths] | None = None,
) -> Audit:
    """Audit the first image of each caption.

    Args:
        labelled: captions with their labels.
        generated, captions, templates, real: the judge's features of the generated images, of the captions, of the
            class templates, of which the first is "a photo of a ...", and of real images.
        real_images: the table of the real images, with labels.
        classes: how many there are.
        seed: of folds and samples.
        others: the judge's features of images of the same captions by other models, by their names.

    Raises:
        UserError: a file is missing or damaged, or cleanlab is not installed.
    """
    every, all_labels = read_labelled(TrainingFiles({"labelled": labelled}), classes)
    ids, ours = _images(generated, every)
    labels = all_labels[join_rows(ids, every, "labelled captions")].numpy()
    photos = load_image_features(real, fields=[GLOBAL_POS])
    theirs, truth = _vectors(photos.global_pos), read_image_labels(real_images, photos.ids).numpy()
    for path, what, count in (
        (labelled, "generated images with labels", len(ids)),
        (real_images, "images", len(theirs)),
    ):
        if count < 2:
            raise UserError(f"{path}: audit: {count} {what}; expected at least 2")
    says = _texts(captions, ids)
    prompts = _texts(templates, [f"{index:03d}-000" for index in range(classes)])
    own, other = pair_scores(ours, says), shuffled(ours, says, seed)
    by_class, by_real = ours @ prompts.T, theirs @ prompts.T
    named = [by_real[truth[:, index] == 1, index] for index in range(classes)]
    pairs = {
        OWN: own,
        "generated image and another caption": other,
        "generated image and a class that its caption names": by_class[labels == 1],
        "real image and a class that it shows": np.concatenate(named),
    }
    p = out_of_fold(ours, labels, ids, seed)
    enough = np.array([min((labels[:, index] == value).sum() for value in (0, 1)) >= FEW for index in range(classes)])
    return Audit(
        tuple(ids),
        labels,
        _around(theirs, ours, seed),
        {name: np.quantile(values, QUANTILES).tolist() for name, values in pairs.items() if len(values)},
        auc(own, other),
        below_real(by_class, labels, by_real, truth),
        issues(np.where(enough, labels, -1), p),
        {
            "CLIP score of the caption": own,
            "Named class that is least certain": np.where(labels == 1, p, 1.0).min(1),
            "Likeness to the nearest real image": _nearest(ours, theirs),
        },
        {name: _compared(*_images(paths, every), captions, theirs, seed) for name, paths in (others or {}).items()},
    )


def _images(paths: Paths, captions: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The captions that have an image, without flagged ones, and the features [n, D] of their images."""
    images = load_image_features(paths, fields=[GLOBAL_POS])
    there = set(images.ids)
    ids = [name for name in captions if name in there]
    return ids, _vectors(images.global_pos[join_rows(ids, images.ids, "features of generated images")])


def _around(real: np.ndarray, ours: np.ndarray, seed: int) -> tuple[Coverage, Coverage] | None:
    return beside_real(real, ours, seed) if min(len(real) // 2, len(ours)) > NEIGHBOURS else None


def _compared(ids: Sequence[str], ours: np.ndarray, captions: str | Path, real: np.ndarray, seed: int) -> Compared:
    says, around = _texts(captions, ids), _around(real, ours, seed)
    own = pair_scores(ours, says)
    quantiles = np.quantile(own, QUANTILES).tolist()
    return Compared(len(ids), around and around[0], quantiles, auc(own, shuffled(ours, says, seed)))


def _vectors(values: Tensor) -> np.ndarray:
    return unit(values.float().numpy())


def _texts(path: str | Path, ids: Sequence[str]) -> np.ndarray:
    """The global features of the texts `ids`, of length 1."""
    there = sorted(read_parquet(path, ["id"])["id"].to_pylist())
    return _vectors(load_global_features(path, "global")[join_rows(ids, there, str(path))])


def _nearest(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The greatest cosine of each of ours with one of theirs: [N]."""
    starts = range(0, len(ours), CHUNK)
    return np.concatenate([(ours[start : start + CHUNK] @ theirs.T).max(1) for start in starts])
