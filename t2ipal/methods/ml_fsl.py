"""ML-FSL: labels spread from a few labelled images to their neighbours, in a space meta-learned on base classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.methods.base import Tensors, TrainingSettings
from t2ipal.methods.novel_classes import NovelLearning
from t2ipal.methods.prompt_learning import pooled_of
from t2ipal.rows.base import Batch

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures
    from t2ipal.methods.novel_classes import NovelData
    from t2ipal.protocols.episodes import Episodes
    from t2ipal.rows.data import TrainingData

COUNTER_HIDDEN = 64
"""Hidden units of the label counter: ML-FSL's code."""


class Settings(TrainingSettings):
    """Settings of ML-FSL. A step is `episodes` episodes; an epoch has as many steps as base images fill batches."""

    epochs: int = Field(10, ge=1, description="Passes over the base images. ML-FSL: 150 or more of 200 episodes.")
    batch: int = Field(64, ge=1, description="Base images that count for one step. ML-FSL: an epoch is 200 steps.")
    lr: float = Field(1e-3, gt=0, description="Learning rate. ML-FSL: Adam, 1e-3.")
    optimizer: Literal["sgd", "adamw"] = Field("adamw", description="ML-FSL: Adam, which is AdamW without decay.")
    weight_decay: float = Field(0.0, ge=0, description="ML-FSL: 0.")
    warmup_epochs: int = Field(0, ge=0, description="First epochs at the constant rate `warmup_lr`. ML-FSL: none.")
    episodes: int = Field(4, ge=1, description="Episodes per step. ML-FSL: 1.")
    way: int = Field(10, ge=2, description="Classes of an episode, all base classes if they are fewer. ML-FSL: 10.")
    episode_shots: int = Field(
        0, ge=0, description="Support images per class in an episode; 0: as in the few-shot sample. ML-FSL: as at test."
    )
    head: Literal["linear", "mlp"] = Field(
        "linear", description="What is learned on frozen features: a linear map, or two layers added to the features."
    )
    sigma_scale: float = Field(
        0.2, gt=0, description="Kernel width over the median squared distance. ML-FSL: 50 or 30, by its own features."
    )
    context: int = Field(
        250,
        ge=0,
        description="Base images in the sums of the kernel at test. ML-FSL: the other queries of an episode.",
    )
    count_weight: float = Field(0.01, ge=0, description="Weight of the label counter's loss. ML-FSL: 0.01.")
    global_feature: Literal["nopos", "pos"] = Field(
        "pos", description="Global image feature without or with positional embedding. CLIP: pos."
    )


