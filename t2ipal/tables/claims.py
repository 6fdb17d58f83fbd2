"""What the paper claims, and whether this run agrees: pure functions of tables.

A claim is a difference of which the paper prints both sides: one system above another, or more labels above fewer; or
one that its text states of Figures 3 and 4 (`shapes`). It has the paper's direction, so that the paper's difference is
positive. Only the direction is judged: the paper's numbers have no intervals and are mostly of other data than ours, so
that the size of a difference can be shown next to ours but not tested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from t2ipal.tables.model import Block, Cell, Column, Pair, Table, Value

AGREE, CONTRADICT, UNCLEAR = "agree", "contradict", "cannot tell"
VERDICTS = (AGREE, CONTRADICT, UNCLEAR)
SYSTEMS, LEVELS = "systems", "levels"


@dataclass(frozen=True)
class Claim:
    """A difference that the paper has.

    Attributes:
        table: title of the paper's table.
        kind: "systems" where two systems are compared, "levels" where more labels are with fewer.
        data: our data set.
        paper_data: the paper's data set.
        text: the claim in words.
        minus: what is subtracted from what, in `paper` and in `ours`.
        at: the column or columns it holds for, "" where there is one.
        paper: the paper's difference, positive; None where it prints none and its text gives the direction.
        ours: our difference with its interval.
        levels: where it is a claim on the average over levels: the same claim for each level, in the same direction,
            so that the paper's difference may be negative there.
        best: our difference with each system's best score rule on validation images; None where it is not known. It
            has no part in the verdict.
        best_rules: these rules, of the first and of the second system.
    """

    table: str
    kind: str
    data: str
    paper_data: str
    text: str
    minus: str
    at: str
    paper: float | None
    ours: Value
    levels: tuple[Claim, ...] = ()
    best: Value | None = None
    best_rules: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """`verdict` of its numbers."""
        return verdict(self.paper, self.ours)


def verdict(paper: float | None, ours: Value) -> str:
    """Whether our difference has the paper's sign (None: +); "cannot tell" if its interval holds 0 or is not known."""
    if ours.low is None or ours.high is None or ours.low <= 0 <= ours.high:
        return UNCLEAR
    return AGREE if (ours.low > 0) == (paper is None or paper > 0) else CONTRADICT


def count(claims: Iterable[Claim]) -> dict[str, int]:
    """How many claims have each verdict, all verdicts named."""
    numbers = Counter(claim.verdict for claim in claims)
    return {name: numbers[name] for name in VERDICTS}


def claims_of(table: Table) -> list[Claim]:
    """The claims of one table, block by block."""
    return [claim for block in table.blocks for claim in claims_of_block(table, block)]


def claims_of_block(table: Table, block: Block) -> list[Claim]:
    """The claims of one block: its pairs, those between columns, then its trends over levels."""
    return [*pair_claims(table, block), *trend_claims(table, block)]


def pair_claims(table: Table, block: Block) -> list[Claim]:
    """One system above another."""
    pairs = [pair for row in block.rows for pair in row.pairs]
    of_pair = _over_levels if table.stacked else _over_data
    claims = [claim for pair in pairs for claim in of_pair(table, block, pair)]
    beyond = ((pair, pair.cells[0]) for pair in block.beyond)
    return claims + [_claim(table, block, pair, cell) for pair, cell in beyond if _claims(cell)]


def trend_claims(table: Table, block: Block) -> list[Claim]:
    """One system with more labels above itself with fewer."""
    claims = []
    for row in block.rows:
        if row.trend and _claims(cell := row.trend.cells[0]):
            words = table.trend if cell.paper > 0 else f"not {table.trend}"
            ends = (row.trend.left, row.trend.right) if cell.paper > 0 else (row.trend.right, row.trend.left)
            at = " minus ".join(ends)
            data = (LEVELS, block.title, block.paper or "", f"{row.title}: {words}", f"{row.title}, {at}", at)
            claims.append(Claim(table.title, *data, abs(cell.paper), turned(cell.ours, cell.paper < 0)))
    return claims


def _over_data(table: Table, block: Block, pair: Pair) -> Iterable[Claim]:
    """Columns are data sets: a claim for each."""
    for column, cell in zip(table.columns, pair.cells, strict=True):
        if _claims(cell):
            yield _claim(table, block, pair, cell, column=column)


def _over_levels(table: Table, block: Block, pair: Pair) -> Iterable[Claim]:
    """Columns are levels: one claim on their average with the levels below it, or one for each if there are none."""
    average = table.average
    mean = None if average is None else pair.cells[average]
    cells = [(column.header, cell) for column, cell in zip(table.columns, pair.cells, strict=True) if cell is not mean]
    levels = [(header, cell) for header, cell in cells if _claims(cell)]
    if _claims(mean):
        yield _claim(table, block, pair, mean, table.columns[average].header, levels)
    else:
        yield from (_claim(table, block, pair, cell, header) for header, cell in levels)


def _claims(cell: Cell | None) -> bool:
    """Whether the paper prints both sides and they differ: of equal numbers it claims nothing."""
    return cell is not None and bool(cell.paper)


def _claim(
    table: Table,
    block: Block,
    pair: Pair,
    cell: Cell,
    at: str = "",
    levels: Sequence[tuple[str, Cell]] = (),
    column: Column | None = None,
) -> Claim:
    """The claim of a cell, turned to the paper's direction, and with it those of its levels."""
    data, paper_data = block.title, block.paper or ""
    if column is not None:
        data, paper_data = ", ".join(filter(None, (data, column.header))), column.paper or paper_data
    turn = cell.paper < 0
    upper, lower = (pair.right, pair.left) if turn else (pair.left, pair.right)

    def claim(cell: Cell, at: str, levels: tuple[Claim, ...] = ()) -> Claim:
        names = (table.title, SYSTEMS, data, paper_data, f"{upper} above {lower}", f"{upper} minus {lower}", at)
        return Claim(*names, -cell.paper if turn else cell.paper, turned(cell.ours, turn), levels)

    return claim(cell, at, tuple(claim(other, header) for header, other in levels))


def turned(value: Value, turn: bool) -> Value:
    """The difference the other way round, if `turn`."""
    if not turn:
        return value
    low, high = (None if end is None else -end for end in (value.high, value.low))
    return replace(value, mean=-value.mean, low=low, high=high)
