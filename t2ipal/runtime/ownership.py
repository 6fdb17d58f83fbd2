"""A job ends when the Snakemake that started it was killed, so that the next Snakemake works alone.

Snakemake 9.27 starts a script through a shell and ends it itself; kill -9 of Snakemake leaves the script running.
"""

from __future__ import annotations

import os
import threading
import time

VARIABLE = "T2IPAL_OWNER"


def own_jobs() -> None:
    """Make this process the owner of all jobs that it starts."""
    os.environ[VARIABLE] = str(os.getpid())


def end_with_owner() -> None:
    """End this process as soon as its owner is gone; nothing happens where it has none."""
    owner = os.environ.get(VARIABLE)
    if owner:
        threading.Thread(target=_watch, args=(int(owner),), daemon=True).start()


def _watch(owner: int) -> None:
    import psutil

    try:
        process = psutil.Process(owner)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.5)
    except psutil.NoSuchProcess:
        pass
    os._exit(1)
