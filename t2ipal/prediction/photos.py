"""Photos of the user's own: finding them, and reading them upright, at any size, one clear reason where it fails."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.errors import UserError
from t2ipal.images.upright import ORIENTATION, SIDEWAYS, upright
from t2ipal.marks import is_marked

if TYPE_CHECKING:
    from PIL.Image import Image

NO_PHOTOS = (
    *(".csv", ".doc", ".docx", ".htm", ".html", ".json", ".jsonl", ".log", ".md", ".parquet", ".pdf", ".tsv", ".txt"),
    *(".aae", ".db", ".ini", ".py", ".safetensors", ".sh", ".thm", ".url", ".xml", ".xmp", ".yaml", ".yml", ".zip"),
)
"""Endings of other files next to photos in folders: skipped. A file that is named is read."""

LARGE = 40_000_000
"""Pixels from which a photo is made smaller before anything else, one at a time: 10,000 x 10,000 pixels are 300 MB."""

MOST = 1_000_000_000
"""Pixels beyond which a file is refused: a decompression bomb, not a photo."""

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Photo:
    """A readable photo.

    Attributes:
        image: RGB, upright; smaller than the file's where that is large.
        width, height: pixels of the file, upright.
    """

    image: Image
    width: int
    height: int


def find_photos(paths: Iterable[str | Path]) -> list[Path]:
    """The files named, and those in the folders named and below; each once, those of a folder by name.

    Hidden files, and files whose ending is not that of a photo, are skipped in folders.

    Raises:
        UserError: a path that does not exist, or a folder without any.
    """
    photos: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            files = list(_walk(path))
            if not files:
                raise UserError(f"{path}: no photos in this folder or below (expected at least one)")
            photos |= dict.fromkeys(sorted(files, key=lambda file, top=path: file.relative_to(top).as_posix()))
        elif path.exists():
            photos[path] = None
        else:
            raise UserError(f"{path}: no such photo or folder")
    return list(photos)


def _walk(folder: Path) -> Iterator[Path]:
    for above, folders, names in os.walk(folder, followlinks=True):
        # Thumbnails and results of this project are nobody's photos.
        folders[:] = [name for name in folders if not name.startswith(".") and not is_marked(Path(above, name))]
        for name in names:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() not in NO_PHOTOS:
                yield Path(above, name)


def listing(folder: str | Path) -> str:
    """Changes when a photo of a folder comes, goes or is another: a hash of names, sizes and times."""
    digest = sha256()
    for path in sorted(_walk(Path(folder))):
        about = path.stat()
        digest.update(f"{path.as_posix()}\0{about.st_size}\0{about.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def read_photo(path: str | Path, side: int) -> Photo:
    """Decode a photo in full, turn it upright by its EXIF orientation, and make it RGB.

    Args:
        path: the file.
        side: pixels of what is to be seen. A photo of `LARGE` pixels or more is made smaller by a whole factor, its
            sides never below four times this; a JPEG is not even decoded at its full size. Others keep every pixel.

    Raises:
        UserError: the reason, without the path.
    """
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MOST // 2  # Pillow refuses beyond twice this
    try:
        with Image.open(path) as opened:
            width, height = opened.size
            if width * height < LARGE:
                opened.load()
                image = opened.convert("RGB")
            else:
                with _one_at_a_time:
                    opened.draft("RGB", (4 * side, 4 * side))
                    opened.load()
                    image = _smaller(opened, 4 * side)
            exif = opened.getexif()
            image = upright(image, exif)
    except FileNotFoundError:
        raise UserError("no such file") from None
    except UnidentifiedImageError:
        heic = Path(path).suffix.lower() in (".heic", ".heif")
        raise UserError("HEIC: convert it to JPEG" if heic else "not an image file") from None
    except Image.DecompressionBombError:
        raise UserError(f"more than {MOST:,} pixels") from None
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"damaged image: {reason or type(error).__name__}") from None
    return Photo(image, *((height, width) if exif.get(ORIENTATION) in SIDEWAYS else (width, height)))


def _smaller(image: Image, side: int) -> Image:
    """RGB, by a whole factor smaller, no side below `side`: what follows then needs little memory."""
    factor = max(1, min(image.size) // side)
    if image.mode in ("L", "RGB", "RGBA", "CMYK"):
        return image.reduce(factor).convert("RGB")
    return image.convert("RGB").reduce(factor)
