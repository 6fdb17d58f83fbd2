"""A trial of a recogniser before it sees a photo: do its tensors fit its header and its CLIP?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.features.cache import ImageFeatures
    from t2ipal.methods.base import Method, Tensors

IMAGES = 2
"""Invented images that are scored."""


def kinds_of(tensors: Tensors) -> dict[str, str]:
    """The type and the sizes of each tensor, such as "float32[2, 3, 128]"."""
    return {name: f"{value.dtype}{list(value.shape)}".removeprefix("torch.") for name, value in tensors.items()}


def try_out(
    path: str | Path, header: Mapping[str, Any], method: Method, tensors: Tensors, backbone: ImageTextEncoder
) -> None:
    """Score invented images, since only the method knows which tensors it needs.

    Raises:
        UserError: a tensor is not finite, or there is not a finite score for each seed, image and class.
    """
    try:
        grid = backbone.grid(header["clip"]["image_size"])
    except UserError as error:
        raise UserError(f"{path}: header.clip.{error}") from error
    found, wanted = kinds_of(tensors), header.get("tensors")
    for name in sorted(found.keys() | wanted.keys()) if wanted is not None else []:
        if found.get(name) != wanted.get(name):
            raise UserError(
                f"{path}: {name}: {found.get(name, 'not there')} (expected {wanted.get(name, 'no such tensor')})"
            )
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise UserError(f"{path}: {name}: values that are not finite (expected numbers: is the file damaged?)")
    features = _invented(backbone, grid)
    shape = [len(header["seeds"]), IMAGES, len(header["classes"])]
    _check(path, "scores", shape, lambda: method.scores(tensors, features))
    if hasattr(method, "heat_maps"):
        local = features.local.to(next(iter(tensors.values())).device)
        _check(path, "heat maps", [*shape, local.shape[1]], lambda: method.heat_maps(tensors, local))


def _check(path: str | Path, what: str, shape: list[int], work: Callable[[], Tensor]) -> None:
    import torch

    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about odd sizes
            value = work()
        found, kind, finite = list(value.shape), str(value.dtype), bool(value.isfinite().all())
    except UserError:
        raise
    except Exception as error:  # whatever a method does with tensors that are not its own
        text = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: its tensors do not fit its header: {type(error).__name__}: {text}") from error
    if found != shape or kind != "torch.float32":
        kind = kind.removeprefix("torch.")
        raise UserError(f"{path}: {what} of shape {found} in {kind} (expected {shape} in float32, by its header)")
    if not finite:
        raise UserError(f"{path}: {what} that are not finite (expected numbers: is the file damaged?)")


def _invented(backbone: ImageTextEncoder, grid: tuple[int, int]) -> ImageFeatures:
    import torch
    from torch.nn.functional import normalize

    from t2ipal.features.cache import ImageFeatures

    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(IMAGES, *cells, backbone.dim, generator=generator) for cells in ((), (), (grid[0] * grid[1],))]
    halves = (normalize(part, dim=-1).half() for part in parts)
    return ImageFeatures(("a", "b"), *halves, grid, backbone.sha256, backbone.kind)
