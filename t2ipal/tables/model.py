"""A table before it is written: systems in blocks, columns, ours and the paper's number in each cell."""

from __future__ import annotations

from dataclasses import dataclass

CHOSEN = "chosen"
"""The key of the column that `rules: true` adds to a table."""
AVERAGE = "average"
"""The key of the column that `average: true` adds to a table."""


@dataclass(frozen=True)
class Value:
    """A measured number or difference.

    Attributes:
        mean: over the seeds.
        std: sample standard deviation over the seeds; None for a single seed.
        count: number of seeds.
        low, high: the 95 % interval of a difference, None where it is not known.
    """

    mean: float
    std: float | None = None
    count: int = 1
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Cell:
    """Ours and what the paper prints there, None where it prints nothing.

    Attributes:
        best: ours is the best of its column, or not distinguishable from it.
    """

    ours: Value
    paper: float | None = None
    best: bool = False


Cells = tuple[Cell | None, ...]
"""A cell per column; None where the column does not apply."""


@dataclass(frozen=True)
class Column:
    """A column: its key in the spec, its header, and the paper's data set if the columns are data sets."""

    key: str
    header: str
    paper: str | None = None


@dataclass(frozen=True)
class Pair:
    """A difference: one system minus another, column by column."""

    left: str
    right: str
    cells: Cells

    @property
    def title(self) -> str:
        """The pair in words."""
        return f"{self.left} minus {self.right}"


@dataclass(frozen=True)
class OwnMetric:
    """A system by the metric of its own publication, where that is not average precision.

    Attributes:
        title: of the metric.
        values: (header of the column, mean over the seeds).
    """

    title: str
    values: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Row:
    """A system.

    Attributes:
        key: its name in the specification.
        title: its name for readers.
        remark: why it is no competitor of the others, such as "not in the paper"; "" for most.
        cells: its numbers.
        pairs: its differences to others.
        trend: its last level minus its first, if it has several: titled by the headers of the two columns.
        own: its numbers by the metric of its own publication, if that is another.
        chosen: the header of its column with the greatest mAP on validation images, in a table of score rules.
    """

    key: str
    title: str
    remark: str
    cells: Cells
    pairs: tuple[Pair, ...] = ()
    trend: Pair | None = None
    own: OwnMetric | None = None
    chosen: str = ""


@dataclass(frozen=True)
class Order:
    """How the paper ranks the systems of one column, from the least to the greatest.

    Attributes:
        column: index of the column.
        text: the ranking, "A < B = C < D".
        gaps: each system minus the one before it, where the paper has a difference.
    """

    column: int
    text: str
    gaps: tuple[Pair, ...]


@dataclass(frozen=True)
class Block:
    """Systems below one heading, such as those of one data set.

    Attributes:
        title: the heading, "" for none.
        paper: the paper's data set next to ours, if any.
        rows: the systems.
        orders: the paper's rankings.
        beyond: differences between different columns that the paper's text claims, one cell each.
    """

    title: str
    paper: str | None
    rows: tuple[Row, ...]
    orders: tuple[Order, ...] = ()
    beyond: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of the paper with ours in it, and the sentences below it.

    Attributes:
        name: of its files.
        title: above it.
        columns: data sets or levels.
        blocks: the systems.
        stacked: the columns are levels: ours, the paper's and the differences are below each other.
        trend: the paper's claim about more levels, such as "more labels are better".
        rules: the columns are score rules, as in `TableSpec.rules`.
        notes: the sentences below it.
        metrics: the metrics that it shows.
        resamples: number of resamples of the test images behind its intervals.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    stacked: bool
    trend: str
    notes: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("mAP",)
    resamples: int = 0
    rules: bool = False

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all blocks."""
        return tuple(row for block in self.blocks for row in block.rows)

    @property
    def average(self) -> int | None:
        """Index of the column of averages."""
        return next((i for i, column in enumerate(self.columns) if column.key == AVERAGE), None)
