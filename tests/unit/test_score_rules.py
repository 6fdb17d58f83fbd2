"""Score rules against loops over images and classes, their limits, and what leaves average precision as it is."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from t2ipal.metrics.combinations import RULE_TITLES
from t2ipal.metrics.evaluate import average_precision
from t2ipal.metrics.score_fusion import standardise
from t2ipal.metrics.score_rules import RULES, apply, scale_of

SEEDS, IMAGES, CLASSES, CELLS = 2, 40, 5, 3
K = np.array([3.0, 11.0])
RANDOM = np.random.default_rng(5)
SCORES = RANDOM.normal(size=(SEEDS, IMAGES, CLASSES))
LOCAL = RANDOM.normal(size=(SEEDS, IMAGES, CELLS, CLASSES))
LABELS = (RANDOM.random((IMAGES, CLASSES)) < 0.4).astype(np.int8)


def ap(scores: np.ndarray) -> np.ndarray:
    """[S, C]"""
    return np.array([average_precision(of_seed, LABELS) for of_seed in scores])


def probabilities(scores: np.ndarray, k: float) -> list[float]:
    powers = [math.exp(k * score) for score in scores]
    return [power / sum(powers) for power in powers]


def test_softmax_is_that_of_a_loop() -> None:
    found = apply("softmax", SCORES, K)
    assert found.dtype == np.float32
    for s in range(SEEDS):
        for n in range(IMAGES):
            for c, p in enumerate(probabilities(SCORES[s, n], K[s])):
                assert found[s, n, c] == pytest.approx((math.log(p) + math.log(CLASSES)) / K[s], rel=1e-5, abs=1e-6)


def test_cells_are_those_of_a_loop() -> None:
    found = apply("cells", SCORES, K, LOCAL)
    for s in range(SEEDS):
        for n in range(IMAGES):
            by_cell = [probabilities(LOCAL[s, n, j], K[s]) for j in range(CELLS)]
            for c, p in enumerate(probabilities(SCORES[s, n], K[s])):
                both = (p + max(cell[c] for cell in by_cell)) / 2
                assert found[s, n, c] == pytest.approx((math.log(both) + math.log(CLASSES)) / K[s], rel=1e-5, abs=1e-6)


def test_the_mean_is_that_of_a_loop_and_sparc_the_standardisation() -> None:
    found = apply("mean", SCORES)
    for s in range(SEEDS):
        for n in range(IMAGES):
            mean = sum(SCORES[s, n]) / CLASSES
            np.testing.assert_allclose(found[s, n], [score - mean for score in SCORES[s, n]], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(apply("sparc", SCORES), standardise(SCORES))
    np.testing.assert_array_equal(apply("own", SCORES), SCORES.astype(np.float32))
    assert RULES.keys() == RULE_TITLES.keys()


def test_small_and_large_scales_take_off_mean_and_maximum() -> None:
    np.testing.assert_allclose(apply("softmax", SCORES, 1e-4), apply("mean", SCORES), atol=1e-3)
    np.testing.assert_allclose(apply("softmax", SCORES, 1e4), SCORES - SCORES.max(-1, keepdims=True), atol=1e-3)


def test_probabilities_and_their_logarithms_have_one_average_precision() -> None:
    powers = np.exp(K[:, None, None] * SCORES)
    np.testing.assert_allclose(ap(apply("softmax", SCORES, K)), ap(powers / powers.sum(-1, keepdims=True)))


@pytest.mark.parametrize("rule", ["own", *RULES])
def test_rising_maps_of_a_class_after_the_rule_change_no_average_precision(rule: str) -> None:
    found = apply(rule, SCORES, K, LOCAL).astype(np.float64)
    factor, offset = RANDOM.uniform(0.1, 9, CLASSES), RANDOM.normal(size=CLASSES)
    np.testing.assert_allclose(ap(factor * found + offset), ap(found))


def test_one_cell_with_the_global_cosines_is_the_softmax() -> None:
    np.testing.assert_allclose(apply("cells", SCORES, K, SCORES[:, :, None]), apply("softmax", SCORES, K), atol=1e-6)


@pytest.mark.parametrize("rule", ["own", *RULES])
def test_one_class_keeps_its_scores(rule: str) -> None:
    np.testing.assert_array_equal(apply(rule, SCORES[..., :1], scale_of(SCORES[..., :1])), SCORES[..., :1].astype("f4"))


@pytest.mark.parametrize("rule", ["mean", "softmax", "cells"])
def test_an_image_does_not_depend_on_the_others(rule: str) -> None:
    whole, part = apply(rule, SCORES, K, LOCAL), apply(rule, SCORES[:, 7:9], K, LOCAL[:, 7:9])
    np.testing.assert_allclose(whole[:, 7:9], part, rtol=1e-6)


def test_an_offset_of_an_image_leaves_with_every_rule_but_own() -> None:
    offset = 50 * RANDOM.normal(size=(1, IMAGES, 1))
    for rule in RULES:
        biased = apply(rule, SCORES + offset, K, LOCAL + offset[..., None])
        np.testing.assert_allclose(biased, apply(rule, SCORES, K, LOCAL), atol=1e-4)


def test_small_probabilities_are_no_ties() -> None:
    far = apply("softmax", 400 * SCORES, 1.0)
    assert len(np.unique(far)) >= far.size - SEEDS * IMAGES  # the best class of an image may have probability 1


def test_the_scale_is_one_over_the_mean_deviation() -> None:
    expected = [1 / np.mean([np.std(row, ddof=1) for row in of_seed]) for of_seed in SCORES]
    np.testing.assert_allclose(scale_of(SCORES), expected)
    large = apply("softmax", 7 * SCORES, scale_of(7 * SCORES))
    np.testing.assert_allclose(large, 7 * apply("softmax", SCORES, expected), atol=1e-5)
    np.testing.assert_array_equal(scale_of(np.full((1, 4, 3), 0.1)), [1.0])


def test_real_photographs_gain_by_rules_what_is_known(real_data: Callable[..., Path]) -> None:
    with np.load(real_data("clip_vitb16_coco250.npz")) as data:
        image, classes = (
            data[name] / np.linalg.norm(data[name], axis=1, keepdims=True) for name in ("image", "classes")
        )
        labels = data["labels"]
    cosines, present = (image.astype(np.float64) @ classes.T.astype(np.float64))[None], labels.any(0)
    for rule, expected in {"own": 45.1, "mean": 53.0, "softmax": 53.6, "sparc": 55.0}.items():
        scores = apply(rule, cosines, 100.0)[0]  # over all 80 classes, 100 is CLIP's own scale
        found = average_precision(scores[:, present], labels[:, present]).mean()
        assert found == pytest.approx(expected, abs=0.05)


def test_cells_need_their_cosines() -> None:
    with pytest.raises(ValueError, match="without the cosines"):
        apply("cells", SCORES, K)
