"""Snakemake's scheduler, as the workflow sets it."""

from __future__ import annotations

from project import Project

TELL = """

onsuccess:
    print("rate limiter:", workflow.scheduler.job_rate_limiter)
"""


def test_no_timers_pile_up_in_local_runs(project: Project) -> None:
    """Each look for jobs starts a timer that ends in another look, unless the scheduler has no rate to keep."""
    snakefile = project.path / "Snakefile"
    snakefile.write_text(snakefile.read_text() + TELL)
    project.file("tables/table1.md").unlink()
    result = project.run()
    assert result.returncode == 0, result.stdout[-3000:]
    assert "rate limiter: None" in result.stdout
