"""Episodes of ML-FSL: some classes, query images that hold them, and support images for each of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from t2ipal.errors import UserError

QUERY_LABELS = 2
"""Labels that a query image has at least, all of them among the classes of its episode."""


class Episode(NamedTuple):
    """One episode.

    Attributes:
        classes: [way] class ids, ascending.
        queries: [way // 2] rows of query images.
        support: [way * shots] rows of support images, those of the first class first.
    """

    classes: np.ndarray
    queries: np.ndarray
    support: np.ndarray


class Episodes:
    """Samples episodes from labelled images, after the sampler of github.com/chrysts/Multi-Label-Meta-Learning.

    Query images come first: any with at least two labels. Two labels of each are in the episode; the rest are filled up
    by further labels of the queries, then by any. For each class, support images are sampled from all that have it.
    Other than there, a query is no support image of its own episode unless a class has no other image: among a few
    hundred that would happen often, and the query would be recognised by being the same image.

    Attributes:
        way: classes of an episode: as asked for, or all that have an image where these are fewer.
    """

    def __init__(self, labels: ArrayLike, way: int, shots: int) -> None:
        """`labels` [N, C]: 1 is a class that the image contains.

        Raises:
            UserError: not enough images with two labels.
        """
        positive = np.asarray(labels) == 1
        self.rows_of = [np.flatnonzero(column) for column in positive.T]
        self.labels_of = [np.flatnonzero(row) for row in positive]
        self.present = np.flatnonzero(positive.any(0))
        self.way, self.shots = min(way, len(self.present)), shots
        self.queries = self.way // 2
        self.able = np.flatnonzero(positive.sum(1) >= QUERY_LABELS)
        if len(self.able) < max(1, self.queries):
            raise UserError(
                f"episodes of {self.way} classes: {len(self.able)} images have {QUERY_LABELS} labels or more; "
                f"expected at least {max(1, self.queries)}"
            )

    def sample(self, generator: np.random.Generator) -> Episode:
        """The next episode of `generator`."""
        queries = generator.choice(self.able, self.queries, replace=False)
        theirs = [self.labels_of[row] for row in queries]
        wanted = [c for labels in theirs for c in generator.choice(labels, QUERY_LABELS, replace=False)]
        wanted += generator.permutation(np.concatenate(theirs)).tolist()
        wanted += generator.permutation(self.present).tolist()
        classes = np.sort(list(dict.fromkeys(int(c) for c in wanted))[: self.way])
        support = [self._support(int(c), queries, generator) for c in classes]
        return Episode(classes, queries, np.concatenate(support))

    def _support(self, c: int, queries: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """`shots` images with class `c`; a class with fewer gives its images several times."""
        rows = self.rows_of[c]
        # as many more as could be queries are sampled, and the queries left out
        sampled = rows[generator.choice(len(rows), min(len(rows), self.shots + len(queries)), replace=False)]
        others = sampled[~np.isin(sampled, queries)]
        return np.resize(others if len(others) else sampled, self.shots)
