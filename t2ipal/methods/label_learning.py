"""What the methods of Table 2 that learn from labels share: frozen features, scaled, under a head that is trained.

The originals tune (a part of) a ResNet-101 along with their head. Here the features are CLIP's and stay as they are, so
learning rates are higher than the originals', and the features are centred and scaled instead of a backbone that
learns to.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.features.fields import LOCAL, global_field
from t2ipal.methods.base import Method, Tensors, TrainingSettings
from t2ipal.methods.prompt_learning import NAME_TEMPLATE, encode_names
from t2ipal.rows import TRAIN
from t2ipal.rows.base import Batch, Branch
from t2ipal.user_paths import HomePath

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.features.cache import ImageFeatures
    from t2ipal.rows.data import TrainingData
    from t2ipal.rows.train import TrainRows


class LabelSettings(TrainingSettings):
    """Settings of the methods that learn a head from labelled images."""

    epochs: int = Field(20, ge=1, description="Passes over the labelled images. SARB, ML-GCN: 20.")
    batch: int = Field(32, ge=1, description="Images per step. SSGRL: 4, SARB: 8, ML-GCN: 16, with their backbones.")
    lr: float = Field(1e-3, gt=0, description="Learning rate. SSGRL, SARB: 1e-5, with their backbones.")
    optimizer: Literal["sgd", "adamw"] = Field("adamw", description="SSGRL, SARB: Adam.")
    weight_decay: float = Field(5e-4, ge=0, description="SARB: 5e-4.")
    warmup_epochs: int = Field(0, ge=0, description="First epochs at the constant rate `warmup_lr`. Originals: none.")
    standardise: bool = Field(
        True, description="Centre and scale each dimension of the features by the training images. Originals: no."
    )


class LabelLearning(Method):
    """A head on frozen features, learned from labelled images; unknown labels neither reward nor punish."""

    uses = frozenset({TRAIN})
    own_schedule = True
    settings: LabelSettings

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        self.device, self.dim = device, backbone.dim

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        """Take what is fixed in training, the same for all seeds: `self.fixed`, [1, ...] each, and the labels' odds."""
        from t2ipal.models.label_graph import log_odds

        train = data[TRAIN]
        self.labels = train.labels[train.rows]
        self.odds = log_odds(self.labels).to(self.device)
        mean, scale = self._scaling(train)
        self.fixed: Tensors = {"feature_mean": mean.to(self.device)[None], "feature_scale": scale.to(self.device)[None]}

    def _scaling(self, train: TrainRows) -> tuple[Tensor, Tensor]:
        """Mean and inverse deviation of the features that the head reads, over the training images: [D] each."""
        import torch

        if not self.settings.standardise:
            return torch.zeros(self.dim), torch.ones(self.dim)
        sums, squares, count = torch.zeros(self.dim).double(), torch.zeros(self.dim).double(), 0
        for some in train.rows.split(1024):
            parts = (value[some].float() for value in self._features(train.images))
            values = self.read(*parts).reshape(-1, self.dim).double()
            sums, squares, count = sums + values.sum(0), squares + values.square().sum(0), count + len(values)
        mean = sums / count
        variance = (squares / count - mean.square()).clamp_min(1e-12)
        return mean.float(), variance.rsqrt().float()

    def start(self, seeds: Sequence[int]) -> Tensors:
        """The classifiers' biases, at the log odds of the known labels.

        From 0, the many absent labels of a class push its score down through the features as well, which costs tens of
        points of mAP where few labels are known (docs/deviations.md).
        """
        return {"classifier_bias": self.odds.expand(len(seeds), -1).clone()}

    def _features(self, images: ImageFeatures) -> tuple[Tensor, Tensor]:
        return images.get(global_field(self.rows().global_feature)), images.get(LOCAL)

    @abstractmethod
    def read(self, pooled: Tensor, local: Tensor) -> Tensor:
        """The features that the head reads, [..., D] or [..., N, D], from pooled [..., D] and local [..., N, D]."""

    @abstractmethod
    def logits(self, tensors: Tensors, features: Tensor) -> Tensor:
        """The logits [S, R, C] from what `finish` returns and the scaled features [S or 1, R, ...]."""

    @abstractmethod
    def cost(self, logits: Tensor, branch: Branch) -> Tensor:
        """The loss of each seed on the known labels: [S]."""

    def scaled(self, tensors: Tensors, pooled: Tensor, local: Tensor) -> Tensor:
        """What `read` takes from features [S or 1, R, ...], centred and scaled."""
        values = self.read(pooled, local)
        shape = (-1,) + (1,) * (values.dim() - 2) + (values.shape[-1],)
        return (values - tensors["feature_mean"].view(shape)) * tensors["feature_scale"].view(shape)

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        branch = batch[TRAIN]
        tensors = self.fixed | learned
        cost = self.cost(self.logits(tensors, self.scaled(tensors, branch.pooled, branch.local)), branch)
        return {"loss": cost, "loss_train": cost.detach()}

    def finish(self, learned: Tensors) -> Tensors:
        seeds = len(next(iter(learned.values())))
        fixed = {name: value.expand(seeds, *value.shape[1:]) for name, value in self.fixed.items()}
        return fixed | {name: value.detach() for name, value in learned.items()}

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """The logits of images, [S, N, C] on the CPU."""
        import torch

        rows = torch.arange(len(images.ids))
        at_once = max(1, 2 * chunk // len(tensors["classifier_bias"]))  # of many models, few rows fit a CPU's cache
        with torch.no_grad():
            chunks = [self.logits(tensors, part).cpu() for part in self.scaled_rows(tensors, images, rows, at_once)]
        return torch.cat(chunks, 1)

    def scaled_rows(self, tensors: Tensors, images: ImageFeatures, rows: Tensor, chunk: int = 256) -> Iterator[Tensor]:
        """The scaled features of the images at `rows`, [S, chunk, ...] at a time."""
        device = tensors["feature_mean"].device
        for some in rows.split(chunk):
            yield self.scaled(tensors, *(value[some].to(device).float()[None] for value in self._features(images)))


def linear_start(seeds: Sequence[int], name: str, inputs: int, outputs: Sequence[int]) -> Tensor:
    """The start of a linear map, [S, *outputs]: normal, of the variance 1 / (3 inputs) of torch's own start."""
    from t2ipal.models.start import normal_start

    return normal_start(seeds, name, outputs, (3 * inputs) ** -0.5)


class WordSettings(LabelSettings):
    """Settings of the methods that use a class's word vector and the classes it appears with."""

    word_vectors: HomePath | None = Field(
        None,
        description="A text file of word vectors such as glove.6B.300d.txt, or null: CLIP's text embeddings of "
        f"{NAME_TEMPLATE!r}. SSGRL, ML-GCN, SARB: GloVe, 300 numbers.",
    )


class WordLearning(LabelLearning):
    """A head that gets the classes' word vectors and their co-occurrence."""

    settings: WordSettings

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        """Read the word vectors, centred over the classes and scaled to a mean square of 1.

        Raises:
            UserError: the file of word vectors is missing or damaged, or lacks a class.
        """
        import torch

        super().prepare(backbone, device)
        if self.settings.word_vectors is None:
            words = encode_names(backbone, self.class_names, NAME_TEMPLATE)
        else:
            from t2ipal.models.word_vectors import read_word_vectors

            words = torch.from_numpy(read_word_vectors(self.settings.word_vectors, self.class_names))
        words = words - words.mean(0)
        self.words = (words / words.square().mean().sqrt().clamp_min(1e-12)).to(device)

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        """Take P as well, of the training images' known labels: `self.conditional` [C, C]."""
        from t2ipal.models.label_graph import cooccurrence

        super().observe(data, seeds)
        self.conditional = cooccurrence(self.labels).to(self.device)
