"""The weights of OpenAI's module under the names that transformers has for them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

NAMES = {
    "logit_scale": "logit_scale",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
}
TRANSPOSED = {"text_projection": "text_projection.weight", "visual.proj": "visual_projection.weight"}
PARTS = {
    "ln_final": "text_model.final_layer_norm",
    "visual.ln_pre": "vision_model.pre_layrnorm",
    "visual.ln_post": "vision_model.post_layernorm",
}
IN_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
BLOCK = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+)[._](weight|bias)")


def from_openai(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a CLIPModel from that of OpenAI's CLIP with a ViT; what neither has is left out."""
    out: dict[str, Tensor] = {}
    for name, value in state.items():
        part, _, kind = name.rpartition(".")
        if name in NAMES:
            out[NAMES[name]] = value
        elif name in TRANSPOSED:
            out[TRANSPOSED[name]] = value.T.contiguous()
        elif part in PARTS:
            out[f"{PARTS[part]}.{kind}"] = value
        elif block := BLOCK.fullmatch(name):
            out |= _of_block(*block.groups(), value)
    return out


def _of_block(visual: str | None, layer: str, part: str, kind: str, value: Tensor) -> dict[str, Tensor]:
    to = f"{'vision' if visual else 'text'}_model.encoder.layers.{layer}"
    if part == "attn.in_proj":
        return {f"{to}.self_attn.{n}_proj.{kind}": third for n, third in zip("qkv", value.chunk(3), strict=True)}
    return {f"{to}.{IN_BLOCK[part]}.{kind}": value}
