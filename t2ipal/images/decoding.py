"""The one decoder of pictures that others made: RGB, upright, of bounded memory, or a reason.

Pillow reads the formats; here is what it leaves open: greys of more than 8 bits, transparency, giants, stripes, and
paths that are no files. Ordinary pictures of 8 bits come out as Pillow's `convert("RGB")` has them, bit for bit.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.errors import UserError
from t2ipal.images.metadata import without_metadata
from t2ipal.images.upright import SIDEWAYS, orientation_of, upright

if TYPE_CHECKING:
    from PIL.Image import Image

LARGE = 40_000_000
"""Pixels from which a picture is made smaller before anything else, one at a time: 10,000 x 10,000 are 400 MB."""

MOST = 1_000_000_000
"""Pixels beyond which a file is refused: a decompression bomb, not a picture."""

MEMORY = 1 << 30
"""Bytes of the largest picture that is decoded: Pillow has 4 a pixel of colour, 1 of grey and palettes."""

STRIPE = 200
"""Sides of this ratio are refused beyond it: a model's input keeps the ratio until its centre is cut out."""

STRIP = 4_000_000
"""Pixels that are converted at a time where a giant is made smaller."""

UNKNOWN = "its range is not known; expected 8 or 16 bits without a sign"

SIGNED = 2
"""What TIFF's tag 339 says of whole numbers with a sign, which Pillow reads without where they have 8 bits."""

DAMAGED = 1 << 27
"""Bytes of the largest file that is tried again without its metadata."""

ZEROS = 64
"""Zeros at the end of a file that no JPEG has by chance."""

NEVER = "EPS"
"""A format that is not read: it is a program, which Pillow has Ghostscript run."""

_ONE_BYTE = {"1", "L", "P"}
_WHOLE = {"L", "RGB", "RGBA", "LA", "CMYK"}
"""Modes that Pillow makes smaller without a conversion."""

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """A picture that could be read.

    Attributes:
        image: RGB, upright; smaller than the file's where that is large.
        width, height: pixels of the file, upright.
        mode: colour mode of the file as Pillow names it.
    """

    image: Image
    width: int
    height: int
    mode: str


def read_picture(source: bytes | str | Path, side: int | None = None) -> Picture:
    """Decode a picture in full, its first frame if it has several, turned upright and on white where it is transparent.

    Args:
        source: bytes of a file, or its path.
        side: pixels of what is to be seen. A picture of `LARGE` pixels or more is made smaller by a whole factor, its
            sides never below four times this; a JPEG is not even decoded at its full size. None: none is.

    Raises:
        UserError: the reason, without the path.
    """
    problem = "" if isinstance(source, bytes) else not_a_file(source)
    if problem:
        raise UserError(problem)
    try:
        return _read(source, side)
    except UserError:
        bare = _without_metadata(source)
        if bare is not None:
            with suppress(UserError):
                return _read(bare, side)
        raise


def _without_metadata(source: bytes | str | Path) -> bytes | None:
    """The content of a picture without metadata, if it has any and may be in memory twice."""
    if not isinstance(source, bytes):
        try:
            source = Path(source).read_bytes() if os.path.getsize(source) <= DAMAGED else b""
        except OSError:
            return None
    bare = without_metadata(source)
    return bare if bare != source else None


def _read(source: bytes | str | Path, side: int | None) -> Picture:
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MOST  # Pillow warns beyond this, and refuses beyond twice this
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
            if opened.format == NEVER:
                raise UserError(f"{NEVER}: convert it to PNG")
            picture = _decoded(opened, side)
            if opened.format == "JPEG" and _is_unfinished(source):
                raise UserError("damaged image: its end is zeros, as of a download that stopped")
            return picture
    except UserError:
        raise
    except UnidentifiedImageError:
        heic = not isinstance(source, bytes) and Path(source).suffix.lower() in (".heic", ".heif")
        raise UserError("HEIC: convert it to JPEG" if heic else "not an image file") from None
    except Image.DecompressionBombError:
        raise UserError(f"more than {MOST:,} pixels") from None
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        known = isinstance(error, OSError) and error.strerror
        raise UserError(
            f"cannot be read: {error.strerror.lower()}" if known else f"damaged image: {_short(error)}"
        ) from None


