"""The folder of a saved model: what its files say without loading it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2ipal.backbones.base import Description
from t2ipal.errors import UserError
from t2ipal.store import sha256_file

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
FAMILIES = ("clip", "siglip")
"""Values of `model_type` that are read. SigLIP 2 of a fixed resolution is saved as siglip."""
TOKENIZERS = ("tokenizer.json", "spiece.model", "vocab.json")
"""Files that make a tokenizer, the first there counts."""
NEEDED = ("*.json", "*.safetensors", "*.txt", "*.model")
"""What is fetched from the hub: no pickles."""
GUESS = Description(dim=512, image_size=224, patch=16, gflops=35.1)
"""Of a model on the hub that has not been fetched: ViT-B/16."""


def find(model: str) -> Path | None:
    """The folder that `model` names; None for a name on the hub."""
    path = Path(model)
    is_path = path.exists() or model.count("/") != 1 or model.startswith((".", "/"))
    return path if is_path else None


def fetch(model: str) -> Path:
    """The folder of a name on the hub: from its cache, or downloaded into it.

    Raises:
        UserError: it is in neither.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=NEEDED, local_files_only=True))
    except Exception as error:  # the hub raises its own kinds
        if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
            raise UserError(f"{model}: not in the cache of the hub (expected a folder, or a cached model)") from error
    try:
        return Path(snapshot_download(model, allow_patterns=NEEDED))
    except Exception as error:
        raise UserError(
            f"{model}: neither a folder nor to be had from the Hugging Face hub ({str(error).splitlines()[0][:160]}): "
            "download it where there is a network, and give its folder here"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a CLIP or SigLIP.

    Raises:
        UserError: it is missing, no JSON, or of another model.
    """
    path = folder / CONFIG
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder (expected one that save_pretrained wrote)")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder}: no {CONFIG} (expected a folder that save_pretrained wrote)") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}") from error
    family = config.get("model_type") if isinstance(config, dict) else None
    if family == "siglip2":
        raise UserError(f"{path}: SigLIP 2 with images of any size (NaFlex); expected one of a fixed resolution")
    if family not in FAMILIES:
        raise UserError(f"{path}: model_type {family!r}; expected {' or '.join(FAMILIES)}")
    return config


def describe(config: Mapping[str, Any]) -> Description:
    """Sizes in a config; what it leaves out has the library's default."""
    clip = config["model_type"] == "clip"
    vision = config.get("vision_config") or {}
    width, patch = vision.get("hidden_size", 768), vision.get("patch_size", 32 if clip else 16)
    size, layers = vision.get("image_size", 224), vision.get("num_hidden_layers", 12)
    dim = config.get("projection_dim", 512) if clip else width
    tokens = (size // patch) ** 2 + clip
    products = 4 * width**2 + 2 * width * vision.get("intermediate_size", 3072) + 2 * tokens * width
    return Description(dim, size, patch, 2 * tokens * layers * products / 1e9)


def weights(folder: Path) -> list[Path]:
    """The files of weights.

    Raises:
        UserError: there are none.
    """
    files = sorted(folder.glob("model-*.safetensors")) if (folder / INDEX).exists() else [folder / WEIGHTS]
    if not files or not all(path.is_file() for path in files):
        raise UserError(f"{folder}: no {WEIGHTS} (expected weights as safetensors; pickles are not read)")
    return files


def digest(folder: Path) -> str:
    """The sha256 of the weights; of several files, that of their names and sums."""
    sums = {path.name: sha256_file(path) for path in weights(folder)}
    if len(sums) == 1:
        return next(iter(sums.values()))
    return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()


def tokenizer_digest(folder: Path) -> str:
    """The sha256 of the tokenizer's file; "" if it has none."""
    return next((sha256_file(folder / name) for name in TOKENIZERS if (folder / name).is_file()), "")
