"""Locks that a killed Snakemake left behind.

Snakemake 9.27 locks the working directory by files that do not name their owner. After a kill -9 they stay, and the
next Snakemake refuses to start.
"""

from __future__ import annotations

import contextlib
import fcntl
from pathlib import Path
from typing import IO

from t2ipal.errors import UserError
from t2ipal.file_lock import try_lock


def share_folder(folder: str | Path = ".snakemake") -> IO[str]:
    """Hold a share of the working directory until this process ends; return what must be kept alive.

    If no other process holds a share, the owner of any lock is dead: the locks are removed. On a file system without
    locks they stay: `snakemake --unlock`.

    Raises:
        UserError: nothing can be written there, as in a checkout that is read-only.
    """
    try:
        Path(folder).mkdir(exist_ok=True)
        share = open(Path(folder, "alive"), "w")  # noqa: SIM115 (it lives as long as the process)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UserError(f"{Path(folder).absolute()}: {why} (expected a checkout of one's own: copy it)") from error
    if try_lock(share):
        for lock in Path(folder, "locks").glob("*.lock"):
            lock.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        fcntl.flock(share, fcntl.LOCK_SH)
    return share
