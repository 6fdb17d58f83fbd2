"""What the methods of Table 3 see: many images of base classes, and a few of each novel class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError
from t2ipal.features.fields import global_field
from t2ipal.methods.base import Method
from t2ipal.methods.prompt_learning import pooled_of
from t2ipal.rows import SHOTS, TRAIN
from t2ipal.rows.base import RowRequest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.rows.data import TrainingData


class NovelLearning(Method):
    """A method of Table 3: global features of base images and of a few images of each novel class."""

    uses = frozenset({TRAIN, SHOTS})
    own_schedule = True

    @classmethod
    def image_fields(cls, settings: Any) -> frozenset[str]:
        return frozenset({global_field(settings.global_feature)})

    def rows(self) -> RowRequest:
        return RowRequest(self.kinds(self.settings), self.settings.global_feature, batches=False)

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        self.device = device


@dataclass(frozen=True)
class NovelData:
    """Global features and labels of the novel-class protocol.

    Attributes:
        base_classes: [B] class ids that are not novel.
        novel: [V] class ids of the novel classes, in the order of the scores.
        base: [M, D] features of the images to train on.
        base_labels: [M, B] of 1, 0, -1 (unknown).
        support: [S, K, D] features of each seed's few-shot images; zero beyond its `counts`.
        support_labels: [S, K, V] of 1, 0, -1.
        counts: [S] few-shot images of each seed.
    """

    base_classes: Tensor
    novel: Tensor
    base: Tensor
    base_labels: Tensor
    support: Tensor
    support_labels: Tensor
    counts: Tensor

    @property
    def present(self) -> Tensor:
        """[S, K], where there is an image."""
        import torch

        return torch.arange(self.support.shape[1], device=self.counts.device) < self.counts[:, None]


def novel_data(data: TrainingData, variant: str, method: str, device: torch.device) -> NovelData:
    """Take from `data` what the protocol reveals; `variant` is the global feature, "pos" or "nopos".

    Raises:
        UserError: there are no novel classes, no few-shot images, or no labelled images; `method` is named.
    """
    import torch

    train, shots = data.rows.get(TRAIN), data.rows.get(SHOTS)
    for value, what in ((data.novel, "novel classes"), (shots, "few-shot images"), (train, "train images")):
        if value is None:
            raise UserError(f"{method}: no {what} in the training data; expected those of the novel-class protocol")
    classes = train.labels.shape[1]
    novel = torch.tensor(data.novel, dtype=torch.int64)
    base_classes = torch.tensor([c for c in range(classes) if c not in data.novel], dtype=torch.int64)
    base_labels = train.labels[train.rows][:, base_classes]
    if not (base_labels == 1).any():
        raise UserError(f"{method}: no train image has a label of the {len(base_classes)} base classes")
    pooled = pooled_of(train.images, variant)
    counts = torch.tensor([len(chosen) for chosen in shots.chosen])
    support = torch.zeros(len(counts), int(counts.max()), pooled.shape[-1])
    support_labels = torch.zeros(*support.shape[:2], len(novel), dtype=torch.int8)
    for s, chosen in enumerate(shots.chosen):
        support[s, : len(chosen)] = pooled[chosen].float()
        support_labels[s, : len(chosen)] = shots.labels[chosen][:, novel].to(torch.int8)
    values = (base_classes, novel, pooled[train.rows].float(), base_labels, support, support_labels, counts)
    return NovelData(*(value.to(device) for value in values))
