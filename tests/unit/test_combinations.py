"""Combinations of scores as plain data: what Snakemake compares, and back."""

from __future__ import annotations

import pytest

from t2ipal.metrics.combinations import Combination, Fusion, Selection, Standardisation, combination_of, plain_of


@pytest.mark.parametrize(
    ("combination", "plain"),
    [
        (Fusion(0.25, "zscore"), {"kind": "fuse", "weight": 0.25, "norm": "zscore"}),
        (Standardisation(), {"kind": "sparc"}),
        (Selection(("dog", "cat")), {"kind": "novel", "classes": ["dog", "cat"]}),
    ],
)
def test_plain_data_is_the_combination(combination: Combination, plain: dict[str, object]) -> None:
    assert plain_of(combination) == plain
    assert combination_of(plain) == combination
