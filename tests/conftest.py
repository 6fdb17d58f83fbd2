"""Fixtures shared by all tests."""

import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cpu_times import CpuTimes
from warm import python_command, start_server

ROOT = Path(__file__).resolve().parent.parent

# Before torch is imported: what tests compute is small, and threads that wait for each other burn all cores.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the CPU time of a test run goes."""
    parser.addoption("--cpu-times", action="store_true", help="CPU-seconds of each file and of the costliest tests")


def pytest_configure(config: pytest.Config) -> None:
    """One warm Python for all workers of pytest -n; it imports nothing before it is asked."""
    if config.getoption("--cpu-times"):
        config.pluginmanager.register(CpuTimes())
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="t2ipal-")
        config.add_cleanup(folder.cleanup)
        server = start_server(Path(folder.name))
        config.add_cleanup(lambda: (server.stdin.close(), server.wait()))
        workers = getattr(config.option, "tx", None) or []
        config.option.tx = [f"popen//python={python_command()}" for _ in workers]


LONGEST = {"test_slurm.py", "test_reruns.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: a file is one worker's, so that a long one at the end keeps the others waiting."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def _outside(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or ROOT.parent / "shared" / default).resolve()


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of torch.multiprocessing are forks, which have torch imported; where there is a GPU, that is no way."""
    import torch
    from torch import multiprocessing as processes

    if torch.cuda.is_available():
        return
    context, start = processes.get_context("fork"), processes.start_processes

    def fork(function: Callable, arguments: tuple, *others: object, **options: object) -> object:
        pickle.dumps((function, [each for each in arguments if not hasattr(each, "put")]))  # else no process gets it
        return start(function, arguments, *others, **options | {"start_method": "fork"})

    monkeypatch.setattr(processes, "start_processes", fork)
    monkeypatch.setattr(processes, "spawn", fork)
    monkeypatch.setattr(processes, "get_context", lambda method: context)


@pytest.fixture
def real_data() -> Callable[..., Path]:
    """Path of a real sample below T2IPAL_TEST_DATA; the test skips where it is absent."""

    def locate(*parts: str) -> Path:
        path = _outside("T2IPAL_TEST_DATA", "data").joinpath(*parts)
        if not path.exists():
            pytest.skip(f"no real sample {'/'.join(parts)}: set T2IPAL_TEST_DATA to the folder that holds it")
        return path

    return locate


@pytest.fixture
def golden_dir() -> Path:
    """Folder of the official TaI-DPT golden vectors (T2IPAL_GOLDEN); the test skips where it is absent."""
    path = _outside("T2IPAL_GOLDEN", "golden")
    if not path.exists():
        pytest.skip("no official TaI-DPT golden vectors: set T2IPAL_GOLDEN to the folder that holds them")
    return path
