"""The numbers of any table: from its specification, metric records and the paper's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean
from typing import Any

from t2ipal.errors import UserError
from t2ipal.metrics.records import VALIDATION_MAP, Record, by_run, run_of
from t2ipal.metrics.registry import METRICS
from t2ipal.plan.specs import BeyondSpec, BlockSpec, EndSpec, RowSpec, TableSpec
from t2ipal.tables.model import AVERAGE, CHOSEN, Block, Cell, Column, Order, OwnMetric, Pair, Row, Table
from t2ipal.tables.numbers import Result, averaged, difference, summary
from t2ipal.tables.paper import Paper, average_key, paper_key

ROUNDING = 0.1
"""A number of the paper this close to the mean of some of its cells is their average: they are printed to 0.1."""


@dataclass(frozen=True)
class _Entry:
    """Ours and the paper's number of a cell, and the columns that they are the average of."""

    result: Result
    paper: float | None
    over: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Line:
    """A row of the specification with the entries of its cells, and its own metric."""

    spec: RowSpec
    entries: Mapping[str, _Entry]
    own: OwnMetric | None
    chosen: str = ""

    @property
    def title(self) -> str:
        return self.spec.title


def fill(spec: TableSpec, records: Iterable[Record], paper: Paper) -> Table:
    """The table of a specification, without the sentences below it.

    Args:
        spec: of the table.
        records: metric records of all runs that the specification names, at least.
        paper: the paper's numbers.

    Raises:
        UserError: a run without metrics, a row or column that the specification names and does not have, or runs that
            cannot be compared.
    """
    runs = by_run(records, spec.seeds.shown)
    columns = tuple(Column(column.key, column.header, column.paper) for column in spec.columns)
    columns += (Column(AVERAGE, "Avg." if spec.stacked else "Average"),) if spec.average else ()
    blocks = [(block, [_line(spec, row, runs, paper) for row in block.rows]) for block in spec.blocks]
    if any(line.chosen for _, lines in blocks for line in lines):
        columns += (Column(CHOSEN, "best on validation"),)
    entries = [entry for _, lines in blocks for line in lines for entry in line.entries.values()]
    return Table(
        spec.name,
        spec.title,
        columns,
        tuple(_block(spec, columns, block, lines) for block, lines in blocks),
        spec.stacked,
        spec.trend if spec.stacked else "",
        metrics=spec.metrics,
        resamples=max((entry.result.resamples.shape[1] for entry in entries), default=0),
        rules=spec.rules,
    )


def _line(spec: TableSpec, row: RowSpec, runs: Mapping[Any, Sequence[Record]], paper: Paper) -> _Line:
    headers = {column.key: column.header for column in spec.columns}
    for key in row.cells:
        _expect(key, headers, f"{spec.name}, row {row.key}: column")
    entries, own, held_out = {}, [], {}
    for key, header in headers.items():
        if cell := row.cells.get(key):
            records = run_of(runs, (*cell.run, cell.level), spec.name)
            printed = paper.get(paper_key(cell.paper, cell.metric)) if cell.paper else None
            entries[key] = _Entry(Result.of(records, cell.metric), printed)
            own.append((header, records))
            held_out[key] = [record.get(VALIDATION_MAP) for record in records]
    own_metric = _own(own)
    if spec.average:
        metrics = [entry.result.metric for entry in entries.values()]
        main = {key: entry for key, entry in entries.items() if entry.result.metric == metrics[0]}
        entries |= {AVERAGE: _average(row, main, paper)} if len(main) > 1 else {}
    if spec.rules and not any(None in values for values in held_out.values()):
        best = max(held_out, key=lambda key: mean(held_out[key]))  # of equal ones the first
        return _Line(row, entries | {CHOSEN: entries[best]}, own_metric, headers[best])
    return _Line(row, entries, own_metric)


def _own(columns: Iterable[tuple[str, Sequence[Record]]]) -> OwnMetric | None:
    """What a system reaches by the metric of its own publication, if that is another than average precision."""
    title, values = "", []
    for header, records in columns:
        numbers = [record.get("own") for record in records]
        if None not in numbers:
            title = records[0]["own_metric"]
            values.append((header, mean(numbers)))
    return OwnMetric(title, tuple(values)) if values else None


def _average(row: RowSpec, entries: Mapping[str, _Entry], paper: Paper) -> _Entry:
    """The mean of a row's cells, and the paper's: what it prints as the average of these cells, else their mean.

    A run of some of the paper's levels is not to be compared with an average over all of them.
    """
    values = [entry.paper for entry in entries.values()]
    number = None
    if None not in values:
        metric = next(iter(entries.values())).result.metric
        keys = [paper_key(row.cells[key].paper, metric) for key in entries]
        number = paper.get(paper_key(row.average, metric) if row.average else average_key(keys, paper))
        if number is None or abs(number - mean(values)) > ROUNDING:
            number = round(mean(values), 2)
    return _Entry(averaged([entry.result for entry in entries.values()]), number, tuple(entries))


