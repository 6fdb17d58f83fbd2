"""One finished small run of the whole workflow, shared by all tests here; each test that changes it gets a copy."""

from pathlib import Path

import pytest
from project import Project, copy_project, copy_sources, make_models, one_error


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after `snakemake all` on the tiny config."""
    project = copy_sources(tmp_path_factory.mktemp("workflow") / "finished")
    make_models(project.path / "models")
    result = project.run(timeout=1200)
    assert result.returncode == 0, result.stdout[-6000:]
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project that a test may break."""
    return copy_project(finished, tmp_path / "project")


@pytest.fixture
def broken(project: Project):
    """Assert that a run ends with an error of one line that holds `parts`, and return the line."""
    return one_error
