"""Looking for files in folders as people have them: links, pipes, names in another case or with backslashes."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from t2ipal.images.decoding import not_a_file
from t2ipal.marks import is_marked

PICTURES = {".avif", ".bmp", ".gif", ".heic", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
"""Endings of pictures: a folder of such a name is a mistake, though what is in it is read."""

_ELSEWHERE = re.compile(r"[A-Za-z]:[\\/]|[A-Za-z][\w+.-]+://")
"""How a path of Windows or an address begins."""

DEPTH = 3
"""Folders below the root that are searched for what an unpacked archive nests."""


def first_existing(paths: Iterable[Path]) -> Path:
    """The first that exists, or the first."""
    paths = list(paths)
    return next((path for path in paths if path.exists()), paths[0])


@dataclass(frozen=True, slots=True)
class Found:
    """Something in a folder that may be a file to read, or the `problem` that keeps it from being one."""

    path: Path
    problem: str = ""


def files_below(folder: str | Path) -> Iterator[Found]:
    """Yield what is in a folder and below: every real file once, and anything else with its problem.

    Hidden names are left out, and folders that this project made: thumbnails and results are not the user's photos.

    Links are followed after everything else is listed, so that a file is named by its own path, and loops end.
    """
    tops = deque([Path(folder)])
    folders: dict[str, Path] = {}
    files: dict[object, Path] = {}
    while tops:
        links: list[Path] = []
        below = [tops.popleft()]
        while below:
            here = below.pop()
            real = os.path.realpath(here)
            if real in folders:
                yield Found(here, f"the same folder as {folders[real]}")
                continue
            folders[real] = here
            try:
                entries = sorted(os.scandir(here), key=lambda entry: entry.name)
            except OSError as error:
                yield Found(here, f"folder cannot be read: {(error.strerror or str(error)).lower()}")
                continue
            for entry in entries:
                path = Path(entry.path)
                if entry.name.startswith("."):
                    continue
                if entry.is_symlink():
                    links.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    if is_marked(path):
                        continue
                    below.append(path)
                    if path.suffix.lower() in PICTURES:
                        yield Found(path, not_a_file(path))
                else:
                    yield _once(path, os.path.join(real, entry.name), files)
        for path in sorted(links):
            if os.path.isdir(path):
                tops.append(path)
            else:
                yield _once(path, os.path.realpath(path), files)


def _once(path: Path, real: str, files: dict[object, Path]) -> Found:
    """The file, or its problem: it is not a regular file, or was listed by another name."""
    problem = not_a_file(path)
    if problem:
        return Found(path, problem)
    about = path.stat()
    # hard links are known by their number; file systems without links may give one number to all files
    first = files.setdefault((about.st_dev, about.st_ino) if about.st_nlink > 1 else real, path)
    return Found(path, "" if first == path else f"the same file as {first}")


class NamedFiles:
    """Files of a folder by the names that lists give them: `./a.jpg`, `sub\\a.jpg`, `A.JPG`, `a%20b.jpg`, whole."""

    def __init__(self, folder: str | Path, names: Iterable[str]) -> None:
        """`names` are paths below the folder, with slashes."""
        self.folder = Path(folder)
        self.names = set(names)
        self.alike: dict[str, list[str]] = {}
        for name in sorted(self.names):
            self.alike.setdefault(_alike(name), []).append(name)

    def find(self, listed: str) -> str:
        """The name of a listed file below the folder; that of no file is tidied alone.

        Raises:
            ValueError: it is outside of the folder, or may be several files.
        """
        if listed in self.names:
            return listed
        if _ELSEWHERE.match(listed.strip()):
            raise ValueError(f"{listed!r} is outside of {self.folder}")
        name = tidy(listed)
        if name.startswith("/"):
            name = self._below(name)
        if name == ".." or name.startswith("../"):
            raise ValueError(f"{listed!r} is outside of {self.folder}")
        if name in self.names:
            return name
        alike = self.alike.get(_alike(name)) or self.alike.get(_alike(unquote(name)), [])
        if len(alike) > 1:
            raise ValueError(f"{listed!r} may be {' or '.join(alike)}")
        return alike[0] if alike else name

    def _below(self, name: str) -> str:
        for folder in (self.folder.absolute(), self.folder.resolve()):
            if PurePosixPath(name).is_relative_to(folder.as_posix()):
                return PurePosixPath(name).relative_to(folder.as_posix()).as_posix()
        raise ValueError(f"{name!r} is outside of {self.folder}")


def finder() -> Callable[[Path, Sequence[str]], Path | None]:
    """A function from a folder and the parts of a path below it to the file there, each part as `NamedFiles` finds it.

    None: no such file. It raises ValueError for a part that may be several. A folder is listed once.
    """

    @cache
    def names(folder: Path) -> NamedFiles:
        return NamedFiles(folder, os.listdir(folder) if os.path.isdir(folder) else ())

    def find(folder: Path, parts: Sequence[str]) -> Path | None:
        if os.path.isfile(exact := folder.joinpath(*parts)):
            return exact
        for part in parts:
            name = names(folder).find(part)
            if name not in names(folder).names:
                return None
            folder = folder / name
        return folder if os.path.isfile(folder) else None

    return find


def tidy(name: str) -> str:
    """A path with slashes, and without `.` and detours: `sub\\..\\.\\a.jpg` is `a.jpg`."""
    return os.path.normpath(name.strip().replace("\\", "/")).replace("//", "/")


def _alike(name: str) -> str:
    """The name without case and outer spaces, in composed characters, as some file systems compare names."""
    return unicodedata.normalize("NFC", name).casefold().strip()
