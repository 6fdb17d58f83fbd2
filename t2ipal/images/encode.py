"""Images to file bytes and back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.errors import UserError
from t2ipal.images.decoding import read_picture

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from t2ipal.images.settings import Encoding


def encode(pixels: np.ndarray, encoding: Encoding = "png", quality: int = 92) -> bytes:
    """Encode [H, W, 3] uint8 pixels. PNG keeps every pixel; WebP and JPEG are a tenth of its size at 512 px."""
    from PIL import Image

    buffer = io.BytesIO()
    options = {} if encoding == "png" else {"quality": quality}
    Image.fromarray(pixels).save(buffer, encoding.upper(), **options)
    return buffer.getvalue()


def stored_size(height: int, width: int, shorter: int | None) -> tuple[int, int]:
    """Height and width that an image is stored at: its shorter side `shorter` pixels, or its own if that is less."""
    side = min(height, width)
    if shorter is None or shorter >= side:
        return height, width
    return round(height * shorter / side), round(width * shorter / side)


def shrink(pixels: np.ndarray, shorter: int | None) -> np.ndarray:
    """[H, W, 3] uint8 pixels at their stored size, by the bicubic filter that CLIP's own resizing uses."""
    import numpy as np
    from PIL import Image

    height, width = stored_size(*pixels.shape[:2], shorter)
    if (height, width) == pixels.shape[:2]:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def decode(image: bytes | str | Path, side: int | None = None) -> Image:
    """Decode file bytes, or the file at a path; `side` and the result as `read_picture`.

    Raises:
        UserError: not a whole image; the line names the path where there is one.
    """
    name = "image bytes" if isinstance(image, bytes) else str(image)
    try:
        return read_picture(image, side).image
    except UserError as error:
        reason = "no such image file" if str(error) == "no such file" else f"not a whole image: {error}"
        raise UserError(f"{name}: {reason}") from error
