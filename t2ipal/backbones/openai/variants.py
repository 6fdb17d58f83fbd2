"""OpenAI's CLIP models: the sizes that distinguish them, and which of them a state dict is.

One table. Source: the state dicts of OpenAI's published archives, whose sizes `clip.model.build_model` reads, and the
model cards of openai/CLIP; the operations are counted (`python -m t2ipal.backbones.openai.variants`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.errors import UserError

if TYPE_CHECKING:
    from clip.model import CLIP
    from torch import Tensor

CACHE = Path("~/.cache/clip")
"""Where OpenAI's own package keeps what it downloads."""

CELL = 32
"""Pixels of a ResNet's cells."""

HEAD = 64
"""Channels of an attention head in the text encoders, ViTs and attention poolings of all of them."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a CLIP, from a state dict's shapes.

    Attributes:
        dim: joint space D.
        resolution: side in pixels that it was trained at.
        layers: blocks of the four stages of a ResNet, or the layers of a ViT.
        width: channels of a ResNet's first stage, or of a ViT.
        patch: side in pixels of a ViT's patches; 0 for a ResNet.
        heads: attention heads of a ViT, or of a ResNet's attention pooling.
        text_width, text_heads, text_layers: of the text encoder.
        context, vocabulary: text positions and byte-pair ids.
    """

    dim: int
    resolution: int
    layers: int | tuple[int, int, int, int]
    width: int
    patch: int
    heads: int
    text_width: int
    text_heads: int
    text_layers: int = 12
    context: int = 77
    vocabulary: int = 49_408


VARIANTS = {
    "RN50": Sizes(1024, 224, (3, 4, 6, 3), 64, 0, 32, 512, 8),
    "RN101": Sizes(512, 224, (3, 4, 23, 3), 64, 0, 32, 512, 8),
    "RN50x4": Sizes(640, 288, (4, 6, 10, 6), 80, 0, 40, 640, 10),
    "RN50x16": Sizes(768, 384, (6, 8, 18, 8), 96, 0, 48, 768, 12),
    "RN50x64": Sizes(1024, 448, (3, 15, 36, 10), 128, 0, 64, 1024, 16),
    "ViT-B/32": Sizes(512, 224, 12, 768, 32, 12, 512, 8),
    "ViT-B/16": Sizes(512, 224, 12, 768, 16, 12, 512, 8),
    "ViT-L/14": Sizes(768, 224, 24, 1024, 14, 16, 768, 12),
    "ViT-L/14@336px": Sizes(768, 336, 24, 1024, 14, 16, 768, 12),
}

SHA256 = {
    "RN50": "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
    "RN101": "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599",
    "RN50x4": "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd",
    "RN50x16": "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa",
    "RN50x64": "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c",
    "ViT-B/32": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "ViT-B/16": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    "ViT-L/14": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
    "ViT-L/14@336px": "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
}
"""Of the published archives; the last folder of their addresses."""

GFLOPS = {
    "RN50": 11.6,
    "RN101": 19.0,
    "RN50x4": 41.2,
    "ViT-B/32": 8.8,
    "ViT-B/16": 35.1,
    "ViT-L/14": 162.0,
}
"""Operations in billions of one image at the model's own resolution: multiplications and additions."""


def file_name(name: str) -> str:
    """How OpenAI's package calls the file of a model: ViT-B/32 is ViT-B-32.pt."""
    return f"{name.replace('/', '-').replace('@', '-')}.pt"


def address(name: str) -> str:
    """Where OpenAI publishes a model."""
    return f"https://openaipublic.azureedge.net/clip/models/{SHA256[name]}/{file_name(name)}"


def named_as(file: str) -> str:
    """The model whose file has this name; "" for none."""
    return next((name for name in VARIANTS if file_name(name) == file), "")


