"""Learned prompts through CLIP's frozen text encoder, eq. 1 of the T2I-PAL paper: [SOT, v_1 ... v_M, name, '.', EOT].

The class tokens come last and CLIP's text attention is causal. So nothing after the end mark matters, and where all
classes share a context, the positions of start and context are the same for every class. `PromptEncoder` therefore
encodes one packed sequence: the shared prefix once, then the tails of all classes, each of which sees the prefix and
itself. The result is that of 77 tokens per class, up to rounding, for a small part of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2ipal.errors import UserError

if TYPE_CHECKING:
    from clip.model import CLIP, ResidualAttentionBlock

    from t2ipal.features.clip_models import Clip

GELU_SLOPE = 1.702
PLACEHOLDER = "X"


class PromptEncoder(nn.Module):
    """Class embeddings from context vectors; gradients flow to the contexts only.

    Weights are those of `clip`, held as buffers: shared on its device, copied by `.to` another one. M = `n_ctx`, W text
    width, C classes, D joint dimension.
    """

    def __init__(
        self,
        clip: Clip,
        class_names: Sequence[str],
        n_ctx: int,
        class_specific: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """
        Args:
            clip: the frozen model.
            class_names: names as they stand in the prompt.
            n_ctx: number M of context vectors.
            class_specific: whether each class has a context of its own.
            dtype: of the products with the blocks' weights while gradients are recorded; without, it is float32.

        Raises:
            UserError: a prompt is longer than CLIP's context length.
        """
        super().__init__()
        model = clip.model
        tokens, ends = prompt_tokens(class_names, n_ctx)
        self.n_ctx, self.classes, self.class_specific, self.dtype = n_ctx, len(tokens), class_specific, dtype
        self.width = model.ln_final.weight.shape[0]
        embedded = (model.token_embedding(tokens.to(clip.device)) + model.positional_embedding).detach()
        start, longest = 1 + n_ctx, int(ends.max()) + 1
        if class_specific:
            tails, mask, last = embedded[:, start:longest], _causal(longest), ends[:, None]
        else:
            is_tail = (torch.arange(tokens.shape[1]) <= ends[:, None])[:, start:]
            tails, mask = embedded[:, start:][is_tail.to(clip.device)], _prefix_mask(is_tail, start)
            last = (start + is_tail.sum(1).cumsum(0) - 1)[None]
        self._keep("start", embedded[0, :1])
        self._keep("position", model.positional_embedding[1:start])
        self._keep("tails", tails)
        self._keep("mask", mask.to(clip.device))
        self._keep("last", last[..., None].to(clip.device))
        self._keep("projection", model.text_projection)
        self.blocks = nn.ModuleList(_Block(block) for block in model.transformer.resblocks)
        self._keep("norm_weight", model.ln_final.weight)
        self._keep("norm_bias", model.ln_final.bias)

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value.detach(), persistent=False)

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
        x = context.reshape(-1, *expected) + self.position
        rows = x.shape[:-2]
        x = torch.cat([self.start.expand(*rows, -1, -1), x, self.tails.expand(rows[0], *self.tails.shape)], -2)
        x = self._encode(x.flatten(0, -3))
        return x.reshape(*lead, self.classes, -1)

    def _encode(self, x: Tensor) -> Tensor:
        """Sequences [N, L, W] to the normalised features at the end marks."""
        # class-specific contexts: sequences run over (leading, class), end marks over class
        last = self.last.repeat(len(x) // len(self.last), 1, 1) if self.class_specific else self.last
        lower = self.dtype != torch.float32 and torch.is_grad_enabled()
        with torch.autocast(x.device.type, self.dtype if lower else None, enabled=lower):
            for block in self.blocks[:-1]:
                x = block(x, self.mask)
            x = self.blocks[-1](x, self.mask, last)
        x = F.layer_norm(x, (self.width,), self.norm_weight, self.norm_bias)
        return F.normalize(x @ self.projection, dim=-1)


class _Block(nn.Module):
    """One residual attention block of CLIP with frozen weights and any attention mask."""

    def __init__(self, block: ResidualAttentionBlock) -> None:
        super().__init__()
        self.heads, self.width = block.attn.num_heads, block.attn.embed_dim
        parts = {"ln_1": block.ln_1, "out": block.attn.out_proj, "ln_2": block.ln_2, "fc": block.mlp.c_fc}
        weights = {f"{name}_{kind}": getattr(part, kind) for name, part in parts.items() for kind in ("weight", "bias")}
        weights |= {"qkv_weight": block.attn.in_proj_weight, "qkv_bias": block.attn.in_proj_bias}
        weights |= {"proj_weight": block.mlp.c_proj.weight, "proj_bias": block.mlp.c_proj.bias}
        for name, value in weights.items():
            self.register_buffer(name, value.detach(), persistent=False)

    def forward(self, x: Tensor, mask: Tensor, only: Tensor | None = None) -> Tensor:
        """[N, L, W] to the same, or to the positions `only` ([N or 1, Q, 1]) of it: [N, Q, W]."""
        normed = F.layer_norm(x, (self.width,), self.ln_1_weight, self.ln_1_bias)
        if only is None:
            query, key, value = F.linear(normed, self.qkv_weight, self.qkv_bias).chunk(3, -1)
        else:
            query = F.linear(normed.take_along_dim(only, 1), self.qkv_weight[: self.width], self.qkv_bias[: self.width])
            key, value = F.linear(normed, self.qkv_weight[self.width :], self.qkv_bias[self.width :]).chunk(2, -1)
            x, mask = x.take_along_dim(only, 1), mask[only[..., 0]].unsqueeze(1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        x = x + F.linear(_attention(query, key, value, mask), self.out_weight, self.out_bias)
        return x + self._mlp(F.layer_norm(x, (self.width,), self.ln_2_weight, self.ln_2_bias))

    def _mlp(self, x: Tensor) -> Tensor:
        """CLIP's QuickGELU, x sigmoid(1.702 x), is silu(1.702 x) / 1.702: the factors go into the products."""
        hidden = torch.addmm(self.fc_bias, x.flatten(0, 1), self.fc_weight.T, beta=GELU_SLOPE, alpha=GELU_SLOPE)
        out = torch.addmm(self.proj_bias, F.silu(hidden), self.proj_weight.T, alpha=1 / GELU_SLOPE)
        return out.view_as(x)


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Attention of [N, heads, L, W / heads], heads joined: [N, L, W]. CPUs are slow at its gradient in bfloat16."""
    slow = query.dtype == torch.bfloat16 and query.device.type == "cpu"
    parts = [part.float() if slow else part for part in (query, key, value)]
    with torch.autocast("cpu", enabled=False) if slow else nullcontext():
        return F.scaled_dot_product_attention(*parts, attn_mask=mask).transpose(1, 2).flatten(2)


def prompt_tokens(class_names: Sequence[str], n_ctx: int) -> tuple[Tensor, Tensor]:
    """Token ids [C, 77] of "X ... X name." with `n_ctx` placeholders, and the places [C] of their end marks.

    Raises:
        UserError: a prompt does not fit.
    """
    from t2ipal.features.clip_models import tokenize

    texts = [" ".join([PLACEHOLDER] * n_ctx + [name.replace("_", " ") + "."]) for name in class_names]
    try:
        tokens = tokenize(texts, truncate=False)
    except UserError as error:
        raise UserError(f"a class name with {n_ctx} context vectors is too long: {error}") from error
    return tokens, tokens.argmax(-1)


def encode_plain(clip: Clip, class_names: Sequence[str], context: Tensor) -> Tensor:
    """The same class embeddings by CLIP's own modules on 77 tokens per class, the reference of `PromptEncoder`.

    Args:
        clip: the frozen model.
        class_names: C names.
        context: [M, W] or [C, M, W].

    Returns:
        [C, D], L2-normalised.
    """
    model: CLIP = clip.model
    n_ctx = context.shape[-2]
    tokens, ends = prompt_tokens(class_names, n_ctx)
    embedded = model.token_embedding(tokens.to(clip.device))
    context = context.expand(len(tokens), -1, -1)
    x = torch.cat([embedded[:, :1], context, embedded[:, 1 + n_ctx :]], 1) + model.positional_embedding
    x = model.ln_final(model.transformer(x.transpose(0, 1)).transpose(0, 1))
    return F.normalize(x[torch.arange(len(x)), ends] @ model.text_projection, dim=-1)


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
