"""Metric records: what is written is read, run by run, with the versions that numbers depend on."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from t2ipal.errors import UserError
from t2ipal.metrics import records
from t2ipal.metrics.records import by_run, read_records, record_schema, run_of, versions, write_records
from t2ipal.store import read_parquet
from t2ipal.version import VERSION

KEY = ("micro", "coop", "few_shot")


def measured(level: int, seed: int) -> dict[str, object]:
    value = 10.0 * level + seed
    resamples = {name: [value, value + 0.5] for name in ("bootstrap", "bootstrap_CF1", "bootstrap_OF1_top3")}
    return {"level": level, "seed": seed, "mAP": value, "CF1": value + 1, "ap": [value - 1, value + 1], **resamples}


def test_columns_and_types() -> None:
    found = {field.name: str(field.type) for field in record_schema()}
    metrics = ("mAP", "CF1", "OF1", "CF1_top3", "OF1_top3", "ECE", "ECE_floor", "Brier", "Brier_floor")
    numbers = dict.fromkeys((*metrics, "threshold", "validation_mAP", "own"), "double")
    texts = dict.fromkeys(("dataset", "method", "variant", "own_metric", "settings", "versions"), "string")
    resamples = ["bootstrap", *(f"bootstrap_{name}" for name in metrics[1:])]
    lists = {"ap": "list<item: double>", **dict.fromkeys(resamples, "list<item: float>")}
    others = {"level": "int64", "seed": "int64", "seconds": "double", "peak_mb": "double"}
    assert found == {**numbers, **texts, **lists, **others}


def test_records_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.parquet"
    rows = [measured(4, 2), measured(4, 1), measured(8, 1) | {"own_metric": "AP of VOC", "own": 3.5}]
    rows[2]["validation_mAP"] = 40.5
    write_records(path, KEY, rows, {"z": [1, 2], "gamma": 0.2}, {4: (3.5, 99.0)})
    table = read_parquet(path)
    assert table.schema.equals(record_schema())
    whole = table.to_pylist()
    assert [tuple(row[name] for name in ("dataset", "method", "variant")) for row in whole] == [KEY] * 3
    assert [(row["seconds"], row["peak_mb"]) for row in whole] == [(3.5, 99.0), (3.5, 99.0), (None, None)]
    assert {row["settings"] for row in whole} == {'{"gamma": 0.2, "z": [1, 2]}'}
    assert all(json.loads(row["versions"]) == versions() for row in whole)
    assert list(json.loads(whole[0]["versions"])) == sorted(versions())
    for row, given in zip(whole, rows, strict=True):
        assert {name: row[name] for name in given} == given

    shared = {"dataset": "micro", "method": "coop", "variant": "few_shot", "settings": {"z": [1, 2], "gamma": 0.2}}
    assert [row["validation_mAP"] for row in read_records([path], validation=True)] == [None, None, 40.5]
    read = read_records([path])
    nothing, others = (
        {"own_metric": None, "own": None},
        {"CF1", "bootstrap_CF1", "bootstrap_OF1_top3", "validation_mAP"},
    )
    assert read == [{**shared, **nothing, **{name: row[name] for name in row.keys() - others}} for row in rows]
    both = read_records([path, path], ["CF1", "OF1_top3"])
    assert len(both) == 6
    assert (both[3]["CF1"], both[3]["bootstrap_CF1"]) == (rows[0]["CF1"], rows[0]["bootstrap_CF1"])
    assert both[3]["OF1_top3"] is None
    assert "mAP" not in both[3]


def test_records_are_grouped_by_run_and_level_and_sorted_by_seed() -> None:
    def record(dataset: str, level: int, seed: int) -> dict[str, object]:
        return {"dataset": dataset, "method": "coop", "variant": "base", "level": level, "seed": seed}

    rows = [record("micro", 4, 2), record("voc", 4, 1), record("micro", 4, 1), record("micro", 8, 3)]
    runs = by_run(rows)
    assert runs == {
        ("micro", "coop", "base", 4): [rows[2], rows[0]],
        ("voc", "coop", "base", 4): [rows[1]],
        ("micro", "coop", "base", 8): [rows[3]],
    }
    assert run_of(runs, ("voc", "coop", "base", 4), "table2") == [rows[1]]
    with pytest.raises(UserError) as caught:
        run_of(runs, ("voc", "coop", "base", 8), "table2")
    assert str(caught.value) == (
        "table2: no metrics of run voc/coop/base at level 8; expected runs/voc/coop/base/metrics.parquet"
    )
    with pytest.raises(UserError) as caught:
        run_of({("voc", "coop", "base", 0): []}, ("voc", "coop", "base", 0), "fig4")
    assert str(caught.value) == "fig4: no metrics of run voc/coop/base; expected runs/voc/coop/base/metrics.parquet"
    with pytest.raises(UserError) as caught:
        by_run([*rows, record("micro", 4, 2)])
    assert str(caught.value) == "metrics of run micro/coop/base at level 4: a seed is there twice; expected each once"


def test_versions_name_what_numbers_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import platform

    monkeypatch.setattr(records, "PACKAGES", ("not-a-package", "numpy"))
    assert versions() == {"python": platform.python_version(), "t2ipal": VERSION, "numpy": np.__version__}
    monkeypatch.undo()
    found = versions()
    assert found.keys() == {"python", "t2ipal", *records.PACKAGES}
    assert found["clip-anytorch"] == version("clip-anytorch")
