"""What TaI-DPT, T2I-PAL and their relatives share: global and local prompts, and an optional class-prototype adapter.

Section and equation numbers are those of the T2I-PAL paper; "not stated" means that the paper gives no value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.features.fields import LOCAL, global_field
from t2ipal.methods.base import Tensors
from t2ipal.methods.contexts import ContextLearning, ContextSettings
from t2ipal.names import spoken
from t2ipal.rows import CAPTIONS, KINDS
from t2ipal.rows.base import Batch, Branch, RowRequest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.features.cache import ImageFeatures

NAME_TEMPLATE = "a photo of a {}."


class PromptSettings(ContextSettings):
    """Settings of global and local prompt learning."""

    tau_text: float = Field(0.02, gt=0, description="Temperature of eqs. 3 and 4 on captions. Paper: 0.02.")
    tau_image: float = Field(0.02, gt=0, description="Temperature of eqs. 3 and 4 on images. Paper: 0.02.")
    logit_scale: float = Field(4.0, gt=0, description="Factor on the cosines s and s'. Paper: not stated; TaI-DPT 4.")
    merge: float = Field(
        0.5, ge=0, le=1, description="Share of the global score at test. Paper: not stated; TaI-DPT 0.5."
    )
    mask: Literal["pad", "special"] = Field(
        "pad", description="Text positions left out of eq. 3: padding, or start and end too. TaI-DPT: padding."
    )
    global_feature: Literal["nopos", "pos"] = Field(
        "nopos",
        description="Global image feature without or with positional embedding. Paper: not stated; TaI-DPT nopos.",
    )
    templates: int = Field(
        89,
        ge=0,
        le=89,
        description="Class templates that join the captions, so many of each class; 0: none. TaI-DPT: 89.",
    )
    eta: float = Field(1.0, gt=0, description="Margin of the ranking loss, eq. 7. Paper: 1.")
    rank_form: Literal["signed", "paper_abs"] = Field(
        "signed", description="Hinge on s_i - s_j, or on its absolute value as eq. 7 prints it. TaI-DPT: signed."
    )


class AdapterSettings(PromptSettings):
    """Settings of prompts with a class-prototype adapter."""

    adapter: Literal["local", "none", "global", "both"] = Field(
        "local", description="Features that query the adapter, Table 6; `both` has one adapter each. Paper: local."
    )
    adapter_init: Literal["text", "normal"] = Field(
        "text",
        description=f"Start of the prototypes: embeddings of {NAME_TEMPLATE!r}, or N(0, 0.02). Paper: not stated.",
    )
    adapter_lr_mult: float = Field(1.0, gt=0, description="Factor on lr for the adapter. Paper: one lr for all.")
    alpha: float = Field(1.0, ge=0, description="Weight of the affinity q in eq. 6. Paper: 1.")
    beta: float = Field(3.5, gt=0, description="Sharpness of the affinity q in eq. 5. Paper: 3.5.")
    normalise_query: bool = Field(
        True, description="L2-normalise the query of eq. 5. Paper: not stated; Tip-Adapter yes."
    )
    normalise_adapter: bool = Field(True, description="L2-normalise the prototypes of eq. 5. Tip-Adapter: yes.")


def encode_names(backbone: ImageTextEncoder, class_names: Sequence[str], template: str) -> Tensor:
    """Text embeddings [C, D] of `template` with each name in the place of its {}, float32, L2-normalised."""
    import torch

    with torch.inference_mode():
        texts = [template.replace("{}", spoken(name)) for name in class_names]
        embeddings, _ = backbone.text_dense(*backbone.tokenize(texts))
    return embeddings.float().clone()


def pooled_of(images: ImageFeatures, variant: str) -> Tensor:
    """The global features [N, D] of `images`: "pos" or "nopos"."""
    return images.global_pos if variant == "pos" else images.global_nopos


def by_chunks(
    score: Callable[[Tensor, Tensor], Tensor],
    images: ImageFeatures,
    variant: str | None,
    device: torch.device,
    chunk: int,
) -> Tensor:
    """Scores [S, N, C] of all images on the CPU, `chunk` images at a time.

    Args:
        score: makes [S, n, C] of global features [1, n, D] and local features [1, n, HW, D], float32 on `device`.
        images: features of the images.
        variant: "pos" or "nopos", the global feature; None: `score` reads local features alone.
        device: where to compute.
        chunk: images in memory together.
    """
    import torch

    local, chunks = images.local, []
    pooled = local[:, :0, 0] if variant is None else pooled_of(images, variant)
    with torch.no_grad():
        for start in range(0, len(local), chunk):
            rows = slice(start, start + chunk)
            features = [value[None, rows].to(device).float() for value in (pooled, local)]
            chunks.append(score(*features).cpu())
    return torch.cat(chunks, 1)


class PromptLearning(ContextLearning):
    """Global and local prompts learned by the ranking loss, eqs. 1-3 and 7; their embeddings are G and L."""

    settings: PromptSettings
    parts = ("global", "local")
    has_cells = True

    @classmethod
    def weights(cls, settings: PromptSettings) -> Mapping[str, float]:
        """Weight of each kind of rows in the loss; a kind of weight 0 is not even sampled."""
        raise NotImplementedError

    @classmethod
    def kinds(cls, settings: PromptSettings) -> frozenset[str]:
        return frozenset(kind for kind, weight in cls.weights(settings).items() if weight > 0)

    @classmethod
    def image_fields(cls, settings: PromptSettings) -> frozenset[str]:
        return frozenset({global_field(settings.global_feature), LOCAL})

    def rows(self) -> RowRequest:
        kinds = self.kinds(self.settings)
        return RowRequest(
            kinds=kinds,
            global_feature=self.settings.global_feature,
            templates=self.settings.templates if CAPTIONS in kinds else 0,
            image_sampling=getattr(self.settings, "image_sampling", "one"),
            pairing=getattr(self.settings, "pairing", "paired"),
        )

    def logits(self, tensors: Tensors, pooled: Tensor, local: Tensor, mask: Tensor | None, tau: float) -> list[Tensor]:
        """The logits that the loss ranks and the score merges: global s and local s', [S, R, C] each.

        Args:
            tensors: class embeddings and what else was learned, [S, ...] each.
            pooled: [S or 1, R, D] global features.
            local: [S or 1, R, N, D] local features.
            mask: [S or 1, R, N] or None.
            tau: temperature of eq. 3.
        """
        from t2ipal.models.similarity import global_logits, local_logits

        scale = self.settings.logit_scale
        local_similarity = local_logits(local, tensors["class_local"], tau, mask)
        return [scale * global_logits(pooled, tensors["class_global"]), scale * local_similarity.logits]

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        tensors = learned | self.embed(learned)
        weights = self.weights(self.settings)
        parts = {kind: self.rank(tensors, branch, kind) for kind, branch in batch.items()}
        total = sum(weights[kind] * part for kind, part in parts.items())
        return {"loss": total} | {KINDS[kind].loss: part.detach() for kind, part in parts.items()}

    def rank(self, tensors: Tensors, branch: Branch, kind: str) -> Tensor:
        """Eq. 7 of the global plus the local logits, averaged over the rows: [S]."""
        from t2ipal.models.losses import ranking_loss

        tau = self.settings.tau_text if kind == CAPTIONS else self.settings.tau_image
        mask = without_ends(branch.mask) if self.settings.mask == "special" else branch.mask
        logits = self.logits(tensors, branch.pooled, branch.local, mask, tau)
        eta, form = self.settings.eta, self.settings.rank_form
        return branch.mean(sum(ranking_loss(z, branch.labels, eta, form) for z in logits))

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """Merged global and local logits of the image branch: merge s + (1 - merge) s', [S, N, C] on the CPU."""
        merge, device = self.settings.merge, tensors["class_global"].device

        def merged(pooled: Tensor, local: Tensor) -> Tensor:
            s, s_local = self.logits(tensors, pooled, local, None, self.settings.tau_image)
            return merge * s + (1 - merge) * s_local

        return by_chunks(merged, images, self.settings.global_feature, device, chunk)

    def heat_maps(self, tensors: Tensors, local: Tensor) -> Tensor:
        """Class-wise heat maps of images, eq. 4.

        Args:
            tensors: what `finish` returned.
            local: [N, HW, D] local image features.

        Returns:
            [S, N, C, HW], each summing to 1 over the cells.
        """
        import torch

        from t2ipal.models.similarity import local_logits

        with torch.no_grad():
            similarity = local_logits(local[None].float(), tensors["class_local"], self.settings.tau_image)
        return similarity.heat


