"""What the Snakefile needs beyond Snakemake: which code a script runs, and whether a lock is stale."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import logging
import os
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO

from cluster import RunWatch, event_of

MACHINERY = {"job.py", "driver.py", "cluster.py", "version.py"}
"""Modules beside the scripts that carry no science: an edit of theirs changes no artifact."""
LOGGER = logging.getLogger("snakemake.logging")
STARTED = time.time()


def code_of(root: str, *starts: str) -> list[str]:
    """The Python files below `root` that running the files `starts` may import, they included, sorted.

    Snakemake compares inputs by content, scripts by time alone: declared as input, code decides reruns by what it says.
    Imports are followed statically, those inside functions too, those under `if TYPE_CHECKING:` not.
    """
    return list(_code_of(root, starts))


@cache
def _code_of(root: str, starts: tuple[str, ...]) -> tuple[str, ...]:
    found: set[str] = set()
    todo = list(starts)
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo.extend(_imports(root, path))
    return tuple(sorted(os.path.relpath(os.path.join(root, path)) for path in found))


@cache
def _imports(root: str, path: str) -> tuple[str, ...]:
    package = Path(path).parent.parts
    names: set[tuple[str, ...]] = set()
    for node in _nodes(ast.parse(Path(root, path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module or "").split(".")) if node.module else base
            names |= {module, *((*module, alias.name) for alias in node.names)}
    return tuple(sorted({file for name in names for file in _files(root, path, name)}))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from (node for branch in child.orelse for node in (branch, *_nodes(branch)))
            continue
        yield child
        yield from _nodes(child)


def _files(root: str, importer: str, name: tuple[str, ...]) -> Iterator[str]:
    """The files behind a dotted name: the module, and the __init__.py of every package above it."""
    for start in {"", os.path.dirname(importer)}:
        for end in range(1, len(name) + 1):
            place = os.path.join(start, *name[:end])
            for file in (os.path.join(place, "__init__.py"), f"{place}.py"):
                if os.path.basename(file) not in MACHINERY and _is_file(root, file):
                    yield file


@cache
def _is_file(root: str, file: str) -> bool:
    return os.path.isfile(os.path.join(root, file))


def join_run(is_main: bool = True, is_dry: bool = False, folder: str = ".snakemake") -> IO[str] | None:
    """Hold a share of the working directory until this process ends, however it ends; return what must be kept alive.

    A killed Snakemake leaves its locks behind, and the next one refuses to start. If no other process holds a share,
    the owner of any lock is dead: the lock is removed. The Snakemake inside a job (not `is_main`) owns no lock, holds
    no share, and may outlive the one that owns them; it only is whom the job's script watches.
    """
    os.environ["T2IPAL_OWNER"] = str(os.getpid())
    if not is_main:
        return None
    LOGGER.addHandler(RunWatch(is_dry))
    Path(folder).mkdir(exist_ok=True)
    share = open(Path(folder, "alive"), "w")  # noqa: SIM115 (its life is the process's)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for lock in Path(folder, "locks").glob("*.lock"):
                lock.unlink(missing_ok=True)
        fcntl.flock(share, fcntl.LOCK_SH)
    except OSError:  # a file system without such locks: after a kill there, `snakemake --unlock`
        pass
    return share


QUIET_EVENTS = {"job_started", "job_finished"}
QUIET_STARTS = ("Select jobs to execute", "Assuming unrestricted", "Provided cores", "Rules claiming more")


def quieten() -> None:
    """Keep from the terminal what Snakemake says twice: a job's message and the progress stay, the log file has all."""
    for handler in LOGGER.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    event = event_of(record)
    if event in ("job_error", "group_error"):
        return _is_untold(record)
    text = str(record.msg)
    return not (
        event in QUIET_EVENTS
        or text.startswith(QUIET_STARTS)
        or ("CalledProcessError" in text and text.rstrip().endswith("returned non-zero exit status 1."))
    )


def _is_untold(record: logging.LogRecord) -> bool:
    """Whether a failure still has to be shown: not where the job said its line, here or, told now, on a cluster."""
    if getattr(record, "indent", False):  # one of a group's jobs: the group's record names them all
        return False
    group = getattr(record, "job_error_info", None)
    logs = [path for job in group for path in job["log"]] if group else getattr(record, "log", None) or []
    said = [line for path in logs if (line := _said(path))]
    if said and (group or "external_jobid" in (getattr(record, "aux", None) or {})):
        print(*said, sep="\n", file=sys.stderr, flush=True)
    return not said


def _said(path: str) -> str | None:
    """The line that a job's log ends with, if it is the one that a job of this run tells the terminal when it fails."""
    try:
        if os.path.getmtime(path) < STARTED:
            return None
        line = Path(path).read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
    except (OSError, UnicodeDecodeError):
        return None
    return line if line.startswith("error: ") else None
