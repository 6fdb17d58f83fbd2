"""The command that prints what a search tried."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from configs import default
from sklearn.metrics import average_precision_score
from training_toy import NAMES, clip, settings, toy

from t2ipal import methods
from t2ipal.rows import TRAIN
from t2ipal.store import write_parquet
from t2ipal.training.search import grid, main, try_all, try_settings
from t2ipal.training.train import fit


def test_a_grid_is_every_choice() -> None:
    assert grid({"lr": [1, 2], "loss": ["a", "b"]}) == [
        {"lr": 1, "loss": "a"}, {"lr": 1, "loss": "b"}, {"lr": 2, "loss": "a"}, {"lr": 2, "loss": "b"},
    ]  # fmt: skip


def test_further_values_are_tried_with_the_best_of_the_grid_alone() -> None:
    reached = {(1, 0): 3.0, (2, 0): 5.0, (2, 7): 6.0, (2, 8): 4.0}
    counts: list[tuple[int, int]] = []

    def attempt(point: dict[str, int]) -> dict[str, object]:
        return {"set": point, "mAP": reached[point["lr"], point.get("n", 0)]}

    rows = try_all({"lr": [1, 2]}, {"n": [7, 8]}, attempt, lambda done, count: counts.append((done, count)))
    assert [row["set"] for row in rows] == [{"lr": 2, "n": 7}, {"lr": 2}, {"lr": 2, "n": 8}, {"lr": 1}]
    assert counts == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [row["set"] for row in try_all({"lr": [1, 2]}, {}, attempt, lambda *_: None)] == [{"lr": 2}, {"lr": 1}]


def test_a_point_is_measured_on_validation_images() -> None:
    data, name = toy(), "partial_bce"
    images, labels = toy(seed=1)[TRAIN].images, toy(seed=1)[TRAIN].labels.numpy()
    method, chosen = methods.get(name), settings(name, lr=0.01)
    spec = {"method": name, "protocol": "partial", "level": 50, "seeds": [1, 2], "classes": list(NAMES), "clip": "x"}
    row = try_settings(method, chosen, {"lr": 0.01, "batch": 8}, clip(), spec, data, images, labels)
    tensors, _ = fit(method, chosen, clip(), NAMES, data, [1, 2])
    scores = method(chosen, NAMES).scores(tensors, images).numpy()
    wanted = [average_precision_score(labels, seed, average="macro") for seed in scores]
    assert row["mAP"] == pytest.approx(100 * sum(wanted) / 2, abs=1e-3)
    assert (row["method"], row["protocol"], row["level"]) == (name, "partial", 50)
    assert row["set"] == '{"batch": 8, "lr": 0.01}'
    assert 0 < row["seconds"] < 60
    assert set(row) == {"method", "protocol", "level", "set", "mAP", "seconds"}


def test_all_that_was_tried_is_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"method": "coop", "protocol": "few_shot", "level": 4, "set": '{"lr": 0.01}', "mAP": 61.234, "seconds": 4.4}
    for protocol in ("few_shot", "partial", "novel", ""):
        write_parquet(pa.Table.from_pylist([row | {"protocol": protocol}]), tmp_path / f"{protocol}.parquet")
    assert main([str(tmp_path / f"{protocol}.parquet") for protocol in ("few_shot", "partial", "novel", "")]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| `coop` | 4 shots | `lr` 0.01 | 61.23 | 4 |",
        "| `coop` | 4 % of the labels | `lr` 0.01 | 61.23 | 4 |",
        "| `coop` | 4 shots, novel classes | `lr` 0.01 | 61.23 | 4 |",
        "| `coop` | all rows | `lr` 0.01 | 61.23 | 4 |",
    ]


def test_the_best_settings_of_the_page_are_those_of_the_config() -> None:
    page = Path(__file__).resolve().parents[2] / "docs/search.md"
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+?) \| ([\d.]+) \|", page.read_text("utf-8"), re.MULTILINE)
    config = default()
    later = {name for search in config["search"].values() for name in search.get("then", ())}
    rows = [row for row in rows if not later & set(re.findall(r"`(\w+)`", row[1]))]  # they gain less than seeds differ
    best = {method: tried for method, tried, _ in sorted(rows, key=lambda row: float(row[2]))}
    assert best.keys() == config["search"].keys()
    rows = config["ablations"]["supplement"]["rows"]
    for method, tried in best.items():
        tuned = rows.get(f"{method}_tuned")  # a row beside the paper's settings
        chosen = tuned["set"] if tuned else config["settings"][method]
        settings = {key: str(chosen[key]) for key in config["search"][method]["grid"]}
        assert dict(re.findall(r"`(\w+)` ([\w.-]+)", tried)) == settings


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.parquet")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'none.parquet'}: no such file\n"
