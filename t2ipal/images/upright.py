"""Photographs as they were seen: turned by the orientation that a camera wrote down."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def orientation_of(image: Image) -> int:
    """The orientation in the EXIF or XMP data of an open file; 1, upright, if it has none or they are broken."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
        return value if value in TURNS else 1
    except Exception:  # Pillow's parsers raise whatever broken data lead to; the pixels are good
        return 1


def upright(image: Image, orientation: int) -> Image:
    """`image`, the pixels as a file has them, turned by its orientation."""
    from PIL import Image as pillow

    turn = TURNS.get(orientation)
    return image.transpose(pillow.Transpose[turn]) if turn else image
