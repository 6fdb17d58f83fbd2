"""Protocols: which labels of the labelled images a method may use. All of them, a share, or a few images per class.

Samples come from generators whose streams are frozen (`numpy.random.RandomState`, `random.Random`), so that any later
version can repeat them. Images are always taken in ascending order of their ids.
"""

from t2ipal.rows import SHOTS, TRAIN

PARTIAL, FEW_SHOT, NOVEL = "partial", "few_shot", "novel"

PROTOCOLS = {PARTIAL: TRAIN, FEW_SHOT: SHOTS, NOVEL: SHOTS}
"""Protocol -> the kind of training rows that a method must use to take part in it."""
