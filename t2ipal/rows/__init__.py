"""Training rows: what a method may learn from. A kind of rows is a file here and a line of `KINDS`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from t2ipal.rows.base import CAPTIONS, SHOTS, SYNTHETIC, TRAIN, RowKind
from t2ipal.rows.captions import CaptionRows
from t2ipal.rows.shots import ShotRows
from t2ipal.rows.synthetic import SyntheticRows
from t2ipal.rows.train import TrainRows

KINDS: dict[str, type[RowKind]] = {
    kind.name: kind
    for kind in (
        CaptionRows,
        SyntheticRows,
        TrainRows,
        ShotRows,
    )
}
"""Every kind by its name, in the order in which they are read and lead an epoch: a new one goes to the end."""


def inputs_of(kinds: Collection[str], settings: Mapping[str, Any]) -> frozenset[str]:
    """Names of the inputs of a training job whose loss has `kinds` of rows; `settings` are those of the method."""
    return frozenset(name for kind in kinds for name in KINDS[kind].inputs(settings))


__all__ = ["CAPTIONS", "KINDS", "SHOTS", "SYNTHETIC", "TRAIN", "inputs_of"]
