"""LaSO: features of label sets that no image has, made by learned set operations, train a few-shot classifier.

On frozen features: the seen-class classifier and the three set operations learn from base classes first; then the
few-shot classifier learns from the few images and from the unions of their pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from t2ipal.methods.base import MethodSettings, Tensors
from t2ipal.methods.novel_classes import NovelLearning
from t2ipal.methods.prompt_learning import pooled_of
from t2ipal.rows import SHOTS, TRAIN
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

    op_epochs: int = Field(20, ge=1, description="Epochs of the set operations. LaSO: 50.")
    classifier_epochs: int = Field(
        20,
        ge=1,
        description="Epochs of the few-shot classifier after them. LaSO: 50 over the few images, 200 steps or so.",
    )
    batch: int = Field(64, ge=1, description="Pairs per step of the set operations. LaSO: 16.")
    lr: float = Field(5e-3, gt=0, description="Learning rate of the set operations. LaSO: 2e-3, by SGD; here AdamW.")
    warmup_epochs: int = Field(1, ge=0, description="First epochs at the constant rate `warmup_lr`. LaSO: a ramp of 3.")
    warmup_lr: float = Field(1e-3, gt=0, description="Learning rate of the warm-up epochs. LaSO: from 1e-4.")
    weight_decay: float = Field(1e-4, ge=0, description="LaSO: 1e-4.")
    classifier_lr: float = Field(1e-2, gt=0, description="Learning rate of the few-shot classifier. LaSO: Adam, 1e-2.")
    real: int = Field(4, ge=1, description="Few-shot images per step of the classifier. LaSO: 4.")
    generated: int = Field(28, ge=0, description="Unions of few-shot pairs per step. LaSO: 26 to 29; 0 trains without.")
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

        self.seeds_here = tuple(seeds)
        self.data = novel_data(data, self.settings.global_feature, self.name, self.device)
        self.base, self.support = on_sphere(self.data.base), on_sphere(self.data.support)
        self.partners = Partners(self.data.base_labels)

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
        from t2ipal.rows.randomness import epoch_generators

        self.learns_operations = epoch < self.settings.op_epochs
        self.generators = epoch_generators(self.seeds_here, "pairs", epoch)

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        if self.learns_operations:
            part, value = "loss_train", self._operations(learned, batch)
        else:
            part, value = "loss_shots", self._classifier(learned, batch)
        return {"loss": value, part: value.detach()}

    def _operations(self, learned: Tensors, batch: Batch) -> Tensor:
        """The loss of the set operations on the batch's images, each with a partner that shares a label with it."""
        from t2ipal.models.mlp import linear
        from t2ipal.models.set_operations import (
            agreement,
            all_operations,
            classification,
            on_sphere,
            operation_labels,
            reconstruction,
            soft_margin,
        )

        branch = batch[TRAIN]
        a, labels_a = on_sphere(branch.pooled), branch.labels[..., self.data.base_classes]
        partner = self.partners.sample(labels_a, self._uniform(a.shape[1], 2))
        b, labels_b = self.base[partner], self.data.base_labels[partner]
        results = all_operations(learned, self.statistics, a, b)
        # the classifier learns from real features alone, so that it cannot give way to what the operations make
        fixed = {name: value.detach() for name, value in learned.items() if name.startswith(SEEN)}
        total = sum(soft_margin(linear(learned, SEEN, x), y) for x, y in ((a, labels_a), (b, labels_b)))
        labels = operation_labels(labels_a, labels_b)
        total = total + classification(lambda x: linear(fixed, SEEN, x), results, labels)
        total = total + self.settings.recon_weight * (agreement(results) + reconstruction(results, a, b))
        return branch.mean(total)

    def _classifier(self, learned: Tensors, batch: Batch) -> Tensor:
        """The loss of the few-shot classifier on the seed's images and on unions of pairs of them."""
        import torch

        from t2ipal.models.set_operations import on_sphere, operate, operation_labels, soft_margin

        branch, count = batch[SHOTS], self.settings.generated
        x = on_sphere(branch.pooled[:, : self.settings.real])
        labels = branch.labels[:, : self.settings.real, self.data.novel]
        if count:
            pairs = sample_pairs(self.data.counts, self._uniform(count, 2))
            each = torch.arange(len(x), device=x.device)[:, None]
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


class Partners:
    """Finds for an image another one that shares a label with it."""

    def __init__(self, labels: Tensor) -> None:
        """`labels` [M, B] of all images: 1 is a class that the image contains."""
        import torch

        positive = labels == 1
        self.counts = positive.sum(0)
        # the rows of each class first, in ascending order
        self.rows = torch.argsort((~positive).int(), dim=0, stable=True).T[:, : int(self.counts.max())]

    def sample(self, labels: Tensor, uniforms: Tensor) -> Tensor:
        """Rows [S, R] of the partners of images with `labels` [S, R, B], by `uniforms` [S, R, 2] in [0, 1).

        A label of the image is sampled, then an image with that label. An image without label gets any.
        """
        from t2ipal.rows.randomness import pick_valid

        positive = labels == 1
        positive = positive | (~positive.any(-1, keepdim=True) & (self.counts > 0))
        shared = pick_valid(positive, uniforms[..., 0])
        return self.rows[shared, below(self.counts[shared], uniforms[..., 1])]


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
