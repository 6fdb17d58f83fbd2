"""Backbones: models of images and texts behind one interface, `t2ipal.backbones.base.ImageTextEncoder`.

A config names a model as "kind:rest", such as "openai:RN101"; without a prefix, the kind is OpenAI's. Nothing here
imports torch before a model is loaded.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.backbones.base import Description, ImageTextEncoder
from t2ipal.backbones.kinds import KINDS
from t2ipal.errors import UserError
from t2ipal.findings import Finding

if TYPE_CHECKING:
    import torch

__all__ = [
    "KINDS",
    "check",
    "describe",
    "files",
    "load_backbone",
    "location",
    "module_of",
    "named",
    "patch_of",
    "split",
]

DEFAULT = "openai"
"""The kind of a model without a prefix."""


def split(model: str | Path) -> tuple[type[ImageTextEncoder], str]:
    """The class of a model's kind, and the rest of its name.

    Raises:
        UserError: a prefix that is no kind.
    """
    prefix, colon, rest = str(model).partition(":")
    if colon and prefix.lower() in KINDS and prefix not in KINDS and not Path(model).exists():
        raise UserError(f"model {str(model)!r}: kinds are written small; expected {prefix.lower()}:{rest}")
    if not colon or not re.fullmatch(r"[a-z][a-z0-9_]*", prefix) or (prefix not in KINDS and Path(model).exists()):
        prefix, rest = DEFAULT, str(model)
    if prefix not in KINDS:
        raise UserError(f"model {str(model)!r}: no backbone of kind {prefix!r}; expected one of {', '.join(KINDS)}")
    path, _, name = KINDS[prefix].rpartition(".")
    return getattr(importlib.import_module(path), name), rest


def load_backbone(model: str | Path, device: str | torch.device = "cpu", sha256: str | None = None) -> ImageTextEncoder:
    """Load the model that a config names; arguments and errors as `ImageTextEncoder.load`."""
    kind, rest = split(model)
    return kind.load(rest, device, sha256)


def check(key: str, model: str) -> Finding:
    """Whether the model is there and intact; `key` is the key of the config that names it."""
    kind, rest = split(model)
    return kind.check(key, rest)


def describe(model: str) -> Description:
    """Sizes of the model that decide costs."""
    kind, rest = split(model)
    return kind.describe(rest)


def patch_of(model: str) -> int:
    """Pixels of the side of a patch or cell, as far as the model's name tells; 0 where it must be loaded for it."""
    kind, rest = split(model)
    return kind.patch_of(rest)


def location(model: str) -> Path | None:
    """The file or folder of the model; None for a name that is looked up elsewhere."""
    kind, rest = split(model)
    return kind.location(rest)


def files(model: str) -> tuple[Path, ...]:
    """The files whose content identifies the model, present or not; none for a name that is looked up elsewhere."""
    kind, rest = split(model)
    return kind.files(rest)


def named(kind: str, path: str | Path, model: str = "") -> str:
    """How a config names the model of a kind at `path`; `model` is how it named it where it was."""
    rest = split(f"{kind}:{path}")[0].named_at(path, model.removeprefix(f"{kind}:"))
    return rest if kind == DEFAULT else f"{kind}:{rest}"


def module_of(model: str) -> str:
    """The dotted path of the module that has the model's kind."""
    return split(model)[0].__module__
