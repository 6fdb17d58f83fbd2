"""Any table of the paper from a spec, metric records and the paper's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import mean
from typing import Any

from t2ipal.errors import UserError
from t2ipal.metrics.records import Record, RunKey, by_run, run_of
from t2ipal.tables import words
from t2ipal.tables.model import AVERAGE, Block, Cell, Column, Order, Pair, Row, Table
from t2ipal.tables.numbers import averaged, difference, summary
from t2ipal.tables.paper import Paper, average_key, printed

TREND = "more labels are better"
ROUNDING = 0.1
"""A number of the paper this close to the mean of some of its cells is their average: they are printed to 0.1."""


@dataclass(frozen=True)
class _Entry:
    """The records of a cell, the paper's number, and the columns that they are the average of."""

    records: Sequence[Record]
    paper: float | None
    over: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Line:
    """A row of the spec with the records of its cells."""

    spec: Mapping[str, Any]
    entries: Mapping[str, _Entry]

    @property
    def title(self) -> str:
        return self.spec["title"]


def make_table(spec: Mapping[str, Any], records: Sequence[Record], paper: Paper) -> Table:
    """The table of a spec.

    Args:
        spec: what the plan says of a table:

            name, title: of the table.
            columns: [{key, header, paper}]; paper (optional) is the paper's data set, where columns are data sets.
            average (false): whether a column with the mean over the columns follows.
            stacked (false): whether columns are levels, with ours and the paper's below each other.
            trend ("more labels are better"; stacked tables only): what the paper says of the last column of a system
                against its first; "" for nothing.
            blocks: [{title, paper, rows, beyond}]; paper is the paper's data set or null. beyond (optional) is a list
                of [[row key, column key], [row key, column key]]: differences between columns that the paper's text
                claims.
            rows: [{key, title, remark, deterministic, against, cells, average}]; a remark takes a row out of the
                competition for the best; against are keys of rows of the block; average (optional) is the paper's key
                of the average, where it is not that of the setting "Avg." or the data set "average".
            cells: {column key: {run, level, paper}} with run [dataset, method, variant] and paper [table, dataset,
                method, setting], null where the paper has no such cell. A column without a cell does not apply to the
                row.
            notes (optional): sentences to add below the table.
        records: metric records of all runs that the spec names, at least.
        paper: the paper's numbers.

    Raises:
        UserError: a run without metrics, a paper's data set that the paper's table lacks, a row or column that a spec
            names and does not have, or runs that cannot be compared.
    """
    runs = by_run(records)
    columns = tuple(Column(each["key"], each["header"], each.get("paper")) for each in spec["columns"])
    columns += (Column(AVERAGE, "Avg." if spec.get("stacked") else "Average"),) if spec.get("average") else ()
    stacked = bool(spec.get("stacked"))
    blocks = [(block, _lines(spec, block, runs, paper)) for block in spec["blocks"]]
    table = Table(
        spec["name"],
        spec["title"],
        columns,
        tuple(_block(spec, columns, block, lines) for block, lines in blocks),
        stacked,
        spec.get("trend", TREND) if stacked else "",
    )
    entries = [entry for _, lines in blocks for line in lines for entry in line.entries.values()]
    seeds = max((len(entry.records) for entry in entries), default=1)
    resamples = max((len(entry.records[0]["bootstrap"]) for entry in entries), default=0)
    own = [note for _, lines in blocks for line in lines if (note := _own(line, columns))]
    notes = (*words.legend(table, seeds, resamples), *words.comparison(table), *own, *spec.get("notes", ()))
    return replace(table, notes=notes)


def _own(line: _Line, columns: Sequence[Column]) -> str:
    """A sentence with what a system reaches by the metric of its own publication, if that is another than mAP."""
    found, name = [], ""
    for column in columns:
        entry = line.entries.get(column.key)
        values = [record.get("own") for record in entry.records] if entry and column.key != AVERAGE else [None]
        if None not in values:
            name = entry.records[0]["own_metric"]
            found.append(f"{summary(values).mean:.1f} ({column.header})")
    return f"{line.title} by the metric of its own paper, {name}: {', '.join(found)}." if found else ""


def _lines(
    spec: Mapping[str, Any], block: Mapping[str, Any], runs: Mapping[RunKey, Sequence[Record]], paper: Paper
) -> list[_Line]:
    keys = [column["key"] for column in spec["columns"]]
    found = []
    for row in block["rows"]:
        where = f"{spec['name']}, row {row['key']}"
        for key in row["cells"]:
            _expect(key, keys, f"{where}: column")
        entries = {}
        for key in keys:
            if cell := row["cells"].get(key):
                names = cell.get("paper")
                records = run_of(runs, (*cell["run"], int(cell["level"])), spec["name"])
                entries[key] = _Entry(records, printed(paper, names, where) if names else None)
        if spec.get("average") and len(entries) > 1:
            entries[AVERAGE] = _average(row, entries, paper, where)
        found.append(_Line(row, entries))
    return found


