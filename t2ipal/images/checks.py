"""Are generated images valid? Checked on the device that made them: bytes travel from it, a quarter of the floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

FLAT = 2 / 255
"""An image whose channels vary by no more than this (two of 255 levels) shows nothing."""


def flags(pixels: Tensor, unsafe: Sequence[bool]) -> list[str]:
    """Name the flaw of each image: "nan", "flagged", "black" or "" for nothing.

    Args:
        pixels: [N, H, W, 3] float, nominally in [0, 1].
        unsafe: a safety checker's verdict on each.

    "black" means one flat colour, of which black is the usual: what an overflow in half precision leaves.
    """
    import torch

    clipped = pixels.clamp(0, 1)
    flat = (clipped.amax((1, 2)) - clipped.amin((1, 2)) <= FLAT).all(1)
    finite = pixels.isfinite().flatten(1).all(1)
    broken_or_flat = torch.stack([~finite, flat]).tolist()
    return [
        "nan" if broken else "flagged" if bad else "black" if empty else ""
        for broken, empty, bad in zip(*broken_or_flat, unsafe, strict=True)
    ]


def to_uint8(pixels: Tensor) -> Tensor:
    """Round [..., H, W, 3] floats in [0, 1] to bytes; what is not finite becomes black, or white where it is +inf."""
    import torch

    return (pixels.nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * 255).round().to(torch.uint8)
