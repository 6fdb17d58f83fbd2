"""Scores of an image relative to its scores for the other classes.

Average precision compares images within a class, so a common factor means nothing, but an offset of each image does.
These are the rules that belong to a method by its definition; `t2ipal.metrics.score_rules` applies rules to any run.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

OffsetRule = Literal["raw", "mean", "z"]


def without_offset(scores: Tensor, rule: OffsetRule) -> Tensor:
    """Scores [..., C] without the offset, and for "z" the scale, that an image has for all classes.

    Args:
        scores: [..., C]; those of a single class stay as they are.
        rule: "raw": as they are; "mean": less their mean over the classes; "z": also divided by their standard
            deviation (n - 1) over the classes; 0 where they have none.
    """
    if rule == "raw" or scores.shape[-1] < 2:
        return scores
    centred = scores - scores.mean(-1, keepdim=True)
    if rule == "mean":
        return centred
    spread = scores.std(-1, keepdim=True)
    return (centred / spread).where(spread > 0, 0.0)
