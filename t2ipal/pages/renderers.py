"""A table in each format: as CSV and Markdown by pandas, and as `table`, `terminal` and `latex` write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from t2ipal.pages.csv_text import csv_text
from t2ipal.pages.latex import to_tex
from t2ipal.pages.layout import BOLD, EMPTY, Line, Sheet, Text, layout
from t2ipal.pages.table import to_html
from t2ipal.pages.terminal import print_table
from t2ipal.tables.model import Cell, Pair, Row, Table

FIELDS = (
    *("table", "block", "row", "remark", "column", "ours", "ours_std", "ours_seeds", "paper"),
    *("minus", "difference", "difference_std", "low", "high", "paper_difference"),
)


def to_csv(table: Table) -> str:
    """One line per cell and difference of it, one line for a cell without differences; numbers unrounded."""
    lines = [
        {"table": table.name, "block": block.title, **line}
        for block in table.blocks
        for row in block.rows
        for line in _tidy(table, row)
    ]
    return csv_text(lines, FIELDS)


def _tidy(table: Table, row: Row) -> Iterator[dict[str, object]]:
    for column, cell, *differences in zip(table.columns, row.cells, *(pair.cells for pair in row.pairs), strict=True):
        if cell is None:
            continue
        value = cell.ours
        ours = {"row": row.title, "remark": row.remark, "column": column.header, "paper": cell.paper}
        ours |= {"ours": value.mean, "ours_std": value.std, "ours_seeds": value.count}
        pairs = [_tidy_pair(*each) for each in zip(row.pairs, differences, strict=True) if each[1] is not None]
        yield from (ours | pair for pair in pairs or [{}])


def _tidy_pair(pair: Pair, cell: Cell) -> dict[str, object]:
    value = cell.ours
    difference = {"minus": pair.right, "difference": value.mean, "difference_std": value.std}
    return difference | {"low": value.low, "high": value.high, "paper_difference": cell.paper}


def to_markdown(table: Table) -> str:
    """Pipe tables, one per block, with the sentences below."""
    sheet = layout(table)
    parts = [f"**{table.title}**"]
    for title, lines in sheet.sections:
        parts += [f"*{title}*"] if title else []
        parts.append(_pipes(sheet, lines))
    notes = "\n".join(f"- {note}" for note in (*table.notes, BOLD))
    return "\n\n".join([*parts, notes]) + "\n"


def _pipes(sheet: Sheet, lines: tuple[Line, ...]) -> str:
    names = ["Method", *([""] if sheet.labels else [])]
    heads = [": ".join(filter(None, (head.group, head.text))) for head in sheet.heads]
    cells = pd.DataFrame([_cells(line, sheet.labels) for line in lines], columns=[*names, *heads])
    aligned = [*("left" for _ in names), *("right" for _ in heads)]
    escaped = cells.map(_escaped).rename(columns=_escaped)
    return escaped.to_markdown(index=False, tablefmt="pipe", colalign=aligned, disable_numparse=True)


def _cells(line: Line, labels: bool) -> list[str]:
    title = f"{line.title} ({line.remark})" if line.remark else line.title
    return [title, *([line.label] if labels else []), *map(_text, line.texts)]


def _text(text: Text | None) -> str:
    if text is None:
        return EMPTY
    main = f"**{text.main}**" if text.best else text.main
    return " ".join(filter(None, (main, text.extra)))


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")


RENDERERS: Mapping[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "txt": print_table,
    "tex": to_tex,
    "html": to_html,
}
"""By the suffix of the file."""
