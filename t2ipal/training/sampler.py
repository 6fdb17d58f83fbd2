"""Batches drawn per seed from cached features.

A seed's draws come from generators of its own, which depend on nothing but the seed, what is drawn and the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from t2ipal.errors import UserError
from t2ipal.methods.base import CAPTIONS, SHOTS, SYNTHETIC, TRAIN, Batch, Branch, Rows
from t2ipal.seeds import seed_of

if TYPE_CHECKING:
    from t2ipal.features.cache import TextFeatures
    from t2ipal.training.data import TrainingData


class Sampler:
    """Draws a method's batches for all seeds; a seed's draws are the same whoever shares the job.

    The rows of an epoch are captions and templates; for a method without captions, labelled images; for one without
    those, as many few-shot rows as the data say. Each seed permutes them by itself. Synthetic images follow their
    captions ("paired") or a permutation of their own; other kinds beside have permutations of their own, repeated as
    often as an epoch needs.
    """

    def __init__(self, data: TrainingData, rows: Rows, seeds: Sequence[int], batch: int, drop_last: bool) -> None:
        _check_kinds(data, rows)
        self.data, self.rows, self.seeds = data, rows, tuple(seeds)
        self.captions = 0 if data.labels is None else len(data.labels)
        if rows.image_draw == "all" and SYNTHETIC in rows.kinds:
            self.pairs = (data.synthetic.index >= 0).nonzero()
        else:
            self.pairs = torch.stack([torch.arange(self.captions), torch.full((self.captions,), -1)], 1)
        self.templates = template_rows(data.templates.ids if data.templates else (), rows.templates)
        if rows.kinds & {CAPTIONS, SYNTHETIC}:
            self.leads, self.size = "rows", len(self.pairs) + len(self.templates)
        else:
            self.leads = TRAIN if TRAIN in rows.kinds else SHOTS
            self.size = data.shot_rows if self.leads == SHOTS and data.shot_rows else max(self._sizes(self.leads))
        self.batch = min(batch, self.size)
        self.steps = self.size // self.batch if drop_last else math.ceil(self.size / self.batch)

    def epoch(self, epoch: int, device: torch.device) -> Iterator[Batch]:
        """The batches of an epoch, a mapping from the kind of rows to a `Branch` each."""
        order = {kind: self._permutations(kind, epoch) for kind in self._orders()}
        draws = torch.stack(
            [torch.rand(self.captions, generator=self._generator(s, "image", epoch)) for s in self.seeds]
        )
        for step in range(self.steps):
            span = slice(step * self.batch, min((step + 1) * self.batch, self.size))
            rows = {kind: order[kind][:, span] for kind in order}
            branches: dict[str, Branch] = {}
            if CAPTIONS in self.rows.kinds:
                branches[CAPTIONS] = self._texts(rows["rows"])
            if SYNTHETIC in self.rows.kinds:
                branches[SYNTHETIC] = self._images(rows.get(SYNTHETIC, rows.get("rows")), draws)
            if TRAIN in self.rows.kinds:
                branches[TRAIN] = self._train(rows[TRAIN])
            if SHOTS in self.rows.kinds:
                branches[SHOTS] = self._shots(rows[SHOTS])
            yield {kind: to_device(branch, device) for kind, branch in branches.items()}

    def _orders(self) -> list[str]:
        """What is permuted: the rows that lead an epoch, and each kind that has an order of its own."""
        own = {TRAIN, SHOTS, SYNTHETIC} if self.rows.pairing == "independent" else {TRAIN, SHOTS}
        return list(dict.fromkeys([self.leads, *sorted(own & self.rows.kinds)]))

    def _sizes(self, what: str) -> list[int]:
        """How many rows of a kind each seed has."""
        if what == SHOTS:
            return [len(rows) for rows in self.data.shots]
        if what == TRAIN:
            rows = self.data.train_labels if self.data.train_rows is None else self.data.train_rows
            return [len(rows)] * len(self.seeds)
        return [len(self.pairs) if what == SYNTHETIC else self.size] * len(self.seeds)

    def _generator(self, seed: int, what: str, epoch: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of("train", seed, what, epoch))

    def _permutations(self, what: str, epoch: int) -> Tensor:
        """A permutation of its rows per seed, repeated until it is as long as an epoch: [S, self.size]."""
        drawn = []
        for seed, size in zip(self.seeds, self._sizes(what), strict=True):
            # labelled images that lead an epoch are its rows: the draw keeps its name
            generator = self._generator(seed, "rows" if what == self.leads else what, epoch)
            times = math.ceil(self.size / size)
            drawn.append(torch.cat([torch.randperm(size, generator=generator) for _ in range(times)])[: self.size])
        return torch.stack(drawn)

    def _texts(self, rows: Tensor) -> Branch:
        """Captions and templates: rows below len(pairs) are captions, the others templates."""
        is_caption = rows < len(self.pairs)
        caption = self.pairs[rows[is_caption], 0]
        found = [(is_caption, self.data.captions, self.data.caption_rows[caption], self.data.labels[caption])]
        if not is_caption.all():
            template = self.templates[rows[~is_caption] - len(self.pairs)]
            found.append((~is_caption, self.data.templates, template, self.data.template_labels[template]))
        pooled, local, mask = gather_texts(rows.shape, [part[:3] for part in found])
        labels = torch.empty(*rows.shape, found[0][3].shape[-1], dtype=torch.int8)
        for here, _, _, values in found:
            labels[here] = values
        return Branch(pooled, local, mask, labels, torch.ones(rows.shape))

    def _images(self, rows: Tensor, draws: Tensor) -> Branch:
        """The images of the captions in `rows`; a template has none, its weight is 0."""
        is_caption = rows < len(self.pairs)
        caption, sample = self.pairs[rows.clamp(max=len(self.pairs) - 1)].unbind(-1)
        index, labels = self.data.synthetic.index[caption], self.data.labels[caption]
        valid = index >= 0
        if self.rows.image_draw in ("mean_loss", "mean_feature"):
            return self._means(index, valid, labels, is_caption)
        if self.rows.image_draw == "one":
            sample = draw_valid(valid, draws.gather(1, caption))
        pooled, local = self._gather(index.gather(-1, sample[..., None])[..., 0], sample)
        return Branch(pooled, local, None, labels, is_caption.float())

    def _means(self, index: Tensor, valid: Tensor, labels: Tensor, is_caption: Tensor) -> Branch:
        _, rows, samples = index.shape
        which = torch.arange(samples).expand(index.shape)
        pooled, local = self._gather(index.clamp(min=0).flatten(1), which.flatten(1))
        share = (valid / valid.sum(-1, keepdim=True)).to(pooled.device)
        if self.rows.image_draw == "mean_loss":
            weight = (share * is_caption[..., None].to(share.device)).flatten(1)
            return Branch(pooled, local, None, labels.repeat_interleave(samples, 1), weight)
        pooled = torch.einsum("srk,srkd->srd", share, pooled.unflatten(1, (rows, samples)))
        local = torch.einsum("srk,srknd->srnd", share, local.unflatten(1, (rows, samples)))
        normal = torch.nn.functional.normalize
        return Branch(normal(pooled, dim=-1), normal(local, dim=-1), None, labels, is_caption.float())

    def _gather(self, rows: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
        """Features of image `rows` [S, R] of the samples `sample` [S, R]."""
        found: list[Tensor] = []
        for name in (f"global_{self.rows.global_feature}", "local"):
            parts = [getattr(images, name) for images in self.data.synthetic.samples]
            out = torch.empty(*rows.shape, *parts[0].shape[1:], device=parts[0].device)
            for k, part in enumerate(parts):
                here = sample == k
                out[here] = part[rows[here]].to(out.device).float()
            found.append(out)
        return found[0], found[1]

    def _train(self, rows: Tensor) -> Branch:
        if self.data.train_rows is not None:
            rows = self.data.train_rows[rows]
        return self._labelled(rows, self.data.train_labels)

    def _shots(self, rows: Tensor) -> Branch:
        chosen = torch.stack([shots[row] for shots, row in zip(self.data.shots, rows, strict=True)])
        return self._labelled(chosen, self.data.shot_labels)

    def _labelled(self, rows: Tensor, labels: Tensor) -> Branch:
        images = self.data.train
        pooled = getattr(images, f"global_{self.rows.global_feature}")[rows].float()
        return Branch(pooled, images.local[rows].float(), None, labels[rows], torch.ones(rows.shape))


def _check_kinds(data: TrainingData, rows: Rows) -> None:
    have = {CAPTIONS: data.captions, SYNTHETIC: data.synthetic, TRAIN: data.train, SHOTS: data.shots}
    for kind in sorted(rows.kinds):
        if have[kind] is None:
            raise UserError(f"training data: no {kind} rows; expected {', '.join(sorted(rows.kinds))}")


def template_rows(ids: Sequence[str], count: int) -> Tensor:
    """Rows of the first `count` templates of each class, by their ids "{class index}-{template index}"."""
    return torch.tensor([row for row, key in enumerate(ids) if int(key.split("-")[1]) < count], dtype=torch.int64)


def draw_valid(valid: Tensor, draws: Tensor) -> Tensor:
    """The sample of each row, uniform over its valid ones: [...] from `valid` [..., K] and `draws` [...] in [0, 1)."""
    count = valid.sum(-1)
    wanted = (draws * count).long().clamp(max=count - 1)
    return (valid.cumsum(-1) == wanted[..., None] + 1).int().argmax(-1)


def gather_texts(
    shape: tuple[int, ...], parts: Sequence[tuple[Tensor, TextFeatures, Tensor]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Features of texts from several sources.

    Args:
        shape: (S, R) of the result.
        parts: for each source: where its texts go ([S, R] bool), its features, and the rows of them that go there.

    Returns:
        Global [S, R, D], local [S, R, L, D] and mask [S, R, L], L being the longest of the texts.
    """
    found = [(here, texts.pooled[rows], *texts.padded(rows)) for here, texts, rows in parts if len(rows)]
    dim, length = found[0][1].shape[-1], max(local.shape[1] for _, _, local, _ in found)
    pooled = torch.empty(*shape, dim)
    local, mask = torch.zeros(*shape, length, dim), torch.zeros(*shape, length, dtype=torch.bool)
    flat_local, flat_mask = local.flatten(0, 1), mask.flatten(0, 1)
    for here, its_pooled, its_local, its_mask in found:
        pooled[here] = its_pooled.float()
        flat = here.flatten().nonzero()[:, 0]
        flat_local[flat, : its_local.shape[1]] = its_local.float()
        flat_mask[flat, : its_mask.shape[1]] = its_mask
    return pooled, local, mask


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, each gathered while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


def to_device(branch: Branch, device: torch.device) -> Branch:
    """The same rows on `device`."""
    if device.type == "cpu":
        return branch
    mask = None if branch.mask is None else branch.mask.to(device)
    others = (branch.pooled, branch.local, branch.labels, branch.weight)
    pooled, local, labels, weight = (value.to(device) for value in others)
    return Branch(pooled, local, mask, labels, weight)
