"""How well a noun filter agrees with what is in the pictures."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from t2ipal.captions.labels import Labelled
from t2ipal.errors import UserError
from t2ipal.store import existing


@dataclass(frozen=True, slots=True)
class Sample:
    """A caption and the names of the classes that its image shows."""

    image_id: int
    text: str
    labels: tuple[str, ...]


@dataclass
class Agreement:
    """Pairs (caption, class), counted over all classes together (micro-average).

    Attributes:
        captions: captions seen.
        shown: pairs whose image shows the class.
        positive, unknown: pairs with that label.
        positive_shown, unknown_shown: those of them that are shown.
        terms: by (class, term, verdict): [pairs, pairs shown].
    """

    captions: int = 0
    shown: int = 0
    positive: int = 0
    positive_shown: int = 0
    unknown: int = 0
    unknown_shown: int = 0
    terms: dict[tuple[int, str, str], list[int]] = field(default_factory=dict)

    @property
    def precision(self) -> float:
        """Share of positive pairs that are shown."""
        return self.positive_shown / max(self.positive, 1)

    @property
    def recall(self) -> float:
        """Share of shown pairs that are positive."""
        return self.positive_shown / max(self.shown, 1)

    @property
    def recall_with_unknown(self) -> float:
        """Share of shown pairs that are positive or unknown."""
        return (self.positive_shown + self.unknown_shown) / max(self.shown, 1)


def agreement(samples: Iterable[Sample], labelled: Iterable[Labelled], names: Sequence[str]) -> Agreement:
    """Compare labels with the classes shown.

    Args:
        names: the classes' names in `Sample.labels`, by class index.
    """
    total = Agreement()
    for sample, labels in zip(samples, labelled, strict=True):
        shown = {names.index(name) for name in sample.labels}
        total.captions += 1
        total.shown += len(shown)
        total.positive += len(labels.positive)
        total.unknown += len(labels.unknown)
        total.positive_shown += len(shown.intersection(labels.positive))
        total.unknown_shown += len(shown.intersection(labels.unknown))
        for key in sorted({(span.index, span.term, span.verdict) for span in labels.spans}):
            count = total.terms.setdefault(key, [0, 0])
            count[0] += 1
            count[1] += key[0] in shown
    return total


def halves(samples: Iterable[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Split by a hash of the image, so that no image is in both: (to tune on, to report)."""
    tuning, report = [], []
    for sample in samples:
        digest = hashlib.sha256(str(sample.image_id).encode()).digest()
        (report if digest[0] & 1 else tuning).append(sample)
    return tuning, report


def read_samples(path: str | Path) -> Iterator[Sample]:
    """Read captions with true labels: one JSON object per line with `image_id`, `caption` and `labels`.

    Raises:
        UserError: the file is missing or a line is malformed.
    """
    with existing(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                yield Sample(int(row["image_id"]), row["caption"], tuple(row["labels"]))
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{path}: line {number}: {error}; expected image_id, caption and labels") from error


def label_counts(labelled: Iterable[Labelled]) -> tuple[Counter[int], Counter[int]]:
    """Captions per class: (positive, unknown)."""
    positive: Counter[int] = Counter()
    unknown: Counter[int] = Counter()
    for labels in labelled:
        positive.update(labels.positive)
        unknown.update(labels.unknown)
    return positive, unknown
