"""Fusion and standardisation of scores against loops, and what they do with odd input."""

import statistics
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2ipal.errors import UserError
from t2ipal.metrics.score_fusion import fuse, normalise, standardise

NORMS = ("global_minmax", "per_class_minmax", "zscore")


def scores(seeds: int = 3, images: int = 6, classes: int = 4, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (draw.normal(size=(seeds, images, classes)) * draw.uniform(0.1, 9, classes)).astype(np.float32)


def loop_normalise(matrix: list[list[float]], norm: str) -> list[list[float]]:
    """A norm on one seed's matrix, number by number."""
    every = [value for row in matrix for value in row]
    columns = list(zip(*matrix, strict=True))
    if norm == "global_minmax":
        return [[(v - min(every)) / (max(every) - min(every)) for v in row] for row in matrix]
    if norm == "per_class_minmax":
        return [[(v - min(c)) / (max(c) - min(c)) for v, c in zip(row, columns, strict=True)] for row in matrix]
    return [[(v - statistics.fmean(every)) / statistics.pstdev(every) for v in row] for row in matrix]


@pytest.mark.parametrize("norm", NORMS)
def test_fusion_is_that_of_the_formula(norm: str) -> None:
    text, label = scores(), scores(seed=1)
    found = fuse(text, label, 0.9, norm)
    assert found.dtype == np.float32
    for s in range(3):
        first, second = (loop_normalise(side[s].astype(float).tolist(), norm) for side in (text, label))
        for n in range(6):
            expected = [0.1 * a + 0.9 * b for a, b in zip(first[n], second[n], strict=True)]
            assert found[s, n].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_weight_0_is_the_text_system_and_weight_1_the_other(norm: str) -> None:
    text, label = scores(), scores(seed=1)
    np.testing.assert_array_equal(fuse(text, label, 0.0, norm), normalise(text, norm).astype(np.float32))
    np.testing.assert_array_equal(fuse(text, label, 1.0, norm), normalise(label, norm).astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(factor=st.floats(1e-3, 1e3), shift=st.floats(-100, 100), norm=st.sampled_from(NORMS), seed=st.integers(0, 50))
def test_units_do_not_matter(factor: float, shift: float, norm: str, seed: int) -> None:
    text, label = scores(seed=seed).astype(float), scores(seed=seed + 1)
    np.testing.assert_allclose(fuse(factor * text + shift, label, 0.4, norm), fuse(text, label, 0.4, norm), atol=1e-5)


def test_global_norms_keep_classes_apart_and_the_others_do_not() -> None:
    text = np.array([[[0.0, 8.0], [2.0, 10.0]]])
    assert normalise(text, "global_minmax").tolist() == [[[0.0, 0.8], [0.2, 1.0]]]
    assert normalise(text, "per_class_minmax").tolist() == [[[0.0, 0.0], [1.0, 1.0]]]


def test_seeds_meet_seeds_and_one_seed_meets_all() -> None:
    text, label = scores(), scores(seed=1)
    both = fuse(text, label, 0.5)
    for s in range(3):
        np.testing.assert_array_equal(both[s], fuse(text[s : s + 1], label[s : s + 1], 0.5)[0])
    spread = fuse(text[:1], label, 0.5)
    assert spread.shape == (3, 6, 4)
    np.testing.assert_array_equal(spread[2], fuse(text[:1], label[2:], 0.5)[0])


@pytest.mark.parametrize("norm", NORMS)
def test_scores_of_one_value_have_no_say(norm: str) -> None:
    label = scores(seed=1)
    for value in (0.0, 0.1, -1e6):
        found = fuse(np.full((3, 6, 4), value, np.float32), label, 0.5, norm)
        np.testing.assert_allclose(found, 0.5 * normalise(label, norm), atol=1e-6)


def test_a_class_of_one_value_has_no_say_either() -> None:
    text = scores()
    text[:, :, 2] = 0.1
    assert (normalise(text, "per_class_minmax")[:, :, 2] == 0).all()
    assert (standardise(text)[:, :, 2] != 0).any()  # it is above or below the other classes of its image


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(fuse, scores(), scores(images=5), 0.5), r"text scores \(3, 6, 4\) and label scores \(3, 5, 4\)"),
        (partial(fuse, scores(), scores(classes=5), 0.5), "the same images and classes"),
        (partial(fuse, scores(2), scores(3), 0.5), "as many seeds or one"),
        (partial(fuse, scores()[0], scores(), 0.5), r"text scores have shape \(6, 4\); expected \[seeds, images"),
        (partial(fuse, scores()[:0], scores(), 0.5), "text scores have shape"),
        (
            partial(fuse, scores(), np.where(scores() > 0, np.nan, 1), 0.5),
            r"label scores hold \d+ of 72 numbers that are",
        ),
        (partial(fuse, np.full((3, 6, 4), np.inf), scores(), 0.5), "text scores hold 72 of 72 numbers"),
        (partial(fuse, scores(), scores(), 1.5), "weight is 1.5; expected a number from 0 to 1"),
        (partial(fuse, scores(), scores(), float("nan")), "weight is nan"),
        (partial(fuse, scores(), scores(), 0.5, "softmax"), "norm is 'softmax'; expected one of global_minmax"),
        (partial(standardise, scores()[0]), "standardisation: scores have shape .*expected .seeds, images, classes"),
        (partial(standardise, np.full((1, 3, 3), np.nan)), "standardisation: scores hold 9 of 9 numbers"),
        (partial(standardise, scores(classes=1)), "at least 2 images and 2 classes"),
        (partial(standardise, scores(images=1)), "at least 2 images and 2 classes"),
    ],
)
def test_what_cannot_be_fused_is_one_line(call: partial, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_standardised_scores_are_those_of_the_formula() -> None:
    found, given_ = standardise(scores()), scores().astype(float)
    for s in range(3):
        rows = []
        for row in given_[s].tolist():
            mean, deviation = statistics.fmean(row), statistics.stdev(row)
            rows.append([(value - mean) / deviation for value in row])
        for c, column in enumerate(zip(*rows, strict=True)):
            mean, deviation = statistics.fmean(column), statistics.stdev(column)
            expected = [(value - mean) / deviation for value in column]
            assert found[s, :, c].tolist() == pytest.approx(expected, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 50))
