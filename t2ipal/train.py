"""Training on cached features: rows joined by id, batches drawn per seed, one loop for every method.

All seeds of a run train at once: what a method learns and what it sees have the seeds as first dimension, and the
losses of the seeds are added, so each seed's gradient is its own. A seed's draws come from generators of its own, which
depend on nothing but the seed, what is drawn and the epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from t2ipal.errors import UserError
from t2ipal.methods.base import CAPTIONS, SYNTHETIC, TRAIN, Batch, Branch, Method, MethodSettings, Rows, Tensors
from t2ipal.seeds import seed_of

if TYPE_CHECKING:
    from t2ipal.features.cache import ImageFeatures, TextFeatures
    from t2ipal.features.clip_models import Clip

OnEpoch = Callable[[int, int, dict[str, float]], None]
"""Called after each epoch with its number (from 1), the number of epochs, and the means over the seeds."""


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
        train: features of labelled images; `train_labels` [M, C].
        dropped: counts of the rows left out, by reason.
    """

    captions: TextFeatures | None = None
    caption_rows: Tensor | None = None
    labels: Tensor | None = None
    synthetic: Synthetic | None = None
    templates: TextFeatures | None = None
    template_labels: Tensor | None = None
    train: ImageFeatures | None = None
    train_labels: Tensor | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)


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


class Sampler:
    """Draws a method's batches for all seeds; a seed's draws are the same whoever shares the job.

    The rows of an epoch are captions and templates, or labelled images for a method without captions; each seed
    permutes them by itself. Synthetic images follow their captions ("paired") or a permutation of their own; labelled
    images beside captions have a permutation of their own, repeated as often as an epoch needs.
    """

    def __init__(self, data: TrainingData, rows: Rows, seeds: Sequence[int], batch: int, drop_last: bool) -> None:
        _check_kinds(data, rows)
        self.data, self.rows, self.seeds = data, rows, tuple(seeds)
        self.captions = 0 if data.labels is None else len(data.labels)
        if rows.image_draw == "all" and SYNTHETIC in rows.kinds:
            self.pairs = (data.synthetic.index >= 0).nonzero()
        else:
            self.pairs = torch.stack([torch.arange(self.captions), torch.full((self.captions,), -1)], 1)
        templates = len(data.template_labels) if rows.templates and data.template_labels is not None else 0
        by_caption = bool(rows.kinds & {CAPTIONS, SYNTHETIC})
        self.size = len(self.pairs) + templates if by_caption else len(data.train_labels)
        self.batch = min(batch, self.size)
        self.steps = self.size // self.batch if drop_last else math.ceil(self.size / self.batch)

    def epoch(self, epoch: int, device: torch.device) -> Iterator[Batch]:
        """The batches of an epoch, a mapping from the kind of rows to a `Branch` each."""
        order = self._permutations("rows", epoch, self.size)
        draws = torch.stack(
            [torch.rand(self.captions, generator=self._generator(s, "image", epoch)) for s in self.seeds]
        )
        other = {kind: self._permutations(kind, epoch, size) for kind, size in self._others().items()}
        for step in range(self.steps):
            span = slice(step * self.batch, min((step + 1) * self.batch, self.size))
            rows = order[:, span]
            branches: dict[str, Branch] = {}
            if CAPTIONS in self.rows.kinds:
                branches[CAPTIONS] = self._texts(rows)
            if SYNTHETIC in self.rows.kinds:
                follows = other[SYNTHETIC][:, span] if SYNTHETIC in other else rows
                branches[SYNTHETIC] = self._images(follows, draws)
            if TRAIN in self.rows.kinds:
                branches[TRAIN] = self._train(other[TRAIN][:, span] if TRAIN in other else rows)
            yield {kind: to_device(branch, device) for kind, branch in branches.items()}

    def _others(self) -> dict[str, int]:
        sizes = {}
        if SYNTHETIC in self.rows.kinds and self.rows.pairing == "independent":
            sizes[SYNTHETIC] = len(self.pairs)
        if TRAIN in self.rows.kinds and self.rows.kinds & {CAPTIONS, SYNTHETIC}:
            sizes[TRAIN] = len(self.data.train_labels)
        return sizes

    def _generator(self, seed: int, what: str, epoch: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of("train", seed, what, epoch))

    def _permutations(self, what: str, epoch: int, size: int) -> Tensor:
        """A permutation of `size` rows per seed, repeated until it is as long as an epoch: [S, >= self.size]."""
        times = max(1, math.ceil(self.size / size))
        drawn = []
        for seed in self.seeds:
            generator = self._generator(seed, what, epoch)
            drawn.append(torch.cat([torch.randperm(size, generator=generator) for _ in range(times)]))
        return torch.stack(drawn)

    def _texts(self, rows: Tensor) -> Branch:
        """Captions and templates: rows below len(pairs) are captions, the others templates."""
        is_caption = rows < len(self.pairs)
        caption = self.pairs[rows[is_caption], 0]
        found = [(is_caption, self.data.captions, self.data.caption_rows[caption], self.data.labels[caption])]
        if not is_caption.all():
            template = rows[~is_caption] - len(self.pairs)
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
        share = valid / valid.sum(-1, keepdim=True)
        if self.rows.image_draw == "mean_loss":
            weight = (share * is_caption[..., None]).flatten(1)
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
            out = torch.empty(*rows.shape, *parts[0].shape[1:])
            for k, part in enumerate(parts):
                here = sample == k
                out[here] = part[rows[here]].float()
            found.append(out)
        return found[0], found[1]

    def _train(self, rows: Tensor) -> Branch:
        images = self.data.train
        pooled = getattr(images, f"global_{self.rows.global_feature}")[rows].float()
        return Branch(pooled, images.local[rows].float(), None, self.data.train_labels[rows], torch.ones(rows.shape))