def _block(spec: TableSpec, columns: Sequence[Column], block: BlockSpec, lines: Sequence[_Line]) -> Block:
    known = {line.spec.key: line for line in lines}
    trends = spec.stacked and bool(spec.trend)
    best = {column.key: _best(lines, column.key) for column in columns}
    rows = []
    for line in lines:
        key = line.spec.key
        cells = tuple(_cell(line, line.entries.get(column.key), key in best[column.key]) for column in columns)
        others = [_expect(other, known, f"{spec.name}, row {key}: against") for other in line.spec.against]
        pairs = tuple(_pair(line, known[other], columns) for other in others)
        trend = _trend(line, columns) if trends else None
        rows.append(Row(key, line.title, line.spec.remark, cells, pairs, trend, line.own, line.chosen))
    beyond = tuple(_beyond(each, known, columns, f"{spec.name}: beyond") for each in block.beyond)
    printed = any(cell is not None and cell.paper is not None for row in rows for cell in row.cells)
    orders = tuple(_orders(lines, columns, spec.stacked))
    return Block(block.title, block.paper if printed else None, tuple(rows), orders, beyond)


def _cell(line: _Line, entry: _Entry | None, best: bool) -> Cell | None:
    if entry is None:
        return None
    return Cell(summary(entry.result.values, line.spec.deterministic), entry.paper, best)


def _best(lines: Sequence[_Line], column: str) -> set[str]:
    """Keys of the rows that lead a column: the best one and those that the paired interval does not separate from it.

    A row with a remark takes no part, nor does a row whose average is over fewer columns than another's.
    """
    competing = [line for line in lines if column in line.entries and not line.spec.remark]
    rows = {line.spec.key: line.entries[column] for line in competing}
    widest = max((len(entry.over) for entry in rows.values()), default=0)
    rows = {key: entry for key, entry in rows.items() if len(entry.over) == widest}
    if len(rows) < 2:
        return set()
    metric = METRICS[next(iter(rows.values())).result.metric]
    if metric.higher_is_better is None:
        return set()
    best = (max if metric.higher_is_better else min)(rows, key=lambda key: rows[key].result.mean)
    gaps = {key: difference(rows[best].result, entry.result) for key, entry in rows.items()}
    return {key for key, gap in gaps.items() if gap.mean == 0 or (gap.low is not None and gap.low <= 0 <= gap.high)}


def _pair(left: _Line, right: _Line, columns: Sequence[Column]) -> Pair:
    cells = (_gap(left.entries.get(column.key), right.entries.get(column.key)) for column in columns)
    return Pair(left.title, right.title, tuple(cells))


def _gap(left: _Entry | None, right: _Entry | None) -> Cell | None:
    """Left minus right; None where one is missing or they are averages over different columns."""
    if left is None or right is None or left.over != right.over:
        return None
    known = left.paper is not None and right.paper is not None
    return Cell(difference(left.result, right.result), round(left.paper - right.paper, 6) if known else None)


def _trend(line: _Line, columns: Sequence[Column]) -> Pair | None:
    """The last level of a row minus its first, where the paper has both."""
    levels = [column for column in columns if column.key != AVERAGE and column.key in line.entries]
    if len(levels) < 2:
        return None
    first, last = levels[0], levels[-1]
    cell = _gap(line.entries[last.key], line.entries[first.key])
    return Pair(last.header, first.header, (cell,)) if cell and cell.paper is not None else None


def _orders(lines: Sequence[_Line], columns: Sequence[Column], stacked: bool) -> Iterator[Order]:
    """The paper's ranking of each column; a column of levels needs none where its rows have an average."""
    for index, column in enumerate(columns):
        rows = [line for line in lines if column.key in line.entries and line.entries[column.key].paper is not None]
        ranked = sorted(rows, key=lambda line: line.entries[column.key].paper)
        summed_up = stacked and column.key != AVERAGE and any(AVERAGE in line.entries for line in ranked)
        if not summed_up and len(ranked) > 1 and len({line.entries[column.key].over for line in ranked}) == 1:
            gaps = [
                (low, high, _gap(high.entries[column.key], low.entries[column.key])) for low, high in pairwise(ranked)
            ]
            text = ranked[0].title + "".join(f" {'<' if cell.paper else '='} {high.title}" for _, high, cell in gaps)
            claims = tuple(Pair(high.title, low.title, (cell,)) for low, high, cell in gaps if cell.paper)
            yield Order(index, text, claims)


def _beyond(beyond: BeyondSpec, known: Mapping[str, _Line], columns: Sequence[Column], where: str) -> Pair:
    headers = {column.key: column.header for column in columns}

    def end(spec: EndSpec) -> tuple[str, _Entry]:
        line = known[_expect(spec.row, known, f"{where}: row")]
        _expect(spec.column, line.entries, f"{where}: column of row {spec.row}")
        return f"{line.title} ({headers[spec.column]})", line.entries[spec.column]

    (left, entry), (right, other) = end(beyond.left), end(beyond.right)
    return Pair(left, right, (_gap(entry, other),))


def _expect(name: str, known: Iterable[str], what: str) -> str:
    if name not in known:
        raise UserError(f"{what} {name!r} is not there; expected one of {', '.join(known)}")
    return name