def sizes_of(shapes: Mapping[str, tuple[int, ...]]) -> Sizes:
    """The sizes in the shapes of a state dict, read as OpenAI's `build_model` reads them.

    Raises:
        KeyError: a tensor that every CLIP has is not there.
    """
    text_width = shapes["ln_final.weight"][0]
    if "visual.proj" in shapes:
        width, _, patch, _ = shapes["visual.conv1.weight"]
        side = round((shapes["visual.positional_embedding"][0] - 1) ** 0.5)
        layers: int | tuple[int, ...] = _count(shapes, r"visual\.transformer\.resblocks\.(\d+)\.")
        vision = {"resolution": side * patch, "layers": layers, "width": width, "patch": patch, "heads": width // HEAD}
    else:
        width = shapes["visual.layer1.0.conv1.weight"][0]
        side = round((shapes["visual.attnpool.positional_embedding"][0] - 1) ** 0.5)
        layers = tuple(_count(shapes, rf"visual\.layer{stage}\.(\d+)\.") for stage in (1, 2, 3, 4))
        vision = {"resolution": side * CELL, "layers": layers, "width": width, "patch": 0, "heads": width * 32 // HEAD}
    return Sizes(
        dim=shapes["text_projection"][1],
        **vision,
        text_width=text_width,
        text_heads=text_width // HEAD,
        text_layers=_count(shapes, r"transformer\.resblocks\.(\d+)\."),
        context=shapes["positional_embedding"][0],
        vocabulary=shapes["token_embedding.weight"][0],
    )


def recognise(sizes: Sizes) -> str:
    """The model of OpenAI's that has these sizes; "" for none."""
    return next((name for name, known in VARIANTS.items() if known == sizes), "")


def check_sizes(state: Mapping[str, Tensor], name: str, origin: str) -> None:
    """Compare a state dict with the table's entry of `name`.

    Raises:
        UserError: a size differs; the message names `origin`, the size, and the model that it fits.
    """
    try:
        sizes = sizes_of({key: tuple(value.shape) for key, value in state.items()})
    except KeyError as error:
        raise UserError(f"{origin}: no tensor {error}; expected the state dict of OpenAI's CLIP") from error
    wanted, have = asdict(VARIANTS[name]), asdict(sizes)
    for key, value in wanted.items():
        if have[key] != value:
            other = recognise(sizes)
            hint = f"; its sizes are those of {other}" if other else ""
            raise UserError(f"{origin}: {key} is {have[key]}, expected {value} of CLIP {name}{hint}")


def check_activation(model: CLIP, origin: str) -> None:
    """All of OpenAI's models were trained with QuickGELU; with the exact GELU features are subtly wrong.

    Raises:
        UserError: another activation in a transformer block.
    """
    from clip.model import QuickGELU, ResidualAttentionBlock

    for block in (module for module in model.modules() if isinstance(module, ResidualAttentionBlock)):
        if not isinstance(block.mlp.gelu, QuickGELU):
            raise UserError(f"{origin}: activation {type(block.mlp.gelu).__name__}, expected QuickGELU")


def _count(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    return len({match[1] for name in shapes if (match := re.match(pattern, name))})


def build_sizes(sizes: Sizes) -> CLIP:
    """OpenAI's module of these sizes, its weights as initialised for training."""
    from clip.model import CLIP

    return CLIP(
        sizes.dim,
        sizes.resolution,
        sizes.layers,
        sizes.width,
        sizes.patch or None,
        sizes.context,
        sizes.vocabulary,
        sizes.text_width,
        sizes.text_heads,
        sizes.text_layers,
    )


def count_gflops(name: str) -> float:
    """Operations in billions of one image, counted on tensors without memory."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        visual = build_sizes(VARIANTS[name]).visual.eval()
        images = torch.zeros(1, 3, VARIANTS[name].resolution, VARIANTS[name].resolution)
    with FlopCounterMode(display=False) as counter:
        visual(images)
    return counter.get_total_flops() / 1e9


if __name__ == "__main__":
    for variant in GFLOPS:
        print(variant, round(count_gflops(variant), 1))
