"""The sentences below a table: what its numbers are, and where ours agrees with the paper and where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from t2ipal.metrics.registry import METRICS
from t2ipal.tables.claims import AGREE, CONTRADICT, UNCLEAR, Claim, count, pair_claims, trend_claims, verdict
from t2ipal.tables.model import Block, Cell, Order, Row, Table, Value


def notes(table: Table) -> tuple[str, ...]:
    """All sentences that follow from a table's numbers."""
    own = (_own(row) for row in table.rows if row.own)
    return (*legend(table), *comparison(table), *own)


def legend(table: Table) -> tuple[str, ...]:
    """What the numbers are."""
    seeds = max((cell.ours.count for row in table.rows for cell in row.cells if cell), default=1)
    ours = "one model, so no deviation"
    if seeds > 1:
        ours = f"mean ± sample standard deviation over {seeds} training seeds; "
        ours += "a method without random choices has no deviation"
    sentences = [f"{_units(table.metrics)}. Ours: {ours}."]
    if any(row.pairs for row in table.rows):
        sentences.append(
            "Differences are of the means over the seeds; in brackets the 95 % interval of a paired bootstrap over the "
            f"test images ({table.resamples} resamples)."
        )
    if any(cell and cell.paper is not None for row in table.rows for cell in row.cells):
        sentences.append("The paper's values are for the real data set named next to them, if it is another than ours.")
    return tuple(sentences)


def _units(metrics: Sequence[str]) -> str:
    """The metrics and their units: "mAP, CF1 in percent"."""
    titles: dict[str, list[str]] = {}
    for name in metrics:
        titles.setdefault(METRICS[name].unit, []).append(METRICS[name].title)
    return "; ".join(f"{', '.join(names)} in {'percent' if unit == '%' else unit}" for unit, names in titles.items())


def comparison(table: Table) -> tuple[str, ...]:
    """Ours next to the paper's, in words: a note per column where columns are data sets, else notes per block."""
    return tuple(note for block in table.blocks for note in (_levels if table.stacked else _columns)(table, block))


def gap(value: Value) -> str:
    """A difference with its interval, or with its deviation where it has none: "-0.27 [-0.46, -0.08]"."""
    text = f"{value.mean:+.2f}"
    if value.low is not None:
        return f"{text} [{value.low:+.2f}, {value.high:+.2f}]"
    return text if value.std is None else f"{text} ± {value.std:.2f}"


def as_printed(number: float, signed: bool = False) -> str:
    """A number of the paper: with one digit, with two where it prints two."""
    digits = 1 if abs(number - round(number, 1)) < 1e-6 else 2
    return f"{number:{'+' if signed else ''}.{digits}f}"


def sentence(title: str, cell: Cell, where: str = "") -> str:
    """A difference here and in the paper."""
    here = f"{title} is {gap(cell.ours)} here{f' {where}' if where else ''}"
    if verdict(cell.paper, cell.ours) == UNCLEAR:
        known = cell.ours.low is not None
        here += ", so the two cannot be told apart" if known else ", without an interval to judge it by"
    return f"{here}; the paper has {as_printed(cell.paper, signed=True)}."


def _own(row: Row) -> str:
    """What a system reaches by the metric of its own publication."""
    values = ", ".join(f"{value:.1f} ({header})" for header, value in row.own.values)
    return f"{row.title} by the metric of its own paper, {row.own.title}: {values}."


def _columns(table: Table, block: Block) -> Iterator[str]:
    for order in block.orders:
        cells = [(pair.title, pair.cells[order.column]) for row in block.rows for pair in row.pairs]
        claims = {title: cell for title, cell in cells if cell is not None and cell.paper}
        head, wrong = _order(order, claims)
        where = _named(block.title, table.columns[order.column].header)
        yield f"{where}{' '.join([head, *_sentences(claims | wrong)])}"


def _levels(table: Table, block: Block) -> Iterator[str]:
    explained = {pair.title for row in block.rows for pair in row.pairs}
    for order in block.orders:
        head, wrong = _order(order, {})
        rest = {title: cell for title, cell in wrong.items() if title not in explained}
        yield f"{_named(block.title, table.columns[order.column].header)}{' '.join([head, *_sentences(rest)])}"
    where = _named(block.title)
    for claim in pair_claims(table, block):
        yield f"{where}{_claim(claim)}"
    if trends := trend_claims(table, block):
        yield f"{where}{_trends(table.trend, trends)}"


def _named(*parts: str) -> str:
    return "".join(f"{part}: " for part in [", ".join(filter(None, parts))] if part)


def _order(order: Order, claims: Mapping[str, Cell]) -> tuple[str, dict[str, Cell]]:
    """Does ours rank the systems as the paper does? A sentence, and the gaps of the ranking that do not agree."""
    gaps = {pair.title: pair.cells[0] for pair in order.gaps}
    verdicts = {verdict(cell.paper, cell.ours) for cell in (*gaps.values(), *claims.values())}
    if CONTRADICT in verdicts:
        head = f"ours contradicts the paper's order, {order.text}."
    elif UNCLEAR in verdicts:
        head = f"ours does not contradict the paper's order, {order.text}, but cannot confirm all of it."
    else:
        head = f"ours keeps the paper's order, {order.text}."
    return head, {title: cell for title, cell in gaps.items() if verdict(cell.paper, cell.ours) != AGREE}


def _sentences(cells: Mapping[str, Cell]) -> list[str]:
    """A sentence each, those that contradict the paper first."""
    severity = (CONTRADICT, UNCLEAR, AGREE)
    ordered = sorted(cells.items(), key=lambda item: severity.index(verdict(item[1].paper, item[1].ours)))
    return [sentence(title, cell) for title, cell in ordered]


def _claim(claim: Claim) -> str:
    verb = {
        AGREE: "agrees with the paper",
        CONTRADICT: "contradicts the paper",
        UNCLEAR: "neither confirms nor contradicts the paper",
    }[claim.verdict]
    where = "on average" if claim.levels else f"({claim.at})" if claim.at else ""
    text = f"ours {verb}: {sentence(claim.minus, Cell(claim.ours, claim.paper), where)}"
    return f"{text} {_by_level(claim.levels)}" if claim.levels else text


def _by_level(levels: Sequence[Claim]) -> str:
    numbers = count(levels)
    wrong = "; ".join(
        f"{each.at}: {gap(each.ours)}, the paper has {as_printed(each.paper, signed=True)}"
        for each in levels
        if each.verdict == CONTRADICT
    )
    return (
        f"Of the {len(levels)} columns where the paper has a difference, agree: {numbers[AGREE]}, contradict: "
        f"{numbers[CONTRADICT]}{f' ({wrong})' if wrong else ''}, cannot be told: {numbers[UNCLEAR]}."
    )


def _trends(words: str, trends: Sequence[Claim]) -> str:
    """One sentence on what more labels do, and one for each system where ours does not agree."""
    numbers = count(trends)
    head = (
        f"{words}: of the {len(trends)} systems for which the paper shows it ({trends[0].at}), agree: "
        f"{numbers[AGREE]}, contradict: {numbers[CONTRADICT]}, cannot be told: {numbers[UNCLEAR]}."
    )
    rest = {claim.minus: Cell(claim.ours, claim.paper) for claim in trends if claim.verdict != AGREE}
    return " ".join([head, *_sentences(rest)])
