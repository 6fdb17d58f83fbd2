"""The command that prints what a search tried."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from configs import default

from t2ipal.store import write_parquet
from t2ipal.training.search import main


def test_all_that_was_tried_is_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"method": "coop", "protocol": "few_shot", "level": 4, "set": '{"lr": 0.01}', "mAP": 61.234, "seconds": 4.4}
    write_parquet(pa.Table.from_pylist([row]), tmp_path / "coop.parquet")
    assert main([str(tmp_path / "coop.parquet")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "| `coop` | 4 shots | `lr` 0.01 | 61.23 | 4 |"


def test_the_best_settings_of_the_page_are_those_of_the_config() -> None:
    page = Path(__file__).resolve().parents[2] / "docs/search.md"
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+?) \| ([\d.]+) \|", page.read_text("utf-8"), re.MULTILINE)
    best = {method: tried for method, tried, _ in sorted(rows, key=lambda row: float(row[2]))}
    config = default()
    assert best.keys() == config["search"].keys()
    for method, tried in best.items():
        settings = {key: str(config["settings"][method][key]) for key in config["search"][method]["grid"]}
        assert dict(re.findall(r"`(\w+)` ([\w.-]+)", tried)) == settings


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.parquet")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'none.parquet'}: no such file\n"
