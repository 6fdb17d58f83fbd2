"""What a run trains on: cached features and labels, rows joined by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from t2ipal.errors import UserError

if TYPE_CHECKING:
    from t2ipal.features.cache import ImageFeatures, TextFeatures


@dataclass(frozen=True)
class Synthetic:
    """The synthetic images of the captions.

    Attributes:
        samples: features of sample 0, 1, ... of all captions.
        index: [N, K] row of caption n's k-th image in `samples[k]`, -1 where it is missing or was flagged.
    """

    samples: tuple[ImageFeatures, ...]
    index: Tensor


@dataclass(frozen=True)
class TrainingData:
    """Cached features and labels, rows in the order of their ids. A kind that no method asks for may be absent.

    Attributes:
        captions: features of the captions; `caption_rows` [N] are the rows that belong to `labels`.
        labels: [N, C] int8, 1 positive, 0 absent, -1 unknown.
        synthetic: the captions' images.
        templates: features of the class templates; `template_labels` [T, C] one-hot.
        train: features of labelled images; `train_labels` [M, C], 1 positive, 0 absent, -1 unknown, all that a method
            may know of them.
        train_rows: the rows of `train` to train on; None: all.
        shots: for each seed, the rows of `train` that its few-shot draw chose; `shot_labels` [M, C], what a method may
            know of them.
        shot_rows: rows of an epoch of shots, the same for all seeds, so that none depends on another's draw.
        novel: class indices that are to be scored, of which only the shots tell; None: all classes.
        dropped: counts of the rows left out, by reason.
        mapped: whether features are in a scratch file, so that reading a batch may wait for the disk.
    """

    captions: TextFeatures | None = None
    caption_rows: Tensor | None = None
    labels: Tensor | None = None
    synthetic: Synthetic | None = None
    templates: TextFeatures | None = None
    template_labels: Tensor | None = None
    train: ImageFeatures | None = None
    train_labels: Tensor | None = None
    train_rows: Tensor | None = None
    shots: tuple[Tensor, ...] | None = None
    shot_labels: Tensor | None = None
    shot_rows: int | None = None
    novel: tuple[int, ...] | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    mapped: bool = False


def join_rows(ids: Sequence[str], found: Sequence[str], what: str) -> Tensor:
    """The row of each of `ids` in `found`: [len(ids)] int64.

    Raises:
        UserError: an id twice on either side, or an id that was not found.
    """
    place = {identity: row for row, identity in enumerate(found)}
    for name, values, count in ((what, found, len(place)), ("labelled captions", ids, len(set(ids)))):
        if count != len(values):
            raise UserError(f"{name}: {len(values)} rows of {count} ids; expected each id once")
    missing = [identity for identity in ids if identity not in place]
    if missing:
        raise UserError(f"{what}: no row {missing[0]!r}; {len(missing)} of the {len(ids)} expected ids are missing")
    return torch.tensor([place[identity] for identity in ids], dtype=torch.int64)


def label_matrix(positive: Sequence[Sequence[int]], unknown: Sequence[Sequence[int]], classes: int) -> Tensor:
    """Lists of positive and unknown class ids as one matrix [N, classes] int8 of 1, -1 and 0."""
    labels = torch.zeros(len(positive), classes, dtype=torch.int8)
    for value, lists in ((-1, unknown), (1, positive)):
        rows = torch.tensor([row for row, entry in enumerate(lists) for _ in entry], dtype=torch.int64)
        columns = torch.tensor([column for entry in lists for column in entry], dtype=torch.int64)
        labels[rows, columns] = value
    return labels


def join_captions(
    ids: Sequence[str],
    labels: Tensor,
    captions: TextFeatures,
    samples: Sequence[ImageFeatures] = (),
    flagged: frozenset[tuple[str, int]] = frozenset(),
) -> TrainingData:
    """Join labelled captions with their text features and, if there are any, their synthetic images.

    Flagged images are left out; a caption all of whose images are flagged is left out as well. Both are counted.

    Args:
        ids: caption ids.
        labels: [len(ids), C] int8.
        captions: text features, at least of `ids`.
        samples: image features of sample 0, 1, ..., at least of `ids` without the flagged ones.
        flagged: (caption id, sample) of the images not to use.

    Raises:
        UserError: an id twice, or a caption without its row.
    """
    order = sorted(range(len(ids)), key=lambda row: ids[row])
    ids, labels = [ids[row] for row in order], labels[torch.tensor(order, dtype=torch.int64)]
    rows = join_rows(ids, captions.ids, "caption features")
    if not samples:
        return TrainingData(captions=captions, caption_rows=rows, labels=labels)
    index = torch.stack([_join_images(ids, images, k, flagged) for k, images in enumerate(samples)], 1)
    kept = (index >= 0).any(1)
    dropped = {"flagged images": int((index < 0).sum()), "captions without an image": int((~kept).sum())}
    if not kept.any():
        raise UserError(f"synthetic images: all {index.numel()} are flagged; expected some to train on")
    return TrainingData(
        captions=captions,
        caption_rows=rows[kept],
        labels=labels[kept],
        synthetic=Synthetic(tuple(samples), index[kept]),
        dropped=dropped,
    )


def _join_images(ids: Sequence[str], images: ImageFeatures, sample: int, flagged: frozenset[tuple[str, int]]) -> Tensor:
    good = torch.tensor([(identity, sample) not in flagged for identity in ids])
    index = torch.full((len(ids),), -1, dtype=torch.int64)
    wanted = [identity for identity, keep in zip(ids, good.tolist(), strict=True) if keep]
    index[good] = join_rows(wanted, images.ids, f"features of the synthetic images, sample {sample}")
    return index


def template_labels(ids: Sequence[str], classes: int) -> Tensor:
    """One-hot labels [T, classes] int8 of template ids "{class index}-{template index}"."""
    labels = torch.zeros(len(ids), classes, dtype=torch.int8)
    labels[torch.arange(len(ids)), torch.tensor([int(identity.split("-")[0]) for identity in ids])] = 1
    return labels
