"""Captions written by the grammar of the micro world, each of a scene of its own that nothing else sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from t2ipal.sources.base import CaptionSource, Counted
from t2ipal.sources.caption_rows import Caption
from t2ipal.validation import Count

KEPT = 0.958
"""Share of the captions that name a class, as in the default run."""


class MicroCaptions(CaptionSource):
    """Captions written by the grammar of the micro world."""

    source: Literal["micro"] = Field(description="the grammar of the micro world")
    size: Count = Field(description="number of captions, a whole number >= 1")

    def rows(self, seed: int) -> Iterator[Caption]:
        from t2ipal.micro.grammar import captions_of

        for index in range(self.size):
            (caption,) = captions_of("captions", index, n=1, seed=seed)
            yield Caption(f"micro-{index:07d}", None, caption.text, "micro")

    def count(self) -> Counted:
        return Counted(self.size)

    def kept_share(self, class_list: str) -> tuple[float, str]:
        return KEPT, f"{KEPT:.1%} name a class, as in the default run"
