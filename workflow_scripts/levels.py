"""Draw mAP over the share of known labels (Table 2) or over shots (Table 4), the paper's curves below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from job import run


def place(level: float | str, axis: str) -> float:
    """Where a level of a config or of the paper stands on the axis: "10%" and 0.1 at 10, "16-shot" and 16 at 16.

    Raises:
        UserError: there is no number in it.
    """
    from t2ipal.errors import UserError

    found = re.search(r"\d+(\.\d+)?", str(level))
    if found is None:
        raise UserError(f"levels figure: level {level!r}; expected a number, a percentage or a number of shots")
    number = float(found[0])
    share = axis == "labels" and number <= 1 and "%" not in str(level)
    return round(100 * number, 6) if share else number


def records_of(records: Sequence[Any], key: Sequence[str], level: float | str | None) -> list[Any]:
    """The records of a run at a level, by seed; `level` None, or records without one: the run alone decides.

    Raises:
        UserError: there are none, or a seed is there twice.
    """
    from t2ipal.errors import UserError

    name = "/".join(key)
    rows = [row for row in records if [row["dataset"], row["method"], row["variant"]] == list(key)]
    if level is not None:
        rows = [row for row in rows if row.get("level") in (None, "") or str(row["level"]) == str(level)]
    if not rows:
        where = name if level is None else f"{name} at level {level}"
        raise UserError(f"levels figure: no metrics of run {where}; expected them among the inputs")
    if len({row["seed"] for row in rows}) < len(rows):
        raise UserError(f"levels figure: a seed of run {name} is there twice; expected each once")
    return sorted(rows, key=lambda row: row["seed"])


def main(snakemake: Any) -> None:
    from t2ipal.figures import Curve, levels, save
    from t2ipal.records import read_records

    spec, records = snakemake.params.spec, read_records(snakemake.input.metrics)
    axis, data, curves = spec["axis"], spec["dataset"], []
    for row in spec["curves"]:
        if row["role"] == "zero-shot":  # it stands at no level, whatever its records and the paper call it
            points = [(0.0, records_of(records, key, None)) for _, key in row["runs"]]
            paper = dict(enumerate((row.get("paper") or {}).values()))
        else:
            points = [(place(level, axis), records_of(records, key, level)) for level, key in row["runs"]]
            paper = {place(level, axis): value for level, value in (row.get("paper") or {}).items()}
        curves.append(Curve(row["title"], row["role"], points, row.get("partner"), paper))
    figure = levels(axis, curves, data["title"], data["paper"] or "", spec["title"])
    save(figure, [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
