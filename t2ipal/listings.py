"""The state of files as short text: rules have it as a parameter, so that what is read decides what is made again.

Snakemake compares a file that a rule names by its time, and a small one by its content. It does not see what is inside
a folder, nor a file that is replaced by an older one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from stat import S_ISDIR

SMALL = 1_000_000
"""Bytes of the largest file whose content counts, as in Snakemake: of larger ones it is size and time of change."""


def state_of(paths: Iterable[str | Path]) -> str:
    """The state of files and folders, there or not; "" for none.

    A file counts by its content, or by size and time of change if it is large. In a folder and below, each file counts
    by name, size and time: a folder of 100,000 photographs takes about a second.
    """
    digest, some = sha256(), False
    for path in map(Path, paths):
        some = True
        digest.update(f"{path.name}\0{_state(path)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16] if some else ""


def files_of(path: str | Path) -> list[Path]:
    """A file itself, or all files in a folder and below, hidden ones aside, by name."""
    path = Path(path)
    return [path] if not path.is_dir() else sorted(Path(name) for name, _ in _entries(path))


def _state(path: Path) -> str:
    try:
        about = path.stat()
    except OSError as error:
        return f"error {error.errno}"
    if S_ISDIR(about.st_mode):
        top = len(str(path))
        lines = sorted(f"{name[top:]}\0{state}" for name, state in _entries(path))
        return sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    if about.st_size > SMALL:
        return f"{about.st_size} {about.st_mtime_ns}"
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"error {error.errno}"


def _entries(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (path, size and time) of all that is no folder, in a folder and below, hidden names aside.

    Links are followed, each folder is looked into once, and what cannot be read has its error for a state.
    """
    seen: set[tuple[int, int]] = set()
    below = [str(folder)]
    while below:
        here = below.pop()
        try:
            about = os.stat(here)
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            with os.scandir(here) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield here, f"error {error.errno}"
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    below.append(entry.path)
                    continue
                about = entry.stat()
                yield entry.path, f"{about.st_size} {about.st_mtime_ns}"
            except OSError as error:
                yield entry.path, f"error {error.errno}"
