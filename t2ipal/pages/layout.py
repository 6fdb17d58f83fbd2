"""The layout of a printed table, whatever the format: heads, sections, lines and texts of cells.

Columns that are data sets have ours and the paper's side by side, and the differences follow the systems. Columns that
are levels are many: ours, the paper's and the differences of a system are below each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from t2ipal.tables.model import AVERAGE, Block, Cell, Cells, Column, Table
from t2ipal.tables.words import as_printed, gap

OURS, PAPER, INTERVAL = "ours", "paper", "95 %"
EMPTY = "-"
"""A cell that does not apply."""
BOLD = "Bold: the best of ours in a column, and what cannot be told apart from it."
MARKS = f"{BOLD} Grey: the paper's."
"""What formats that have bold, or bold and grey, add to the sentences below a table."""


@dataclass(frozen=True)
class Head:
    """A column.

    Attributes:
        group: the heading above it and its neighbours, "" for none.
        header: its own heading.
        data: the paper's data set, where it holds the paper's numbers for another one than ours.
        paper: whether it holds the paper's numbers.
    """

    group: str
    header: str
    data: str = ""
    paper: bool = False

    @property
    def text(self) -> str:
        """The heading in one line."""
        return ", ".join(filter(None, (self.header, self.data)))


@dataclass(frozen=True)
class Text:
    """A cell: the number, and what follows it, a deviation or an interval.

    Attributes:
        main: "95.21" or "-0.27"; "" in a line of intervals.
        extra: "± 0.11", "[-0.46, -0.08]" or "".
        best: whether the number is to be set off.
        paper: whether it is the paper's.
    """

    main: str
    extra: str = ""
    best: bool = False
    paper: bool = False


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        title: of the system or the difference; "" where it continues the line above.
        remark: on the system.
        label: what the line holds, where lines of several kinds are below each other.
        texts: per column; None where the column does not apply.
        difference: whether the line belongs to a difference.
        first: whether a system begins here.
    """

    title: str
    remark: str
    label: str
    texts: tuple[Text | None, ...]
    difference: bool = False
    first: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table ready to be written: heads, whether lines have labels, and sections of a heading and lines."""

    heads: tuple[Head, ...]
    labels: bool
    sections: tuple[tuple[str, tuple[Line, ...]], ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings above several columns: (text, number of columns)."""
        return [(name, len(list(heads))) for name, heads in groupby(self.heads, key=lambda head: head.group)]


def layout(table: Table) -> Sheet:
    """The sheet of a table."""
    if table.stacked:
        heads = tuple(Head("", column.header) for column in table.columns)
        return Sheet(heads, True, tuple((heading(block), tuple(_stack(block))) for block in table.blocks))
    shown = [_has_paper(table, index) for index in range(len(table.columns))]
    heads = tuple(
        head for column, paper in zip(table.columns, shown, strict=True) for head in _heads(table, column, paper)
    )
    return Sheet(heads, False, tuple((block.title, tuple(_side_by_side(block, shown))) for block in table.blocks))


def heading(block: Block) -> str:
    """The heading of a block whose columns are levels: our data set, and the paper's if it is another."""
    if not block.paper or block.paper == block.title:
        return block.title
    return f"{block.title} (paper: {block.paper})" if block.title else f"paper: {block.paper}"


def _has_paper(table: Table, index: int) -> bool:
    cells = (row.cells[index] for block in table.blocks for row in block.rows)
    return any(cell is not None and cell.paper is not None for cell in cells)


def _heads(table: Table, column: Column, paper: bool) -> list[Head]:
    if not paper:
        return [Head(column.header, OURS)]
    name = column.paper or (table.blocks[0].paper if column.key != AVERAGE else None)
    other = name if name and name != column.header else ""
    return [Head(column.header, OURS), Head(column.header, PAPER, other, paper=True)]


def _side_by_side(block: Block, shown: Sequence[bool]) -> Iterator[Line]:
    for row in block.rows:
        yield Line(row.title, row.remark, "", _beside(row.cells, shown, _number), first=True)
    for pair in (pair for row in block.rows for pair in row.pairs):
        yield Line(pair.title, "", "", _beside(pair.cells, shown, _difference), difference=True)


def _beside(cells: Cells, shown: Sequence[bool], ours: Callable[[Cell], Text]) -> tuple[Text | None, ...]:
    """Ours of each column, and the paper's where it has any."""
    texts: list[Text | None] = []
    for cell, paper in zip(cells, shown, strict=True):
        texts.append(ours(cell) if cell else None)
        texts += [_paper(cell, ours is _difference)] if paper else []
    return tuple(texts)


def _stack(block: Block) -> Iterator[Line]:
    for row in block.rows:
        yield Line(row.title, row.remark, OURS, _below(row.cells, _number), first=True)
        yield from _if_any("", PAPER, _below(row.cells, lambda cell: _paper(cell, False)), difference=False)
        for pair in row.pairs:
            differences = _below(pair.cells, _difference)
            numbers = tuple(text and Text(text.main) for text in differences)
            intervals = tuple(Text("", text.extra) if text and text.extra else None for text in differences)
            yield from _if_any(f"minus {pair.right}", OURS, numbers, difference=True)
            yield from _if_any("", INTERVAL, intervals, difference=True)
            yield from _if_any("", PAPER, _below(pair.cells, lambda cell: _paper(cell, True)), difference=True)


def _below(cells: Cells, text: Callable[[Cell], Text | None]) -> tuple[Text | None, ...]:
    return tuple(text(cell) if cell else None for cell in cells)


def _if_any(title: str, label: str, texts: tuple[Text | None, ...], difference: bool) -> Iterator[Line]:
    """The line, unless it is empty."""
    if any(texts):
        yield Line(title, "", label, texts, difference)


def _number(cell: Cell) -> Text:
    std = cell.ours.std
    return Text(f"{cell.ours.mean:.2f}", "" if std is None else f"± {std:.2f}", cell.best)


def _difference(cell: Cell) -> Text:
    main, _, extra = gap(cell.ours).partition(" ")
    return Text(main, extra)


def _paper(cell: Cell | None, signed: bool) -> Text | None:
    if cell is None or cell.paper is None:
        return None
    return Text(as_printed(cell.paper, signed), paper=True)