def test_biases_of_images_are_gone(seed: int) -> None:
    draw = np.random.default_rng(seed)
    given_ = scores(seed=seed).astype(float)
    biased = given_ * draw.uniform(0.2, 5, (3, 6, 1)) + draw.normal(size=(3, 6, 1))
    np.testing.assert_allclose(standardise(biased), standardise(given_), atol=1e-5)


def test_each_class_has_mean_0_and_deviation_1() -> None:
    found = standardise(scores(images=30)).astype(float)
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(1, ddof=1), 1, atol=1e-5)


def test_scores_without_spread_become_0() -> None:
    assert (standardise(np.full((2, 5, 3), 0.1, np.float32)) == 0).all()
    same = np.broadcast_to(np.array([0.1, 0.7, 0.3]), (1, 5, 3))  # every image alike: no class tells images apart
    assert (standardise(same) == 0).all()


def test_the_default_norm_is_global() -> None:
    text, label = scores(), scores(seed=1)
    assert np.array_equal(fuse(text, label, 0.5), fuse(text, label, 0.5, "global_minmax"))
    assert not np.array_equal(fuse(text, label, 0.5), fuse(text, label, 0.5, "zscore"))


def test_weights_0_and_1_are_allowed_and_none_beyond() -> None:
    for weight in (-0.01, 1.01):
        with pytest.raises(UserError) as caught:
            fuse(scores(), scores(), weight)
        assert str(caught.value) == f"score fusion: weight is {weight}; expected a number from 0 to 1"


def test_two_images_and_two_classes_are_enough() -> None:
    found = standardise(scores(images=2, classes=2))
    assert found.shape == (3, 2, 2)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_lines_are_whole() -> None:
    lines = {
        "score fusion: text scores (3, 6, 4) and label scores (2, 6, 4); expected the same images and classes, and as "
        "many seeds or one": lambda: fuse(scores(), scores(2), 0.5),
        "score fusion: norm is 'sum'; expected one of global_minmax, per_class_minmax, zscore": lambda: fuse(
            scores(), scores(), 0.5, "sum"
        ),
        "score fusion: label scores have shape (6, 4); expected [seeds, images, classes]": lambda: fuse(
            scores(), scores()[0], 0.5
        ),
        "score standardisation: scores hold 9 of 9 numbers that are not finite; expected none": lambda: standardise(
            np.full((1, 3, 3), np.nan)
        ),
        "score standardisation: scores have shape (3, 1, 4); expected at least 2 images and 2 classes": lambda: (
            standardise(scores(images=1))
        ),
    }
    for line, call in lines.items():
        with pytest.raises(UserError) as caught:
            call()
        assert str(caught.value) == line
