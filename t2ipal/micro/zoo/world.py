"""Samples of the micro world to train on: rendered once, kept as memory-mapped arrays that all processes share."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from t2ipal import store
from t2ipal.micro.grammar import ALT_TEXTS

log = logging.getLogger(__name__)
SIDE = 64  # pixels
LENGTH = 40  # token positions that pre-training captions may fill
CHUNK = 2000


class World:
    """`size` scenes of one stream with K captions and the true labels each.

    K is 2; of the pre-training stream 3: two alt-texts, which CLIP reads, and a sentence for the text-to-image model.

    Attributes:
        images: uint8 [size, 64, 64, 3].
        tokens: uint16 [size, K, 40], CLIP's byte-pair ids replaced by their index in `ids`; 0 pads.
        labels: bool [size, 20], the classes rendered.
        named_classes: bool [size, K, 20], the classes that each caption names.
        ids: CLIP's ids in use, ascending: [0, ..., SOT, EOT].
    """

    def __init__(self, work: Path, stream: str, size: int, processes: int = 1) -> None:
        self.folder = work / f"{stream}-{size}"
        self.stream, self.size = stream, size
        if not (self.folder / "done.json").exists():
            self._render(processes)

    @cached_property
    def images(self) -> np.ndarray:
        return np.load(self.folder / "images.npy", mmap_mode="r")

    @cached_property
    def tokens(self) -> np.ndarray:
        return np.load(self.folder / "tokens.npy", mmap_mode="r")

    @cached_property
    def labels(self) -> np.ndarray:
        return np.load(self.folder / "labels.npy")

    @cached_property
    def named_classes(self) -> np.ndarray:
        return np.load(self.folder / "named_classes.npy")

    @cached_property
    def texts(self) -> list[list[str]]:
        return json.loads((self.folder / "captions.json").read_text())

    def _render(self, processes: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        spans = [(start, min(start + CHUNK, self.size)) for start in range(0, self.size, CHUNK)]
        images = np.lib.format.open_memmap(
            self.folder / "images.npy", mode="w+", dtype=np.uint8, shape=(self.size, SIDE, SIDE, 3)
        )
        kept = captions_kept(self.stream)
        labels, named_classes = np.zeros((self.size, 20), bool), np.zeros((self.size, kept, 20), bool)
        tokens = np.zeros((self.size, kept, LENGTH), np.uint16)
        texts: list[list[str]] = []
        with ProcessPoolExecutor(processes) as pool:
            parts = pool.map(_chunk, [self.stream] * len(spans), *zip(*spans, strict=True))
            for (start, stop), (pixels, truth, named, words, ids) in zip(spans, parts, strict=True):
                images[start:stop], labels[start:stop], named_classes[start:stop], tokens[start:stop] = (
                    pixels,
                    truth,
                    named,
                    ids,
                )
                texts += words
                log.info("world: %d of %d %s scenes", stop, self.size, self.stream)
        images.flush()
        np.save(self.folder / "labels.npy", labels)
        np.save(self.folder / "named_classes.npy", named_classes)
        np.save(self.folder / "tokens.npy", tokens)
        store.write_json(self.folder / "captions.json", texts)
        store.write_json(self.folder / "done.json", {"stream": self.stream, "size": self.size})


def captions_kept(stream: str) -> int:
    """Captions that a `World` keeps per scene."""
    return ALT_TEXTS + (stream == "pretrain")


def _chunk(
    stream: str, start: int, stop: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[list[str]], np.ndarray]:
    from t2ipal.micro.grammar import captions_of
    from t2ipal.micro.scenes import render, scene_of
    from t2ipal.micro.zoo.tokens import Vocabulary

    count = stop - start
    pixels, labels = np.empty((count, SIDE, SIDE, 3), np.uint8), np.zeros((count, 20), bool)
    kept = captions_kept(stream)
    named_classes = np.zeros((count, kept, 20), bool)
    texts: list[list[str]] = []
    for row, index in enumerate(range(start, stop)):
        scene = scene_of(stream, index)
        pixels[row] = render(scene, SIDE)
        labels[row, list(scene.labels)] = True
        captions = captions_of(stream, index, n=kept)
        texts.append([caption.text for caption in captions])
        for number, caption in enumerate(captions):
            named_classes[row, number, list(caption.classes)] = True
    vocabulary = Vocabulary.of_grammar()
    tokens = vocabulary.compact([text for pair in texts for text in pair], LENGTH)
    return pixels, labels, named_classes, texts, tokens.reshape(count, kept, LENGTH)