class MLFSL(NovelLearning):
    """Meta-learned label propagation (MLPN) with a label counter (NLC)."""

    name = "ml_fsl"
    title = "ML-FSL"
    source = "Simon et al., WACV 2022; github.com/chrysts/Multi-Label-Meta-Learning"
    own_metric = "label_ranking"
    Settings = Settings
    settings: Settings

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        from t2ipal.methods.novel_classes import novel_data
        from t2ipal.models.label_propagation import median_distance
        from t2ipal.protocols.episodes import Episodes

        self.seeds_here = tuple(seeds)
        self.data = novel_data(data, self.settings.global_feature, self.name, self.device)
        shots = self.settings.episode_shots or shots_of(self.data)
        self.source_of_episodes: Episodes = Episodes(self.data.base_labels.cpu(), self.settings.way, shots)
        self.sigma = self.settings.sigma_scale * median_distance(self.data.base)

    def start(self, seeds: Sequence[int]) -> Tensors:
        import torch

        from t2ipal.models.start import normal_start

        dim, counts = self.data.base.shape[-1], 2 * self.source_of_episodes.way + 1
        std = (3 * dim) ** -0.5  # that of torch.nn.Linear
        if self.settings.head == "linear":
            # the features as they are, and a little noise: the frozen space is a good one already
            learned = {"head.weight": torch.eye(dim) + normal_start(seeds, "head.weight", (dim, dim), 0.1 * std)}
        else:
            learned = {
                "head.inner": normal_start(seeds, "head.inner", (dim, dim), std),
                "head.bias": torch.zeros(len(seeds), dim),
                "head.outer": normal_start(seeds, "head.outer", (dim, dim), 0.1 * std),
            }
        for part in ("query", "support", "mean"):
            name = f"counter.{part}"
            learned[name] = normal_start(seeds, name, (dim, COUNTER_HIDDEN), std / 3**0.5)
        learned["counter.weight"] = normal_start(
            seeds, "counter.weight", (COUNTER_HIDDEN, counts), (3 * COUNTER_HIDDEN) ** -0.5
        )
        learned["counter.bias"] = torch.zeros(len(seeds), COUNTER_HIDDEN)
        learned["counter.offset"] = torch.zeros(len(seeds), counts)
        return {name: value.to(self.device) for name, value in learned.items()}

    def begin_epoch(self, learned: Tensors, epoch: int) -> None:
        import numpy as np

        from t2ipal.rows.randomness import epoch_seed

        self.generators = [np.random.default_rng(epoch_seed(seed, "episodes", epoch)) for seed in self.seeds_here]

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        """The loss on the next episodes. The batch only sets the pace: it seldom holds all classes and shots of one."""
        import torch
        import torch.nn.functional as F

        from t2ipal.models.label_propagation import count_logits, propagate, share_labels

        classes, queries, support = self._next_episodes()
        features = {name: embed(learned, self.data.base[rows]) for name, rows in (("q", queries), ("s", support))}
        labels = {name: self._labels(rows, classes) for name, rows in (("q", queries), ("s", support))}
        scores = propagate(features["q"], features["s"], share_labels(labels["s"]), self.sigma)
        known = labels["q"] >= 0
        errors = (scores - share_labels(labels["q"])).square() * known
        propagation = errors.flatten(1).sum(-1) / known.flatten(1).sum(-1)
        counts = {name: (value == 1).sum(-1) for name, value in labels.items()}
        present = torch.ones(support.shape, dtype=torch.bool, device=self.device)
        logits = count_logits(learned, features["q"], features["s"], present)
        joint = counts["q"][..., :, None] + counts["s"][..., None, :]
        counting = F.cross_entropy(logits.flatten(0, -2), joint.flatten(), reduction="none").unflatten(
            0, (len(joint), -1)
        )
        return {"loss": propagation + self.settings.count_weight * counting.mean(-1)}

    def _next_episodes(self) -> tuple[Tensor, Tensor, Tensor]:
        """The next episodes: classes [S, E, way], query rows [S, E, way // 2], support rows [S, E, way * shots]."""
        import numpy as np
        import torch

        episodes = [[self.source_of_episodes.sample(g) for _ in range(self.settings.episodes)] for g in self.generators]
        parts = (np.array([[episode[k] for episode in row] for row in episodes]) for k in range(3))
        classes, queries, support = (torch.from_numpy(part).to(self.device) for part in parts)
        return classes, queries, support

    def _labels(self, rows: Tensor, classes: Tensor) -> Tensor:
        """Labels [S, E, R, way] of base images `rows` [S, E, R] for the classes of their episode."""
        return self.data.base_labels[rows[..., None], classes[..., None, :]]

    def finish(self, learned: Tensors) -> Tensors:
        import torch

        from t2ipal.models.label_propagation import share_labels, spread

        present, labels, some = self.data.present, self.data.support_labels, self.settings.context
        support = embed(learned, self.data.support[:, None])[:, 0]
        context = self.data.base[spread(len(self.data.base), some)].expand(len(present), 1, -1, -1) if some else None
        return (
            learned
            | ({} if context is None else {"context.features": embed(learned, context)[:, 0]})
            | {
                "support.features": support * present[..., None],
                "support.shares": share_labels(labels) * present[..., None],
                "support.counts": ((labels == 1).sum(-1) * present).to(torch.int32),
                "support.present": present,
                "sigma": torch.full((len(present),), self.sigma),
            }
        )

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """Shares of the novel classes among the support images near each image, [S, N, V] on the CPU."""
        import torch

        from t2ipal.models.label_propagation import propagate_once

        support = tensors["support.features"], tensors["support.present"], tensors["support.shares"]
        sigma, chunks = tensors["sigma"][:, None, None], []
        with torch.no_grad():
            for query in self._embedded(tensors, images, chunk):
                chunks.append(propagate_once(query, *support, sigma, tensors.get("context.features")).cpu())
        return torch.cat(chunks, 1)

    def label_counts(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """How many labels the counter gives each image: [S, N] on the CPU. ML-FSL's F1 predicts so many per image."""
        import torch

        from t2ipal.models.label_propagation import count_logits, vote_counts

        support, present = tensors["support.features"], tensors["support.present"]
        chunks = []
        with torch.no_grad():
            for query in self._embedded(tensors, images, chunk):
                logits = count_logits(tensors, query[:, None], support[:, None], present[:, None])[:, 0]
                chunks.append(vote_counts(logits, tensors["support.counts"].long(), present).cpu())
        return torch.cat(chunks, 1)

    def _embedded(self, tensors: Tensors, images: ImageFeatures, chunk: int) -> list[Tensor]:
        """The images as the head sees them, [S, chunk, D] each."""
        sigma = tensors["sigma"]
        parts = pooled_of(images, self.settings.global_feature).split(chunk)
        return [embed(tensors, part.to(sigma.device).float().expand(len(sigma), 1, -1, -1))[:, 0] for part in parts]


def embed(tensors: Tensors, features: Tensor) -> Tensor:
    """The learned head on features [S, E, R, D]: unit vectors of the same shape."""
    import torch.nn.functional as F

    if "head.weight" in tensors:
        return F.normalize(features @ tensors["head.weight"][:, None], dim=-1)
    inner = F.relu(features @ tensors["head.inner"][:, None] + tensors["head.bias"][:, None, None])
    return F.normalize(features + inner @ tensors["head.outer"][:, None], dim=-1)


def shots_of(data: NovelData) -> int:
    """Shots of the few-shot sample: images of its rarest novel class, at least 1.

    Raises:
        UserError: the samples of the seeds differ in it.
    """
    counts = (data.support_labels == 1).sum(1).min(-1).values.clamp(min=1)
    if len(set(counts.tolist())) > 1:
        raise UserError(
            f"ml_fsl: few-shot samples with {counts.tolist()} images of their rarest class; expected one number"
        )
    return int(counts[0])
