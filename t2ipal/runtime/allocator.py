"""Memory that a job has freed stays with it, for what it needs next."""

from __future__ import annotations

import contextlib
import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of options in glibc's malloc.h: how much free memory stays at the end of the heap, and the size of a block
from which on it is no part of the heap."""

KEPT, LARGE = 512 << 20, (256 << 20, 32 << 20)
"""Bytes of these options for a job; of the second, an older glibc refuses more than 32 MB."""


def keep_freed_memory() -> None:
    """Let the C library keep freed memory, where it is glibc; another one stays as it is.

    Its own rule returns tens of megabytes to the system with each large tensor, and the kernel then fills pages with
    zeros again and again: 2,000 page faults for each image of eight steps of the micro world, a fifteenth of its CPU
    time.
    """
    with contextlib.suppress(AttributeError, TypeError):
        library = ctypes.CDLL(None)
        if any(library.mallopt(MMAP_THRESHOLD, size) for size in LARGE):  # half of this is worse than its own rule
            library.mallopt(TRIM_THRESHOLD, KEPT)
