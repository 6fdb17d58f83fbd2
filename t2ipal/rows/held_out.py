"""Captions kept out of training: their generated images calibrate a recogniser that no labelled photo can calibrate."""

from __future__ import annotations

from dataclasses import dataclass

from t2ipal.seeds import seed_of


@dataclass(frozen=True)
class HeldOut:
    """A share of the captions, chosen by their texts: captions of one text are on one side.

    Attributes:
        percent: of the captions, on average.
        seed: of the choice.
    """

    percent: int
    seed: int

    def has(self, text: str) -> bool:
        """Whether a caption is kept out of training."""
        return seed_of("held out captions", self.seed, " ".join(text.lower().split())) % 100 < self.percent
