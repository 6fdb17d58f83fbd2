"""Files and folders that are there when they are whole: written next to their final name, then renamed.

What a killed process left half written is removed by the next one that writes the same file.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from t2ipal.errors import UserError
from t2ipal.file_lock import try_lock


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` when the block ends well, delete it otherwise.

    A link is followed: the file that it names is replaced, the link stays. A pipe or a device is not replaced: it is
    yielded itself. The mode of a new file is what the umask makes it, whoever writes the bytes.

    Raises:
        UserError: the path is a folder, or the disk is full, or the folder cannot be written.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    try:
        descriptor = _descriptor(path)
        if descriptor is not None:
            with _appended(path, descriptor) as part:
                yield part
        elif is_no_file(path):
            yield _special(path)
        else:
            with _renamed(target) as part:
                yield part
    except OSError as error:
        if _is_output(error, (path, target)):
            raise UserError(f"{path}: cannot be written: {os.strerror(error.errno).lower()}") from error
        raise


@contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    if path.is_symlink():  # what a link that leads to itself leads to
        raise OSError(errno.ELOOP, "", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in unfinished(path):
        if not is_at_work(old):
            old.unlink(missing_ok=True)
    part = unfinished_name(path)
    try:
        with part.open("wb") as file:
            try_lock(file)  # as long as it is open, for others who ask `is_at_work`
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            yield part
            part.chmod(mode)  # safetensors puts a file there that its owner alone may read
            with part.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _appended(path: Path, descriptor: int) -> Iterator[Path]:
    """What is written goes to a file that the shell opened (`>>`): opened again by its name, it would be emptied."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        yield path
        return
    with copied_to(lambda: open(os.dup(descriptor), "wb")) as part:
        yield part


@contextmanager
def copied_to(target: Callable[[], BinaryIO]) -> Iterator[Path]:
    """Yield a temporary path, whose file is copied in the end to what `target` opens."""
    with tempfile.TemporaryDirectory(prefix="t2ipal-") as folder:
        part = Path(folder, "part")
        yield part
        with part.open("rb") as source, target() as file:
            shutil.copyfileobj(source, file)


def is_no_file(path: str | Path) -> bool:
    """Whether something is there, or at the end of a link, that is no regular file and cannot be replaced."""
    return _descriptor(Path(path)) is not None or (os.path.exists(path) and not os.path.isfile(path))


def nearest(path: str | Path) -> Path:
    """What is there of a path: itself, a link that leads nowhere too, or the closest above it."""
    there = Path(path)
    while not os.path.lexists(there):
        there = there.parent
    return there


def _descriptor(path: Path) -> int | None:
    """The number of the open file that a path such as /dev/stdout or /dev/fd/3 names; None for all others."""
    named = Path(os.readlink(path)) if path.parent == Path("/dev") and path.is_symlink() else path
    inside = os.path.realpath(named.parent) == f"/proc/{os.getpid()}/fd"
    return int(named.name) if inside and named.name.isdecimal() else None


def _special(path: Path) -> Path:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "", str(path))
    if path.is_block_device():
        raise PermissionError(errno.EPERM, "", str(path))
    return path


def _is_output(error: OSError, paths: tuple[Path, Path]) -> bool:
    """Whether it is the output that failed, and not an input that was read on the way."""
    if error.errno in (None, errno.EPIPE):
        return False
    if error.filename is None:  # an open file; of those that are read, the readers name the file
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
    names = {str(name) for path in paths for name in (path, *path.parents, unfinished_name(path))}
    return str(error.filename) in names


def unfinished_name(path: Path) -> Path:
    """Where this process writes what becomes `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def unfinished(path: Path) -> list[Path]:
    """What this process or others write, or left unfinished, to become `path`."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.(\d+-)?\d+\.part")  # one of several processes: its rank-id
    names = os.listdir(path.parent) if path.parent.is_dir() else []
    return [path.with_name(name) for name in names if ours.fullmatch(name)]


def is_at_work(part: Path) -> bool:
    """Whether a process, of this machine or one that shares its disk, still writes or needs an unfinished file."""
    rank, _, digits = part.name.split(".")[-2].rpartition("-")
    number = int(digits)
    if number == os.getpid():
        return bool(rank)  # of several processes, which this one joins; others are of an earlier process of this number
    try:
        os.kill(number, 0)
        return True
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        pass
    try:
        descriptor = os.open(part, os.O_RDONLY)
    except OSError:
        return False
    try:
        return try_lock(descriptor) is False
    finally:
        os.close(descriptor)
