"""The metrics that the systems of Tables 2 and 3 were published with, where they are not those of `evaluate`.

In percent, like all of `evaluate`. Numbers by different ones of these are not comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from t2ipal.errors import UserError
from t2ipal.metrics.evaluate import average_precision


def class_balanced_rows(labels: ArrayLike, size: int | None = None, seed: int = 0) -> np.ndarray:
    """Test images as LaSO samples them, rows [size]: the n-th is one of the class that was sampled least so far.

    Of that class it is the n-th image, counted round and round. A sampled image counts for every class it contains.
    Images without any of the classes are never sampled. Source: CocoDatasetAugmentation of github.com/leokarlin/LaSO.

    Args:
        labels: [N, C]; 1 is a class that the image contains.
        size: how many; None: N, as there.
        seed: among classes sampled equally rarely, a random first choice is kept; it falls to the first of them else.

    Raises:
        UserError: a class without an image.
    """
    positive = np.asarray(labels) == 1
    rows_of = [np.flatnonzero(column) for column in positive.T]
    for c, rows_with in enumerate(rows_of):
        if not len(rows_with):
            raise UserError(f"class-balanced sample: class {c} has no image; expected one of each class")
    size = len(positive) if size is None else size
    tries = np.random.RandomState(seed).randint(len(rows_of), size=size)
    counts, rows = np.zeros(len(rows_of), dtype=np.int64), np.empty(size, dtype=np.int64)
    for n, c in enumerate(tries):
        rarest = c if counts[c] == counts.min() else counts.argmin()
        rows[n] = rows_of[rarest][n % len(rows_of[rarest])]
        counts += positive[rows[n]]
    return rows


def laso_average_precision(scores: ArrayLike, labels: ArrayLike, size: int | None = None, seed: int = 0) -> np.ndarray:
    """Average precision of each class over class-balanced samples of the test images, as LaSO reports it: [C].

    Args:
        scores, labels: [N, C] of the classes in question alone (LaSO: the 16 novel ones).
        size, seed: as in `class_balanced_rows`.
    """
    rows = class_balanced_rows(labels, size, seed)
    return average_precision(np.asarray(scores)[rows], np.asarray(labels)[rows])


def label_ranking_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Mean over images of the average precision of their labels' ranking; images without a label are left out.

    Source: `average_precision_score` per query in github.com/chrysts/Multi-Label-Meta-Learning.

    Args:
        scores, labels: [N, C]; 1 is a class that the image contains.

    Raises:
        UserError: no image has a label, or shapes differ.
    """
    scores, positive = np.asarray(scores), np.asarray(labels) == 1
    some = positive.any(1)
    if not some.any():
        raise UserError("label-ranking precision: none of the images has a label; expected one at least")
    # images and classes exchange their roles: the precision of a "class" is that of an image
    return float(average_precision(scores[some].T, positive[some].T).mean())


def voc2012_average_precision(scores: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """Interpolated average precision of each class by the rule of VOC2012, as SARB and SSGRL report it: [C].

    The area under the precision at each recall, where a precision is raised to the best at that recall or a higher one.
    Of equal scores, the earlier image ranks first.

    Args:
        scores, labels: [N, C]; 1 is a class that the image contains, all else is absent.

    Raises:
        UserError: a class without a positive.
    """
    scores, positive = np.asarray(scores), np.asarray(labels) == 1
    if not positive.any(0).all():
        raise UserError(f"average precision: class {int(positive.any(0).argmin())} has no positive")
    order = np.argsort(-scores, axis=0, kind="stable")
    hits = np.take_along_axis(positive, order, 0)
    precision = hits.cumsum(0) / np.arange(1, len(hits) + 1)[:, None]
    best = np.maximum.accumulate(precision[::-1], 0)[::-1]
    # recall rises by one part at each positive, and nowhere else
    return 100 * (best * hits).sum(0) / hits.sum(0)


PUBLISHED: Mapping[str, tuple[str, Callable[[ArrayLike, ArrayLike], float]]] = {
    "laso": ("AP over class-balanced samples of the images", lambda s, y: float(np.mean(laso_average_precision(s, y)))),
    "label_ranking": ("precision of each image's label ranking", label_ranking_precision),
    "voc2012": ("interpolated AP of VOC2012", lambda s, y: float(np.mean(voc2012_average_precision(s, y)))),
}
"""By name: what it is, and the function from scores and labels [N, C] to percent."""
