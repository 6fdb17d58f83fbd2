"""A table in each format: as CSV for programs, as Markdown, and as `table`, `terminal` and `latex` write it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence

from t2ipal.pages.latex import to_tex
from t2ipal.pages.layout import BOLD, EMPTY, Line, Text, layout
from t2ipal.pages.table import to_html
from t2ipal.pages.terminal import print_table
from t2ipal.tables.model import Cell, Pair, Row, Table

FIELDS = (
    *("table", "block", "row", "remark", "column", "ours", "ours_std", "ours_seeds", "paper"),
    *("minus", "difference", "difference_std", "low", "high", "paper_difference"),
)


def to_csv(table: Table) -> str:
    """One line per cell and difference of it, one line for a cell without differences; numbers unrounded."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for block in table.blocks:
        for row in block.rows:
            for line in _tidy(table, row):
                values = {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in line.items()}
                writer.writerow({"table": table.name, "block": block.title, **values})
    return out.getvalue()


def _tidy(table: Table, row: Row) -> Iterator[dict[str, object]]:
    for place, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
        if cell is None:
            continue
        value = cell.ours
        ours = {"row": row.title, "remark": row.remark, "column": column.header, "paper": cell.paper}
        ours |= {"ours": value.mean, "ours_std": value.std, "ours_seeds": value.count}
        differences = [_tidy_pair(pair, pair.cells[place]) for pair in row.pairs if pair.cells[place] is not None]
        yield from (ours | more for more in differences or [{}])


def _tidy_pair(pair: Pair, cell: Cell) -> dict[str, object]:
    value = cell.ours
    found = {"minus": pair.right, "difference": value.mean, "difference_std": value.std}
    return found | {"low": value.low, "high": value.high, "paper_difference": cell.paper}


def to_markdown(table: Table) -> str:
    """Pipe tables, one per block, with the sentences below."""
    sheet = layout(table)
    heads = [": ".join(filter(None, (head.group, head.text))) for head in sheet.heads]
    names = ["Method", *([""] if sheet.labels else [])]
    lines = [f"**{table.title}**", ""]
    for title, section in sheet.sections:
        lines += [f"*{title}*", ""] if title else []
        lines += [_pipes([*names, *heads]), _pipes([*("---" for _ in names), *("---:" for _ in heads)])]
        lines += [_pipes(_cells(line, sheet.labels)) for line in section]
        lines.append("")
    return "\n".join([*lines, *(f"- {note}" for note in (*table.notes, BOLD))]) + "\n"


def _cells(line: Line, labels: bool) -> list[str]:
    title = f"{line.title} ({line.remark})" if line.remark else line.title
    return [title, *([line.label] if labels else []), *(_text(text) for text in line.texts)]


def _text(text: Text | None) -> str:
    if text is None:
        return EMPTY
    main = f"**{text.main}**" if text.best else text.main
    return " ".join(filter(None, (main, text.extra)))


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


RENDERERS: Mapping[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "txt": print_table,
    "tex": to_tex,
    "html": to_html,
}
"""By the suffix of the file."""
