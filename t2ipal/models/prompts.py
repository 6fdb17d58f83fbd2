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

from t2ipal.backbones.frozen_block import Part
from t2ipal.backbones.tower import causal_mask, mask_of

if TYPE_CHECKING:
    from t2ipal.backbones.base import ImageTextEncoder, Prompts

TOGETHER = 48
"""Positions of tails in a part: with fewer there are more products, with more they are larger and more is masked."""


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
    """Prompts of a causal encoder: what all share once, nothing behind end marks, and gradients for contexts alone."""

    def __init__(self, backbone: ImageTextEncoder, prompts: Prompts, class_specific: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.tower = backbone.text_tower()
        self.tower.round_products(dtype)
        positions, slot = self.tower.positions, prompts.slot
        beginning = backbone.embed(prompts.prefix) + positions[: slot.start]
        tails = backbone.embed(prompts.suffix) + positions[slot.stop :]
        device = backbone.device.type
        groups = _separate(tails, prompts, device) if class_specific else [_joined(tails, prompts, device)]
        self.groups = nn.ModuleList(groups)
        place = torch.cat([group.classes for group in groups]).argsort()
        values = {"shared": self.tower.shared_states(beginning), "position": positions[slot], "place": place}
        for name, value in values.items():
            self.register_buffer(name, value.detach().to(tails.device), persistent=False)

    def forward(self, context: Tensor) -> Tensor:
        """[R, M, W] or [R, C, M, W] to features [R, C, D]."""
        x = (context if context.ndim == 4 else context[:, None]) + self.position
        x = x.permute(2, 1, 0, 3)
        return torch.cat([self._encode(group, x) for group in self.groups])[self.place].transpose(0, 1)

    def _encode(self, group: _Group, x: Tensor) -> Tensor:
        """Features [C of the group, R, D] of x [M, C or 1, R, W]."""
        rows = x.shape[2]
        x = x[:, group.classes] if x.shape[1] > 1 else x
        tail = group.tail[:, :, None].expand(-1, -1, rows, -1)
        ends = group.ends.repeat_interleave(rows, 1)
        features = self.tower(x.flatten(1, 2), tail.flatten(1, 2), self.shared, group.mask, ends, group.parts)
        return features.reshape(-1, rows, features.shape[-1])


class _Group(nn.Module):
    """Sequences of equal length L behind what all share.

    Attributes:
        classes: [C] indices of the classes that they give features of.
        tail: [L - M, A, W], constant positions behind the context, for A sequences.
        mask: [L, P + L], see `TextTower.forward`.
        ends: [C / A, A] positions of the end marks.
        parts: of the L positions, see `FrozenBlock.forward`.
    """

    classes: Tensor
    tail: Tensor
    mask: Tensor
    ends: Tensor

    def __init__(self, classes: Tensor, tail: Tensor, mask: Tensor, ends: Tensor, parts: Sequence[Part] = ()) -> None:
        super().__init__()
        self.parts = parts
        for name, value in {"classes": classes, "tail": tail, "mask": mask, "ends": ends}.items():
            self.register_buffer(name, value.detach().to(tail.device), persistent=False)


def _separate(tails: Tensor, prompts: Prompts, device: str) -> list[_Group]:
    """A sequence for each class: its context and its tail.

    A CPU gets two groups, those with short names and the others, whose sizes cost the least padding. A GPU, where
    the number of kernels counts, gets one.

    Args:
        tails: [C, T, W], constant positions behind the contexts and padding.
        prompts: the prompts.
        device: type of the device.
    """
    shared, n_ctx = prompts.slot.start, prompts.slot.stop - prompts.slot.start
    lengths = prompts.lengths - shared
    sizes, longest = lengths.unique().tolist(), int(lengths.max())
    short = min(sizes, key=lambda size: int(torch.where(lengths <= size, size, longest).sum()))
    groups = []
    for lower, upper in ((0, short), (short, longest)) if device == "cpu" and short < longest else ((0, longest),):
        classes = ((lengths > lower) & (lengths <= upper)).nonzero()[:, 0]
        tail = tails[classes.to(tails.device), : upper - n_ctx].transpose(0, 1)
        groups.append(_Group(classes, tail, causal_mask(upper, shared), lengths[classes][None] - 1))
    return groups


def _joined(tails: Tensor, prompts: Prompts, device: str) -> _Group:
    """One sequence for all classes: the context, which they share, then their tails, which do not see each other.

    A CPU gets many tails in parts of some classes each, so that it multiplies little that is masked.

    Args:
        tails: [C, T, W], constant positions behind the contexts and padding.
        prompts: the prompts.
        device: type of the device.
    """
    start, n_ctx = prompts.slot.stop, prompts.slot.stop - prompts.slot.start
    is_tail = torch.arange(start, start + tails.shape[1]) < prompts.lengths[:, None]
    owner = torch.cat([torch.full((n_ctx,), -1), is_tail.nonzero()[:, 0]])
    sees = ((owner[:, None] == owner) | (owner == -1)).tril()
    tail = tails[is_tail.to(tails.device)][:, None]
    ends = n_ctx + is_tail.sum(1).cumsum(0) - 1
    many = device == "cpu" and len(tail) > 2 * TOGETHER
    parts = _parts(n_ctx, (ends + 1).tolist(), prompts.slot.start) if many else ()
    return _Group(torch.arange(len(is_tail)), tail, mask_of(sees, prompts.slot.start), ends[:, None], parts)


def _parts(n_ctx: int, stops: Sequence[int], shared: int) -> list[Part]:
    """The context, then tails of about `TOGETHER` positions together, which see the context and each other.

    Args:
        n_ctx: positions of the context.
        stops: where the tail of each class ends.
        shared: number of keys in front of the context.
    """
    parts, start, seen = [Part(slice(0, n_ctx), 0, slice(0, shared + n_ctx))], n_ctx, shared + n_ctx
    for stop in stops:
        if stop - start >= TOGETHER or stop == stops[-1]:
            parts.append(Part(slice(start, stop), seen, slice(shared + start, shared + stop)))
            start = stop
    return parts


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
