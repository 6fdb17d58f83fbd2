"""The numbers that the paper prints."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2ipal.errors import UserError
from t2ipal.store import existing

PaperKey = tuple[str, str, str, str]
"""Table, data set, method, setting, all in lower case."""
SETTING_NAMES = {"samples": "images_per_caption"}
"""How `paper_results.csv` calls settings that have another name here."""
Paper = Mapping[PaperKey, float]


def read_paper(path: str | Path) -> dict[PaperKey, float]:
    """The paper's numbers from a CSV with columns table, dataset, method, setting, value, metric, note.

    Raises:
        UserError: a column is missing, or a value is no number.
    """
    found: dict[PaperKey, float] = {}
    with existing(path).open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                key = paper_key([row[name] for name in ("table", "dataset", "method", "setting")])
                found[key] = float(row["value"])
            except KeyError as error:
                raise UserError(f"{path}: no column {error}; expected table, dataset, method, setting, value") from None
            except ValueError:
                raise UserError(f"{path}, line {number}: value {row['value']!r}; expected a number") from None
    return found


def paper_key(names: Sequence[str]) -> PaperKey:
    """How `read_paper` calls a number: its four names in lower case."""
    table, dataset, method, setting = (name.strip().lower() for name in names)
    return table, dataset, method, setting


def printed(paper: Paper, names: Sequence[str], what: str) -> float | None:
    """The number of a table, data set, method and setting; None where the paper prints none.

    Raises:
        UserError: the paper has no such data set in that table; `what` says who asked.
    """
    key = paper_key(names)
    if key not in paper and not any(other[:2] == key[:2] for other in paper):
        known = ", ".join(sorted({other[1] for other in paper if other[0] == key[0]}))
        raise UserError(
            f"{what}: data set {names[1]!r} is not in the paper's table {names[0]!r}; "
            f"expected {f'one of {known}' if known else 'a table of the paper'}"
        )
    return paper.get(key)


def quoted(paper: Paper, spec: Mapping[str, Any]) -> dict[float, float]:
    """What the paper's text quotes of a figure: value of the setting -> mAP.

    Args:
        paper: its numbers.
        spec: of a sweep: name, such as "fig3a"; key, its setting; method, with its title; dataset, with the paper's.
    """
    names = (spec["name"].replace("fig", "f"), spec["dataset"]["paper"] or "", spec["method"]["title"], "")
    start = paper_key(names)[:3]
    points = {key[3].partition("="): mean_ap for key, mean_ap in paper.items() if key[:3] == start}
    called = (spec["key"], SETTING_NAMES.get(spec["key"]))
    return {float(value): mean_ap for (name, _, value), mean_ap in points.items() if name in called}


def average_key(keys: Sequence[Sequence[str]], paper: Paper) -> PaperKey | None:
    """Where the paper prints the average of the numbers `keys`: below the setting or the data set of an average."""
    (table, dataset, method, setting), *_ = map(paper_key, keys)
    settings, datasets = {key[3] for key in map(paper_key, keys)}, {key[1] for key in map(paper_key, keys)}
    candidates = [(table, dataset, method, "avg.")] if len(datasets) == 1 else []
    candidates += [(table, "average", method, setting)] if len(settings) == 1 and len(datasets) > 1 else []
    return next((key for key in candidates if key in paper), None)
