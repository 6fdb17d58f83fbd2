"""The paper's scale is planned anywhere: no data, no models, in seconds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from project import Project, copy_sources


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project without any data or model."""
    project = copy_sources(tmp_path_factory.mktemp("paper") / "project")
    (project.path / "tiny.yaml").write_bytes((project.path / "config/paper.yaml").read_bytes())
    return project


def jobs_of(text: str) -> dict[str, int]:
    """Jobs by rule that a dry run announces."""
    found = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal +(\d+)", text, re.DOTALL)
    assert found, text[-3000:]
    counts = {name: int(count) for name, count in (line.split() for line in found[1].splitlines())}
    assert sum(counts.values()) == int(found[2])
    return counts


def test_a_dry_run_needs_no_data_and_says_what_is_missing(bare: Project) -> None:
    result = bare.run_command("-n", "--quiet", "all")
    assert result.returncode == 0, result.stdout[-3000:]
    counts = jobs_of(result.stdout)
    assert sum(counts.values()) <= 1500, counts
    missing = re.findall(r"^missing: config: (\S+): (\S+) ", result.stdout, re.MULTILINE)
    datasets = [f"datasets.{name}.{part}" for name in ("coco2014", "voc2007", "nuswide") for part in ("train", "test")]
    places = ("pools.coco", "pools.openimages", *datasets)
    assert {key.rpartition(".")[0] for key, _ in missing} == set(places)
    assert len(missing) == len(set(missing))
    assert not any(Path(bare.path, path).exists() for _, path in missing)
    assert "Exception" not in result.stdout


def test_a_run_without_data_ends_in_one_line(bare: Project) -> None:
    result = bare.run("table1")
    errors = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
    assert result.returncode != 0
    assert len(errors) == 1, result.stdout[-2000:]
    assert "no such file or folder" in errors[0]
    assert not (bare.path / "results/paper/captions").exists()


def test_the_plan_says_what_it_costs_before_anything_runs(bare: Project) -> None:
    result = bare.run("plan", "--config", "machine={gpu: H100, gpus: 4, cores: 32}")
    assert result.returncode == 0, result.stdout[-3000:]
    assert "results/paper/ costs on 4 x H100 and 32 CPU cores" in result.stdout
    assert not (bare.path / "results/paper/captions").exists()
    # the jobs that it counts are those that a dry run announces, but for `all` itself
    planned = jobs_of(bare.run("-n", "--quiet", "all").stdout)
    (row,) = re.findall(r"^ *all +([\d,]+) ", result.stdout, re.MULTILINE)
    assert int(row.replace(",", "")) == sum(planned.values()) - 1
    stages = dict(re.findall(r"^ *(images|features|training|evaluation) +([\d,]+) ", result.stdout, re.MULTILINE))
    counted = {
        "images": ("generate", "labelled_images"),
        "features": ("features_generated", "features_labelled", "features_captions", "features_templates"),
        "training": ("protocol", "train"),
        "evaluation": ("evaluate", "combine"),
    }  # fmt: skip
    assert {stage: int(jobs.replace(",", "")) for stage, jobs in stages.items()} == {
        stage: sum(planned.get(rule, 0) for rule in rules) for stage, rules in counted.items()
    }


def test_the_plan_of_the_default_counts_the_same_jobs(tmp_path: Path) -> None:
    project = copy_sources(tmp_path / "project")
    result = project.run("plan")
    assert result.returncode == 0, result.stdout[-3000:]
    models = project.path / "models"
    assert not models.exists()
    planned = jobs_of(project.run("-n", "--quiet", "all").stdout)
    (row,) = re.findall(r"^ *all +([\d,]+) ", result.stdout, re.MULTILINE)
    assert int(row.replace(",", "")) == sum(planned.values()) - 1
    assert "2 CPU cores" in result.stdout
