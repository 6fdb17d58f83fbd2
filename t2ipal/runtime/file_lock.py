"""A lock on a file that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
from typing import IO


def try_lock(file: IO[str]) -> bool | None:
    """Lock a file for this process alone, without waiting.

    Returns:
        Whether it is locked now. None: its file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
