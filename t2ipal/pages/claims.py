"""Every claim of the paper next to ours: the page "Paper and this run", for a quick overview, and a CSV file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from t2ipal.pages.csv_text import csv_text
from t2ipal.pages.environment import minus, render
from t2ipal.tables.claims import AGREE, CONTRADICT, LEVELS, UNCLEAR, VERDICTS, Claim, count
from t2ipal.tables.words import as_printed, gap

MARK: Mapping[str, str] = {AGREE: "\N{CHECK MARK}", CONTRADICT: "\N{BALLOT X}", UNCLEAR: "?"}
SAID: Mapping[str, str] = {AGREE: "agrees", CONTRADICT: "contradicts", UNCLEAR: "cannot tell"}
COUNTED: Mapping[str, str] = {AGREE: "agree", CONTRADICT: "contradict", UNCLEAR: "cannot be told"}
KIND: Mapping[str, str] = {AGREE: "agree", CONTRADICT: "contradict", UNCLEAR: "unclear"}
"""Names of the classes of the style sheet."""
EXPLAINED: Mapping[str, str] = {
    AGREE: "our difference has the paper's direction, and its 95 % interval excludes 0",
    CONTRADICT: "our difference has the other direction, and its 95 % interval excludes 0",
    UNCLEAR: "the 95 % interval of our difference holds 0",
}
LEAD = (
    "Each line is a difference of {metric} that the paper claims, in the paper's direction: right of the zero line is "
    "as in the paper, left of it is against it. Only the direction is judged, for the paper prints no intervals; of "
    "its figures it prints few numbers, so that + marks the others."
)
WIDTH, MARGIN = 300, 16
"""Of a plot, in pixels; the margin keeps marks and numbers at its ends whole."""
FIELDS = (
    *("table", "kind", "data", "paper_data", "claim", "at", "paper", "ours", "low", "high", "verdict"),
    *("best_rule", "best_rule_low", "best_rule_high", "rules"),
)
"""Columns of the CSV file."""


def claims_csv(claims: Sequence[Claim]) -> str:
    """One line per claim, the levels of a claim on an average below it, numbers unrounded."""
    lines = [
        (
            *(each.table, each.kind, each.data, each.paper_data, each.text, each.at),
            *(each.paper, each.ours.mean, each.ours.low, each.ours.high, each.verdict),
            *((each.best.mean, each.best.low, each.best.high) if each.best else (None, None, None)),
            "; ".join(each.best_rules),
        )
        for claim in claims
        for each in (claim, *claim.levels)
    ]
    return csv_text(lines, FIELDS)


def claims_page(
    claims: Sequence[Claim],
    title: str = "Paper and this run",
    subtitle: str = "",
    notes: Sequence[str] = (),
    metric: str = "mAP",
    gains: Sequence[str] = (),
) -> str:
    """The page: counts, then a line per claim with the paper's difference, ours with its interval, and the verdict.

    Args:
        claims: in the order of the paper's tables, those of one table together.
        title: of the page.
        subtitle: what this run is, in a sentence.
        notes: sentences below the table.
        metric: what the differences are of.
        gains: sentences on what score rules leave of the gains.
    """
    return render(
        "claims.html.j2",
        title=title,
        lead=f"{subtitle} {LEAD.format(metric=metric)}".strip(),
        total=len(claims),
        tiles=_counts(claims),
        by_level=_by_level([each for claim in claims for each in claim.levels]),
        groups=list(_groups(claims)),
        width=WIDTH,
        metric=metric,
        notes=notes,
        best=any(claim.best for claim in claims),
        gains=gains,
    )


def _counts(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """How many claims have each verdict, with its words."""
    words = {"kind": KIND, "mark": MARK, "counted": COUNTED, "explained": EXPLAINED}
    numbers = count(claims)
    return [
        {"number": numbers[name]} | {key: of_verdict[name] for key, of_verdict in words.items()} for name in VERDICTS
    ]


def _by_level(levels: Sequence[Claim]) -> str:
    """The counts of the claims below those on averages."""
    if not levels:
        return ""
    counts = ", ".join(f"{number} {COUNTED[name]}" for name, number in count(levels).items())
    return f"A claim on an average counts once. Of its {len(levels)} levels where the paper has a difference: {counts}."


def _groups(claims: Sequence[Claim]) -> Iterator[dict[str, Any]]:
    """The claims of one table that share a scale; the first group of a table has its title and its counts."""
    for table, of_table in groupby(claims, key=lambda claim: claim.table):
        rows = list(of_table)
        kinds = ([claim for claim in rows if (claim.kind == LEVELS) == are_levels] for are_levels in (False, True))
        for number, group in enumerate(filter(None, kinds)):
            scale = Scale.of(group)
            yield {
                "title": "" if number else table,
                "what": _levels_compared(group),
                "counts": [] if number else _counts(rows),
                "ticks": [{"value": tick, "x": scale.x(tick), "text": minus(_short(tick))} for tick in scale.ticks()],
                "rows": [_row(claim, scale) for claim in group],
            }


def _levels_compared(claims: Sequence[Claim]) -> str:
    """Which levels claims on levels compare, where all compare the same."""
    if claims[0].kind != LEVELS:
        return ""
    at = {claim.at for claim in claims}
    return f"over the levels{f': {at.pop()}' if len(at) == 1 else ''}"


def _row(claim: Claim, scale: Scale) -> dict[str, Any]:
    at = "average" if claim.levels else "" if claim.kind == LEVELS else claim.at
    ours, _, interval = gap(claim.ours).partition(" ")
    best, _, best_interval = gap(claim.best).partition(" ") if claim.best else ("", "", "")
    levels = [
        {"kind": KIND[each.verdict], "numbers": _numbers(each), "at": each.at, "mark": MARK[each.verdict]}
        for each in claim.levels
    ]
    return {
        "text": claim.text,
        "details": [part for part in (at, _data(claim)) if part],
        "levels": levels,
        "paper": _printed(claim),
        "ours": ours,
        "interval": interval,
        "best": {"ours": best, "interval": best_interval, "rules": "; ".join(claim.best_rules)} if claim.best else None,
        "plot": _plot(claim, scale),
        "verdict": {"kind": KIND[claim.verdict], "mark": MARK[claim.verdict], "said": SAID[claim.verdict]},
    }


def _plot(claim: Claim, scale: Scale) -> dict[str, Any]:
    """The positions of a claim's marks, in pixels."""
    ours = claim.ours
    ends = (ours.low, ours.high)
    return {
        "label": f"paper {_printed(claim)}, this run {gap(ours)}",
        "ours": scale.x(ours.mean),
        "interval": None if None in ends else [scale.x(end) for end in ends],
        "paper": None if claim.paper is None else scale.x(claim.paper),
    }