def not_a_file(path: str | Path) -> str:
    """Why a path is no regular file that can be opened; "" if it is one. Nothing is opened: a pipe would wait."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return f"broken link to {os.readlink(path)}" if os.path.islink(path) else "no such file"
    except (OSError, ValueError) as error:
        return (getattr(error, "strerror", None) or str(error)).lower()
    if stat.S_ISREG(mode):
        return ""
    return "is a directory" if stat.S_ISDIR(mode) else "is a pipe, a socket or a device"


def _is_unfinished(source: bytes | str | Path) -> bool:
    """Whether the end of a JPEG is zeros, which its decoder takes for grey; behind the mark of its end they may be."""
    if not isinstance(source, bytes):
        with open(source, "rb") as file:
            file.seek(-min(ZEROS, os.path.getsize(source)), os.SEEK_END)
            if file.read().strip(b"\0"):
                return False
            file.seek(0)
            source = file.read()
    return source.endswith(bytes(ZEROS)) and not source.rstrip(b"\0").endswith(b"\xff\xd9")


def _decoded(opened: Image, side: int | None) -> Picture:
    (width, height), mode = opened.size, opened.mode
    if width * height > MOST:
        raise UserError(f"more than {MOST:,} pixels")
    if max(width, height) > STRIPE * min(width, height):
        raise UserError(f"{width:,} x {height:,} pixels: one side is more than {STRIPE} times the other")
    if side is None or width * height < LARGE:
        _check_memory(opened)
        opened.load()
        image = _converter(opened)(opened)
    else:
        with _one_at_a_time:
            opened.draft("RGB", (4 * side, 4 * side))
            _check_memory(opened)
            opened.load()
            image = _smaller(opened, max(1, min(opened.size) // (4 * side)))
    # after the pixels: a PNG may have its EXIF data behind them
    turn = orientation_of(opened)
    if turn in SIDEWAYS:
        width, height = height, width
    return Picture(upright(image, turn), width, height, mode)


def _check_memory(opened: Image) -> None:
    width, height = opened.size
    size = width * height * (1 if opened.mode in _ONE_BYTE else 4)
    if size > MEMORY:
        raise UserError(
            f"{width:,} x {height:,} pixels take {size / 1e9:.1f} GB of memory; expected at most {MEMORY / 1e9:.1f} GB"
        )


def _converter(image: Image) -> Callable[[Image], Image]:
    """What makes RGB of a loaded image, or of any part of it.

    Raises:
        UserError: greys of a range that the file does not tell.
    """
    if image.mode.startswith("I") or image.mode == "F":
        black, white = grey_range(image)
        return lambda part: _scaled(part, black, white)
    if SIGNED in getattr(image, "tag_v2", {}).get(339, ()):
        raise UserError(f"8 bits with a sign: {UNKNOWN}")
    if image.mode == "LAB":
        return _from_lab
    if image.has_transparency_data:
        return _on_white
    if (image.mode, image.format) == ("RGB", "JPEG"):
        return lambda part: part  # a conversion copies: 12 megapixels take a tenth of the time of decoding them
    return lambda part: part.convert("RGB")


def _smaller(image: Image, factor: int) -> Image:
    """RGB, by a whole factor smaller. A mode that Pillow cannot reduce is converted a strip at a time."""
    from PIL import Image as pillow

    to_rgb = _converter(image)
    if image.mode in _WHOLE and not (image.mode in ("L", "RGB") and image.has_transparency_data):
        return to_rgb(image.reduce(factor))
    width, height = image.size
    rows = factor * max(1, STRIP // (width * factor))
    result = pillow.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = to_rgb(image.crop((0, top, width, min(top + rows, height))))
        result.paste(strip.reduce(factor), (0, top // factor))
    return result


def grey_range(image: Image) -> tuple[float, float]:
    """The values of black and white in a loaded grey image of more than 8 bits.

    16 bits: those of the format; in TIFF those of `BitsPerSample`. Floats: 0 and 1, if all are between them. In TIFF,
    white may be 0.

    Raises:
        UserError: the range is not known: other floats, and 32 bits, which hold counts and distances of any size.
    """
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        bits = tags.get(258, (16,))[0]
        black, white = 0, 2 ** (bits if bits in range(9, 17) else 16) - 1
    elif image.mode == "I" and image.format in ("PNG", "PPM"):
        black, white = 0, 65_535  # of 16 bits, or scaled to them by Pillow
    elif image.mode == "F":
        low, high = image.getextrema()
        if not 0 <= low <= high <= 1:
            raise UserError(f"grey of floating point from {low:g} to {high:g}: {UNKNOWN}, or floats from 0 to 1")
        black, white = 0, 1
    else:
        low, high = image.getextrema()
        raise UserError(f"grey of 32 bits or with a sign, from {low} to {high}: {UNKNOWN}")
    return (white, black) if tags.get(262) == 0 else (black, white)


def _scaled(image: Image, black: float, white: float) -> Image:
    """RGB of a grey image, `black` to `white` as 0 to 255."""
    import numpy as np
    from PIL import Image as pillow

    values = (np.asarray(image).astype(np.float64) - black) * (255 / (white - black))
    if not np.isfinite(values).all():
        raise UserError("grey of floating point with values that are no numbers")
    return pillow.fromarray(values.round().clip(0, 255).astype(np.uint8)).convert("RGB")


def _on_white(image: Image) -> Image:
    """RGB of an image with transparency, as a white page shows it."""
    from PIL import Image as pillow

    colours = image.convert("RGBA")
    if colours.getchannel("A").getextrema()[0] == 255:
        return image.convert("RGB")
    return pillow.alpha_composite(pillow.new("RGBA", image.size, "white"), colours).convert("RGB")


def _from_lab(image: Image) -> Image:
    from PIL import ImageCms

    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(image, *profiles, outputMode="RGB")


def _short(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
