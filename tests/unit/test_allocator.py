"""Freed memory stays with a job."""

from __future__ import annotations

import ctypes
import platform
import resource

import pytest
import torch

from t2ipal.runtime.allocator import LARGE, keep_freed_memory


def faults_of_tensors() -> int:
    """Page faults while tensors of 64 MB in all are filled and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.zeros(4 << 20) for _ in range(4)]
    assert sum(tensor.nbytes for tensor in tensors) == 64 << 20 < LARGE
    del tensors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_freed_memory_is_used_again_without_page_faults() -> None:
    keep_freed_memory()
    assert [faults_of_tensors() for _ in range(6)][-1] < 1000  # of 16,384 pages


def test_another_c_library_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    keep_freed_memory()
