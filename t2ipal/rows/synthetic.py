"""The synthetic images of the captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from t2ipal.errors import UserError
from t2ipal.features.fields import LOCAL, global_field
from t2ipal.rows.base import CAPTIONS, LEADING, SYNTHETIC, Branch, RowKind, RowRequest, RowSource

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.rows.data import TrainingData, TrainingFiles
    from t2ipal.rows.randomness import EpochRandom

Flagged = frozenset[tuple[str, int]]
"""(caption id, sample) of images not to use."""


@dataclass(frozen=True)
class SyntheticRows(RowKind):
    """The images of captions that have one or more, in the order of the captions' ids.

    Attributes:
        samples: features of sample 0, 1, ... of all captions.
        index: [N, K] row of caption n's k-th image in `samples[k]`, -1 where it is missing or was flagged.
        labels: [N, C] int8, those of the captions.
    """

    name: ClassVar[str] = SYNTHETIC
    loss: ClassVar[str] = "loss_image"
    title: ClassVar[str] = "Synthetic images"

    samples: tuple[ImageFeatures, ...]
    index: Tensor
    labels: Tensor

    @classmethod
    def inputs(cls, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return ("labelled", "images", "flagged")

    @classmethod
    def read(cls, files: TrainingFiles, data: TrainingData, classes: int, budget: MemoryBudget) -> TrainingData:
        from t2ipal.features.cache import load_image_features
        from t2ipal.rows.captions import read_labelled

        captions = data.rows.get(CAPTIONS)
        ids, labels = (captions.ids, captions.labels) if captions else read_labelled(files, classes)
        samples = [
            load_image_features(shards, budget, in_steps=True, fields=files.fields)
            for shards in files.samples("images")
        ]
        return add_images(data, ids, labels, samples, read_flagged(files["flagged"]))

    def each_image(self) -> Tensor:
        """[P, 2] the caption and the sample of every image."""
        return (self.index >= 0).nonzero()

    def source(self, data: TrainingData, request: RowRequest, seeds: Sequence[int]) -> RowSource:
        """Paired images follow the order of their captions, behind which templates may come: they have none."""
        images = self.each_image() if request.image_sampling == "all" else None
        size = len(self.labels) if images is None else len(images)
        order = LEADING if request.pairing == "paired" else self.name
        return RowSource([size] * len(seeds), partial(self._branch, request, images), size, order)

    def _branch(self, request: RowRequest, images: Tensor | None, rows: Tensor, random: EpochRandom) -> Branch:
        from t2ipal.rows.randomness import pick_valid

        size = len(self.labels) if images is None else len(images)
        has_image = rows < size
        rows = rows.clamp(max=size - 1)
        if images is not None:
            caption, sample = images[rows].unbind(-1)
        else:
            caption = rows
        labels, index = self.labels[caption], self.index[caption]
        valid = index >= 0
        if request.image_sampling == "mean_loss":
            return self._mean_loss(request.global_feature, index, valid, labels, has_image)
        if request.image_sampling == "mean_feature":
            return self._mean_feature(request.global_feature, index, valid, labels, has_image)
        if request.image_sampling == "one":
            sample = pick_valid(valid, random.uniform("image", len(self.labels)).gather(1, caption))
        pooled, local = self._gather(request.global_feature, index.gather(-1, sample[..., None])[..., 0], sample)
        return Branch(pooled, local, None, labels, has_image.float())

    def _mean_loss(self, variant: str, index: Tensor, valid: Tensor, labels: Tensor, has_image: Tensor) -> Branch:
        """All K images of each caption, as rows that share its weight: [S, R * K, ...]."""
        pooled, local, share = self._all(variant, index, valid)
        weight = (share * has_image[..., None].to(share.device)).flatten(1)
        return Branch(pooled, local, None, labels.repeat_interleave(index.shape[-1], 1), weight)

    def _mean_feature(self, variant: str, index: Tensor, valid: Tensor, labels: Tensor, has_image: Tensor) -> Branch:
        """The mean features of each caption's images, L2-normalised."""
        import torch
        from torch.nn.functional import normalize

        pooled, local, share = self._all(variant, index, valid)
        pooled = torch.einsum("srk,srkd->srd", share, pooled.unflatten(1, index.shape[1:]))
        local = torch.einsum("srk,srknd->srnd", share, local.unflatten(1, index.shape[1:]))
        return Branch(normalize(pooled, dim=-1), normalize(local, dim=-1), None, labels, has_image.float())

    def _all(self, variant: str, index: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of all K images of each caption, [S, R * K, ...] twice, and the share of each, [S, R, K]."""
        import torch

        sample = torch.arange(index.shape[-1]).expand(index.shape)
        pooled, local = self._gather(variant, index.clamp(min=0).flatten(1), sample.flatten(1))
        return pooled, local, (valid / valid.sum(-1, keepdim=True)).to(pooled.device)

    def _gather(self, variant: str, rows: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
        """Features of image `rows` [S, R] of the samples `sample` [S, R]."""
        import torch

        gathered: list[Tensor] = []
        for name in (global_field(variant), LOCAL):
            parts = [images.get(name) for images in self.samples]
            out = torch.empty(*rows.shape, *parts[0].shape[1:], device=parts[0].device)
            for k, part in enumerate(parts):
                here = sample == k
                out[here] = part[rows[here]].to(out.device).float()
            gathered.append(out)
        return gathered[0], gathered[1]


def add_images(
    data: TrainingData,
    ids: Sequence[str],
    labels: Tensor,
    samples: Sequence[ImageFeatures],
    flagged: Flagged = frozenset(),
) -> TrainingData:
    """`data` with the synthetic images of its captions.

    Flagged images are left out; a caption all of whose images are flagged is left out as well. Both are counted.

    Args:
        data: may have the captions, which then are those of `ids`.
        ids: of the captions, ascending.
        labels: [len(ids), C] int8.
        samples: image features of sample 0, 1, ..., at least of `ids` without the flagged ones.
        flagged: the images not to use.

    Raises:
        UserError: an id twice, a caption without its image, or no image that is not flagged.
    """
    import torch

    index = torch.stack([_join_images(ids, images, k, flagged) for k, images in enumerate(samples)], 1)
    kept = (index >= 0).any(1)
    if not kept.any():
        raise UserError(f"synthetic images: all {index.numel()} are flagged; expected some to train on")
    dropped = {"flagged images": int((index < 0).sum()), "captions without an image": int((~kept).sum())}
    captions = [data[CAPTIONS].only(kept)] if CAPTIONS in data.rows else []
    return data.with_rows(*captions, SyntheticRows(tuple(samples), index[kept], labels[kept]), dropped=dropped)


def without_low_scores(data: TrainingData, quantile: float, variant: str) -> TrainingData:
    """`data` without the images whose cosine with their caption is below a quantile of those of all images.

    A caption all of whose images are left out is left out as well. Both are counted.

    Args:
        data: with captions and their images.
        quantile: the share of the images to leave out.
        variant: of the images' global feature, "pos" or "nopos".
    """
    import torch
    from torch.nn.functional import normalize

    rows: SyntheticRows = data[SYNTHETIC]
    texts, valid = normalize(data[CAPTIONS].pooled.float(), dim=-1), rows.index >= 0
    scores = torch.full(valid.shape, torch.inf)
    for sample, images in enumerate(rows.samples):
        here = valid[:, sample]
        vectors = images.get(global_field(variant))[rows.index[here, sample]].float().cpu()
        scores[here, sample] = (normalize(vectors, dim=-1) * texts[here]).sum(-1)
    index = rows.index.where(scores >= torch.quantile(scores[valid], quantile), -1)
    kept = (index >= 0).any(1)
    dropped = {
        **data.dropped,
        "images of a low CLIP score": int(valid.sum() - (index >= 0).sum()),
        "captions with such images alone": int((~kept).sum()),
    }
    images = SyntheticRows(rows.samples, index[kept], rows.labels[kept])
    return data.with_rows(data[CAPTIONS].only(kept), images, dropped=dropped)


def _join_images(ids: Sequence[str], images: ImageFeatures, sample: int, flagged: Flagged) -> Tensor:
    import torch

    from t2ipal.rows.join import join_rows

    good = torch.tensor([(identity, sample) not in flagged for identity in ids])
    index = torch.full((len(ids),), -1, dtype=torch.int64)
    wanted = [identity for identity, keep in zip(ids, good.tolist(), strict=True) if keep]
    index[good] = join_rows(wanted, images.ids, f"features of the synthetic images, sample {sample}")
    return index


def read_flagged(paths: Sequence[str | Path]) -> Flagged:
    """The images that are black, NaN or flagged, from the list of each shard."""
    from t2ipal.store import read_parquet

    columns = ["caption_id", "sample"]
    tables = [read_parquet(path, columns) for path in paths]
    return frozenset(tuple(row[name] for name in columns) for table in tables for row in table.to_pylist())
