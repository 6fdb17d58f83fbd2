"""What a person looks at: captions with their images, heat maps over test images, captions with the nouns marked."""

from __future__ import annotations

import html
import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from t2ipal.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

INK, PALE, LINE = (26, 26, 26), (89, 89, 89), (221, 221, 221)


@dataclass(frozen=True)
class Drawn:
    """A caption, the classes the noun filter found in it, and the images drawn from it (None: flagged or missing)."""

    text: str
    labels: tuple[str, ...]
    images: tuple[Image.Image | None, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A test image, its true classes, and for some classes the heat map [h, w] and the score."""

    image: Image.Image
    labels: tuple[str, ...]
    maps: tuple[tuple[str, np.ndarray, float], ...]


def open_image(image: Mapping[str, Any]) -> Image.Image:
    """The RGB image of a {bytes, path} value of an images table.

    Raises:
        UserError: neither is there, or it cannot be decoded.
    """
    source = io.BytesIO(image["bytes"]) if image.get("bytes") else image.get("path")
    if source is None:
        raise UserError("image: neither bytes nor a path; expected one of them")
    try:
        with Image.open(source) as opened:
            return opened.convert("RGB")
    except OSError as error:
        raise UserError(f"image {image.get('path') or '(bytes)'}: cannot be read: {error}") from error


def contact_sheet(rows: Sequence[Drawn], size: int = 128, columns: int = 2) -> Image.Image:
    """Captions with their labels, and beside each the images drawn from it, in `columns` columns.

    Args:
        rows: at least one.
        size: pixels of the side of an image.
    """
    if not rows:
        raise UserError("contact sheet: no captions; expected at least one")
    gap, text_width = 8, int(2.0 * size)
    count = max(len(row.images) for row in rows)
    width, height = text_width + count * (size + gap) + 3 * gap, size + 2 * gap
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * width + gap, lines * height + gap), "white")
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        column, line = divmod(number, lines)
        left, top = gap + column * width, gap + line * height
        _caption(draw, row, left, top, text_width - gap, size)
        for k in range(count):
            box = (left + text_width + k * (size + gap), top)
            _tile(sheet, draw, row.images[k] if k < len(row.images) else None, box, size)
        if line + 1 < lines and number + 1 < len(rows):
            y = top + size + gap - 1
            draw.line((left, y, left + width - 3 * gap, y), fill=LINE)
    return sheet


def _caption(draw: ImageDraw.ImageDraw, row: Drawn, left: int, top: int, width: int, height: int) -> None:
    """Text above, labels below it; what does not fit is cut with an ellipsis."""
    plain, bold = font(13), font(12, bold=True)
    label = ", ".join(row.labels)
    if row.unknown:
        label += f"{'; ' if label else ''}unknown: {', '.join(row.unknown)}"
    below = wrapped(draw, label, bold, width)[:3]
    room = max(1, (height - 16 * len(below) - 6) // 17)
    above = wrapped(draw, row.text, plain, width)
    if len(above) > room:
        above = [*above[: room - 1], above[room - 1].rsplit(" ", 1)[0].rstrip(" .,") + "…"]
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


def heat_sheet(rows: Sequence[Seen], size: int = 150, columns: int = 2) -> Image.Image:
    """Test images, and beside each the heat maps of some classes with scores; true classes are bold and ticked."""
    if not rows:
        raise UserError("heat maps: no images; expected at least one")
    gap, head = 8, 20
    count = 1 + max(len(row.maps) for row in rows)
    width, height = count * (size + gap) + 2 * gap, size + head + 2 * gap
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * width + gap, lines * height + gap), "white")
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        column, line = divmod(number, lines)
        left, top = gap + column * width, gap + line * height
        base = row.image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        sheet.paste(base, (left, top + head))
        for k, (name, heat, score) in enumerate(row.maps, 1):
            x, true = left + k * (size + gap), name in row.labels
            sheet.paste(overlay(base, heat), (x, top + head))
            text = f"{'✓ ' if true else ''}{name} {score:.2f}"
            draw.text((x, top + head - 5), text, font=font(12, bold=true), fill=INK if true else PALE, anchor="ls")
    return sheet


def examples(table: pa.Table, count: int, seed: int) -> list[dict[str, Any]]:
    """`count` rows of a table, or all if there are fewer: drawn by the seed, in their order."""
    from t2ipal.seeds import seed_of

    draw = np.random.default_rng(seed_of("examples", seed))
    chosen = np.sort(draw.permutation(table.num_rows)[:count])
    return table.take(chosen).to_pylist()


VERDICTS: Mapping[str, str] = {
    "positive": "in the picture: a positive label",
    "unknown": "may be in the picture: masked in the loss",
}

_STYLE = """
body { font: 16px/1.7 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 2rem; max-width: 60rem; }
li { margin: .35rem 0; }
mark { padding: .05rem .3rem; border-radius: .25rem; color: inherit; }
mark.positive { background: #cfe8f5; border-bottom: 2px solid #0072b2; }
mark.unknown { background: #fbe8c8; border-bottom: 2px dashed #b35f00; }
mark.other { background: #eee; border-bottom: 2px dotted #595959; }
mark small { margin-left: .35rem; color: #404040; }
.reason { color: #595959; font-style: italic; }
"""


def captions_page(
    rows: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    rejects: Sequence[Mapping[str, Any]] = (),
    counts: Mapping[str, int] | None = None,
) -> str:
    """An HTML page of captions whose matched nouns are marked by verdict, each with its class.

    Args:
        rows: of labelled.parquet: text, and spans with class, term, start, end, verdict.
        class_names: names by class index.
        rejects: of rejects.parquet: text, reason.
        counts: what to say in numbers above the lists, such as {"captions kept": 1500}.
    """
    legend = "".join(f'<li><mark class="{verdict}">noun</mark> {text}</li>' for verdict, text in VERDICTS.items())
    numbers = "; ".join(f"{html.escape(name)}: {count:,}" for name, count in (counts or {}).items())
    kept = "\n".join(f"<li>{marked(row['text'], row['spans'], class_names)}</li>" for row in rows)
    gone = "\n".join(
        f'<li>{html.escape(row["text"])} <span class="reason">({html.escape(row["reason"])})</span></li>'
        for row in rejects
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Captions and their labels</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>Captions and their labels</h1>\n"
        + (f"<p>{numbers}</p>\n" if numbers else "")
        + f"<ul>{legend}</ul>\n<h2>Kept</h2>\n<ol>\n{kept}\n</ol>\n"
        + (f"<h2>Left out</h2>\n<ol>\n{gone}\n</ol>\n" if rejects else "")
        + "</body>\n</html>\n"
    )


def marked(text: str, spans: Sequence[Mapping[str, Any]], class_names: Sequence[str]) -> str:
    """`text` as HTML with its spans marked; of two that overlap, the one that starts first, then the longer."""
    parts, end = [], 0
    for span in sorted(spans, key=lambda span: (span["start"], -span["end"])):
        if span["start"] < end:
            continue
        verdict = span["verdict"] if span["verdict"] in VERDICTS else "other"
        name = html.escape(class_names[span["class"]])
        noun = html.escape(text[span["start"] : span["end"]])
        parts.append(html.escape(text[end : span["start"]]))
        parts.append(
            f'<mark class="{verdict}" title="{html.escape(span["verdict"])}">{noun}<small>{name}</small></mark>'
        )
        end = span["end"]
    return "".join([*parts, html.escape(text[end:])])
