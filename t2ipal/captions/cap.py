"""A limit of captions per class, so that frequent classes do not fill the training set (TaI-DPT on NUS-WIDE)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def within_cap(positive: Sequence[Sequence[int]], limit: int) -> list[bool]:
    """Which captions stay: of those filed under a class, the first `limit` in the order given.

    A caption is filed under the class of its own that the fewest captions have; of equally rare ones, the first of the
    class list. A class can have more than `limit` captions after all: those filed under rarer classes that name it too.

    Args:
        positive: for each caption, the classes that it names: at least one.
    """
    frequency = Counter(index for classes in positive for index in classes)
    filed: Counter[int] = Counter()
    kept = []
    for classes in positive:
        rarest = min(classes, key=lambda index: (frequency[index], index))
        kept.append(filed[rarest] < limit)
        filed[rarest] += 1
    return kept
