"""The numbers that the paper prints."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.metrics.registry import DEFAULT
from t2ipal.plan.specs import SweepSpec
from t2ipal.store import existing

PaperKey = tuple[str, str, str, str, str]
"""Table, data set, method, setting and metric, all in lower case."""
SETTING_NAMES = {"samples": "images_per_caption"}
"""Names in `paper_results.csv` of settings that have another name here."""
Paper = Mapping[PaperKey, float]


def read_paper(path: str | Path) -> dict[PaperKey, float]:
    """The paper's numbers from a CSV with columns table, dataset, method, setting, value and perhaps metric (mAP).

    Raises:
        UserError: a column is missing, or a value is no number.
    """
    paper: dict[PaperKey, float] = {}
    with existing(path).open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                names = [row[name] for name in ("table", "dataset", "method", "setting")]
                paper[paper_key(names, row.get("metric") or DEFAULT)] = float(row["value"])
            except KeyError as error:
                raise UserError(f"{path}: no column {error}; expected table, dataset, method, setting, value") from None
            except ValueError:
                raise UserError(f"{path}, line {number}: value {row['value']!r}; expected a number") from None
    return paper


def paper_key(names: Sequence[str], metric: str = DEFAULT) -> PaperKey:
    """The key of a number: table, data set, method and setting, and the metric, in lower case."""
    table, dataset, method, setting = (name.strip().lower() for name in names)
    return table, dataset, method, setting, metric.lower()


def quoted(paper: Paper, sweep: SweepSpec) -> dict[float, float]:
    """What the paper's text quotes of a figure: value of the setting -> metric."""
    figure = sweep.name.replace("fig", "f")
    start = paper_key((figure, sweep.dataset.paper or "", sweep.method.title, ""))[:3]
    metric = sweep.metric.lower()
    points = {key[3].partition("="): number for key, number in paper.items() if (key[:3], key[4]) == (start, metric)}
    names = (sweep.key, SETTING_NAMES.get(sweep.key))
    return {float(value): number for (name, _, value), number in points.items() if name in names}


def average_key(keys: Sequence[PaperKey], paper: Paper) -> PaperKey | None:
    """Where the paper prints the average of the numbers `keys`: below the setting or the data set of an average."""
    table, dataset, method, setting, metric = keys[0]
    settings, datasets = {key[3] for key in keys}, {key[1] for key in keys}
    candidates = [(table, dataset, method, "avg.", metric)] if len(datasets) == 1 else []
    candidates += [(table, "average", method, setting, metric)] if len(settings) == 1 and len(datasets) > 1 else []
    return next((key for key in candidates if key in paper), None)
