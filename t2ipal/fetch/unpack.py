"""Archives into folders: unpacked next to their place, then moved, so that no file is half there."""

from __future__ import annotations

import filecmp
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.fetch.transfer import check_space


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a .zip or .tar into `folder`, next to what is there, and return the number of files.

    Raises:
        UserError: a damaged archive, one with paths outside of the folder or with a file that is there with another
            content, or too little space. Nothing has changed then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{archive.name}.unpacking"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        if archive.suffix == ".zip":
            _unzip(archive, part)
        else:
            _untar(archive, part)
        count = sum(len(files) for _, _, files in os.walk(part))
        _check_others(part, folder)
        _merge(part, folder)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        # a RuntimeError is what zipfile raises for a password, and for a compression that it does not have
        raise UserError(f"{archive}: damaged archive: {error}; remove it and run the same call again") from error
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return count


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            path = Path(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise UserError(f"{archive}: holds {name!r}; expected paths below its folder")
        check_space(folder, sum(item.file_size for item in opened.infolist()), f"unpacking {archive.name}")
        opened.extractall(folder)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as opened:
        members = opened.getmembers()
        check_space(folder, sum(member.size for member in members), f"unpacking {archive.name}")
        opened.extractall(folder, members, filter="data")


def _check_others(source: Path, target: Path) -> None:
    """Compare the files of a folder with those of the same name in another.

    Raises:
        UserError: one is there with another content: it is someone's own.
    """
    others = []
    for folder, _, names in os.walk(source):
        for name in names:
            path = Path(folder, name)
            to = target / path.relative_to(source)
            if os.path.lexists(to) and not (to.is_file() and filecmp.cmp(path, to, shallow=False)):
                others.append(to)
    if others:
        first, count = min(others), len(others)
        more = f", and so are {count - 1:,} more" if count > 1 else ""
        raise UserError(f"{first}: not as in the archive{more}; expected the archive's own (move it away)")


def _merge(source: Path, target: Path) -> None:
    """Move all that is in a folder into another; a folder that is not there yet moves as a whole."""
    for entry in sorted(os.scandir(source), key=lambda item: item.name):
        to = target / entry.name
        if entry.is_dir(follow_symlinks=False) and to.is_dir():
            _merge(Path(entry.path), to)
        else:
            os.replace(entry.path, to)
