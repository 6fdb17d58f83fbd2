"""A few captions, images and labels of random features, and a CLIP of random weights, to train on in a moment."""

import dataclasses
from functools import cache

import torch
from tiny_clip import DIM, tiny_clip
from torch.nn.functional import normalize

from t2ipal import methods
from t2ipal.features.cache import ImageFeatures, TextFeatures
from t2ipal.rows import CAPTIONS
from t2ipal.rows.captions import CaptionRows
from t2ipal.rows.data import TrainingData
from t2ipal.rows.synthetic import add_images
from t2ipal.rows.train import TrainRows

NAMES = ("dog", "potted plant", "car", "boat")
CPU = torch.device("cpu")
clip = cache(tiny_clip)


def texts(ids: list[str], directions: torch.Tensor, seed: int = 0) -> TextFeatures:
    """Texts of 3 to 6 positions around given directions [N, D]."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 7, (len(ids),), generator=draw)
    rows = directions.repeat_interleave(lengths, 0)
    local = normalize(rows + 0.3 * torch.randn(rows.shape, generator=draw), dim=-1).half()
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    tokens = torch.ones(len(local), dtype=torch.int32)
    return TextFeatures(tuple(ids), normalize(directions, dim=-1).half(), local, tokens, offsets, "0")


def images(ids: list[str], directions: torch.Tensor, seed: int = 0) -> ImageFeatures:
    """Images of 2 x 2 cells around given directions [N, D]."""
    draw = torch.Generator().manual_seed(seed)
    local = directions[:, None] + 0.3 * torch.randn(len(ids), 4, DIM, generator=draw)
    pooled = normalize(directions + 0.1 * torch.randn(directions.shape, generator=draw), dim=-1).half()
    other = normalize(pooled.float() + 0.1, dim=-1).half()
    return ImageFeatures(tuple(ids), other, pooled, normalize(local, dim=-1).half(), (2, 2), "0")


def toy(count: int = 40, samples: int = 2, seed: int = 0) -> TrainingData:
    """Captions and images near the direction of their class, labels with an unknown one here and there."""
    draw = torch.Generator().manual_seed(seed)
    centres = normalize(torch.randn(len(NAMES), DIM, generator=draw), dim=-1)
    classes = torch.randint(len(NAMES), (count,), generator=draw)
    labels = torch.nn.functional.one_hot(classes, len(NAMES)).to(torch.int8)
    labels[::5, 0] = torch.where(labels[::5, 0] == 1, 1, -1).to(torch.int8)
    ids = [f"c{row:03d}" for row in range(count)]
    pattern = [f"{c:03d}-{t:03d}" for c in range(len(NAMES)) for t in range(3)]
    templates = texts(pattern, centres.repeat_interleave(3, 0), 9)
    captions = CaptionRows.of(ids, labels, texts(ids, centres[classes])).with_templates(templates, len(NAMES))
    train = TrainRows(images(ids, centres[classes], 5), labels.clamp(min=0))
    pictures = [images(ids, centres[classes], k) for k in range(samples)]
    return with_images(TrainingData().with_rows(captions), pictures).with_rows(train)


def with_images(
    data: TrainingData, samples: list[ImageFeatures], flagged: frozenset[tuple[str, int]] = frozenset()
) -> TrainingData:
    """Captions and their synthetic images."""
    return add_images(data, data[CAPTIONS].ids, data[CAPTIONS].labels, samples, flagged)


def without(data: TrainingData, kind: str) -> TrainingData:
    """The same without the rows of a kind."""
    return dataclasses.replace(data, rows={name: rows for name, rows in data.rows.items() if name != kind})


def changed(data: TrainingData, kind: str, **changes: object) -> TrainingData:
    """The same with other values in the rows of a kind."""
    return data.with_rows(dataclasses.replace(data[kind], **changes))


def settings(name: str, **changes: object) -> object:
    return methods.get(name).Settings(**{"epochs": 3, "batch": 8, "lr": 1e-3} | changes)
