"""Locks that a killed Snakemake left behind.

Snakemake 9.27 locks the working directory by files that do not name their owner. After a kill -9 they stay, and the
next Snakemake refuses to start.
"""

from __future__ import annotations

import contextlib
import fcntl
from pathlib import Path
from typing import IO

from t2ipal.runtime.file_lock import try_lock


def share_folder(folder: str | Path = ".snakemake") -> IO[str]:
    """Hold a share of the working directory until this process ends; return what must be kept alive.

    If no other process holds a share, the owner of any lock is dead: the locks are removed. On a file system without
    locks they stay: `snakemake --unlock`.
    """
    Path(folder).mkdir(exist_ok=True)
    share = open(Path(folder, "alive"), "w")  # noqa: SIM115 (it lives as long as the process)
    if try_lock(share):
        for lock in Path(folder, "locks").glob("*.lock"):
            lock.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        fcntl.flock(share, fcntl.LOCK_SH)
    return share
