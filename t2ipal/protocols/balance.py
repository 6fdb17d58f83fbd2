"""LaSO's choice of images: the class that was sampled least so far comes next, so that rare classes keep up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from t2ipal.errors import UserError


class BalancedImages:
    """Samples labelled images by class, after the data sets of github.com/leokarlin/LaSO (oneshot/alfassy/datasets.py).

    A sampled image counts for every class it contains. Of classes sampled equally little, a random one comes first.
    Classes without an image are left out, and so are images without a class.
    """

    def __init__(self, labels: ArrayLike) -> None:
        """`labels` [M, C]: 1 is a class that the image contains.

        Raises:
            UserError: no image has a class.
        """
        positive = np.asarray(labels) == 1
        if not positive.any():
            raise UserError(f"images to sample by class: none of {len(positive)} has a label; expected at least one")
        self.positive = positive[:, positive.any(0)]
        self.images_of = [np.flatnonzero(column) for column in self.positive.T]
        self.classes_of = [np.flatnonzero(row) for row in self.positive]

    def images(self, generator: np.random.Generator) -> Iterator[int]:
        """Rows of images, without end: each of the class sampled least so far."""
        sampled = np.zeros(len(self.images_of), dtype=np.int64)
        while True:
            for number in generator.permutation(len(self.positive)):
                yield self._next(sampled, int(generator.integers(len(sampled))), int(number))

    def pairs(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the first and of the second images of `count` pairs, int64, in random order.

        The first image is of the class sampled least so far; the second is any of that class of the first image which
        was sampled least so far. It may be the first image again.
        """
        sampled = np.zeros(len(self.images_of), dtype=np.int64)
        pairs = np.empty((2, count), dtype=np.int64)
        starts, uniforms = generator.integers(len(sampled), size=count), generator.random(count)
        for number in range(count):
            pairs[0, number] = first = self._next(sampled, starts[number], number)
            shared = self.classes_of[first]
            images = self.images_of[shared[sampled[shared].argmin()]]
            pairs[1, number] = second = images[int(uniforms[number] * len(images))]
            sampled += self.positive[second]
        first, second = pairs[:, generator.permutation(count)]
        return first, second

    def _next(self, sampled: np.ndarray, start: int, number: int) -> int:
        """The image `number`, counted around, of the class sampled least so far: `start` if it is one of them."""
        least = int(sampled.argmin())
        images = self.images_of[start if sampled[start] == sampled[least] else least]
        row = int(images[number % len(images)])
        sampled += self.positive[row]
        return row
