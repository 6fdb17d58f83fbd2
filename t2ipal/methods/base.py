"""What every method is: a name, its settings, what it trains on, a loss, and scores.

Seeds are a tensor dimension. Everything a method learns has the seeds in front (S), so that the runs of a table cell
share loaded features and one loop, and no seed can see another: their losses are only ever added.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from t2ipal.features.fields import ALL_FIELDS
from t2ipal.rows.base import Batch, RowRequest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.features.cache import ImageFeatures
    from t2ipal.rows.data import TrainingData

Tensors = dict[str, "Tensor"]


class MethodSettings(BaseModel):
    """Settings of one method: unknown keys are errors, each key describes itself and the paper's value."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class TrainingSettings(MethodSettings):
    """The training loop, shared by the methods that train."""

    epochs: int = Field(40, ge=1, description="Passes over the training rows. Paper: 40.")
    batch: int = Field(64, ge=1, description="Rows per step. Paper: 64.")
    lr: float = Field(1e-4, gt=0, description="Learning rate of the prompts after warm-up. Paper: 1e-4.")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="Paper: SGD (it cites Adam and AdamW).")
    momentum: float = Field(
        0.9, ge=0, lt=1, description="Momentum of SGD, beta 1 of AdamW. Paper: not stated; TaI-DPT 0.9."
    )
    weight_decay: float = Field(5e-4, ge=0, description="Paper: not stated; TaI-DPT 5e-4.")
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="Per epoch. Paper: not stated; TaI-DPT cosine."
    )
    warmup_epochs: int = Field(1, ge=0, description="First epochs at the constant rate `warmup_lr`. TaI-DPT: 1.")
    warmup_lr: float = Field(1e-5, gt=0, description="Learning rate of the warm-up epochs. TaI-DPT: 1e-5.")
    drop_last: bool = Field(True, description="Leave out an epoch's last, smaller batch. TaI-DPT: yes.")


class Method(ABC):
    """One system of the paper's tables. Class attributes are what tables and the plan need of it.

    Attributes:
        name: key in the config and in result paths.
        title: how tables call it.
        source: publication and, where it exists, code.
        uses: kinds of training rows, keys of `t2ipal.rows.KINDS`; empty for a method that trains nothing.
        in_paper: False for a row the paper does not have.
        own_metric: the metric of its own publication, a key of `t2ipal.metrics.original.PUBLISHED`; "" for ordinary AP.
        has_logits: True where scores are CLIP's logits: a softmax over them needs no further scale.
        has_cells: True where it learns class embeddings `class_global` and perhaps `class_local`, and has a setting
            `global_feature`: the score rule `cells` compares them with the image.
        own_schedule: True for a method whose training settings are its own: the config's `training` is not for it.
        transductive: True where the scores of an image depend on the other images: then there is no recogniser of it.
        Settings: its settings.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    uses: ClassVar[frozenset[str]] = frozenset()
    in_paper: ClassVar[bool] = True
    own_metric: ClassVar[str] = ""
    has_logits: ClassVar[bool] = False
    has_cells: ClassVar[bool] = False
    own_schedule: ClassVar[bool] = False
    transductive: ClassVar[bool] = False
    Settings: ClassVar[type[MethodSettings]] = MethodSettings

    def __init__(self, settings: MethodSettings, class_names: Sequence[str]) -> None:
        self.settings = settings
        self.class_names = tuple(class_names)

    @classmethod
    def seeds(cls, seeds: Sequence[int]) -> tuple[int, ...]:
        """The seeds worth running: all, or only the first for a method without random choices."""
        return tuple(seeds) if cls.uses else tuple(seeds[:1])

    @classmethod
    def lr_scales(cls, settings: MethodSettings) -> Mapping[str, float]:
        """Factors on the learning rate, by name of the learned tensor; 1 where absent."""
        return {}

    @classmethod
    def kinds(cls, settings: MethodSettings) -> frozenset[str]:
        """The kinds of rows that have a part in the loss under these settings, a subset of `uses`."""
        return cls.uses

    @classmethod
    def image_fields(cls, settings: MethodSettings) -> frozenset[str]:
        """The features of images that training and scores read, of `t2ipal.features.fields.FIELDS`.

        Only features that some run reads are stored. All, unless a method names fewer.
        """
        return ALL_FIELDS

    def rows(self) -> RowRequest:
        """The rows this method needs in its batches."""
        return RowRequest(self.kinds(self.settings))

    @abstractmethod
    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        """Take from the backbone what training needs. `scores` must not need it."""

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:  # noqa: B027 - few methods need it
        """Take from the training rows what no batch shows: label statistics, support sets. Called before `start`."""

    def begin_epoch(self, learned: Tensors, epoch: int) -> None:  # noqa: B027 - few methods need it
        """Called before each epoch (from 0), for methods whose loss changes over them."""

    def start(self, seeds: Sequence[int]) -> Tensors:
        """The tensors to learn, as initialised for each seed: [S, ...] each."""
        return {}

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        """The loss of each seed on its batch: {"loss": [S], and the parts worth a curve: [S]}."""
        raise NotImplementedError(f"{self.name} does not train")

    @abstractmethod
    def finish(self, learned: Tensors) -> Tensors:
        """All that `scores` needs, ready to be saved: [S, ...] each."""

    @abstractmethod
    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """Class scores of images: [S, N, C] float32 on the CPU."""
