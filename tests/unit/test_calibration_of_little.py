"""Calibrations on few, odd or wrong labelled images: a header that can be read, or one line."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from t2ipal.errors import UserError
from t2ipal.prediction.calibrate import Labelled, calibrated, uninformed
from t2ipal.prediction.decide import decide
from t2ipal.prediction.header import Calibration

Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def rows(change: Change, groups: int | None = None, source: Any = "validation") -> Labelled:
    """Scores [2, 40, 3] of random labels [40, 3], changed."""
    random = np.random.default_rng(0)
    values, labels = change(random.normal(size=(2, 40, 3)), (random.random((40, 3)) < 0.4).astype(int))
    ids = [str(number) for number in range(len(labels))]
    return Labelled(values.astype(np.float32), labels, ids, [f"{int(i) % (groups or 99)}" for i in ids], source)


MIDDLE = np.arange(3) == 1
ODD: dict[str, Change] = {
    "as usual": lambda s, y: (s, y),
    "no positive of a class": lambda s, y: (s, np.where(MIDDLE, 0, y)),
    "only positives of a class": lambda s, y: (s, np.where(MIDDLE, 1, y)),
    "a class that is unknown everywhere": lambda s, y: (s, np.where(MIDDLE, -1, y)),
    "three positives": lambda s, y: (s, np.repeat((np.arange(40) < 3).astype(int)[:, None], 3, 1)),
    "one class": lambda s, y: (s[..., :1], y[:, :1]),
    "two photos": lambda s, y: (s[:, :2], np.array([[1, 0, 0], [0, 1, 1]])),
    "constant scores": lambda s, y: (s * 0 + 0.3, y),
    "constant scores of a class": lambda s, y: (np.where(MIDDLE, 0.3, s), y),
    "scores of 1e30": lambda s, y: (s * 1e30, y),
    "scores of 1e-30": lambda s, y: (s * 1e-30, y),
    "scores that differ by rounding alone": lambda s, y: (s * 1e-3 + 1e6, y),
    "ties": lambda s, y: (np.round(s), y),
    "a perfect ranking": lambda s, y: (np.stack([y, y]) * 2.0 - 1, y),
    "the wrong way round": lambda s, y: (1.0 - np.stack([y, y]), y),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_calibration_can_be_read_and_decides(name: str) -> None:
    labelled = rows(ODD[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = calibrated(labelled)
    Calibration.model_validate(header["calibration"])
    header["classes"] = [str(number) for number in range(labelled.labels.shape[1])]
    scores = labelled.values.mean(0, dtype="float32")
    probabilities, there = decide(header, scores)
    assert np.isfinite(probabilities).all()
    assert probabilities.min() > 0
    assert probabilities.max() < 1
    known = labelled.labels >= 0
    assert there[known & (labelled.labels == 1)].any()
    if name in ("constant scores", "the wrong way round"):
        assert uninformed(header) == header["classes"]
    if name == "constant scores of a class":
        assert "1" in uninformed(header)
    if name == "a perfect ranking":
        assert (there == (labelled.labels == 1)).all()
        assert not uninformed(header)


@pytest.mark.parametrize(
    ("change", "groups", "source", "message"),
    [
        (
            lambda s, y: (s, y * 0),
            None,
            "validation",
            "40 labelled validation images: not one with a class",
        ),
        (lambda s, y: (s, y * 0 + 1), None, "validation", "not one without a class"),
        (lambda s, y: (s, y * 0 - 1), None, "validation", "not one with a class"),
        (
            lambda s, y: (s[:, :1], y[:1]),
            None,
            "validation",
            "1 labelled validation images; expected at least 2 images",
        ),
        (lambda s, y: (s[:, :0], y[:0]), None, "validation", "0 labelled validation images; expected at least 2"),
        (
            lambda s, y: (s, y),
            1,
            "generated",
            "; expected at least 2 captions .a larger calibrate_sh",
        ),
        (lambda s, y: (np.where(MIDDLE, np.nan, s), y), None, "validation", "scores that are not finite"),
        (lambda s, y: (np.where(MIDDLE, np.inf, s), y), None, "validation", "scores that are not finite"),
    ],
)
def test_what_cannot_calibrate_is_one_line(change: Change, groups: int | None, source: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^calibration: .*{message}"):
        calibrated(rows(change, groups, source))
