"""One finished small run of the whole workflow, shared by all tests here; each test that changes it gets a copy."""

import fcntl
import os
from pathlib import Path

import pytest
from project import Project, copy_project, copy_sources, make_models, one_error


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after `snakemake all` on the tiny config, for reading alone: all workers of pytest -n share it."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    whole = Project(root / "finished")
    with open(root / "finished.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.path.exists():
            project = copy_sources(tmp_path_factory.mktemp("workflow") / "project")
            make_models(project.path / "models")
            with project.with_modules(jobs=True) as warm:
                result = warm.run(timeout=1200)
            assert result.returncode == 0, result.stdout[-6000:]
            project.path.rename(whole.path)
    return whole


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project that a test may break."""
    return copy_project(finished, tmp_path / "project")


@pytest.fixture
def broken(project: Project):
    """Assert that a run ends with an error of one line that holds `parts`, and return the line."""
    return one_error
