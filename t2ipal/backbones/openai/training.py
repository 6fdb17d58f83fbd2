"""What training a CLIP of one's own needs of OpenAI's module, and the compact form of its state dict.

The micro world uses a few hundred of the 49,408 byte-pair ids: its CLIP is trained and kept with the rows of the token
table that are in use, and their ids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from t2ipal.backbones.openai.loading import IDS, ROWS, TABLE
from t2ipal.backbones.openai.tokens import VOCABULARY

if TYPE_CHECKING:
    from clip.model import CLIP

State = Mapping[str, Tensor]


@torch.no_grad()
def open_cones(model: CLIP, images: Tensor, tokens: Tensor, width: float) -> None:
    """Shift the outputs of each tower along a random direction of its own, by `width` times their spread.

    Deep towers start like that by themselves, each in a narrow cone, and the contrastive loss at a high scale keeps the
    cones apart: the modality gap (Liang et al. 2022). Shallow ones start around the origin.

    Args:
        model: with a ResNet.
        images: [B, 3, H, W] pixels to measure the spread on.
        tokens: [B, L].
        width: of the shift.
    """
    model.train()
    image, text = model.encode_image(images), model.encode_text(tokens)
    spread = [(value - value.mean(0)).norm(dim=1).mean() for value in (image, text)]
    direction = F.normalize(torch.randn(image.shape[1]), dim=0)
    model.visual.attnpool.c_proj.bias += width * spread[0] * direction - image.mean(0)
    bias = torch.randn(model.ln_final.bias.shape)
    model.ln_final.bias += width * spread[1] / (bias @ model.text_projection).norm() * bias


def fix_scale(model: CLIP, scale: float) -> None:
    """Keep the factor on the cosines at `scale`."""
    model.logit_scale.requires_grad_(False).fill_(math.log(scale))


def compact_state(state: State, ids: Sequence[int], context: int) -> dict[str, Tensor]:
    """A state dict whose token table has the rows of `ids` alone, in half precision.

    Args:
        state: of a model that was trained on the places of tokens in `ids`.
        ids: CLIP's id of each row.
        context: positions; those beyond the trained ones repeat the last.
    """
    rows, position = state[TABLE], state["positional_embedding"]
    kept = {key: value for key, value in state.items() if key != TABLE}
    kept["positional_embedding"] = torch.cat([position, position[-1:].expand(context - len(position), -1)])
    kept = {key: value.half() if value.ndim > 1 else value for key, value in kept.items()}
    return {**kept, ROWS: rows.half(), IDS: torch.tensor(ids, dtype=torch.int32)}


def trained_state(compact: State, context: int) -> dict[str, Tensor]:
    """The state dict that `compact_state` was made from, in float32 and up to half precision."""
    state = {key: value.float() if value.is_floating_point() else value for key, value in compact.items()}
    state[TABLE] = state.pop(ROWS)
    del state[IDS]
    return state | {"positional_embedding": state["positional_embedding"][:context]}


def transformers_text_state(compact: State, ids: Tensor, context: int, layers: int) -> dict[str, Tensor]:
    """The text encoder of a compact state dict, in float32, with the names of transformers' `CLIPTextModel`.

    Args:
        compact: see `compact_state`.
        ids: CLIP's id of each row that the token table shall have; rows that CLIP has not learned are zero.
        context: positions.
        layers: blocks.
    """
    table = torch.zeros(VOCABULARY, compact[ROWS].shape[1])
    table[compact[IDS].long()] = compact[ROWS].float()
    state = {
        "embeddings.token_embedding.weight": table[ids],
        "embeddings.position_embedding.weight": compact["positional_embedding"][:context],
        "final_layer_norm.weight": compact["ln_final.weight"],
        "final_layer_norm.bias": compact["ln_final.bias"],
    }
    names = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj"}
    names |= {"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    for layer in range(layers):
        old, new = f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            state |= {f"{new}{to}.{kind}": compact[f"{old}{name}.{kind}"] for name, to in names.items()}
            parts = zip("qkv", compact[f"{old}attn.in_proj_{kind}"].chunk(3), strict=True)
            state |= {f"{new}self_attn.{letter}_proj.{kind}": part for letter, part in parts}
    return {key: value.float() for key, value in state.items()}
