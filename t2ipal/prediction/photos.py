"""Photos of the user's own: finding them in folders as people have them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.images.decoding import not_a_file
from t2ipal.sources.reading.folders import Found, files_below

NO_PHOTOS = (
    *(".csv", ".doc", ".docx", ".htm", ".html", ".json", ".jsonl", ".log", ".md", ".parquet", ".pdf", ".tsv", ".txt"),
    *(".aae", ".db", ".ini", ".py", ".safetensors", ".sh", ".thm", ".url", ".xml", ".xmp", ".yaml", ".yml", ".zip"),
)
"""Endings of other files next to photos in folders: skipped. A file that is named is read."""


def find_photos(paths: Iterable[str | Path | Found]) -> list[Found]:
    """The files named, and those in the folders named and below; each once, those of a folder by name.

    Hidden files, and files whose ending is not that of a photo, are skipped in folders. What cannot be read, such as a
    broken link, is there with its problem.

    Raises:
        UserError: a path that does not exist, or a folder without any.
    """
    photos: dict[Path, Found] = {}
    for named in paths:
        photo = named if isinstance(named, Found) else Found(Path(named))
        path = photo.path
        if photo.problem:
            photos.setdefault(path, photo)
        elif os.path.isdir(path):
            files = list(_photos_below(path))
            if not files:
                raise UserError(f"{path}: no photos in this folder or below (expected at least one)")
            for file in sorted(files, key=lambda file, top=path: file.path.relative_to(top).as_posix()):
                photos.setdefault(file.path, file)
        elif os.path.lexists(path):
            photos.setdefault(path, Found(path, not_a_file(path)))
        else:
            raise UserError(f"{path}: no such photo or folder")
    return list(photos.values())


def _photos_below(folder: Path) -> Iterator[Found]:
    for found in files_below(folder):
        if os.path.splitext(found.path.name)[1].lower() not in NO_PHOTOS:
            yield found


def listing(folder: str | Path) -> str:
    """Changes when a photo of a folder comes, goes or is another: a hash of names, sizes, times and problems."""
    digest = sha256()
    for found in sorted(_photos_below(Path(folder)), key=lambda found: found.path):
        about = None if found.problem else found.path.stat()
        state = found.problem if about is None else f"{about.st_size}\0{about.st_mtime_ns}"
        digest.update(f"{found.path.as_posix()}\0{state}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
