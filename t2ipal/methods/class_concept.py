"""Class Concept: mean captions as classes, images rewritten by attention to captions. Not in the paper.

Training-free, of the captions of all other rows. The publication adds its score to that of another system; here to
CLIP-DPT's, which it calls ZSCLIP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.features.fields import LOCAL, global_field
from t2ipal.methods import clip_dpt
from t2ipal.methods.base import Tensors
from t2ipal.rows import CAPTIONS

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures
    from t2ipal.rows.captions import CaptionRows
    from t2ipal.rows.data import TrainingData


class Settings(clip_dpt.Settings):
    """Settings of Class Concept; those of CLIP-DPT are for the part that is added."""

    steps: int = Field(3, ge=1, description="Steps of the attention; 1: ordinary attention. Class Concept: 3.")
    scale_global: float = Field(
        80.0,
        gt=0,
        description="1 / temperature of the attention of the global feature. Class Concept: 80, VOC2007 60, NUS-WIDE "
        "40.",
    )
    scale_local: float = Field(
        40.0,
        gt=0,
        description="1 / temperature of the attention of the cells. Class Concept: 40, VOC2007 30, NUS-WIDE 20.",
    )
    tau_concept: float = Field(
        0.02, gt=0, description="Temperature of the softmax over the rewritten cells. Class Concept: none printed."
    )
    query_feature: Literal["nopos", "pos"] = Field(
        "nopos", description="Global feature that attends, without or with positional embedding. Not stated."
    )
    ensemble: Literal["clip_dpt", "none"] = Field(
        "clip_dpt", description="What is added to the score: CLIP-DPT's cosines or nothing. Class Concept: CLIP-DPT."
    )
    rule: Literal["raw", "mean", "z"] = Field(
        "mean",
        description="Scores as they are, less their mean over an image's classes, or z-scored over them. Class "
        "Concept: raw.",
    )


class ClassConcept(clip_dpt.CLIPDPT):
    """cos(v, t_c) + sum over cells j of softmax_j(a_jc / tau) a_jc, a_jc = cos(V_j, t_c), plus CLIP-DPT's cosines.

    t_c is the mean of the captions that name the class, v and V_j are what the image and its cells get from the
    captions. A class that no caption names has its prompt instead.
    """

    name = "class_concept"
    title = "Class Concept"
    source = (
        "Class Concept Representation from Contextual Texts for Training-Free Multi-Label Recognition, OpenReview "
        "2024; no code is public"
    )
    uses = frozenset({CAPTIONS})
    has_logits, has_cells = False, False
    Settings = Settings
    settings: Settings

    @classmethod
    def image_fields(cls, settings: Settings) -> frozenset[str]:
        others = {global_field(settings.global_feature)} if settings.ensemble == "clip_dpt" else set()
        return frozenset({global_field(settings.query_feature), LOCAL, *others})

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        """Take the concepts, and the captions in an order of each seed's: the order makes the groups."""
        import torch
        from torch.nn.functional import normalize

        from t2ipal.models.sequential_attention import group_sizes
        from t2ipal.seeds import seed_of

        captions: CaptionRows = data[CAPTIONS]
        texts, named = normalize(captions.pooled.float(), dim=-1), (captions.labels == 1).float()
        self.concepts = (named.T @ texts / named.sum(0)[:, None]).to(self.embeddings)
        self.concepts = self.concepts.where(self.concepts.isfinite(), self.embeddings)
        sizes = group_sizes(len(texts), self.settings.steps)
        self.texts = torch.stack([_ordered(texts, seed_of("train", seed, "order")) for seed in seeds])
        count = torch.tensor(sizes).prod()
        self.texts = self.texts[:, :count].unflatten(1, sizes).to(self.embeddings)

    def finish(self, learned: Tensors) -> Tensors:
        """Captions are saved in half precision, as their features are."""
        seeds = len(self.texts)
        fixed = super().finish(learned) | {"concepts": self.concepts[None]}
        return {name: value.expand(seeds, *value.shape[1:]).clone() for name, value in fixed.items()} | {
            "texts": self.texts.half()
        }

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """Both parts under the rule: [S, N, C] on the CPU."""
        import torch

        from t2ipal.methods.prompt_learning import by_chunks
        from t2ipal.models.image_offset import without_offset

        device, pooled = tensors["concepts"].device, self.settings.query_feature
        scores = by_chunks(lambda *features: self.concept_scores(tensors, *features), images, pooled, device, chunk)
        if self.settings.ensemble == "clip_dpt":
            one = {name: tensors[name][:1] for name in ("class_global", "logit_scale")}  # equal for all seeds
            scale = torch.as_tensor(one["logit_scale"]).cpu()
            scores = scores + 2 * super().scores(one, images, chunk) / scale
        return without_offset(scores, self.settings.rule)

    def concept_scores(self, tensors: Tensors, pooled: Tensor, local: Tensor) -> Tensor:
        """The own part: [S, n, C] from `pooled` [1, n, D] and `local` [1, n, HW, D]."""
        import torch
        from torch.nn.functional import normalize

        from t2ipal.models.sequential_attention import sequential_attention
        from t2ipal.models.similarity import global_logits, local_logits

        parts = []
        for texts, concepts in zip(tensors["texts"].float(), normalize(tensors["concepts"], dim=-1), strict=True):
            far = sequential_attention(pooled[0], texts, self.settings.scale_global)
            near = sequential_attention(local[0].flatten(0, 1), texts, self.settings.scale_local)
            near = normalize(near, dim=-1).unflatten(0, local.shape[1:3])
            s = global_logits(normalize(far, dim=-1), concepts)
            parts.append(s + local_logits(near, concepts, self.settings.tau_concept).logits)
        return torch.stack(parts)


def _ordered(texts: Tensor, seed: int) -> Tensor:
    import torch

    return texts[torch.randperm(len(texts), generator=torch.Generator().manual_seed(seed))]
