"""A lock on a file that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
from typing import IO, Any


def try_lock(file: IO[Any] | int) -> bool | None:
    """Lock an open file or folder for this process alone, without waiting.

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
