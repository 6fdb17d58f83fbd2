"""What tables, figures and claims are made from: typed specifications.

Snakemake passes parameters to scripts as plain data and compares them by value. `Spec.plain` and `Spec.read` are the
only conversions between a specification and plain data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from t2ipal.metrics.registry import DEFAULT

RunKey = tuple[str, str, str]
"""Data set, method and variant: what names a run in the plan and in paths."""
PaperName = tuple[str, str, str, str]
"""Table, data set, method and setting: what names a number that the paper prints."""
SettingValue = float | int | str | bool


class Spec(BaseModel):
    """A specification: frozen, complete, and nothing but plain data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def plain(self) -> dict[str, Any]:
        """The specification as mappings, lists, texts and numbers."""
        return self.model_dump(mode="json")

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """The specification that `plain` came from."""
        return cls.model_validate(plain)


class SeedsSpec(Spec):
    """The training seeds that a table or figure shows, where runs may have more.

    Attributes:
        shown: the seeds; empty for all that its runs have.
        of: how many the config has; 0 where all are shown.
    """

    shown: tuple[int, ...] = ()
    of: int = 0

    @property
    def text(self) -> str:
        """Which seeds in words, "" for all."""
        return f"first {len(self.shown)} of {self.of} seeds" if self.shown else ""


class MethodSpec(Spec):
    """A method, as tables and figures show it.

    Attributes:
        name: its key in the config and in records.
        title: its name for readers.
        in_paper: whether the paper has it.
        deterministic: whether it has no random choice, so that one seed is enough.
    """

    name: str
    title: str
    in_paper: bool = True
    deterministic: bool = False


class DatasetSpec(Spec):
    """A data set, as tables and figures show it.

    Attributes:
        name: its key in the config and in records.
        title: its name for readers.
        paper: the paper's data set whose numbers are shown next to ours, if any.
    """

    name: str
    title: str
    paper: str | None = None


# Tables


class CellSpec(Spec):
    """Where the number of a cell comes from.

    Attributes:
        run: the run.
        level: percent of known labels, or shots; 0 without a protocol.
        metric: the metric that is shown.
        paper: the number of the paper that is shown next to ours, if any.
    """

    run: RunKey
    level: int = 0
    metric: str = DEFAULT
    paper: PaperName | None = None


class RowSpec(Spec):
    """A system.

    Attributes:
        key: its name in the specification.
        title: its name for readers.
        remark: why it does not compete for the best of a column, such as "not in the paper"; "" if it does.
        deterministic: whether it has no deviation over the seeds.
        against: keys of rows of the block whose difference to this one is shown.
        cells: by key of the column; a column without a cell does not apply to the row.
        average: the paper's average of the row, where it is not that of the setting "Avg." or the data set "average".
    """

    key: str
    title: str
    remark: str = ""
    deterministic: bool = False
    against: tuple[str, ...] = ()
    cells: Mapping[str, CellSpec]
    average: PaperName | None = None


class ColumnSpec(Spec):
    """A column.

    Attributes:
        key: its name in the specification.
        header: its name for readers.
        paper: the paper's data set, where columns are data sets.
    """

    key: str
    header: str
    paper: str | None = None


class EndSpec(Spec):
    """One side of a difference between columns: a row and a column, by their keys."""

    row: str
    column: str


class BeyondSpec(Spec):
    """A difference between two columns that the paper's text claims."""

    left: EndSpec
    right: EndSpec


class BlockSpec(Spec):
    """Systems below one heading, such as those of one data set.

    Attributes:
        title: the heading, "" for none.
        paper: the paper's data set, if the block is one data set's.
        rows: the systems.
        beyond: differences between columns that the paper's text claims.
    """

    title: str = ""
    paper: str | None = None
    rows: tuple[RowSpec, ...]
    beyond: tuple[BeyondSpec, ...] = ()

    @property
    def cells(self) -> tuple[CellSpec, ...]:
        """The cells of its rows."""
        return tuple(cell for row in self.rows for cell in row.cells.values())

    @property
    def dataset(self) -> str:
        """The data set of its runs, if the block is one data set's."""
        return self.cells[0].run[0]

    @property
    def metric(self) -> str:
        """The metric of its cells, if the block has one."""
        return self.cells[0].metric


