"""Freed memory stays with a job."""

from __future__ import annotations

import ctypes
import platform
import resource
from types import SimpleNamespace

import pytest
import torch

from t2ipal.runtime.allocator import LARGE, keep_freed_memory


def faults_of_tensors() -> int:
    """Page faults while tensors of 64 MB in all, each below any threshold, are filled and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.zeros(4 << 20) for _ in range(4)]
    assert tensors[0].nbytes < min(LARGE)
    assert sum(tensor.nbytes for tensor in tensors) == 64 << 20
    del tensors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_freed_memory_is_used_again_without_page_faults() -> None:
    keep_freed_memory()
    assert [faults_of_tensors() for _ in range(6)][-1] < 1000  # of 16,384 pages


def test_another_c_library_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    keep_freed_memory()


@pytest.mark.parametrize(("most", "options"), [(1 << 30, [-3, -1]), (32 << 20, [-3, -3, -1]), (0, [-3, -3])])
def test_a_library_that_refuses_large_blocks_gets_smaller_ones_or_keeps_its_rule(
    monkeypatch: pytest.MonkeyPatch, most: int, options: list[int]
) -> None:
    asked = []

    def mallopt(option: int, size: int) -> int:
        asked.append(option)
        return int(option == -1 or size <= most)

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    keep_freed_memory()
    assert asked == options
