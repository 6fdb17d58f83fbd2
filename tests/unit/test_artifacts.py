"""What artifacts record about themselves, and files in the place of others."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from t2ipal import artifacts, store
from t2ipal.artifacts import PATTERNS, identity
from t2ipal.errors import UserError
from t2ipal.runtime import job

ROOT = Path(__file__).resolve().parents[2]
FREE = ("recognisers/", "predictions/")
"""Results to be used elsewhere under any name."""


@pytest.fixture(autouse=True)
def _no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "made_with", {})


def write(path: Path) -> None:
    if path.suffix == ".parquet":
        store.write_parquet(pa.table({"id": ["a"]}), path)
    else:
        store.write_tensors(path, {"weight": torch.ones(2)}, {"method": "tai_dpt"})


def read(path: Path) -> Any:
    return store.read_parquet(path) if path.suffix == ".parquet" else store.read_tensors(path)


def filled(pattern: str, changed: str = "") -> str:
    """A path of a pattern; the name `changed` gets another value."""
    values = {"part": ("test", "train"), "sample": ("0", "1"), "shard": ("0", "1")}
    names = re.findall(r"\{(\w+)\}", pattern)
    return pattern.format(**{name: values.get(name, (name, f"other-{name}"))[name == changed] for name in names})


def swaps() -> list[tuple[str, str, str]]:
    return [(pattern, name, kind) for kind, pattern in PATTERNS.items() for name in re.findall(r"\{(\w+)\}", pattern)]


def test_each_artifact_of_the_rules_has_a_kind() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    outputs = set(re.findall(r'\w+="<results>/(\S+\.(?:parquet|safetensors))"', text))
    ours = {path for path in outputs if not path.startswith(FREE)}
    assert len(ours) >= len(PATTERNS)
    for pattern in ours:
        assert identity(f"results/micro/{filled(pattern)}"), pattern
    assert not [path for path in outputs - ours if identity(f"results/micro/{filled(path)}")]


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_path_has_one_kind(kind: str) -> None:
    found = identity(f"/any where/results/{filled(PATTERNS[kind])}")
    assert found.pop("kind") == kind
    assert found.keys() == set(re.findall(r"\{(\w+)\}", PATTERNS[kind]))


@pytest.mark.parametrize(("pattern", "name", "kind"), swaps())
def test_an_artifact_in_the_place_of_another_is_one_line(tmp_path: Path, pattern: str, name: str, kind: str) -> None:
    source, target = tmp_path / filled(pattern, name), tmp_path / filled(pattern)
    write(source)
    read(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    with pytest.raises(UserError) as error:
        read(target)
    own, wanted = identity(source)[name], identity(target)[name]
    line = f"{target}: holds {name} {own}; expected {name} {wanted} (delete the file and run again)"
    assert str(error.value) == line


def test_scores_in_the_place_of_metrics_are_one_line(tmp_path: Path) -> None:
    scores, metrics = (tmp_path / f"runs/coco/tai_dpt/base/{name}.parquet" for name in ("scores", "metrics"))
    write(scores)
    scores.rename(metrics)
    with pytest.raises(UserError, match="holds scores; expected metrics"):
        read(metrics)


def test_results_may_be_moved_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path / "results/runs/coco/tai_dpt/base/model.safetensors")
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    read(tmp_path / "elsewhere/runs/coco/tai_dpt/base/model.safetensors")


def test_files_of_an_earlier_version_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "runs/coco/tai_dpt/base/scores.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"id": ["a"]}), path)
    read(path)
    store.check_inputs([path], [{"settings": {"gamma": 1}}])


MADE = {"method": "t2i_pal", "settings": {"gamma": 0.5, "steps": 50}, "seeds": [1, 2], "clip": {"model": "RN50"}}
CHANGES = [
    ({"method": "tai_dpt"}, "holds method tai_dpt; expected method t2i_pal"),
    ({"settings": {"gamma": 0.5, "steps": 10}}, "holds steps 10; expected steps 50"),
    ({"seeds": [1]}, r"holds seeds \[1\]; expected seeds \[1, 2\]"),
    ({"clip": {"model": "RN101"}}, "holds model RN101; expected model RN50"),
    ({"clip": None}, "holds clip null; expected clip"),
]


@pytest.mark.parametrize(("change", "line"), CHANGES)
@pytest.mark.parametrize("name", ["scores.parquet", "model.safetensors"])
def test_an_artifact_made_with_something_else_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: dict[str, Any], line: str
) -> None:
    path = tmp_path / "runs/coco/t2i_pal/base" / name
    monkeypatch.setattr(artifacts, "made_with", MADE | change)
    write(path)
    with pytest.raises(UserError, match=line):
        store.check_inputs([path], [MADE])


def test_a_rule_asks_for_less_than_a_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs/coco/t2i_pal/base/scores.parquet"
    monkeypatch.setattr(artifacts, "made_with", MADE)
    write(path)
    store.check_inputs([path], [{"seeds": (1, 2)}])
    assert not read(path).schema.metadata


def test_the_frame_of_a_job_compares_inputs_and_describes_outputs(tmp_path: Path) -> None:
    paths = [tmp_path / f"runs/coco/{method}/base/metrics.parquet" for method in ("t2i_pal", "tai_dpt")]
    for path, gamma in zip(paths, (0.5, 0.2), strict=True):
        job._check_artifacts(SimpleNamespace(params={"made": {"settings": {"gamma": gamma}}}, input={}))
        write(path)
    wanted = [{"settings": {"gamma": gamma}} for gamma in (0.5, 0.3)]
    inputs = {"metrics": [str(path) for path in paths], "one": str(paths[0]), "none": []}
    job._check_artifacts(SimpleNamespace(params={"holds": {"one": wanted[0], "none": wanted[0]}}, input=inputs))
    with pytest.raises(UserError, match=r"tai_dpt/base/metrics.parquet: holds gamma 0.2; expected gamma 0.3"):
        job._check_artifacts(SimpleNamespace(params={"holds": {"metrics": wanted}}, input=inputs))
