"""What of Snakemake's messages a person sees."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from t2ipal.runtime import terminal


def failure(event: str, log: Path, **more: object) -> logging.LogRecord:
    """A record as Snakemake makes it when a job fails, or a group of jobs."""
    record = logging.LogRecord("snakemake.logging", logging.ERROR, "", 0, "Error in rule train", None, None)
    record.__dict__ |= {"event": SimpleNamespace(value=event), "log": [str(log)], **more}
    return record


def test_what_a_job_told_a_cluster_is_told_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, other = tmp_path / "train.log", tmp_path / "other.log"
    log.write_text("INFO begins\nerror: a.parquet: no such file\n")
    other.write_text("INFO begins\n")
    assert not terminal._is_news(failure("job_error", log)), "told by the job, in this terminal"
    assert capsys.readouterr().err == ""
    assert not terminal._is_news(failure("job_error", log, aux={"external_jobid": "12"}))
    assert capsys.readouterr().err == "error: a.parquet: no such file\n"
    group = [{"log": [str(other)]}, {"log": [str(log)]}]
    assert not terminal._is_news(failure("group_error", log, job_error_info=group))
    assert capsys.readouterr().err == "error: a.parquet: no such file\n"
    assert not terminal._is_news(failure("job_error", log, indent=True)), "told with its group"
    assert terminal._is_news(failure("job_error", other, aux={"external_jobid": "12"})), "killed: it said nothing"
    os.utime(log, (0, 0))
    assert terminal._is_news(failure("job_error", log)), "the line of an earlier run"
    assert capsys.readouterr().err == ""
