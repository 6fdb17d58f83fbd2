"""Image files: decoded once in full, so that a damaged one is detected here and not in the middle of a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.images.decoding import read_picture
from t2ipal.sources.image_rows import ImageRow, RejectedImage
from t2ipal.text_files import writable

WORKERS = 4
WINDOW = 256
"""Files checked ahead of the reader, by threads (Pillow decodes outside Python's lock)."""

SIDE = 224
"""Pixels of what a model sees, about: a giant is decoded no larger than is needed for it."""

NOT_UTF8 = "its name is not UTF-8"

Listed = tuple[str, "Path | bytes | RejectedImage", "tuple[int, ...] | None"]
"""(image_id, file or its bytes, labels); one that is rejected already passes."""


def checked_images(listed: Iterable[Listed]) -> Iterator[ImageRow | RejectedImage]:
    """Yield a row, or a reject with its reason, for each listed file, in the order given."""
    files = iter(listed)
    with ThreadPoolExecutor(WORKERS) as pool:
        while window := list(islice(files, WINDOW)):
            yield from pool.map(checked_image, window)


def checked_image(listed: Listed) -> ImageRow | RejectedImage:
    """Open and fully decode one file. Grey-scale, CMYK and palette images are accepted: `mode` records them."""
    image_id, content, labels = listed
    if isinstance(content, RejectedImage):
        return content
    data, path = (content, None) if isinstance(content, bytes) else (None, str(content))
    if path is not None and writable(path) != path:
        return RejectedImage(writable(image_id), writable(path), NOT_UTF8)
    try:
        picture = read_picture(content, SIDE)
    except UserError as error:
        return RejectedImage(image_id, path or "", str(error))
    return ImageRow(image_id, data, path, picture.width, picture.height, picture.mode, labels)
