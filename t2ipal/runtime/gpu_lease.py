"""A GPU of its own for each job, where more of them are in sight than the job asks for.

Snakemake counts GPUs (`--resources gpu=2`) and names none, so all jobs of a machine would work on its first one. Here a
job leases what it asks for: it locks a file per device until it ends, however it ends, and sees no other device.
A scheduler that gave a job just the devices it asked for has chosen already: these are used untouched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from t2ipal.errors import UserError
from t2ipal.file_lock import try_lock
from t2ipal.runtime.progress import log

VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextmanager
def lease(wanted: int, folder: Path | None = None, wait: float = 0.5) -> Iterator[None]:
    """Wait for `wanted` free devices, and hold them inside the block, where CUDA_VISIBLE_DEVICES names no others.

    Nothing is leased where no more devices are in sight than wanted. Before torch is imported: it looks only once.
    """
    devices = visible() if wanted > 0 else []
    if len(devices) <= wanted:
        yield
        return
    if folder is None:
        folder = default_folder()
        own_folder(folder.parent)
    own_folder(folder)
    held = _wait(devices, wanted, folder, wait)
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = ",".join(held)
    log.debug("GPU: %s", os.environ[VISIBLE])
    try:
        yield
    finally:
        os.environ.pop(VISIBLE)
        if before is not None:
            os.environ[VISIBLE] = before
        _free(held)


def visible() -> list[str]:
    """Ids of the devices that this process may use: those that CUDA_VISIBLE_DEVICES names, else all of the machine.

    The machine's are named by their UUID, which needs no agreement about the order of devices.
    """
    named = os.environ.get(VISIBLE)
    if named is None:
        program = shutil.which("nvidia-smi")
        if program is None:
            return []
        query = [program, "--query-gpu=uuid", "--format=csv,noheader"]
        answer = subprocess.run(query, capture_output=True, text=True, check=False)
        named = ",".join(answer.stdout.splitlines()) if answer.returncode == 0 else ""
    return [device for device in map(str.strip, named.split(",")) if device]


def default_folder() -> Path:
    """Where the machine's leases are: of this user, and of this allocation where a scheduler made one.

    Inside an allocation, devices are counted from 0 again, so that equal ids of two allocations are not one device.
    """
    name = f"t2ipal-devices-{os.getuid()}"
    return Path(tempfile.gettempdir(), name, os.environ.get("SLURM_JOB_ID") or "machine")


def own_folder(folder: Path) -> None:
    """Make a folder that only this user can look into, or check that it is one: others write in the one around it too.

    Raises:
        UserError: something else is there, such as a link or another user's folder.
    """
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(0o700, parents=True)
        about = folder.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
            what = "a link" if folder.is_symlink() else "another user's" if folder.is_dir() else "not a folder"
            raise UserError(f"{folder}: {what} (expected a folder of one's own: remove it, or set TMPDIR)")
        if stat.S_IMODE(about.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror.lower()} (expected a folder to write in: set TMPDIR)") from error


def _wait(devices: Sequence[str], wanted: int, folder: Path, wait: float) -> dict[str, IO[str]]:
    reported = False
    while not (held := _lock(devices, wanted, folder)):
        if not reported:
            log.info("GPU: waiting for %d of the %d, which are at work", wanted, len(devices))
            reported = True
        time.sleep(wait)
    return held


def _lock(devices: Sequence[str], wanted: int, folder: Path) -> dict[str, IO[str]]:
    """The first `wanted` devices that nobody holds, locked; none where they are too few."""
    held: dict[str, IO[str]] = {}
    for device in devices:
        file = _open(folder / f"{quote(device, safe='')}.lock")
        locked = try_lock(file)
        if locked is None:
            raise UserError(f"{folder}: a file system without locks (expected one with locks: set TMPDIR)")
        if not locked:
            file.close()
            continue
        held[device] = file
        if len(held) == wanted:
            return held
    _free(held)
    return {}


def _open(path: Path) -> IO[str]:
    """Open a lock, and no file that a link in its place names."""
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror.lower()} (expected a file of one's own: remove it)") from error
    return open(number, "a")


def _free(held: dict[str, IO[str]]) -> None:
    for file in held.values():
        file.close()
