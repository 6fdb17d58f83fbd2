"""The bootstrap against scikit-learn, resample by resample, with ties and with classes that a resample misses."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score

from t2ipal.errors import UserError
from t2ipal.metrics import bootstrap
from t2ipal.metrics.bootstrap import bootstrap_f1, bootstrap_map, resample_counts
from t2ipal.metrics.evaluate import mean_average_precision


def expected(scores: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over the classes with a positive in the resample of scikit-learn's weighted average precision."""
    found = []
    for weights in counts:
        classes = [c for c in range(labels.shape[1]) if weights[labels[:, c] == 1].sum()]
        weighted = [weights * (labels[:, c] != -1) for c in range(labels.shape[1])]  # -1: left out of its class
        values = [average_precision_score(labels[:, c] == 1, scores[:, c], sample_weight=weighted[c]) for c in classes]
        found.append(100 * np.mean(values))
    return np.array(found)


def draw(rows: int = 90, classes: int = 4, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    labels = (rng.random((rows, classes)) < 0.15).astype(np.int8)
    labels[0] = 1
    scores = rng.standard_normal((rows, classes)) + labels
    return (np.round(scores * levels) / levels if levels else scores).astype(np.float32), labels


@pytest.mark.parametrize("levels", [None, 2], ids=["no ties", "ties"])
def test_agrees_with_scikit_learn(levels: int | None) -> None:
    scores, labels = draw(levels=levels)
    counts = resample_counts(len(scores), 12, 1)
    found = bootstrap_map(scores, labels, counts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(scores, labels, counts), atol=1e-4)
    assert len(set(found.tolist())) > 10


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    scores=hnp.arrays(np.float32, (7, 2), elements=st.integers(-2, 2).map(float)),
    labels=hnp.arrays(np.int8, (7, 2), elements=st.sampled_from([-1, 0, 1])),
    counts=hnp.arrays(np.int32, (3, 7), elements=st.integers(0, 3)),
)
def test_any_ties_weights_and_labels(scores: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> None:
    assume(((counts @ (labels == 1)).sum(1) > 0).all())
    found = bootstrap_map(scores, labels, counts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(found, expected(scores, labels, counts), atol=1e-4)


def test_all_images_once_is_the_map_itself() -> None:
    scores, labels = draw(levels=3)
    once = np.ones((1, len(scores)), dtype=np.int32)
    assert bootstrap_map(scores, labels, once)[0] == pytest.approx(mean_average_precision(scores, labels), abs=1e-4)


def test_a_class_that_a_resample_misses_is_left_out_of_its_mean() -> None:
    scores = np.array([[0.9, 0.2], [0.5, 0.9], [0.1, 0.4]])
    labels = np.array([[1, 0], [0, 0], [0, 1]])
    counts = np.array([[1, 1, 1], [2, 1, 0], [0, 1, 2]])
    # class 1 alone: its positive ranks second; two copies of it behind one negative give 2/3
    np.testing.assert_allclose(
        bootstrap_map(scores, labels, counts), [100 * (1 + 0.5) / 2, 100, 100 * 2 / 3], rtol=1e-6
    )


def test_a_chunk_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels = draw()
    counts = resample_counts(len(scores), 30, 1)
    whole = bootstrap_map(scores, labels, counts)
    monkeypatch.setattr(bootstrap, "CHUNK", 7)
    np.testing.assert_allclose(bootstrap_map(scores, labels, counts), whole, rtol=1e-6)


def test_many_positives_lose_no_digits() -> None:
    scores, labels = draw(rows=30_000, classes=1)
    labels[::2] = 1
    counts = resample_counts(len(scores), 2, 1)
    np.testing.assert_allclose(bootstrap_map(scores, labels, counts), expected(scores, labels, counts), atol=1e-4)


def test_resamples_are_draws_with_replacement_and_the_same_for_every_run() -> None:
    counts = resample_counts(50, 200, 3)
    assert counts.shape == (200, 50)
    assert (counts.sum(1) == 50).all()
    assert counts.mean() == 1
    # a count is binomial(50, 1/50): variance 0.98, and an image is missing with probability 0.364
    assert counts.var() == pytest.approx(0.98, abs=0.05)
    assert (counts == 0).mean() == pytest.approx(0.364, abs=0.02)
    assert (resample_counts(50, 200, 3) == counts).all()
    assert (resample_counts(50, 20, 3) == counts[:20]).all()
    assert (resample_counts(50, 200, 4) != counts).any()


def test_the_pairing_cancels_what_two_runs_share() -> None:
    scores, labels = draw(rows=400)
    better = scores + 0.1 * labels
    counts = resample_counts(400, 200, 1)
    a, b = bootstrap_map(better, labels, counts), bootstrap_map(scores, labels, counts)
    other = bootstrap_map(scores, labels, resample_counts(400, 200, 2))
    assert (a - b).std() < 0.3 * (a - other).std()


def test_wrong_input_is_said() -> None:
    scores, labels = draw()
    counts = resample_counts(len(scores), 2, 1)
    one_nan = np.where(np.arange(360).reshape(90, 4) == 5, np.nan, scores)
    shapes = "expected [N, C], [N, C] and [B, N]"
    lines = {
        f"bootstrap: scores (90, 4), labels (90, 4), counts (2, 89); {shapes}": (scores, labels, counts[:, 1:]),
        f"bootstrap: scores (90, 4), labels (90, 3), counts (2, 90); {shapes}": (scores, labels[:, 1:], counts),
        f"bootstrap: scores (90,), labels (90,), counts (2, 90); {shapes}": (scores[:, 0], labels[:, 0], counts),
        "bootstrap: 2 resamples have no positive; expected some in each": (scores, np.zeros_like(labels), counts),
        "bootstrap: 1 of 360 scores are no finite numbers": (one_nan, labels, counts),
    }
    for line, arguments in lines.items():
        with pytest.raises(UserError) as caught:
            bootstrap_map(*arguments)
        assert str(caught.value) == line
    for images, replicates in ((0, 2), (5, -1)):
        with pytest.raises(UserError) as caught:
            resample_counts(images, replicates, 1)
        assert str(caught.value) == (
            f"bootstrap: {images} images, {replicates} replicates; expected at least 1 and at least 0"
        )
    assert resample_counts(1, 2, 1).tolist() == [[1], [1]]
    assert resample_counts(5, 0, 1).shape == (0, 5)
    assert resample_counts(5, 1, 1).dtype == np.int32


def test_a_resample_without_any_positive_is_an_error_for_map_and_0_for_f1() -> None:
    scores, labels = np.array([[0.9], [0.1]]), np.array([[1], [0]])
    counts = np.array([[1, 1], [2, 0], [0, 2]])
    with pytest.raises(UserError, match="bootstrap: 1 resamples have no positive"):
        bootstrap_map(scores, labels, counts)
    found = bootstrap_f1(scores > 0.5, labels, counts)
    assert (found.CF1.tolist(), found.OF1.tolist()) == ([100, 100, 0], [100, 100, 0])
    assert found.CF1.dtype == found.OF1.dtype == np.float32
