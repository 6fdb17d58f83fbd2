"""Photographs as they were seen: turned by the orientation that a camera wrote down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
"""The EXIF tag of how a camera was held."""

TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What makes an image upright, by its orientation; any other value: nothing."""

SIDEWAYS = (5, 6, 7, 8)
"""Orientations that exchange width and height."""


def upright(image: Image, exif: Mapping[int, Any]) -> Image:
    """`image`, the pixels as a file has them, turned by the file's EXIF data."""
    from PIL import Image as pillow

    turn = TURNS.get(exif.get(ORIENTATION, 1))
    return image.transpose(pillow.Transpose[turn]) if turn else image
