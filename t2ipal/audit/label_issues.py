"""Labels that images contradict: cleanlab on calibrated probabilities from folds that did not see the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from t2ipal.errors import UserError
from t2ipal.metrics.calibration import FOLDS, cross_fitted
from t2ipal.seeds import seed_of

ALPHAS = tuple(10.0**power for power in range(-2, 3))
"""Strengths of the ridge, of which each fold takes the best by leave-one-out on its own images."""


def out_of_fold(features: np.ndarray, labels: np.ndarray, groups: Sequence[str], seed: int = 0) -> np.ndarray:
    """Probabilities [N, C] of classes in images, from linear fits that saw neither the image nor others of its group.

    A ridge regression to the labels of the other folds, then Platt's fit, again to other folds. An unknown label is
    the class's mean in the regression, so that it pulls nowhere, and has no part in the calibration.

    Args:
        features: [N, D] of frozen images.
        labels: [N, C] of 1, 0 and -1 (unknown).
        groups: [N]; images of one group, such as a caption's, share a fold.
        seed: of the folds.
    """
    from sklearn.linear_model import RidgeCV

    known = labels >= 0
    share = (labels == 1).sum(0) / np.maximum(known.sum(0), 1)
    targets = np.where(known, labels == 1, share).astype(np.float64)
    names, of_row = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2 * FOLDS:
        return np.broadcast_to(share, labels.shape)  # too few to learn from
    fold = (np.random.default_rng(seed_of("label issues", seed)).permutation(len(names)) % FOLDS)[of_row]
    scores = np.empty(labels.shape)
    for number in range(FOLDS):
        here = fold == number
        if here.any():
            fitted = RidgeCV(ALPHAS).fit(features[~here], targets[~here])
            scores[here] = fitted.predict(features[here]).reshape(-1, labels.shape[1])
    return cross_fitted(scores, labels, groups, seed)


def issues(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Which known labels cleanlab finds wrong: bool [N, C]; none of a class whose known labels are all equal.

    Source: cleanlab.filter.find_label_issues, `prune_by_noise_rate`, class by class (Northcutt et al., JAIR 2021).

    Raises:
        UserError: cleanlab is not installed.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise UserError("cleanlab: not installed; expected pip install 't2ipal[audit]'") from error
    wrong = np.zeros(labels.shape, bool)
    for index in range(labels.shape[1]):
        rows = np.flatnonzero(labels[:, index] >= 0)
        truth, p = labels[rows, index], probabilities[rows, index]
        if len(np.unique(truth)) == 2:
            wrong[rows, index] = find_label_issues(truth, np.stack([1 - p, p], 1), n_jobs=1)
    return wrong
