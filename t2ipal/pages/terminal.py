"""A table for a terminal, set by rich."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text as Words

from t2ipal.pages.layout import EMPTY, Line, Sheet, Text, layout
from t2ipal.tables.model import Table

INDENT = "  "


def print_table(table: Table, width: int = 100) -> str:
    """The table in lines of at most `width`: columns that do not fit follow below, and texts are wrapped."""
    sheet = layout(table)
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False, _environ={})
    console.print(Words(table.title))
    for shown in _parts(sheet, width):
        console.print("", _part(sheet, shown, width), sep="\n")
    console.print()
    remarks = sorted({line.remark for _, lines in sheet.sections for line in lines if line.remark})
    for note in (*(f"* {remark}" for remark in remarks), *table.notes):
        console.print(Words(note))
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def _parts(sheet: Sheet, width: int) -> list[list[int]]:
    """Indices of the columns that are next to each other: as many as fit, a group of columns never torn."""
    indices = iter(range(len(sheet.heads)))
    units = [[next(indices) for _ in range(size)] for name, count in sheet.groups
             for size in ([count] if name else [1] * count)]  # fmt: skip
    console = Console(width=10_000, legacy_windows=False, _environ={})
    parts: list[list[int]] = [[]]
    for unit in units:
        if parts[-1] and console.measure(_part(sheet, [*parts[-1], *unit], width)).maximum > width:
            parts.append([])
        parts[-1] += unit
    return parts


def _part(sheet: Sheet, shown: Sequence[int], width: int) -> Group:
    """Some columns of the table: a grid per section, without the lines that do not apply to these columns.

    The grids are equally wide, but for titles of lines that need more than a third of the width.
    """
    lines = [line for _, section in sheet.sections for line in section]
    titles = min(width // 3, max((len(_title(line)) for line in lines), default=0))
    rows = zip(lines, *(_cells(lines, column) for column in shown), strict=True)
    grids = []
    for title, section in sheet.sections:
        grid = Grid(
            title=Words(title), title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
        )
        grid.add_column("Method", min_width=titles)
        if sheet.labels:
            grid.add_column("", no_wrap=True)
        for heading in _headings(sheet, shown):
            grid.add_column(Words(heading), justify="right", no_wrap=True)
        _fill(grid, [next(rows) for _ in section], shown, sheet.labels)
        grids += [grid] if grid.row_count else []
    return Group(*grids)


def _fill(grid: Grid, rows: Sequence[tuple[Line, *tuple[Padding, ...]]], shown: Sequence[int], labels: bool) -> None:
    above: Line | None = None
    for line, *cells in rows:
        if any(line.texts[column] for column in shown):
            if not labels and above and above.difference != line.difference:
                grid.add_section()
            grid.add_row(Words(_title(line)), *([Words(line.label)] if labels else []), *cells)
            above = line


def _headings(sheet: Sheet, shown: Sequence[int]) -> list[str]:
    """Lines for each column: its group's name above the first of the group, its own, and the paper's data set."""
    heads = [sheet.heads[column] for column in shown]
    above = ["" if head is not heads[0] and head.group == before.group else head.group
             for before, head in zip([heads[0], *heads], heads, strict=False)]  # fmt: skip
    lines = [above, [head.header for head in heads], [head.data for head in heads]]
    return ["\n".join(texts) for texts in zip(*filter(any, lines), strict=True)]


def _cells(lines: Sequence[Line], column: int) -> list[Padding]:
    """The cells of a column, numbers below numbers and what follows them below each other."""
    texts = [line.texts[column] or Text(EMPTY) for line in lines]
    after = max((len(_extra(text)) for text in texts if text.main), default=0)
    return [
        Padding(Words(text.main + _extra(text)), (0, after - len(_extra(text)) if text.main else 0, 0, 0))
        for text in texts
    ]


def _extra(text: Text) -> str:
    return f" {text.extra}" if text.main and text.extra else text.extra


def _title(line: Line) -> str:
    indent = INDENT if line.label and line.difference and line.title else ""
    return f"{indent}{line.title}{' *' if line.remark else ''}"
