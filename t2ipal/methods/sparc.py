"""SPARC: class prompts and prompts of classes that occur together, standardised and fused. Not in the paper.

Nothing is trained. The publication takes the classes that occur together from training images' labels; here they are
those of the captions' labels. Its scores depend on all images that are scored together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from t2ipal.methods import zsclip
from t2ipal.methods.base import Tensors
from t2ipal.methods.zsclip import Template
from t2ipal.names import spoken
from t2ipal.rows import CAPTIONS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.features.cache import ImageFeatures
    from t2ipal.rows.data import TrainingData


class Settings(zsclip.Settings):
    """Settings of SPARC."""

    compound_template: Template = Field(
        "a photo of a {}.",
        description="Prompt of several classes, {} their list such as 'dog and car'. SPARC: not known.",
    )
    pairs: float | None = Field(
        0.05,
        gt=0,
        le=1,
        description="Share of the captions with the rarer class that name both, from which on a pair is a prompt; "
        "null: no pairs. SPARC: 0.05 of training labels.",
    )
    triples: float | None = Field(
        None, gt=0, le=1, description="The same for three classes. SPARC: 0.025, and sentences of a language model."
    )


class SPARC(zsclip.ZSCLIP):
    """Half a class's standardised score, half that of all its prompts along their direction of greatest variance."""

    name = "sparc"
    title = "SPARC, compound prompts from captions"
    source = "Miller et al., CVPR 2025; github.com/kjmillerCURIS/SPARC"
    uses = frozenset({CAPTIONS})
    in_paper = False
    has_logits, has_cells = False, False
    transductive = True
    Settings = Settings
    settings: Settings

    @classmethod
    def seeds(cls, seeds: Sequence[int]) -> tuple[int, ...]:
        return tuple(seeds[:1])

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        super().prepare(backbone, device)
        self.backbone = backbone

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        """Encode the prompts of the classes that captions name together."""
        import torch

        from t2ipal.methods.prompt_learning import encode_names
        from t2ipal.models.compound_prompts import listed, together

        labels, template = data[CAPTIONS].labels, self.settings.compound_template
        asked = ((2, self.settings.pairs), (3, self.settings.triples))
        sets = [chosen for size, share in asked if share is not None for chosen in together(labels, size, share)]
        texts = [listed([spoken(self.class_names[c]) for c in chosen]) for chosen in sets]
        both = encode_names(self.backbone, [*self.class_names, *texts], template).to(self.embeddings)
        self.plain, self.compound = both.split([len(self.class_names), len(texts)])
        self.members = torch.zeros(len(sets), len(self.class_names), dtype=torch.uint8)
        for row, chosen in enumerate(sets):
            self.members[row, list(chosen)] = 1

    def finish(self, learned: Tensors) -> Tensors:
        more = {"class_plain": self.plain, "compound": self.compound, "members": self.members}
        return {"class_global": self.embeddings[None]} | {name: value[None] for name, value in more.items()}

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """The fused scores of all images, which depend on each other: [1, N, C] on the CPU."""
        from t2ipal.methods.prompt_learning import pooled_of
        from t2ipal.models.compound_prompts import fused

        pooled = pooled_of(images, self.settings.global_feature).to(tensors["class_global"])
        cosines = [(pooled @ tensors[name][0].T).cpu() for name in ("class_global", "class_plain", "compound")]
        return fused(*cosines, tensors["members"][0].cpu() == 1)[None]
