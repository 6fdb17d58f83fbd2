"""Which classes are novel: a sample that needs no data, so that the plan can make it."""

from __future__ import annotations

import random

from t2ipal.errors import UserError


def sample_novel_classes(count: int, novel: int, seed: int = 0) -> tuple[int, ...]:
    """Sample the `novel` of `count` classes that LaSO leaves for the few-shot test, ascending.

    With 80, 16 and seed 0: LaSO's 16 novel classes of COCO, by the order of category ids (github.com/leokarlin/LaSO).

    Raises:
        UserError: no class would be left to train on, or none to test.
    """
    if not 0 < novel < count:
        raise UserError(f"novel classes: {novel} of {count}; expected at least 1 and fewer than {count}")
    seen = random.Random(seed).sample(range(count), count - novel)
    return tuple(sorted(set(range(count)) - set(seen)))