class TableSpec(Spec):
    """A table.

    Attributes:
        name: of its files.
        title: above it.
        columns: data sets or levels.
        blocks: the systems.
        stacked: whether columns are levels, with ours and the paper's below each other.
        average: whether a column with the mean over the columns follows.
        trend: of stacked tables: the paper's claim on the last column of a system against its first; "" for nothing.
        rules: whether columns are score rules, first the systems' own scores: a column with the rule that is best for
            each on validation images follows, and sentences on what other rules leave of the differences.
        notes: sentences to add below the table.
        seeds: the training seeds that it shows.
    """

    name: str
    title: str
    columns: tuple[ColumnSpec, ...]
    blocks: tuple[BlockSpec, ...]
    stacked: bool = False
    average: bool = False
    trend: str = ""
    rules: bool = False
    notes: tuple[str, ...] = ()
    seeds: SeedsSpec = SeedsSpec()

    @property
    def rows(self) -> tuple[RowSpec, ...]:
        """The rows of all blocks."""
        return tuple(row for block in self.blocks for row in block.rows)

    @property
    def cells(self) -> tuple[CellSpec, ...]:
        """The cells of all blocks."""
        return tuple(cell for block in self.blocks for cell in block.cells)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of the cells, in the order of the cells."""
        return tuple(dict.fromkeys(cell.metric for cell in self.cells))


# Figures


class PointSpec(Spec):
    """One value of a sweep, and its run."""

    value: SettingValue
    run: RunKey


class SweepSpec(Spec):
    """One setting of one method, varied, on one data set.

    Attributes:
        name: of the sweep, such as "fig3a".
        key: the setting.
        points: its values.
        method: the method that is varied.
        others: the other methods of Table 1, to compare with.
        dataset: the data set.
        metric: the metric that is shown.
        default: the value of the method's base run; None where it does not matter.
        above: pairs of a value and what it is above according to the paper: another value, or a method's name.
        seeds: the training seeds that it shows.
    """

    name: str
    key: str
    points: tuple[PointSpec, ...]
    method: MethodSpec
    others: tuple[MethodSpec, ...] = ()
    dataset: DatasetSpec
    metric: str = DEFAULT
    default: SettingValue | None = None
    above: tuple[tuple[SettingValue, SettingValue], ...] = ()
    seeds: SeedsSpec = SeedsSpec()


class LevelsSpec(Spec):
    """The block of a table of levels, as curves.

    Attributes:
        axis: "labels", the percentage of known labels, or "shots".
        title: of the table.
        dataset: the data set of the block.
        rows: the systems.
    """

    axis: Literal["labels", "shots"]
    title: str
    dataset: DatasetSpec
    rows: tuple[RowSpec, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric of the cells."""
        return tuple(dict.fromkeys(cell.metric for row in self.rows for cell in row.cells.values()))


class PerClassSpec(Spec):
    """Average precision of each class, by method."""

    dataset: DatasetSpec
    methods: tuple[MethodSpec, ...]
    classes: tuple[str, ...]


class CurvesSpec(Spec):
    """Losses over the epochs, by method."""

    dataset: DatasetSpec
    methods: tuple[MethodSpec, ...]


class GapSpec(Spec):
    """The modality gap.

    Attributes:
        dataset: the data set.
        methods: those that learn on one side of the gap: their metrics show its cost.
        prompts: those with class prompts, whose distance to the images is shown.
        metric: the metric that shows the cost.
    """

    dataset: DatasetSpec
    methods: tuple[MethodSpec, ...]
    prompts: tuple[MethodSpec, ...]
    metric: str = DEFAULT


class ClaimsSpec(Spec):
    """The systems and levels of the paper's claims.

    Attributes:
        tables: all tables.
        sweeps: those about which the paper makes a claim.
        metric: the metric of the config.
        notes: sentences below the claims.
    """

    tables: tuple[TableSpec, ...]
    sweeps: tuple[SweepSpec, ...]
    metric: str = DEFAULT
    notes: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of all tables and sweeps."""
        names = [name for table in self.tables for name in table.metrics] + [sweep.metric for sweep in self.sweeps]
        return tuple(dict.fromkeys(names))
