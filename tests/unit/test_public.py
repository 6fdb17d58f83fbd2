"""What programs use of the package: its names, and that they cost nothing before they are used."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import t2ipal
from t2ipal.errors import UserError
from t2ipal.metrics.evaluate import mean_average_precision
from t2ipal.version import VERSION

SCORES = np.random.default_rng(0).normal(size=(40, 3))
LABELS = (SCORES + np.random.default_rng(1).normal(size=(40, 3)) > 0).astype(int)


def test_every_name_is_there_and_documented() -> None:
    for name in set(t2ipal.__all__) - {"__version__"}:
        assert getattr(t2ipal, name).__doc__, name
        assert name in t2ipal.__doc__
    assert t2ipal.__version__ == VERSION
    assert set(t2ipal.__all__) <= set(dir(t2ipal))
    with pytest.raises(AttributeError, match="no attribute 'Recognizer'"):
        _ = t2ipal.Recognizer


def test_the_import_is_light() -> None:
    program = "import sys, t2ipal; sys.exit(bool({'torch', 'numpy', 'pydantic', 'spacy'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-I", "-c", program], check=True)


def test_evaluate_measures_as_tables_do() -> None:
    found = t2ipal.evaluate(SCORES, LABELS, resamples=200)
    assert list(found) == ["mAP", "CF1_top3", "OF1_top3"]
    assert found["mAP"].value == pytest.approx(mean_average_precision(SCORES, LABELS))
    assert found["mAP"].low < found["mAP"].value < found["mAP"].high
    assert found == t2ipal.evaluate(SCORES, LABELS, resamples=200)
    few = t2ipal.evaluate(SCORES, LABELS, threshold=0.0, metrics=["OF1"], resamples=0)
    assert {name: tuple(value)[1:] for name, value in few.items()} == {"OF1": (None, None)}


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        (["mAP", "f1"], "no metric 'f1'"),
        (["CF1"], r"CF1 needs a threshold \(expected one"),
        (["ECE"], r"ECE needs probabilities \(expected scores from 0 to 1"),
    ],
)
def test_evaluate_names_what_is_wrong(metrics: list[str], text: str) -> None:
    with pytest.raises(UserError, match=text):
        t2ipal.evaluate(SCORES, LABELS, metrics=metrics)
