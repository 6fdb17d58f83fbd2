"""Is a drawn image an image?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FLAT = 2 / 255
"""An image whose channels vary by no more than this (two of 255 levels) shows nothing."""


def flag(pixels: np.ndarray, unsafe: bool = False) -> str:
    """Name what is wrong with an image: "nan", "flagged", "black" or "" for nothing.

    Args:
        pixels: [H, W, 3] float, nominally in [0, 1].
        unsafe: a safety checker's verdict.

    "black" means one flat colour, of which black is the usual: what an overflow in half precision leaves.
    """
    import numpy as np

    if not np.isfinite(pixels).all():
        return "nan"
    if unsafe:
        return "flagged"
    clipped = pixels.clip(0, 1)
    spread = clipped.max(axis=(0, 1)) - clipped.min(axis=(0, 1))
    return "black" if bool((spread <= FLAT).all()) else ""


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Round [..., H, W, 3] floats in [0, 1] to bytes; what is not finite becomes black."""
    import numpy as np

    return (np.nan_to_num(pixels, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1) * 255).round().astype(np.uint8)
