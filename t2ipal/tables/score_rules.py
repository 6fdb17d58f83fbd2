"""What score rules leave of the gains of systems over each other: sentences, and differences for the claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from t2ipal.tables.claims import SYSTEMS, Claim, turned
from t2ipal.tables.model import CHOSEN, Block, Pair, Table, Value
from t2ipal.tables.words import gap


@dataclass(frozen=True)
class BestRules:
    """A difference of two systems, each by the rule that is best for it on validation images.

    Attributes:
        value: the difference on test images.
        rules: the rules, of the first and of the second system.
    """

    value: Value
    rules: tuple[str, str]


def sentences(table: Table) -> tuple[str, ...]:
    """Which rules validation images chose, and how much of each gain is left; none below a table of something else."""
    return tuple(sentence for block in table.blocks for sentence in _of_block(table, block)) if table.rules else ()


def gains(table: Table) -> tuple[str, ...]:
    """How much is left of each gain, one sentence each."""
    return tuple(sentence for block in table.blocks for sentence in _gains(table, block)) if table.rules else ()


def with_best_rules(claims: Sequence[Claim], tables: Sequence[Table]) -> list[Claim]:
    """The claims, those on two systems of a table of score rules with the difference under the best rules.

    They are looked for by data set and title: such a table has the systems of Table 1 under the same names.
    """
    known = {key: best for table in tables if table.rules for key, best in _best(table)}
    return [_with_best(claim, known) for claim in claims]


def _with_best(claim: Claim, known: Mapping[tuple[str, str], BestRules]) -> Claim:
    best = known.get((claim.data, claim.minus))
    if best is None or claim.kind != SYSTEMS or claim.at:
        return claim
    return replace(claim, best=best.value, best_rules=best.rules)


def _best(table: Table) -> Iterator[tuple[tuple[str, str], BestRules]]:
    """By data set and "A minus B", both ways round."""
    for block in table.blocks:
        chosen = {row.title: row.chosen for row in block.rows}
        for pair, cells in _pairs(table, block):
            if CHOSEN in cells:
                value, rules = cells[CHOSEN], (chosen[pair.left], chosen[pair.right])
                yield (block.title, pair.title), BestRules(value, rules)
                back = f"{pair.right} minus {pair.left}"
                yield (block.title, back), BestRules(turned(value, True), rules[::-1])


def _pairs(table: Table, block: Block) -> Iterator[tuple[Pair, dict[str, Value]]]:
    """The differences of a block, by key of the column."""
    for pair in (pair for row in block.rows for pair in row.pairs):
        cells = zip(table.columns, pair.cells, strict=True)
        yield pair, {column.key: cell.ours for column, cell in cells if cell is not None}


def _of_block(table: Table, block: Block) -> Iterator[str]:
    chosen = [f"{row.title} {row.chosen}" for row in block.rows if row.chosen]
    if chosen:
        yield f"{block.title}: best rule on validation images: {'; '.join(chosen)}. Test images choose none."
    yield from _gains(table, block)


def _gains(table: Table, block: Block) -> Iterator[str]:
    own = table.columns[0].key
    for pair, cells in _pairs(table, block):
        others = [value.mean for key, value in cells.items() if key not in (own, CHOSEN)]
        if own in cells and cells[own].mean > 0 and others:
            other = " to ".join(dict.fromkeys(f"{end(others):+.2f}" for end in (min, max)))
            best = _left(cells[own].mean, cells[CHOSEN]) if CHOSEN in cells else ""
            here = f"{gap(cells[own])} with own scores, {other} with another rule for both"
            yield f"{block.title}: {pair.title} is {here}{best}."


def _left(own: float, chosen: Value) -> str:
    """The share of a gain with the best rules."""
    share = round(100 * chosen.mean / own)
    left = f"{share} % of the gain is left" if share > 0 else "nothing of the gain is left"
    return f", and {gap(chosen)} with the rule that is best for each on validation images: {left}"
