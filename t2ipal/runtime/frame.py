"""The frame of every command: a mistake, a full disk or Ctrl-C end in one line, never in a traceback."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from t2ipal.errors import UserError, printable

TRACEBACK = "T2IPAL_TRACEBACK"
"""The environment variable that asks for the traceback of an error."""


def framed(work: Callable[[], int | None]) -> int:
    """Do the work of a command and return the exit code: 1 after an error, 130 after Ctrl-C."""
    _open_streams()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries, which users cannot act on
            code = work() or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        _tell("stopped")
        return 130
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        return _failed(error)
    finally:
        if not _is_writable(sys.stdout):
            _forget(sys.stdout)


def _failed(error: Exception) -> int:
    if isinstance(error, BrokenPipeError):  # `| head` has seen enough
        return 0
    _tell(f"error: {_text(error)}")
    return 1


def _text(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        # Files that are written name themselves, see `t2ipal.atomic`.
        name = "standard output" if error.filename is None else error.filename
        return f"{name}: {error.strerror.lower()}"
    text = " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory (expected more of it, or a smaller --batch): {text}"
    return f"{type(error).__name__}: {text} (not expected; {TRACEBACK}=1 shows where)"


def _open_streams() -> None:
    """Replace a closed stream by the null device, and escape characters that a terminal does not have."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (it lives as long as the process)
        with suppress(AttributeError):  # a test's
            getattr(sys, name).reconfigure(errors="backslashreplace")


def _is_writable(stream: TextIO) -> bool:
    try:
        stream.flush()
    except (OSError, ValueError):
        return False
    return True


def _forget(stream: TextIO) -> None:
    """Send what is left to the null device: Python would fail again when it flushes at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _tell(line: str) -> None:
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _forget(sys.stderr)