def _average(row: Mapping[str, Any], entries: Mapping[str, _Entry], paper: Paper, where: str) -> _Entry:
    """The mean of a row's cells, and the paper's: what it prints as the average of these cells, else their mean.

    A run of some of the paper's levels is not to be compared with an average over all of them.
    """
    values = [entry.paper for entry in entries.values()]
    number = None
    if None not in values:
        names = row.get("average") or average_key([row["cells"][key]["paper"] for key in entries], paper)
        number = printed(paper, names, where) if names else None
        if number is None or abs(number - mean(values)) > ROUNDING:
            number = round(mean(values), 2)
    return _Entry(averaged([entry.records for entry in entries.values()]), number, tuple(entries))


def _block(
    spec: Mapping[str, Any], columns: Sequence[Column], block: Mapping[str, Any], lines: Sequence[_Line]
) -> Block:
    known = {line.spec["key"]: line for line in lines}
    stacked = bool(spec.get("stacked"))
    trends = stacked and bool(spec.get("trend", TREND))
    rows = []
    best = {column.key: _best(lines, column.key) for column in columns}
    for line in lines:
        key, remark = line.spec["key"], line.spec.get("remark") or ""
        cells = tuple(_cell(line, line.entries.get(column.key), key in best[column.key]) for column in columns)
        others = [
            _expect(other, known, f"{spec['name']}, row {key}: against") for other in line.spec.get("against", ())
        ]
        pairs = tuple(_pair(line, known[other], columns) for other in others)
        rows.append(Row(key, line.title, remark, cells, pairs, _trend(line, columns) if trends else None))
    beyond = tuple(
        _beyond(left, right, known, columns, f"{spec['name']}: beyond") for left, right in block.get("beyond", ())
    )
    return Block(
        block.get("title") or "", block.get("paper"), tuple(rows), tuple(_orders(lines, columns, stacked)), beyond
    )


def _cell(line: _Line, entry: _Entry | None, best: bool) -> Cell | None:
    if entry is None:
        return None
    values = [record["mAP"] for record in entry.records]
    return Cell(summary(values, bool(line.spec.get("deterministic"))), entry.paper, best)


def _best(lines: Sequence[_Line], column: str) -> set[str]:
    """Keys of the rows that lead a column: the best one and those that the paired interval cannot tell from it.

    A row with a remark takes no part, nor does a row whose average is over fewer columns than another's.
    """
    rows = {line.spec["key"]: line.entries[column] for line in lines
            if column in line.entries and not line.spec.get("remark")}  # fmt: skip
    widest = max((len(entry.over) for entry in rows.values()), default=0)
    rows = {key: entry for key, entry in rows.items() if len(entry.over) == widest}
    if len(rows) < 2:
        return set()
    best = max(rows, key=lambda key: mean(record["mAP"] for record in rows[key].records))
    gaps = {key: difference(rows[best].records, entry.records) for key, entry in rows.items()}
    return {key for key, gap in gaps.items() if gap.mean == 0 or (gap.low is not None and gap.low <= 0 <= gap.high)}


def _pair(left: _Line, right: _Line, columns: Sequence[Column]) -> Pair:
    cells = (_gap(left.entries.get(column.key), right.entries.get(column.key)) for column in columns)
    return Pair(left.title, right.title, tuple(cells))


def _gap(left: _Entry | None, right: _Entry | None) -> Cell | None:
    """Left minus right; None where one is missing or they are averages over different columns."""
    if left is None or right is None or left.over != right.over:
        return None
    known = left.paper is not None and right.paper is not None
    return Cell(difference(left.records, right.records), round(left.paper - right.paper, 6) if known else None)


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
    for place, column in enumerate(columns):
        rows = [line for line in lines if column.key in line.entries and line.entries[column.key].paper is not None]
        ranked = sorted(rows, key=lambda line: line.entries[column.key].paper)
        told = stacked and column.key != AVERAGE and any(AVERAGE in line.entries for line in ranked)
        if not told and len(ranked) > 1 and len({line.entries[column.key].over for line in ranked}) == 1:
            gaps = [(low, high, _gap(high.entries[column.key], low.entries[column.key]))
                    for low, high in pairwise(ranked)]  # fmt: skip
            text = ranked[0].title + "".join(f" {'<' if cell.paper else '='} {high.title}" for _, high, cell in gaps)
            claims = tuple(Pair(high.title, low.title, (cell,)) for low, high, cell in gaps if cell.paper)
            yield Order(place, text, claims)


def _beyond(
    left: Sequence[str], right: Sequence[str], known: Mapping[str, _Line], columns: Sequence[Column], where: str
) -> Pair:
    headers = {column.key: column.header for column in columns}
    ends = []
    for row, column in (left, right):
        line = known[_expect(row, known, f"{where}: row")]
        _expect(column, line.entries, f"{where}: column of row {row}")
        ends.append((f"{line.title} ({headers[column]})", line.entries[column]))
    (title, entry), (other_title, other) = ends
    return Pair(title, other_title, (_gap(entry, other),))


def _expect(name: str, known: Mapping[str, Any] | Sequence[str], what: str) -> str:
    if name not in known:
        raise UserError(f"{what} {name!r} is not there; expected one of {', '.join(known)}")
    return name
