"""How the scores of other runs are combined: typed, and plain data for the parameters of a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Fusion:
    """Two runs' scores, brought to one scale and added.

    Attributes:
        weight: share of the first run's scores, 0 to 1.
        norm: the scale, a name of `t2ipal.metrics.score_fusion.fuse`.
    """

    kind: ClassVar[str] = "fuse"
    weight: float
    norm: str


RuleName = Literal["mean", "softmax", "cells", "sparc"]
"""A rule of `t2ipal.metrics.score_rules`; its functions need NumPy, which the plan does not."""
RULE_TITLES: Mapping[RuleName, str] = {
    "mean": "mean over classes off",
    "softmax": "softmax over classes",
    "cells": "softmax over classes, global and in each cell",
    "sparc": "SPARC's normalisation",
}
SCALED = ("softmax", "cells")
"""The rules that have a scale."""


@dataclass(frozen=True)
class ScoreRule:
    """One run's scores by a rule.

    Attributes:
        rule: which.
        scale: factor before its softmax; None: `t2ipal.metrics.score_rules.scale_of` validation images.
    """

    kind: ClassVar[str] = "rule"
    rule: RuleName
    scale: float | None = None

    @property
    def scaled(self) -> bool:
        """Whether it has a softmax, and so a scale."""
        return self.rule in SCALED


@dataclass(frozen=True)
class Selection:
    """One run's scores of some classes alone.

    Attributes:
        classes: their names, in the order of the columns.
    """

    kind: ClassVar[str] = "novel"
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Calibration:
    """Probabilities from the mean of one run's scores over seeds: what a recogniser gives.

    Attributes:
        seeds: of the mean; one that the run does not have is left out.
    """

    kind: ClassVar[str] = "calibrated"
    seeds: tuple[int, ...]


Combination = Fusion | ScoreRule | Selection | Calibration


def plain_of(combination: Combination) -> dict[str, Any]:
    """The combination as plain data, which Snakemake compares by value."""
    data = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(combination).items()}
    return {"kind": combination.kind, **data}


def combination_of(plain: Mapping[str, Any]) -> Combination:
    """The combination that `plain_of` wrote down.

    Raises:
        KeyError: no such kind.
    """
    kinds = {kind.kind: kind for kind in (Fusion, ScoreRule, Selection, Calibration)}
    data = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items() if key != "kind"}
    return kinds[plain["kind"]](**data)
