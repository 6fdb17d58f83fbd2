"""Learned prompts through a frozen text encoder, eq. 1 of the T2I-PAL paper: [start, v_1 ... v_M, name, '.', end].

The class tokens come last. Where text attention is causal, as CLIP's is, nothing behind the end mark matters, and where
all classes share a context, the positions of start and context are the same for every class. `PromptEncoder` then
encodes one packed sequence: the shared prefix once, then the tails of all classes, each of which sees the prefix and
itself. The result is that of whole prompts, up to rounding, for a small part of the work. For a bidirectional encoder
it encodes whole prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from t2ipal.backbones.base import ImageTextEncoder, Prompts


class PromptEncoder(nn.Module):
    """Class embeddings from context vectors; gradients flow to the contexts only.

    Weights are those of the backbone, held as buffers: shared on its device, copied by `.to` another one. M = `n_ctx`,
    W text width, C classes, D joint dimension.
    """

    def __init__(
        self,
        backbone: ImageTextEncoder,
        class_names: Sequence[str],
        n_ctx: int,
        class_specific: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """
        Args:
            backbone: the frozen model.
            class_names: names as in the prompt.
            n_ctx: number M of context vectors.
            class_specific: whether each class has a context of its own.
            dtype: of the products with the blocks' weights while gradients are recorded; without, it is float32.

        Raises:
            UserError: a prompt is longer than the backbone's context.
        """
        super().__init__()
        prompts = backbone.prompt(class_names, n_ctx)
        self.n_ctx, self.classes, self.class_specific = n_ctx, len(prompts.lengths), class_specific
        self.width = backbone.width
        packed = backbone.can_share_prefix
        self.prompts = (_Packed if packed else _Whole)(backbone, prompts, class_specific, dtype)

    def forward(self, context: Tensor) -> Tensor:
        """Encode contexts to class embeddings [..., C, D], L2-normalised.

        Args:
            context: [..., M, W], or [..., C, M, W] for an encoder of class-specific contexts; "..." are any dimensions:
                seeds, and global and local prompts together in one pass.
        """
        per_class = (self.classes,) if self.class_specific else ()
        expected = (*per_class, self.n_ctx, self.width)
        if context.shape[-len(expected) :] != expected:
            raise ValueError(f"context of shape {tuple(context.shape)}; expected {('...', *expected)}")
        lead = context.shape[: -len(expected)]
        features = F.normalize(self.prompts(context.reshape(-1, *expected)), dim=-1)
        return features.reshape(*lead, self.classes, -1)


class _Packed(nn.Module):
    """Prompts of a causal encoder: shared positions once, and nothing behind the end marks."""

    def __init__(self, backbone: ImageTextEncoder, prompts: Prompts, class_specific: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.class_specific, self.dtype, self.tower = class_specific, dtype, backbone.text_tower()
        positions, start = self.tower.positions, prompts.slot.stop
        prefix = backbone.embed(prompts.prefix) + positions[: len(prompts.prefix)]
        tails = backbone.embed(prompts.suffix) + positions[start:]
        longest = int(prompts.lengths.max())
        if class_specific:
            tails, mask, ends = tails[:, : longest - start], _causal(longest), prompts.lengths[:, None] - 1
        else:
            is_tail = torch.arange(start, backbone.context) < prompts.lengths[:, None]
            tails, mask = tails[is_tail.to(tails.device)], _prefix_mask(is_tail, start)
            ends = (start + is_tail.sum(1).cumsum(0) - 1)[None]
        values = {"prefix": prefix, "position": positions[prompts.slot], "tails": tails, "mask": mask, "ends": ends}
        for name, value in values.items():
            self.register_buffer(name, value.detach().to(tails.device), persistent=False)

    def forward(self, context: Tensor) -> Tensor:
        """[R, M, W] or [R, C, M, W] to features [R, Q, D] or [R C, 1, D]: in both the classes of each R in order."""
        x = context + self.position
        rows = x.shape[:-2]
        x = torch.cat([self.prefix.expand(*rows, -1, -1), x, self.tails.expand(rows[0], *self.tails.shape)], -2)
        x = x.flatten(0, -3)
        # class-specific contexts: sequences run over (leading, class), end marks over class
        ends = self.ends.repeat(len(x) // len(self.ends), 1) if self.class_specific else self.ends
        return self.tower(x, self.mask, ends, self.dtype)


class _Whole(nn.Module):
    """Prompts of a bidirectional encoder, or the reference of the packed ones: every prompt at full length."""

    def __init__(
        self, backbone: ImageTextEncoder, prompts: Prompts, class_specific: bool, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.backbone, self.class_specific, self.dtype, self.lengths = backbone, class_specific, dtype, prompts.lengths
        values = {"prefix": backbone.embed(prompts.prefix), "suffix": backbone.embed(prompts.suffix)}
        for name, value in values.items():
            self.register_buffer(name, value.detach(), persistent=False)

    def forward(self, context: Tensor) -> Tensor:
        """[R, M, W] or [R, C, M, W] to features [R C, D]."""
        classes, device = len(self.lengths), self.backbone.device
        x = context if self.class_specific else context[:, None].expand(-1, classes, -1, -1)
        rows = x.shape[:-2]
        x = torch.cat([self.prefix.expand(*rows, -1, -1), x, self.suffix.expand(rows[0], *self.suffix.shape)], -2)
        lower = self.dtype != torch.float32 and torch.is_grad_enabled()
        with torch.autocast(device.type, self.dtype if lower else None, enabled=lower):
            lengths = self.lengths.repeat(rows[0])
            pooled, _ = self.backbone.text_from_embeddings(x.flatten(0, 1).to(device), lengths)
        return pooled.float().to(context.device)


def encode_plain(backbone: ImageTextEncoder, class_names: Sequence[str], context: Tensor) -> Tensor:
    """The same class embeddings from whole prompts, the reference of `PromptEncoder`.

    Args:
        backbone: the frozen model.
        class_names: C names.
        context: [M, W] or [C, M, W].

    Returns:
        [C, D], L2-normalised.
    """
    prompts = backbone.prompt(class_names, context.shape[-2])
    return F.normalize(_Whole(backbone, prompts, class_specific=context.ndim == 3)(context[None]), dim=-1)


def _causal(length: int) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool).tril()


def _prefix_mask(is_tail: Tensor, prefix: int) -> Tensor:
    """Who sees whom in the packed sequence, bool [L, L]: the prefix is causal; a tail sees the prefix and its own past.

    Args:
        is_tail: [C, T], True at the tail tokens of each class.
        prefix: number of prefix positions.
    """
    owner = torch.cat([torch.full((prefix,), -1), is_tail.nonzero()[:, 0]])
    same = (owner[:, None] == owner) | (owner == -1)
    return same & _causal(len(owner))
