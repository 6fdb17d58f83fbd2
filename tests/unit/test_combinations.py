"""Combinations of scores as plain data: what Snakemake compares, and back."""

from __future__ import annotations

import pytest

from t2ipal.metrics.combinations import (
    Calibration,
    Combination,
    Fusion,
    ScoreRule,
    Selection,
    combination_of,
    plain_of,
)


@pytest.mark.parametrize(
    ("combination", "plain"),
    [
        (Fusion(0.25, "zscore"), {"kind": "fuse", "weight": 0.25, "norm": "zscore"}),
        (ScoreRule("cells", 2.5), {"kind": "rule", "rule": "cells", "scale": 2.5}),
        (ScoreRule("sparc"), {"kind": "rule", "rule": "sparc", "scale": None}),
        (Calibration((1, 3)), {"kind": "calibrated", "seeds": [1, 3]}),
        (Selection(("dog", "cat")), {"kind": "novel", "classes": ["dog", "cat"]}),
    ],
)
def test_plain_data_is_the_combination(combination: Combination, plain: dict[str, object]) -> None:
    assert plain_of(combination) == plain
    assert combination_of(plain) == combination