def _data(claim: Claim) -> str:
    if not claim.paper_data or claim.paper_data == claim.data:
        return claim.data
    return f"{claim.data} (paper: {claim.paper_data})" if claim.data else f"paper: {claim.paper_data}"


def _numbers(claim: Claim) -> str:
    return f"{claim.at}: this run {gap(claim.ours)}, paper {_printed(claim)}: {SAID[claim.verdict]}"


def _printed(claim: Claim) -> str:
    return "+" if claim.paper is None else as_printed(claim.paper, signed=True)


class Scale:
    """The horizontal scale that the plots of a group share: it holds 0, all papers' numbers and all intervals."""

    def __init__(self, low: float, high: float) -> None:
        """A scale from `low` to `high` or a little further, to whole steps."""
        self.step = step = _step(high - low)
        self.low, self.high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step

    @classmethod
    def of(cls, claims: Sequence[Claim]) -> Scale:
        """The scale of these claims."""
        ends = [0.0]
        for claim in claims:
            ours = claim.ours
            ends += [end for end in (claim.paper, ours.mean, ours.low, ours.high) if end is not None]
        return cls(min(ends), max(ends))

    def x(self, value: float) -> float:
        """The position of a difference, in pixels."""
        return round(MARGIN + (WIDTH - 2 * MARGIN) * (value - self.low) / (self.high - self.low), 1)

    def ticks(self) -> Iterator[float]:
        """The values to name, exactly 0 among them."""
        for number in range(round((self.high - self.low) / self.step) + 1):
            tick = self.low + number * self.step
            yield tick if abs(tick) > 1e-9 else 0.0


def _step(span: float) -> float:
    """1, 2 or 5 times a power of ten, so that about five steps make the span."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * 6 >= span)


def _short(value: float) -> str:
    return f"{value:+.3g}" if value else "0"
