"""Probabilities from scores: the fits of scikit-learn, the errors of torchmetrics, and their floors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from torchmetrics.functional.classification import binary_calibration_error

from t2ipal.metrics import calibration
from t2ipal.metrics.calibration import FEW, Platt, cross_fitted, errors, fit, floors


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray, Platt]:
    """Scores and labels [2000, 4] of known a and b; the last class's scores say nothing."""
    rng = np.random.default_rng(0)
    truth = Platt(np.array([2.0, 1.0, 30.0, 0.0]), np.array([0.0, -1.0, -8.0, 0.4]))
    scores = rng.normal(0, 1, (2000, 4)) * [1, 2, 0.1, 1] + [0, 0, 0.2, 5]
    return scores, (rng.random(scores.shape) < truth.probabilities(scores)).astype(int), truth


def test_the_fit_is_that_of_scikit_learn(drawn: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Platt's targets, which logistic regression does not have."""
    scores, labels, truth = drawn
    monkeypatch.setattr(calibration, "_targets", lambda hits, known: hits.astype(float))
    found = fit(scores, labels)
    for column in range(3):
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions that name no penalty otherwise
            model.fit(scores[:, [column]], labels[:, column])
        assert found.a[column] == pytest.approx(model.coef_[0, 0], rel=1e-4)
        assert found.b[column] == pytest.approx(model.intercept_[0], rel=1e-3, abs=1e-4)
    assert found.a == pytest.approx(truth.a, rel=0.2, abs=0.1)


def test_platts_targets_keep_a_perfect_ranking_finite() -> None:
    scores = np.linspace(-1, 1, 40)[:, None]
    found = fit(scores, (scores > 0).astype(int))
    p = found.probabilities(scores)[:, 0]
    assert np.isfinite([found.a, found.b]).all()
    assert p[:20].max() < 0.5 < p[20:].min()
    assert p[-1] < 1
    # at the optimum the mean probability is the mean target: (n + 1) / (n + 2) and 1 / (n + 2), n = 20
    assert p.mean() == pytest.approx((21 / 22 + 1 / 22) / 2, abs=1e-6)


def test_a_slope_is_never_negative() -> None:
    scores = np.linspace(-1, 1, 60)[:, None]
    found = fit(scores, (scores < 0.5).astype(int))
    assert found.a[0] == 0
    assert found.probabilities(scores) == pytest.approx((45 * 46 / 47 + 15 / 17) / 60, abs=1e-6)


def test_a_class_of_few_positives_has_the_slope_of_all_and_its_own_prior(drawn: tuple) -> None:
    scores, labels, _ = drawn
    labels = labels[:, [0, 1]].copy()
    labels[np.flatnonzero(labels[:, 1])[FEW - 1 :], 1] = 0
    found = fit(scores[:, :2], labels)
    stacked = fit(scores[:, :2].reshape(-1, 1), labels.reshape(-1, 1))
    assert found.a[1] == pytest.approx(stacked.a[0])
    assert found.a[0] != pytest.approx(stacked.a[0])
    few = FEW - 1
    wanted = (few * (few + 1) / (few + 2) + (2000 - few) / (2000 - few + 2)) / 2000
    assert found.probabilities(scores[:, :2])[:, 1].mean() == pytest.approx(wanted, rel=1e-4)


def test_scores_of_one_value_and_classes_without_a_label_are_calibrated_too() -> None:
    scores = np.stack([np.full(50, 3.0), np.linspace(0, 1, 50), np.linspace(0, 1, 50)], 1)
    labels = np.stack([np.arange(50) % 2, np.full(50, -1), np.zeros(50)], 1).astype(int)
    p = fit(scores, labels).probabilities(scores)
    assert np.isfinite(p).all()
    assert p[:, 0] == pytest.approx(0.5, abs=1e-6)
    assert p[:, 2].max() < 0.05


def test_unknown_labels_have_no_part(drawn: tuple) -> None:
    scores, labels, _ = drawn
    half = labels.copy()
    half[1000:] = -1
    first, part = fit(scores[:1000], labels[:1000]), fit(scores, half)
    assert part.a == pytest.approx(first.a, rel=1e-5)
    p = first.probabilities(scores)
    assert errors(p, half)[:2] == pytest.approx(errors(p[:1000], labels[:1000])[:2])
    assert errors(p, half).brier == pytest.approx(errors(p[:1000], labels[:1000]).brier)
    assert calibration.class_thresholds(scores, half) == calibration.class_thresholds(scores[:1000], labels[:1000])


def test_the_errors_are_those_of_torchmetrics_and_their_definitions(drawn: tuple) -> None:
    scores, labels, _ = drawn
    p = expit(scores)
    found = errors(p, labels)
    tensors = torch.tensor(p), torch.tensor(labels)
    assert found.pooled == pytest.approx(100 * float(binary_calibration_error(*tensors, n_bins=15)), rel=1e-5)
    by_class = [binary_calibration_error(tensors[0][:, c], tensors[1][:, c], n_bins=15) for c in range(4)]
    assert found.class_wise == pytest.approx(100 * float(np.mean(by_class)), rel=1e-5)
    assert found.brier == pytest.approx(100 * ((p - labels) ** 2).mean())
    mass = []
    for column, truth in zip(p.T, labels.T, strict=True):
        bins = np.array_split(np.argsort(column, kind="stable"), 15)
        mass.append(sum(abs((column[rows] - truth[rows]).sum()) for rows in bins) / len(column))
    assert found.equal_mass == pytest.approx(100 * np.mean(mass), rel=0.02)  # bins differ by a row


def test_the_floor_is_the_error_of_a_perfect_calibration(drawn: tuple) -> None:
    scores, labels, truth = drawn
    p = truth.probabilities(scores)
    floor, found = floors(p, labels), errors(p, labels)
    assert floor == floors(p, labels)
    assert np.array(found) == pytest.approx(np.array(floor), rel=0.35)
    assert floor.brier == pytest.approx(100 * (p * (1 - p)).mean(), rel=0.02)
    wrong = errors(expit(scores), labels)
    assert wrong.class_wise > 3 * floor.class_wise
    assert floors(p[:200], labels[:200]).class_wise > floor.class_wise


def test_cross_fitting_keeps_groups_together_and_costs_little(drawn: tuple) -> None:
    scores, labels, _ = drawn
    groups = [f"caption {row // 4}" for row in range(2000)]
    p = cross_fitted(scores, labels, groups)
    assert np.isfinite(p).all()
    assert p == pytest.approx(fit(scores, labels).probabilities(scores), abs=0.05)
    copies = np.repeat(scores[::4], 4, 0), np.repeat(labels[::4], 4, 0)
    together = cross_fitted(*copies, groups)
    assert (together.reshape(500, 4, 4) == together[::4, None]).all()


def test_thresholds_are_those_of_the_best_f1(drawn: tuple) -> None:
    scores, labels, _ = drawn
    labels = labels.copy()
    labels[np.flatnonzero(labels[:, 2])[FEW - 1 :], 2] = 0
    found = calibration.class_thresholds(scores, labels)
    assert found[2] is None
    for column in (0, 1, 3):

        def f1(threshold: float, column: int = column) -> float:
            chosen, truth = scores[:, column] >= threshold, labels[:, column] == 1
            return 2 * (chosen & truth).sum() / (chosen.sum() + truth.sum())

        assert f1(found[column]) == max(map(f1, scores[:, column]))
        assert found[column] not in scores[:, column]
    p = fit(scores, labels).probabilities(scores)
    t = calibration.shared_threshold(p, labels)
    there = calibration.decided(scores, p, found, t)
    assert (there[:, 0] == (scores[:, 0] >= found[0])).all()
    assert (there[:, 2] == (p[:, 2] >= t)).all()


def test_a_class_that_is_nearly_everywhere_is_as_rare_as_one_that_is_nearly_nowhere(drawn: tuple) -> None:
    scores, labels, _ = drawn
    labels = labels[:, [0, 1]].copy()
    labels[np.flatnonzero(labels[:, 1] == 0)[FEW - 1 :], 1] = 1
    found = fit(scores[:, :2], labels)
    assert found.a[1] == pytest.approx(fit(scores[:, :2].reshape(-1, 1), labels.reshape(-1, 1)).a[0])
    assert calibration.class_thresholds(scores[:, :2], labels)[1] is None
