"""Pictures of examples: captions next to their images, and test images next to their heat maps."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from t2ipal.errors import UserError
from t2ipal.images.decoding import read_picture

INK, PALE, LINE = (26, 26, 26), (89, 89, 89), (221, 221, 221)
SIDE = 256
"""Pixels of a tile, about: giants are read no larger than is needed for it."""
GAP = 8
"""Pixels between the parts of a sheet."""


@dataclass(frozen=True)
class CaptionExample:
    """A caption, the classes that the noun filter matched, and its generated images (None: flagged or missing)."""

    text: str
    labels: tuple[str, ...]
    images: tuple[Image.Image | None, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageExample:
    """A test image, its true classes, and for some classes the heat map [h, w] and the score."""

    image: Image.Image
    labels: tuple[str, ...]
    maps: tuple[tuple[str, np.ndarray, float], ...]


def open_image(image: Mapping[str, Any]) -> Image.Image:
    """The RGB image of a {bytes, path} value of an images table.

    Raises:
        UserError: neither is there, or it cannot be decoded.
    """
    source = image.get("bytes") or image.get("path")
    if source is None:
        raise UserError("image: neither bytes nor a path; expected one of them")
    try:
        return read_picture(source, SIDE).image
    except UserError as error:
        raise UserError(f"image {image.get('path') or '(bytes)'}: cannot be read: {error}") from error


def contact_sheet(rows: Sequence[CaptionExample], size: int = 128, columns: int = 2) -> Image.Image:
    """Captions with their labels, and next to each its generated images, in `columns` columns.

    Args:
        rows: at least one.
        size: pixels of the side of an image.
    """
    if not rows:
        raise UserError("contact sheet: no captions; expected at least one")
    text_width = int(2.0 * size)
    count = max(len(row.images) for row in rows)
    width = text_width + count * (size + GAP) + 3 * GAP
    sheet, corners = _grid(len(rows), columns, width, size + 2 * GAP)
    draw = ImageDraw.Draw(sheet)
    for number, (row, (left, top)) in enumerate(zip(rows, corners, strict=True)):
        _caption(draw, row, left, top, text_width - GAP, size)
        for k in range(count):
            box = (left + text_width + k * (size + GAP), top)
            _tile(sheet, draw, row.images[k] if k < len(row.images) else None, box, size)
        if number + 1 < len(rows) and corners[number + 1][0] == left:
            y = top + size + GAP - 1
            draw.line((left, y, left + width - 3 * GAP, y), fill=LINE)
    return sheet


def _grid(count: int, columns: int, width: int, height: int) -> tuple[Image.Image, list[tuple[int, int]]]:
    """A white sheet for `count` rows of [height, width] pixels, column by column, and the corner of each."""
    lines = -(-count // columns)
    sheet = Image.new("RGB", (columns * width + GAP, lines * height + GAP), "white")
    places = (divmod(number, lines) for number in range(count))
    return sheet, [(GAP + column * width, GAP + line * height) for column, line in places]


def _caption(draw: ImageDraw.ImageDraw, row: CaptionExample, left: int, top: int, width: int, height: int) -> None:
    """Text above, labels below it; what does not fit is cut with an ellipsis."""
    plain, bold = font(13), font(12, bold=True)
    label = ", ".join(row.labels)
    if row.unknown:
        label += f"{'; ' if label else ''}unknown: {', '.join(row.unknown)}"
    below = wrapped(draw, label, bold, width)[:3]
    fitting = max(1, (height - 16 * len(below) - 6) // 17)
    above = wrapped(draw, row.text, plain, width)
    if len(above) > fitting:
        above = [*above[: fitting - 1], above[fitting - 1].rsplit(" ", 1)[0].rstrip(" .,") + "…"]
    draw.multiline_text((left, top), "\n".join(above), font=plain, fill=INK, spacing=3)
    draw.multiline_text((left, top + 17 * len(above) + 6), "\n".join(below), font=bold, fill=(0, 90, 140), spacing=3)


def _tile(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, image: Image.Image | None, box: tuple[int, int], size: int
) -> None:
    if image is not None:
        sheet.paste(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC), box)
        return
    x, y = box
    draw.rectangle((x, y, x + size - 1, y + size - 1), outline=LINE)
    draw.text((x + size / 2, y + size / 2), "no image", font=font(12), fill=PALE, anchor="mm")


def wrapped(draw: ImageDraw.ImageDraw, text: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines of `text` that fit in `width` pixels; a longer word is broken."""
    for characters in range(max(8, len(text)), 3, -1):
        lines = textwrap.wrap(text, characters)
        if all(draw.textlength(line, font=face) <= width for line in lines):
            return lines
    return textwrap.wrap(text, 4)


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib ships it, so that pictures are the same on every machine."""
    from matplotlib import get_data_path

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans{'-Bold' if bold else ''}.ttf", size)


def overlay(image: Image.Image, heat: np.ndarray, strength: float = 0.65) -> Image.Image:
    """`image`, in grey, under a heat map [h, w] of eq. 4 stretched to its size: the hottest cell opaque to `strength`.

    The map is divided by its maximum: it shows where a class looks, not how sure it is.
    """
    from matplotlib import colormaps

    heat = np.asarray(heat, dtype=np.float32)
    scaled = Image.fromarray(heat / max(float(heat.max()), 1e-12)).resize(image.size, Image.Resampling.BICUBIC)
    level = np.clip(np.asarray(scaled), 0, 1)[..., None]
    colour = colormaps["inferno"](level[..., 0])[..., :3] * 255
    mixed = (1 - strength * level) * np.asarray(
        image.convert("L").convert("RGB"), dtype=np.float32
    ) + strength * level * colour
    return Image.fromarray(mixed.round().astype(np.uint8))


def cropped(image: Image.Image, crop: str) -> Image.Image:
    """The part of `image` that CLIP sees: the "center" square, or all of it ("squash")."""
    if crop != "center":
        return image
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def heat_sheet(rows: Sequence[ImageExample], size: int = 150, columns: int = 2) -> Image.Image:
    """Test images, and next to each the heat maps of some classes with scores; true classes are bold and ticked."""
    if not rows:
        raise UserError("heat maps: no images; expected at least one")
    head = 20
    count = 1 + max(len(row.maps) for row in rows)
    sheet, corners = _grid(len(rows), columns, count * (size + GAP) + 2 * GAP, size + head + 2 * GAP)
    draw = ImageDraw.Draw(sheet)
    for row, (left, top) in zip(rows, corners, strict=True):
        base = row.image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        sheet.paste(base, (left, top + head))
        for k, (name, heat, score) in enumerate(row.maps, 1):
            x, true = left + k * (size + GAP), name in row.labels
            sheet.paste(overlay(base, heat), (x, top + head))
            text = f"{'✓ ' if true else ''}{name} {score:.2f}"
            draw.text((x, top + head - 5), text, font=font(12, bold=true), fill=INK if true else PALE, anchor="ls")
    return sheet
