"""What CoMC and class vectors share: they learn from features of captions, without the text encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from t2ipal.features.fields import LOCAL, global_field
from t2ipal.methods.base import Method
from t2ipal.rows import CAPTIONS
from t2ipal.rows.base import RowRequest

if TYPE_CHECKING:
    import torch

    from t2ipal.backbones.base import ImageTextEncoder


class CaptionLearning(Method):
    """Starts from the class texts [C, D]; reads the global feature of an image and its cells.

    Its settings have `template`, `templates` and `global_feature`.
    """

    uses = frozenset({CAPTIONS})
    in_paper = False
    own_schedule = True

    @classmethod
    def image_fields(cls, settings: Any) -> frozenset[str]:
        return frozenset({global_field(settings.global_feature), LOCAL})

    def rows(self) -> RowRequest:
        return RowRequest(self.uses, global_feature=self.settings.global_feature, templates=self.settings.templates)

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        from t2ipal.methods.prompt_learning import encode_names

        self.texts = encode_names(backbone, self.class_names, self.settings.template).to(device)
