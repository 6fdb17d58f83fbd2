"""What open_clip's architectures are, from its own files and without importing it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from t2ipal.backbones.base import Description
from t2ipal.errors import UserError

EXTRA = "open_clip is not installed; expected the extra open_clip: pip install 't2ipal[open_clip]'"
CELL = 32
"""Pixels of a ResNet's cells."""
HEADS = 64
"""Channels of a head of a ResNet's attention pooling."""


def split(model: str) -> tuple[str, str]:
    """The architecture, and its weights: a tag of open_clip's, or a file.

    Raises:
        UserError: one of them is missing.
    """
    name, _, weights = model.partition("/")
    if not (name and weights):
        raise UserError(
            f"{model}: expected ARCHITECTURE/WEIGHTS, such as ViT-B-16-quickgelu/openai or ViT-B-16/mine.pt"
        )
    return name, weights


def weights_file(weights: str) -> Path | None:
    """The file that weights are in; None for a tag."""
    path = Path(weights)
    return path if path.suffix or path.exists() or "/" in weights else None


def read(name: str) -> dict[str, Any]:
    """The config of an architecture.

    Raises:
        UserError: open_clip is not installed, or has no such architecture, or it is none of CLIP's own kind.
    """
    spec = importlib.util.find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(EXTRA)
    folder = Path(spec.submodule_search_locations[0], "model_configs")
    known = sorted(path.stem for path in folder.glob("*.json"))
    if name not in known:
        import difflib

        near = difflib.get_close_matches(name, known, 3)
        raise UserError(
            f"open_clip has no architecture {name!r} (expected one of its own, such as {', '.join(near or known[:3])})"
        )
    config = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    check(name, config)
    return config


def check(name: str, config: dict[str, Any]) -> None:
    """Refuse what is not a CLIP of a ViT or ResNet and a causal text encoder of byte pairs.

    Raises:
        UserError: it is another.
    """
    vision, text = config["vision_cfg"], config["text_cfg"]
    if "siglip" in name.lower():
        raise UserError(f"{name}: SigLIP of open_clip; expected the same weights as transformers:google/siglip-...")
    odd = [key for key in ("custom_text", "multimodal_cfg") if config.get(key)]
    odd += [
        f"vision_cfg.{key}" for key in ("timm_model_name", "attentional_pool", "final_ln_after_pool") if vision.get(key)
    ]
    odd += [f"vision_cfg.{key}" for key, plain in (("pool_type", "tok"),) if vision.get(key, plain) != plain]
    odd += [
        f"text_cfg.{key}"
        for key in ("hf_model_name", "hf_tokenizer_name", "no_causal_mask", "embed_cls")
        if text.get(key)
    ]
    if odd:
        raise UserError(f"{name}: an architecture with {odd[0]}; expected a CLIP of a ViT or ResNet with causal text")


def describe(config: dict[str, Any]) -> Description:
    """Sizes in a config; operations of a ResNet are those of RN101 by its layers."""
    vision = config["vision_cfg"]
    size, layers, width = vision["image_size"], vision["layers"], vision.get("width", 64)
    if isinstance(layers, list):
        return Description(
            config["embed_dim"], size, CELL, 19.0 * sum(layers) / 33 * (width / 64) ** 2 * (size / 224) ** 2
        )
    patch = vision["patch_size"]
    tokens = (size // patch) ** 2 + 1
    products = (4 + 2 * vision.get("mlp_ratio", 4.0)) * width**2 + 2 * tokens * width
    return Description(config["embed_dim"], size, patch, 2 * tokens * layers * products / 1e9)
