"""Metrics against another library, against loops, and on real features."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from metric_loops import loop_ap, random_scores
from sklearn.metrics import average_precision_score

from t2ipal.errors import UserError
from t2ipal.metrics.evaluate import (
    average_precision,
    best_threshold,
    f1_of,
    f1_threshold,
    f1_top_k,
    mean_average_precision,
    predicted_above,
    predicted_top,
)


@pytest.mark.parametrize("levels", [None, 2], ids=["no ties", "ties"])
def test_agrees_with_scikit_learn(levels: int | None) -> None:
    scores, labels = random_scores(levels=levels)
    expected = average_precision_score(labels, scores, average=None)
    np.testing.assert_allclose(average_precision(scores, labels), 100 * expected, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    scores=hnp.arrays(np.float32, 12, elements=st.integers(-3, 3).map(float)),
    labels=hnp.arrays(np.int8, 12, elements=st.sampled_from([0, 1])),
)
def test_tie_rule(scores: np.ndarray, labels: np.ndarray) -> None:
    labels[0] = 1
    found = average_precision(scores[:, None], labels[:, None])[0]
    assert found == pytest.approx(loop_ap(scores.tolist(), labels.tolist()))
    order = np.random.default_rng(0).permutation(12)
    assert found == pytest.approx(average_precision(scores[order, None], labels[order, None])[0])


def test_a_tensor_will_do() -> None:
    scores, labels = random_scores()
    expected = np.mean([loop_ap(scores[:, c].tolist(), labels[:, c].tolist()) for c in range(5)])
    assert mean_average_precision(torch.from_numpy(scores), torch.from_numpy(labels)) == pytest.approx(expected)


def test_difficult_rows() -> None:
    scores, labels = random_scores()
    labels[5:15, 2] = -1
    as_absent = average_precision(scores, labels)[2]
    ignored = average_precision(scores, labels, "ignore")[2]
    kept = labels[:, 2] >= 0
    assert as_absent == pytest.approx(loop_ap(scores[:, 2].tolist(), labels[:, 2].tolist()))
    assert ignored == pytest.approx(loop_ap(scores[kept, 2].tolist(), labels[kept, 2].tolist()))


def test_a_class_without_positives_is_an_error() -> None:
    scores, labels = random_scores()
    labels[:, 3] = 0
    with pytest.raises(UserError) as caught:
        average_precision(scores, labels, names=["a", "b", "c", "sheep", "e"])
    assert str(caught.value) == "average precision: 1 of 5 classes have no positive: sheep"
    scores, labels = random_scores(classes=8)
    with pytest.raises(UserError) as caught:
        average_precision(scores, np.where(np.arange(8) == 2, labels, 0))
    assert str(caught.value) == (
        "average precision: 7 of 8 classes have no positive: class 0, class 1, class 3, class 4, class 5"
    )


def test_bad_input() -> None:
    scores, labels = random_scores()
    for scored, known, shapes in (
        (scores, labels[:-1], "scores (60, 5) and labels (59, 5)"),
        (scores[0], labels[0], "scores (5,) and labels (5,)"),
    ):
        with pytest.raises(UserError) as caught:
            average_precision(scored, known)
        assert str(caught.value) == f"metrics: {shapes}; expected the same [N, C]"
    scores[3, 1] = np.nan
    for call in (average_precision, f1_top_k, f1_threshold, best_threshold):
        with pytest.raises(UserError) as caught:
            call(scores, labels)
        assert str(caught.value) == "metrics: 1 of 300 scores are not finite numbers"
    with pytest.raises(KeyError):
        average_precision(*random_scores(), "left out")


def test_f1_written_out() -> None:
    scores, labels = random_scores(classes=6)
    for found, chosen in (
        (f1_top_k(scores, labels, 3), [{int(c) for c in np.argsort(-row)[:3]} for row in scores]),
        (f1_threshold(scores, labels, 0.5), [{c for c in range(6) if row[c] >= 0.5} for row in scores]),
    ):
        hits = [sum(c in row and labels[i, c] == 1 for i, row in enumerate(chosen)) for c in range(6)]
        predicted = [sum(c in row for row in chosen) for c in range(6)]
        present = [int((labels[:, c] == 1).sum()) for c in range(6)]
        cp = sum(h / p for h, p in zip(hits, predicted, strict=True) if p) / 6
        cr = sum(h / p for h, p in zip(hits, present, strict=True)) / 6
        op, recall = sum(hits) / sum(predicted), sum(hits) / sum(present)
        expected = (cp, cr, 2 * cp * cr / (cp + cr), op, recall, 2 * op * recall / (op + recall))
        assert tuple(found) == pytest.approx([100 * value for value in expected])


def test_real_features_give_the_known_zero_shot_figures(real_data) -> None:
    path: Path = real_data("clip_vitb16_coco250.npz")
    with np.load(path) as data:
        classes, labels = data["classes"], data["labels"]
        present = labels.any(0)
        assert present.sum() == 69
        for name, expected in (("image", 45.1), ("text", 32.5)):
            scores = data[name] @ classes.T
            assert mean_average_precision(scores[:, present], labels[:, present]) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_threshold_is_that_of_a_search_over_all(seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores, labels = draw.integers(0, 12, (30, 4)) / 4, (draw.random((30, 4)) < 0.3).astype(int)
    values = np.unique(scores)
    candidates = [values[0] - 1, *(values[:-1] + values[1:]) / 2, values[-1]]
    best = max(f1_threshold(scores, labels, value).OF1 for value in candidates)
    found = f1_threshold(scores, labels, best_threshold(scores, labels)).OF1
    assert found == pytest.approx(best)


def test_defaults() -> None:
    scores, labels = random_scores(classes=6)
    labels[5:25, 2] = -1
    assert f1_top_k(scores, labels) == f1_top_k(scores, labels, 3) != f1_top_k(scores, labels, 2)
    assert f1_threshold(scores, labels) == f1_threshold(scores, labels, 0.0) != f1_threshold(scores, labels, 1.0)
    as_absent = average_precision(scores, labels, "negative")
    assert average_precision(scores, labels).tolist() == as_absent.tolist()
    assert mean_average_precision(scores, labels) == as_absent.mean()
    assert as_absent[2] != average_precision(scores, labels, "ignore")[2]


def test_of_equal_scores_the_lower_class_is_predicted() -> None:
    scores = np.zeros((2, 40))
    scores[1, 30] = 1
    assert [np.flatnonzero(row).tolist() for row in predicted_top(scores, 3)] == [[0, 1, 2], [0, 1, 30]]
    assert predicted_top(scores, 3).dtype == bool


def test_a_threshold_per_class_and_scores_on_it() -> None:
    scores = np.array([[0.5, 0.5], [0.4, 0.6]])
    assert predicted_above(scores, 0.5).tolist() == [[True, True], [False, True]]
    assert predicted_above(torch.from_numpy(scores), [0.4, 0.6]).tolist() == [[True, False], [True, True]]


def test_f1_of_classes_and_of_decisions() -> None:
    predicted = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)
    labels = np.array([[1, 0, 1], [0, 1, 0], [0, -1, 0], [1, 0, 0]])
    found = f1_of(predicted, labels)
    # class 0: one hit of one prediction and two positives; class 1: one of three and of one; class 2: none
    assert pytest.approx((100 * (1 + 1 / 3) / 3, 100 * (1 / 2 + 1) / 3)) == (found.CP, found.CR)
    assert pytest.approx(2 * found.CP * found.CR / (found.CP + found.CR)) == found.CF1
    assert pytest.approx((100 * 2 / 4, 100 * 2 / 4)) == (found.OP, found.OR)
    assert pytest.approx(50) == found.OF1
    assert f1_of(np.zeros((2, 3), dtype=bool), np.ones((2, 3))) == (0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([4, 3, 2, 1], [1, 1, 0, 0], 2.5),  # half way between two scores
        ([4, 3, 2, 1], [0, 1, 0, 0], 2.5),
        ([4, 3, 2, 1], [0, 0, 0, 1], 1.0),  # no lower score: that of the last positive
        ([4, 3, 2, 1], [1, 0, 1, 1], 1.0),
        ([4, 3, 3, 1], [1, 1, 0, 0], 2.0),  # equal scores are predicted together: F1 is 4/5, above 2/3
        ([4, 3, 2, 1], [0, 0, 0, 0], 3.5),  # without a positive the threshold is the highest
        ([4, 3, 2, 1], [1, 0, 1, 0], 1.5),  # 2/3 and 4/5
        ([4, 3, 2, 1], [1, 0, 0, 1], 3.5),  # 2/3 twice: the higher threshold
    ],
)
def test_the_best_threshold_by_hand(scores: list[int], labels: list[int], expected: float) -> None:
    order = np.random.default_rng(0).permutation(4)
    found = best_threshold(np.array(scores)[order].reshape(2, 2), np.array(labels)[order].reshape(2, 2))
    assert found == expected
    assert type(found) is float
