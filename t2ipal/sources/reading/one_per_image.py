"""The choice of one caption for each image."""

from __future__ import annotations

from collections.abc import Hashable

from t2ipal.seeds import seed_of


class OnePerImage:
    """Chooses one of the captions offered for each image, by the image's caption ids and `seed` alone.

    TaI-DPT, whose pool the paper takes, learns from one caption per image.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._best: dict[Hashable, tuple[int, int | str]] = {}

    def offer(self, image: Hashable, key: int | str) -> None:
        """Let caption `key` take part in the choice for its image."""
        # Seed before tag, unlike elsewhere: the other order would choose other captions, and all images would change.
        rank = (seed_of(self._seed, "caption", key), key)
        self._best[image] = min(rank, self._best.get(image, rank))

    def won(self, image: Hashable, key: int | str) -> bool:
        """Whether caption `key` is the one chosen for its image."""
        return self._best[image][1] == key