class AdapterLearning(PromptLearning):
    """Prompts plus the shared adapter, eqs. 1-7."""

    settings: AdapterSettings

    @classmethod
    def lr_scales(cls, settings: AdapterSettings) -> Mapping[str, float]:
        return dict.fromkeys(("adapter_local", "adapter_global"), settings.adapter_lr_mult)

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        super().prepare(backbone, device)
        if self.settings.adapter != "none" and self.settings.adapter_init == "text":
            self.prototypes = encode_names(backbone, self.class_names, NAME_TEMPLATE).to(device)

    def start(self, seeds: Sequence[int]) -> Tensors:
        learned = super().start(seeds)
        for side in ("local", "global"):
            if self.settings.adapter in (side, "both"):
                learned[f"adapter_{side}"] = self._adapter(seeds, f"adapter_{side}")
        return learned

    def _adapter(self, seeds: Sequence[int], name: str) -> Tensor:
        if self.settings.adapter_init == "text":
            return self.prototypes.expand(len(seeds), -1, -1).clone()
        from t2ipal.models.start import normal_start

        return normal_start(seeds, name, (len(self.class_names), self.dim), 0.02).to(self.device)

    def logits(self, tensors: Tensors, pooled: Tensor, local: Tensor, mask: Tensor | None, tau: float) -> list[Tensor]:
        """Eqs. 2-6: alpha q is added, unscaled, to s' (local adapter), to s (global adapter) or to both."""
        from t2ipal.models.adapter import affinity, attended_affinity, joint_logits
        from t2ipal.models.similarity import global_logits, local_logits

        scale, alpha = self.settings.logit_scale, self.settings.alpha
        sharpness = self.settings.beta, self.settings.normalise_query
        similarity = local_logits(local, tensors["class_local"], tau, mask)
        s, s_local = scale * global_logits(pooled, tensors["class_global"]), scale * similarity.logits
        if "adapter_local" in tensors:
            q = attended_affinity(local, similarity.heat, self._prototypes(tensors["adapter_local"]), *sharpness)
            s_local = joint_logits(s_local, q, alpha)
        if "adapter_global" in tensors:
            q = affinity(pooled[..., None, :], self._prototypes(tensors["adapter_global"]), *sharpness)
            s = joint_logits(s, q, alpha)
        return [s, s_local]

    def _prototypes(self, prototypes: Tensor) -> Tensor:
        from torch.nn.functional import normalize

        return normalize(prototypes, dim=-1) if self.settings.normalise_adapter else prototypes


def without_ends(mask: Tensor | None) -> Tensor | None:
    """`mask` [..., N] of true text positions without the first (start) and the last (end of text) of them."""
    if mask is None:
        return None
    inner = mask.clone()
    inner[..., :-1] &= mask[..., 1:]
    inner[..., -1] = False
    inner[..., 0] = False
    return inner
