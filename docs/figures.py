"""Find figures of pages that were copied from tables of the default run and differ from a newer run.

figures.csv has a line per group of figures:

- page, words: its path, and text that it has once, with `{}` for each figure and `...` for anything within a line.
- table: a CSV file of the run, or the metrics of one of its variants, of which the mean of three seeds counts.
- row, minus, column: the row of the table, the first one if several have them; an empty one is any.
- values: an expression for each figure, separated by semicolons, and evaluated for each of the columns. `other` is the
  mAP of the row that `minus` names, for a difference that the table lacks.

A figure keeps its number of digits, and a sign if the page has one.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from t2ipal.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
FIGURES = "docs/figures.csv"
NUMBER = r"(?<![\d.+-])([+-]?\d+(?:\.\d+)?)"


class Group(NamedTuple):
    """A line of figures.csv."""

    page: str
    words: str
    table: str
    row: str
    minus: str
    column: str
    values: str


def groups(root: Path) -> list[Group]:
    """The lines of figures.csv."""
    lines = (root / FIGURES).read_text(encoding="utf-8").splitlines()
    return [Group(**row) for row in csv.DictReader(line for line in lines if not line.startswith("#"))]


def place(text: str, group: Group) -> re.Match[str]:
    """Where a page has the words, with its figures as groups; raises UserError unless it has them once."""
    pattern = re.escape(group.words).replace(r"\{\}", NUMBER).replace(r"\.\.\.", ".*").replace(r"\ ", r"\s+")
    found = list(re.finditer(pattern, text))
    if len(found) != 1:
        raise UserError(f"{FIGURES}: words: {group.words}: {len(found)} times in {group.page} (expected once)")
    return found[0]


@cache
def read(path: Path) -> pd.DataFrame:
    """A table of the run; claims get the column names of tables. Raises UserError if the run lacks it."""
    if not path.exists():
        raise UserError(f"{path}: missing (expected the results of a complete default run)")
    if path.suffix == ".parquet":
        seeds = pd.read_parquet(path, columns=["seed", "mAP"]).sort_values("seed").head(3)
        return pd.DataFrame({"row": "", "ours": [seeds["mAP"].mean()]})
    return pd.read_csv(path).rename(columns={"claim": "row", "at": "column"})


def values(results: Path, group: Group) -> list[float]:
    """What the run has for the figures of a group, in their order. Raises UserError if it lacks a table or row."""
    table = read(results / group.table)
    rows = table[table["row"] == group.row]
    if group.minus:
        rows = rows.assign(other=table.loc[table["row"] == group.minus, "ours"].mean())
        rows = rows if "other" in group.values else rows[rows["minus"] == group.minus]
    found = []
    for column in group.column.split("; "):
        first = rows[rows["column"] == column][:1] if column else rows[:1]
        if first.empty:
            raise UserError(f"{results / group.table}: no row {group.row} {column} (expected it: {FIGURES})")
        found += [float(first.eval(expression).iloc[0]) for expression in group.values.split("; ")]
    return found


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> None:
    """List stale figures, or correct them; the exit code is 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python docs/figures.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="results of a complete default run: results/micro")
    parser.add_argument("--write", action="store_true", help="correct the pages")
    arguments = parser.parse_args(argv)
    stale: dict[str, list[tuple[int, int, str]]] = {}
    try:
        for group in groups(root):
            match = place((root / group.page).read_text(encoding="utf-8"), group)
            for index, value in enumerate(values(arguments.results, group), 1):
                old = match[index]
                new = f"{value:{'+' if old[0] in '+-' else ''}.{len(old.partition('.')[2])}f}"
                if new != old:
                    stale.setdefault(group.page, []).append((*match.span(index), new))
    except UserError as error:
        sys.exit(f"error: {error}")
    for page, figures in stale.items():
        text = (root / page).read_text(encoding="utf-8")
        for start, end, new in sorted(figures):
            print(f"{page}:{text.count(chr(10), 0, start) + 1}: {text[start:end]} -> {new}")
        if arguments.write:
            for start, end, new in sorted(figures, reverse=True):
                text = text[:start] + new + text[end:]
            (root / page).write_text(text, encoding="utf-8")
    sys.exit(1 if stale else 0)


if __name__ == "__main__":
    main()
