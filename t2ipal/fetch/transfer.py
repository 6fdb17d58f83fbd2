"""One file over HTTP: continued where it stopped, checked, and under its final name only when it is whole.

The package pooch checks and unpacks too, but starts a broken transfer of 19 GB from its beginning.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener

from t2ipal.errors import UserError

BLOCK = 1 << 20
TRIES = 5
"""Connections for one file, each of which continues where the last one ended."""
TIMEOUT = 60
"""Seconds without a byte after which a connection counts as broken."""
TOLERANCE = 0.05
"""Share by which a server's size may differ from the one in the table, which may be rounded."""
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""Answers of servers that may be better a little later."""

Progress = Callable[[int, "int | None"], None]
"""Called with (bytes that are there, bytes in all)."""


@dataclass(frozen=True)
class Received:
    """A file that was downloaded: its bytes, and both of its checksums."""

    bytes: int
    md5: str
    sha256: str


class Broken(Exception):
    """A connection that ended early; the next one continues."""


def download(
    url: str,
    path: Path,
    *,
    md5: str = "",
    sha256: str = "",
    size: int | None = None,
    pause: float = 2.0,
    on_progress: Progress | None = None,
) -> Received:
    """Download `url` to `path`; what an earlier call received of the same file is continued.

    Args:
        md5, sha256: published checksums; "": none.
        size: bytes, about.
        pause: seconds before the next connection, longer each time.

    Raises:
        UserError: the server has no such file or one of another size, the transfer breaks again and again, a checksum
            differs, or the disk is full. What was received with a wrong checksum is removed; a file that was there is
            not.
    """
    if os.path.lexists(path):
        return _there(path, url, md5, sha256, size)
    part, problem = part_of(path), ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(pause * attempt)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _receive(url, part, size, bool(md5 or sha256), on_progress)
            break
        except HTTPError as error:
            if error.code not in AGAIN:
                raise UserError(f"{url}: the server answers {error.code} {error.reason}; expected the file") from error
            problem = f"{error.code} {error.reason}"
        except (Broken, HTTPException, URLError, ConnectionError, TimeoutError) as error:
            problem = str(getattr(error, "reason", "") or error) or type(error).__name__
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UserError(f"{part}: the disk is full; make space, then the same call continues") from error
            raise UserError(f"{part}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    else:
        there = part.stat().st_size if part.exists() else 0
        raise UserError(f"{url}: broke {TRIES} times, last: {problem}; {there:,} bytes stay, the same call continues")
    received = sums_of(part)
    if wrong := _wrong_sum(received, md5, sha256):
        _remove(part)
        raise UserError(f"{url}: {wrong}: {part} was removed")
    part.replace(path)
    _remove(part)
    return received


def _there(path: Path, url: str, md5: str, sha256: str, size: int | None) -> Received:
    """Size and checksums of a file that was there before: it may be someone's own, so nothing removes it.

    Raises:
        UserError: it is no file, or not the file of the address.
    """
    if not path.is_file():
        raise UserError(f"{path}: not a file; expected nothing there, or the file of {url}")
    received = sums_of(path)
    wrong = _wrong_sum(received, md5, sha256)
    if not (md5 or sha256) and size and abs(received.bytes - size) > TOLERANCE * size:
        wrong = f"{received.bytes:,} bytes; expected about {size:,}"
    if wrong:
        raise UserError(f"{path}: not the file of {url}: {wrong} (move it away, or delete it)")
    return received


def _wrong_sum(received: Received, md5: str, sha256: str) -> str:
    """Which checksum differs from the published one, or ""."""
    for name, expected in (("md5", md5), ("sha256", sha256)):
        if expected and getattr(received, name) != expected.lower():
            return f"{name} {getattr(received, name)}; expected {expected}"
    return ""


def part_of(path: Path) -> Path:
    """Where the bytes of a file are until it is whole."""
    return path.with_name(f".{path.name}.part")


def check_space(folder: Path, needed: int, what: str) -> None:
    """Compare free space with bytes that are needed.

    Raises:
        UserError: there is too little.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(f"{folder}: {what} needs {needed / 1e9:.2f} GB; {free / 1e9:.2f} GB are free")


def sums_of(path: Path) -> Received:
    """Size and checksums of a file."""
    sums = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            for one in sums:
                one.update(block)
    return Received(path.stat().st_size, *(one.hexdigest() for one in sums))


def _receive(url: str, part: Path, size: int | None, checked: bool, on_progress: Progress | None) -> None:
    """One connection: all that is missing, or as much as arrives.

    Raises:
        Broken: it ended early.
    """
    about = _noted(part)
    start = part.stat().st_size if part.exists() and about.get("url", url) == url else 0
    mark = about.get("mark", "") if about.get("url") == url else ""
    headers = {"Accept-Encoding": "identity", "User-Agent": "t2ipal"}
    if start and (mark or checked):  # without a mark of the server's file, only a checksum tells two files apart
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": mark} if mark else {})
    try:
        # urlopen keeps the proxies of its first call, whoever in the process made it
        response = build_opener().open(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416:
            raise
        total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if total and int(total[1]) == start:
            return
        _remove(part)
        raise Broken("the server's file is shorter than what was received") from error
    with response:
        begun = re.match(r"bytes (\d+)-\d+/(\d+)?", response.headers.get("Content-Range", ""))
        if response.status not in (200, 206):
            raise UserError(f"{url}: the server answers {response.status} {response.reason}; expected the file")
        if response.status != 206:
            start = 0
        elif not begun or int(begun[1]) != start:
            _remove(part)
            raise Broken("the server continues at another place")
        packed = response.headers.get("Content-Encoding", "identity").strip().lower()
        if packed not in ("", "identity"):
            raise UserError(f"{url}: the server sends it packed by {packed}; expected the file as it is")
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        if response.status == 206 and begun and begun[2]:
            total = int(begun[2])
        if total == 0 or (size and total is not None and abs(total - size) > TOLERANCE * size):
            raise UserError(
                f"{url}: the server's file has {total:,} bytes; expected {f'about {size:,}' if size else 'some'}"
            )
        check_space(part.parent, (total or size or 0) - start, url)
        _note(part, url, response.headers)
        with part.open("ab" if start else "wb") as file:
            _copy(response, file, start, total, on_progress)
        there = part.stat().st_size
        if total is None and (there == 0 or (size and abs(there - size) > TOLERANCE * size)):
            _remove(part)
            raise UserError(f"{url}: the server sent {there:,} bytes; expected {f'about {size:,}' if size else 'some'}")


def _copy(response: Any, file: BinaryIO, start: int, total: int | None, on_progress: Progress | None) -> None:
    there = start
    while block := response.read(BLOCK):
        file.write(block)
        there += len(block)
        if on_progress:
            on_progress(there, total)
    if total is not None and there != total:
        raise Broken(f"the connection ended after {there:,} of {total:,} bytes")


def _noted(part: Path) -> dict[str, str]:
    """The `url` of the file of which the part is, and its `mark` on the server: a strong ETag, a date or ""."""
    try:
        about = json.loads(_notes(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _note(part: Path, url: str, headers: Any) -> None:
    tag = headers.get("ETag", "")
    mark = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
    _notes(part).write_text(json.dumps({"url": url, "mark": mark}), encoding="utf-8")


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _remove(part: Path) -> None:
    for path in (part, _notes(part)):
        if os.path.lexists(path):
            path.unlink()
