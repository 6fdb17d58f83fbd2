"""LaSO: features of label sets that no image has, made by learned set operations, train a few-shot classifier.

On frozen features: the seen-class classifier and the three set operations learn from base classes first; then the
few-shot classifier learns from the few images and from the unions of their pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from t2ipal.errors import UserError
from t2ipal.methods.base import MethodSettings, Tensors
from t2ipal.methods.novel_classes import NovelLearning
from t2ipal.methods.prompt_learning import pooled_of
from t2ipal.rows.base import Batch

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures
    from t2ipal.rows.data import TrainingData

SEEN, CLASSIFIER = "seen", "classifier"
HIDDEN = 3
"""Hidden layers of the few-shot classifier."""


class Settings(MethodSettings):
    """Settings of LaSO. An epoch is a pass over the images of base classes, in both parts of the training."""

    op_epochs: int = Field(
        20, ge=1, description="Epochs of the set operations, a pair per base image. LaSO: 50 of 4 pairs: 200 passes."
    )
    classifier_epochs: int = Field(
        20,
        ge=1,
        description="Epochs of the few-shot classifier after them. LaSO: 50 over the few images, 150 to 200 steps at 1 "
        "shot, 700 to 800 at 5.",
    )
    batch: int = Field(64, ge=2, description="Pairs per step of the set operations. LaSO: 16.")
    lr: float = Field(5e-3, gt=0, description="Learning rate of the set operations. LaSO: 2e-3, by SGD; here AdamW.")
    warmup_epochs: int = Field(1, ge=0, description="First epochs at the constant rate `warmup_lr`. LaSO: a ramp of 3.")
    warmup_lr: float = Field(1e-3, gt=0, description="Learning rate of the warm-up epochs. LaSO: from 1e-4.")
    weight_decay: float = Field(1e-4, ge=0, description="LaSO: 1e-4.")
    classifier_lr: float = Field(1e-2, gt=0, description="Learning rate of the few-shot classifier. LaSO: Adam, 1e-2.")
    real: int = Field(4, ge=1, description="Few-shot images per step of the classifier. LaSO: 4.")
    generated: int = Field(
        28,
        ge=0,
        description="Unions of few-shot pairs per step; 0 trains without. LaSO: 22 to 30 at 1 shot, 27 to 31 at 5.",
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Dropout in the few-shot classifier. LaSO: 0.5.")
    recon_weight: float = Field(
        0.1, ge=0, description="Weight of the losses between features. LaSO: 1, on features of another size."
    )
    global_feature: Literal["nopos", "pos"] = Field(
        "pos", description="Global image feature without or with positional embedding. CLIP: pos."
    )

    optimizer: ClassVar[str] = "adamw"
    momentum: ClassVar[float] = 0.9
    schedule: ClassVar[str] = "constant"
    drop_last: ClassVar[bool] = True

    @model_validator(mode="after")
    def _rows_to_normalise(self) -> Settings:
        if self.real + self.generated < 2:
            raise ValueError("real + generated: 1 row per step; expected at least 2, for batch normalisation")
        return self

    @property
    def epochs(self) -> int:
        """Epochs of both parts."""
        return self.op_epochs + self.classifier_epochs


class LaSO(NovelLearning):
    """Set operations on base classes, then a classifier of the novel ones."""

    name = "laso"
    title = "LaSO"
    source = "Alfassy et al., CVPR 2019; github.com/leokarlin/LaSO"
    own_metric = "laso"
    Settings = Settings
    settings: Settings

    @classmethod
    def lr_scales(cls, settings: Settings) -> Mapping[str, float]:
        layers = [f"{CLASSIFIER}.{layer}" for layer in range(HIDDEN + 1)]
        names = [f"{layer}.{part}" for layer in layers for part in ("weight", "bias", "scale", "shift")]
        return dict.fromkeys(names, settings.classifier_lr / settings.lr)

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        from t2ipal.methods.novel_classes import novel_data
        from t2ipal.models.set_operations import on_sphere
        from t2ipal.protocols.balance import BalancedImages

        self.seeds_here = tuple(seeds)
        self.data = novel_data(data, self.settings.global_feature, self.name, self.device)
        self.base, self.support = on_sphere(self.data.base), on_sphere(self.data.support)
        if len(self.base) < 2:
            raise UserError("laso: one train image of a base class; expected at least 2, for batch normalisation")
        self.base_images = BalancedImages(self.data.base_labels.cpu())
        self.shots = [
            BalancedImages(labels[:count])
            for labels, count in zip(self.data.support_labels.cpu(), self.data.counts.tolist(), strict=True)
        ]

    def start(self, seeds: Sequence[int]) -> Tensors:
        from t2ipal.models.mlp import start_linear, start_norm, start_statistics
        from t2ipal.models.set_operations import start_operations

        dim, outputs = self.base.shape[-1], len(self.data.novel)
        learned, statistics = start_operations(seeds, dim)
        learned |= start_linear(seeds, SEEN, dim, len(self.data.base_classes))
        for layer in range(HIDDEN + 1):
            name = f"{CLASSIFIER}.{layer}"
            learned |= start_linear(seeds, name, dim, dim if layer < HIDDEN else outputs, bias=layer == HIDDEN)
            if layer < HIDDEN:
                learned |= start_norm(seeds, name, dim)
                statistics |= start_statistics(seeds, name, dim)
        self.statistics = {name: value.to(self.device) for name, value in statistics.items()}
        return {name: value.to(self.device) for name, value in learned.items()}

    def begin_epoch(self, learned: Tensors, epoch: int) -> None:
        import numpy as np
        import torch

        from t2ipal.rows.randomness import epoch_generators, epoch_seed

        self.learns_operations = epoch < self.settings.op_epochs
        self.generators = epoch_generators(self.seeds_here, "pairs", epoch)
        sampling = [np.random.default_rng(epoch_seed(seed, "images", epoch)) for seed in self.seeds_here]
        if self.learns_operations:
            pairs = np.array([self.base_images.pairs(len(self.base), generator) for generator in sampling])
            self.pairs = iter(torch.from_numpy(pairs).to(self.device).split(self.settings.batch, -1))
        else:
            self.images = [shots.images(generator) for shots, generator in zip(self.shots, sampling, strict=True)]

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        """The loss of the part that learns. The batch only sets the pace: images are sampled by class."""
        if self.learns_operations:
            part, value = "loss_train", self._operations(learned)
        else:
            part, value = "loss_shots", self._classifier(learned)
        return {"loss": value, part: value.detach()}

    def _operations(self, learned: Tensors) -> Tensor:
        """The loss of the set operations on the next pairs of images."""
        from t2ipal.models.mlp import linear
        from t2ipal.models.set_operations import (
            agreement,
            all_operations,
            classification,
            operation_labels,
            reconstruction,
            soft_margin,
        )

        pairs = next(self.pairs).unbind(1)
        (a, b), (labels_a, labels_b) = (
            [values[rows] for rows in pairs] for values in (self.base, self.data.base_labels)
        )
        results = all_operations(learned, self.statistics, a, b)
        # the classifier learns from real features alone, so that it cannot give way to what the operations make
        fixed = {name: value.detach() for name, value in learned.items() if name.startswith(SEEN)}
        total = sum(soft_margin(linear(learned, SEEN, x), y) for x, y in ((a, labels_a), (b, labels_b)))
        labels = operation_labels(labels_a, labels_b)
        total = total + classification(lambda x: linear(fixed, SEEN, x), results, labels)
        total = total + self.settings.recon_weight * (agreement(results) + reconstruction(results, a, b))
        return total.mean(-1)

    def _classifier(self, learned: Tensors) -> Tensor:
        """The loss of the few-shot classifier on the seed's images and on unions of pairs of them."""
        import torch

        from t2ipal.models.set_operations import operate, operation_labels, soft_margin

        count, real = self.settings.generated, range(self.settings.real)
        rows = torch.tensor([[next(images) for _ in real] for images in self.images], device=self.device)
        each = torch.arange(len(rows), device=self.device)[:, None]
        x, labels = self.support[each, rows], self.data.support_labels[each, rows]
        if count:
            pairs = sample_pairs(self.data.counts, self._uniform(count, 2))
            (a, b), (labels_a, labels_b) = (
                [values[each, rows] for rows in pairs] for values in (self.support, self.data.support_labels)
            )
            with torch.no_grad():
                union = operate(learned, self.statistics, "union", a, b, False)
            x = torch.cat([x, union], 1)
            # both orders are in the labels of an operation: the first half is that of (a, b)
            labels = torch.cat([labels, operation_labels(labels_a, labels_b)["union"][:, :count]], 1)
        return soft_margin(self._classify(learned, self.statistics, x, self.generators), labels).mean(-1)

    def _uniform(self, rows: int, columns: int) -> Tensor:
        """Uniform numbers in [0, 1) of each seed's own generator: [S, rows, columns]."""
        import torch

        return torch.stack([torch.rand(rows, columns, generator=g) for g in self.generators]).to(self.device)

    def _classify(
        self, tensors: Tensors, statistics: Tensors, x: Tensor, generators: Sequence[torch.Generator] | None
    ) -> Tensor:
        """Logits [S, R, V] of features [S, R, D]; in training where there are generators."""
        from t2ipal.models.mlp import batch_norm, dropout, leaky, linear

        for layer in range(HIDDEN):
            name = f"{CLASSIFIER}.{layer}"
            x = linear(tensors, name, x)
            x = leaky(batch_norm(tensors, statistics, name, x, generators is not None))
            if generators is not None and layer < HIDDEN - 1:
                x = dropout(x, self.settings.dropout, generators)
        return linear(tensors, f"{CLASSIFIER}.{HIDDEN}", x)

    def finish(self, learned: Tensors) -> Tensors:
        return {name: value for name, value in (learned | self.statistics).items() if name.startswith(CLASSIFIER)}

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """Logits of the novel classes, [S, N, V] on the CPU."""
        import torch

        from t2ipal.models.set_operations import on_sphere

        weight = tensors[f"{CLASSIFIER}.0.weight"]
        pooled, chunks = pooled_of(images, self.settings.global_feature), []
        with torch.no_grad():
            for rows in pooled.split(chunk):
                x = on_sphere(rows.to(weight.device).float()).expand(len(weight), -1, -1)
                chunks.append(self._classify(tensors, tensors, x, None).cpu())
        return torch.cat(chunks, 1)


def sample_pairs(counts: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of different rows below `counts` [S], by `uniforms` [S, R, 2] in [0, 1): [S, R] twice, all equally likely.

    Where there is one row, it is its own partner.
    """
    counts = counts[:, None]
    first = below(counts, uniforms[..., 0])
    return first, (first + 1 + below(counts - 1, uniforms[..., 1])) % counts


def below(counts: Tensor, uniforms: Tensor) -> Tensor:
    """Whole numbers from 0 to `counts` - 1 by uniforms in [0, 1); 0 if there is no such number."""
    return (uniforms * counts).long().minimum(counts - 1).clamp(min=0)  # a product may round up to the count
