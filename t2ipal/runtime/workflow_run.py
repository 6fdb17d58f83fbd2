"""What every Snakemake process does when it reads the Snakefile."""

from __future__ import annotations

import gc
import os
import sys
from typing import IO

from t2ipal.runtime.forks import fork_jobs
from t2ipal.runtime.orphans import RunWatch
from t2ipal.runtime.ownership import own_jobs
from t2ipal.runtime.run_lock import share_folder
from t2ipal.runtime.terminal import LOGGER, quieten
from t2ipal.runtime.usage import sample_rarely


def begin_run(root: str, is_main: bool, is_dry: bool) -> IO[str] | None:
    """Prepare the process and its jobs; return what must be kept alive as long as the process.

    The Snakemake inside a cluster's job (not `is_main`) owns no lock and may outlive the one that does. It only owns
    the job's script.

    Args:
        root: the folder of the Snakefile. Jobs import t2ipal from there, whatever else is installed: that is the code
            that rules declare as input.
        is_main: whether this Snakemake is the one that a person started.
        is_dry: whether it only plans.

    Raises:
        UserError: as `share_folder`.
    """
    # What Snakemake has imported lives until the end: to look through it for garbage takes a tenth of a dry run.
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", root)]
    os.environ["PYTHONPATH"] = os.pathsep.join([root, *others])
    own_jobs()
    quieten()
    if not is_main:
        return None
    fork_jobs(sys.modules.get("snakemake.shell"))
    sample_rarely()
    LOGGER.addHandler(RunWatch(is_dry))
    return share_folder()