def _check_kinds(data: TrainingData, rows: Rows) -> None:
    have = {CAPTIONS: data.captions, SYNTHETIC: data.synthetic, TRAIN: data.train}
    for kind in sorted(rows.kinds):
        if have[kind] is None:
            raise UserError(f"training data: no {kind} rows; expected {', '.join(sorted(rows.kinds))}")


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


def to_device(branch: Branch, device: torch.device) -> Branch:
    """The same rows on `device`."""
    if device.type == "cpu":
        return branch
    mask = None if branch.mask is None else branch.mask.to(device)
    others = (branch.pooled, branch.local, branch.labels, branch.weight)
    pooled, local, labels, weight = (value.to(device) for value in others)
    return Branch(pooled, local, mask, labels, weight)


def pick_device(name: str = "auto") -> torch.device:
    """The torch device `name`; "auto" is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def learning_rate(settings: Any, epoch: int) -> float:
    """Rate of an epoch (from 0): constant in warm-up, then lr (1 + cos(pi epoch / epochs)) / 2, or lr.

    Source: the schedule of CoOp and TaI-DPT, whose cosine counts the warm-up epochs as well.
    """
    if epoch < settings.warmup_epochs:
        return settings.warmup_lr
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * (1 + math.cos(math.pi * epoch / settings.epochs)) / 2


def make_optimizer(settings: Any, learned: Tensors, scales: Mapping[str, float]) -> torch.optim.Optimizer:
    """SGD or AdamW, which act on each number by itself, so seeds cannot meet in it."""
    groups = [{"params": [value], "scale": scales.get(name, 1.0)} for name, value in learned.items()]
    decay = settings.weight_decay
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr, betas=(settings.momentum, 0.999), weight_decay=decay)
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, weight_decay=decay)


def fit(
    method: type[Method],
    settings: MethodSettings,
    clip: Clip,
    class_names: Sequence[str],
    data: TrainingData,
    seeds: Sequence[int],
    on_epoch: OnEpoch | None = None,
    device: str = "auto",
) -> tuple[Tensors, list[dict[str, Any]]]:
    """Train a method on all `seeds` at once and take the last epoch.

    Returns:
        What `method.scores` needs, the seeds in front, on the CPU; and one row per seed and epoch: seed, epoch (from
        1), loss, loss_text, loss_image, loss_train (None where the method has no such part), lr, seconds.

    Raises:
        UserError: the data lack a kind of rows that the method trains on, or a loss is not finite.
    """
    place = pick_device(device)
    model = method(settings, class_names)
    model.prepare(clip, place)
    history: list[dict[str, Any]] = []
    learned: Tensors = {}
    if model.rows().kinds:
        learned = {name: value.requires_grad_() for name, value in model.start(seeds).items()}
        sampler = Sampler(data, model.rows(), seeds, settings.batch, settings.drop_last)
        optimizer = make_optimizer(settings, learned, method.lr_scales(settings))
        for epoch in range(settings.epochs):
            rows = _epoch(model, learned, sampler, optimizer, epoch, place)
            history += rows
            if on_epoch is not None:
                on_epoch(epoch + 1, settings.epochs, _seed_means(rows))
    with torch.no_grad():
        return {name: value.detach().cpu() for name, value in model.finish(learned).items()}, history


def _epoch(
    model: Method,
    learned: Tensors,
    sampler: Sampler,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    device: torch.device,
) -> list[dict[str, Any]]:
    started, rate = time.perf_counter(), learning_rate(model.settings, epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    sums: dict[str, Tensor] = {}
    for batch in sampler.epoch(epoch, device):
        optimizer.zero_grad(set_to_none=True)
        parts = model.loss(learned, batch)
        parts["loss"].sum().backward()
        optimizer.step()
        sums = {name: sums.get(name, 0) + value.detach().double() for name, value in parts.items()}
    means = {name: (value / sampler.steps).cpu() for name, value in sums.items()}
    seconds = time.perf_counter() - started
    _check_finite(model, sampler.seeds, means["loss"], epoch, rate)
    return [
        {"seed": seed, "epoch": epoch + 1}
        | {name: float(means[name][s]) if name in means else None for name in LOSSES}
        | {"lr": rate, "seconds": seconds}
        for s, seed in enumerate(sampler.seeds)
    ]


LOSSES = ("loss", "loss_text", "loss_image", "loss_train")


def _check_finite(model: Method, seeds: Sequence[int], losses: Tensor, epoch: int, rate: float) -> None:
    for seed, loss in zip(seeds, losses.tolist(), strict=True):
        if not math.isfinite(loss):
            raise UserError(
                f"training of {model.name}, seed {seed}, epoch {epoch + 1}: the loss is {loss}; "
                f"expected a finite number: try a lower lr (now {rate:g})"
            )


def _seed_means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    names = [name for name, value in rows[0].items() if value is not None and name not in ("seed", "epoch")]
    return {name: sum(row[name] for row in rows) / len(rows) for name in names}
