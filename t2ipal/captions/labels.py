"""The noun filter's result for a caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["positive", "unknown"]

NO_NOUN = "no class noun"
ONLY_UNKNOWN = "only unknown classes"
ABOVE_CAP = "its rarest class has enough captions"


@dataclass(frozen=True, slots=True)
class Span:
    """Why a label is there.

    Attributes:
        index: class.
        term: phrase of the class list.
        start, end: characters of the caption, end exclusive.
        verdict: of this span; a class is positive if any of its spans is.
    """

    index: int
    term: str
    start: int
    end: int
    verdict: Verdict

    def row(self) -> dict[str, Any]:
        """As stored in `labelled.parquet`."""
        return {
            "class": self.index,
            "term": self.term,
            "start": self.start,
            "end": self.end,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Labelled:
    """Three-valued labels of one caption: positive, unknown, and absent for every other class.

    Attributes:
        positive, unknown: class indices, ascending, disjoint.
        spans: every span that names a class, by start.
    """

    positive: tuple[int, ...]
    unknown: tuple[int, ...]
    spans: tuple[Span, ...]

    @classmethod
    def of(cls, spans: list[Span]) -> Labelled:
        """Labels that these spans give."""
        positive = {span.index for span in spans if span.verdict == "positive"}
        unknown = {span.index for span in spans} - positive
        ordered = sorted(spans, key=lambda span: (span.start, span.end, span.index))
        return cls(tuple(sorted(positive)), tuple(sorted(unknown)), tuple(ordered))

    @property
    def reason(self) -> str:
        """Why the caption cannot teach anything; empty where it can."""
        if self.positive:
            return ""
        return ONLY_UNKNOWN if self.unknown else NO_NOUN


NOTHING = Labelled((), (), ())
