"""The file of a trained run: what its method learned, and in the header what scoring needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal import methods, store
from t2ipal.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.methods.base import Method, Tensors


def join_levels(levels: Sequence[Tensors]) -> Tensors:
    """What was learned at several levels as one: the models of the first level, then those of the next, ...

    A tensor that is larger at one level than at another, such as support images, gets zeros behind its values; a method
    with such tensors marks which of them are there.
    """
    import torch

    return {name: torch.cat(_padded([level[name] for level in levels])) for name in levels[0]}


def _padded(values: Sequence[Tensor]) -> list[Tensor]:
    """The values with zeros behind, so that all have the same sizes but for the first."""
    sizes = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values), strict=True)]
    padded = [value.new_zeros(len(value), *sizes) for value in values]
    for wide, value in zip(padded, values, strict=True):
        wide[tuple(slice(size) for size in value.shape)] = value
    return padded


def write_model(path: str | Path, tensors: Tensors, method: str, settings: Mapping[str, Any], **header: object) -> None:
    """Save what a method learned; the header has what scoring needs: method, settings, classes, levels, seeds."""
    store.write_tensors(path, tensors, {"method": method, "settings": dict(settings), **header})


def image_fields(path: str | Path) -> frozenset[str]:
    """The features of images that a model's scores read.

    Raises:
        UserError: the file is missing, damaged, or no model of ours.
    """
    header = store.read_header(path)
    if missing := {"method", "settings"} - header.keys():
        raise UserError(f"{path}: no model of t2ipal: its header has no {min(missing)!r}")
    kind = methods.get(header["method"])
    return kind.image_fields(kind.Settings(**header["settings"]))


def read_model(path: str | Path) -> tuple[Method, Tensors, dict[str, Any]]:
    """The method, its tensors and the header of a model file.

    Raises:
        UserError: the file is missing, damaged, or no model of ours.
    """
    tensors, header = store.read_tensors(path)
    missing = {"method", "settings", "classes", "seeds", "levels", "clip_sha256"} - header.keys()
    if missing:
        raise UserError(f"{path}: no model of t2ipal: its header has no {min(missing)!r}")
    kind = methods.get(header["method"])
    return kind(kind.Settings(**header["settings"]), header["classes"]), tensors, header
