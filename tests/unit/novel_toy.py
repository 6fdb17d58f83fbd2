"""Labelled images of base and of novel classes for tests.

Features are near the mean direction of their classes, and off in a few directions that tell nothing. The classes share
the other directions: what base classes teach of them holds for novel ones.
"""

from __future__ import annotations

import numpy as np
import torch
from tiny_clip import DIM
from torch import Tensor
from torch.nn.functional import normalize
from training_toy import images

from t2ipal.features.cache import ImageFeatures
from t2ipal.protocols.few_shot import sample_few_shot
from t2ipal.rows.data import TrainingData
from t2ipal.rows.shots import ShotRows
from t2ipal.rows.train import TrainRows

CLASSES = 8
NOVEL = (2, 6)
TELLING, IDLE = 6, 6
"""Directions of the classes, and others that tell nothing."""
NOVEL_NAMES = ("third", "seventh")
NAMES = tuple(f"class {c}" for c in range(CLASSES))


def labelled(count: int, seed: int) -> tuple[ImageFeatures, Tensor]:
    """Images with one to three of the classes, and their labels [count, CLASSES]."""
    draw = torch.Generator().manual_seed(seed)
    fixed = torch.Generator().manual_seed(99)
    basis = torch.linalg.qr(torch.randn(DIM, DIM, generator=fixed))[0].T
    centres = normalize(torch.randn(CLASSES, TELLING, generator=fixed) @ basis[:TELLING], dim=-1)
    idle = basis[TELLING : TELLING + IDLE]
    sizes = torch.randint(1, 4, (count, 1), generator=draw)
    ranks = torch.rand(count, CLASSES, generator=draw).argsort(1).argsort(1)
    labels = (ranks < sizes).to(torch.int8)
    directions = normalize(labels.float() @ centres, dim=-1) + 0.25 * torch.randn(count, IDLE, generator=draw) @ idle
    directions += 0.05 * torch.randn(count, DIM, generator=draw)
    return images([f"i{row:04d}" for row in range(count)], normalize(directions, dim=-1), seed), labels


def novel_toy(shots: int = 3, seeds: tuple[int, ...] = (1, 2), count: int = 160) -> TrainingData:
    """The training data of the novel-class protocol; images to train on hold no novel class."""
    features, labels = labelled(count, 0)
    novel = torch.zeros(CLASSES, dtype=torch.bool)
    novel[list(NOVEL)] = True
    draws = [sample_few_shot(labels.numpy(), shots, seed, NOVEL).rows for seed in seeds]
    base = (labels[:, novel].sum(1) == 0).nonzero()[:, 0]
    return TrainingData(novel=NOVEL).with_rows(
        TrainRows(features, labels.masked_fill(novel, -1), base),
        ShotRows(features, labels.masked_fill(~novel, -1), tuple(torch.from_numpy(rows) for rows in draws)),
    )


def precision(scores: Tensor, labels: Tensor) -> float:
    """Mean over seeds of the mAP on the novel classes."""
    from t2ipal.metrics.evaluate import mean_average_precision

    wanted = labels[:, list(NOVEL)].numpy()
    return float(np.mean([mean_average_precision(one.numpy(), wanted) for one in scores]))
