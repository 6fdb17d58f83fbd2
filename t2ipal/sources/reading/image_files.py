"""Image files on disk: decoded once in full, so that a damaged one is detected here and not in the middle of a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from t2ipal.sources.image_rows import ImageRow, RejectedImage

WORKERS = 4
WINDOW = 256
"""Files checked ahead of the reader, by threads (Pillow decodes outside Python's lock)."""

Listed = tuple[str, Path, "tuple[int, ...] | None"]
"""(image_id, file, labels)"""


def checked_images(listed: Iterable[Listed]) -> Iterator[ImageRow | RejectedImage]:
    """Yield a row, or a reject with its reason, for each listed file, in the order given."""
    files = iter(listed)
    with ThreadPoolExecutor(WORKERS) as pool:
        while window := list(islice(files, WINDOW)):
            yield from pool.map(checked_image, window)


def checked_image(listed: Listed) -> ImageRow | RejectedImage:
    """Open and fully decode one file. Grey-scale, CMYK and palette images are accepted: `mode` records them."""
    from PIL import Image, UnidentifiedImageError

    image_id, path, labels = listed
    if not path.is_file():
        return RejectedImage(image_id, str(path), "no such file")
    try:
        with Image.open(path) as image:
            image.load()
            width, height, mode = image.width, image.height, image.mode
            image.convert("RGB")
    except UnidentifiedImageError:
        return RejectedImage(image_id, str(path), "not an image file")
    except Image.DecompressionBombError:
        return RejectedImage(image_id, str(path), "too many pixels")
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        return RejectedImage(image_id, str(path), f"damaged image: {error}")
    return ImageRow(image_id, None, str(path), width, height, mode, labels)
