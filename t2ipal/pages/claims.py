"""The page "Paper and this run": every claim of the paper beside ours, to be judged in one look."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from t2ipal.pages.table import bullets, document, minus
from t2ipal.tables.claims import AGREE, CONTRADICT, LEVELS, UNCLEAR, VERDICTS, Claim, count
from t2ipal.tables.words import as_printed, gap

MARK: Mapping[str, str] = {AGREE: "\N{CHECK MARK}", CONTRADICT: "\N{BALLOT X}", UNCLEAR: "?"}
SAYS: Mapping[str, str] = {AGREE: "agrees", CONTRADICT: "contradicts", UNCLEAR: "cannot tell"}
COUNTED: Mapping[str, str] = {AGREE: "agree", CONTRADICT: "contradict", UNCLEAR: "cannot be told"}
NAME: Mapping[str, str] = {AGREE: "agree", CONTRADICT: "contradict", UNCLEAR: "unclear"}
"""Names of the classes of the style sheet."""
EXPLAINED: Mapping[str, str] = {
    AGREE: "our difference has the paper's direction, and its 95 % interval excludes 0",
    CONTRADICT: "our difference has the other direction, and its 95 % interval excludes 0",
    UNCLEAR: "the 95 % interval of our difference holds 0",
}
WIDTH, MARGIN = 300, 16
"""Of a plot, in pixels; the margin keeps marks and numbers at its ends whole."""

_STYLE = """
:root { --agree: #00724f; --contradict: #b3400a; --unclear: #6b6b6b; --paper: #222; }
body { max-width: 78rem; margin: 2rem auto; padding: 0 1.5rem; print-color-adjust: exact; }
p.lead { max-width: 58rem; margin: 0 0 1.1rem; color: #333; }
.agree { color: var(--agree); } .contradict { color: var(--contradict); } .unclear { color: var(--unclear); }
.tiles { display: flex; gap: .8rem; margin-bottom: .6rem; flex-wrap: wrap; }
.tile { flex: 1 1 15rem; border: 1px solid var(--rule); border-left: 6px solid; border-radius: 4px;
  padding: .5rem .9rem .6rem; }
.tile b { font-size: 1.9rem; line-height: 1.15; margin-right: .4rem; }
.tile .word { font-weight: 600; font-size: 1.1rem; }
.tile small { display: block; color: var(--pale); font-size: .8rem; line-height: 1.35; }
.tile.agree { border-left-color: var(--agree); } .tile.contradict { border-left-color: var(--contradict); }
.tile.unclear { border-left-color: var(--unclear); }
.bar { display: flex; height: 12px; border-radius: 3px; overflow: hidden; gap: 2px; }
.bar .agree { background: var(--agree); } .bar .contradict { background: var(--contradict); }
.bar .unclear { background: repeating-linear-gradient(45deg, #bdbdbd 0 4px, #e0e0e0 4px 8px); }
p.by-level { margin: .5rem 0 0; color: var(--pale); font-size: .85rem; }
.key { display: flex; gap: 1.6rem; color: var(--pale); font-size: .85rem; margin: 1.2rem 0 .4rem; flex-wrap: wrap; }
.key svg { vertical-align: middle; margin-right: .35rem; }
table { width: 100%; }
td, th { vertical-align: middle; padding: .22rem .5rem; }
thead th { border-top: 2px solid var(--ink); border-bottom: 1px solid var(--ink); }
th.text, td.text { text-align: left; padding-left: .4rem; width: 99%; }
tr.table th, td.text { white-space: normal; } td.text { min-width: 20rem; }
thead th.plot { text-align: center; }
tr.table th { text-align: left; padding: 1.1rem .4rem .15rem; font-weight: 700; vertical-align: bottom; }
tr.table th.counts { font-size: .85rem; padding-left: .7rem; }
tr.table th.counts span { margin-right: .7rem; }
tr.table .what { font-weight: 400; font-size: .88rem; color: var(--pale); }
tr.table th.plot { padding: 0; }
tr.table svg { display: block; }
tr.claim > td { border-top: 1px solid var(--rule); }
td.plot { position: relative; padding: 0; }
td.plot svg.row { position: absolute; inset: 0; }
td .data, td .extra { color: var(--pale); font-size: .82rem; }
td .data::before { content: "\\00b7"; margin: 0 .4em; }
td.paper { color: #555; }
.levels { display: flex; flex-wrap: wrap; font-size: .76rem; line-height: 1.5; }
.levels span { white-space: nowrap; margin-right: .55rem; }
.levels span small { color: var(--pale); font-size: 1em; }
td.verdict, th.verdict { text-align: left; padding-left: .7rem; }
td.verdict span { display: inline-block; min-width: 7.7rem; padding: .05rem .5rem; border-radius: 3px;
  font-size: .85rem; font-weight: 600; border: 1px solid; }
td.verdict .agree { background: #e6f4ee; }
td.verdict .contradict { color: #fff; background: var(--contradict); border-color: var(--contradict); }
td.verdict .unclear { border-style: dashed; }
tbody:last-child tr:last-child > td { border-bottom: 2px solid var(--ink); }
svg line.axis { stroke: #999; } svg line.zero { stroke: #444; } svg line.grid { stroke: #e6e6e6; }
svg line.ours { stroke: currentColor; stroke-width: 2.6; } svg circle { fill: currentColor; }
svg text { font: 10px system-ui, "DejaVu Sans", sans-serif; fill: #666; text-anchor: middle; }
svg polygon { fill: none; stroke: var(--paper); stroke-width: 1.6; }
@media print { body { max-width: none; margin: 0; padding: 0; } .tile { break-inside: avoid; }
  tr.table { break-after: avoid; } }
"""


def claims_page(
    claims: Sequence[Claim],
    title: str = "Paper and this run",
    subtitle: str = "",
    notes: Sequence[str] = (),
) -> str:
    """The page: counts, then a line per claim with the paper's difference, ours with its interval, and the verdict.

    Args:
        claims: in the order of the paper's tables, those of one table together.
        title: of the page.
        subtitle: what this run is, in a sentence.
        notes: sentences below the table.
    """
    lead = (
        "Each line is a difference of mAP that the paper claims, in the paper's direction: right of the zero line is "
        "as in the paper, left of it is against it. Only the direction is judged, for the paper prints no intervals; "
        "of its figures it prints few numbers, so that + stands for the others."
    )
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(f"{subtitle} {lead}".strip())}</p>']
    if claims:
        parts += [_tiles(count(claims)), _all_levels(claims), _key(), _table(claims)]
    else:
        parts.append("<p><b>No claim: the paper has no two numbers that this run has systems for.</b></p>")
    return document(title, _STYLE, "\n".join([*parts, bullets(notes)]))


def _tiles(numbers: Mapping[str, int]) -> str:
    total = sum(numbers.values())
    tiles = "".join(
        f'<div class="tile {NAME[name]}"><b>{numbers[name]}</b><span class="word">{MARK[name]} {COUNTED[name]}</span>'
        f"<small>of {total} claims: {escape(EXPLAINED[name])}</small></div>"
        for name in VERDICTS
    )
    bar = "".join(
        f'<div class="{NAME[name]}" style="flex:{numbers[name]}"></div>' for name in VERDICTS if numbers[name]
    )
    label = ", ".join(f"{numbers[name]} {COUNTED[name]}" for name in VERDICTS)
    return f'<div class="tiles">{tiles}</div>\n<div class="bar" role="img" aria-label="{label}">{bar}</div>'


def _all_levels(claims: Sequence[Claim]) -> str:
    """The counts of the claims that stand below those on averages."""
    levels = [each for claim in claims for each in claim.levels]
    if not levels:
        return ""
    counts = ", ".join(f"{number} {COUNTED[name]}" for name, number in count(levels).items())
    return (
        f'<p class="by-level">A claim on an average counts once. Of its {len(levels)} levels where the paper has a '
        f"difference: {counts}.</p>"
    )


def _key() -> str:
    ours = '<line class="ours" x1="1" x2="17" y1="9" y2="9"/><circle cx="9" cy="9" r="4"/>'
    return (
        f'<div class="key"><span><svg width="18" height="18">{_diamond(9, "9")}</svg>the paper\'s difference</span>'
        f'<span><svg width="18" height="18">{ours}</svg>this run\'s, the mean over the seeds, with the 95 % interval '
        "of a paired bootstrap over the test images</span></div>"
    )


def _table(claims: Sequence[Claim]) -> str:
    head = (
        '<tr><th class="text" scope="col">Claim</th><th scope="col">Paper</th><th scope="col">This run [95 %]</th>'
        '<th class="plot" scope="col">Difference of mAP</th><th class="verdict" scope="col">Verdict</th></tr>'
    )
    bodies = []
    for _, same in groupby(claims, key=lambda claim: claim.table):
        rows = list(same)
        kinds = [[claim for claim in rows if (claim.kind == LEVELS) == levels] for levels in (False, True)]
        for place, group in enumerate(filter(None, kinds)):
            bodies.append(f"<tbody>\n{_group(group, count(rows) if place == 0 else None)}\n</tbody>")
    grid = "\n".join(bodies)
    return f'<div class="scroll"><table>\n<thead>{head}</thead>\n{grid}\n</table></div>'


def _group(claims: Sequence[Claim], numbers: Mapping[str, int] | None) -> str:
    """The claims of one table that share a scale, below a line with the scale; with `numbers` it names the table."""
    scale = Scale.of(claims)
    names = [escape(claims[0].table)] if numbers else []
    at = {claim.at for claim in claims}
    if claims[0].kind == LEVELS:
        what = f"over the levels{f': {at.pop()}' if len(at) == 1 else ''}"
        names.append(f'<span class="what">{escape(what)}</span>')
    counts = "".join(
        f'<span class="{NAME[name]}">{number} {MARK[name]}</span>' for name, number in (numbers or {}).items()
    )
    head = (
        f'<tr class="table"><th colspan="3" scope="rowgroup">{" ".join(names)}</th>'
        f'<th class="plot">{scale.axis()}</th><th class="counts">{counts}</th></tr>'
    )
    return "\n".join([head, *(_row(claim, scale) for claim in claims)])


def _row(claim: Claim, scale: Scale) -> str:
    at = "average" if claim.levels else "" if claim.kind == LEVELS else claim.at
    details = "".join(f'<span class="data">{escape(part)}</span>' for part in (at, _data(claim)) if part)
    main, _, extra = gap(claim.ours).partition(" ")
    name = NAME[claim.verdict]
    return (
        f'<tr class="claim"><td class="text">{escape(claim.text)}{details}{_by_level(claim.levels)}</td>'
        f'<td class="paper">{minus(_printed(claim))}</td>'
        f'<td>{minus(main)} <span class="extra">{minus(extra)}</span></td>'
        f'<td class="plot">{scale.plot(claim)}</td>'
        f'<td class="verdict"><span class="{name}">{MARK[claim.verdict]} {SAYS[claim.verdict]}</span></td></tr>'
    )


def _data(claim: Claim) -> str:
    if not claim.paper_data or claim.paper_data == claim.data:
        return claim.data
    return f"{claim.data} (paper: {claim.paper_data})" if claim.data else f"paper: {claim.paper_data}"


def _by_level(levels: Sequence[Claim]) -> str:
    """A mark for each level; pointing at it tells the numbers."""
    marks = "".join(
        f'<span class="{NAME[each.verdict]}" title="{escape(_numbers(each))}"><small>{escape(each.at)}</small> '
        f"<b>{MARK[each.verdict]}</b></span>"
        for each in levels
    )
    return f'<span class="levels">{marks}</span>' if marks else ""


def _numbers(claim: Claim) -> str:
    return f"{claim.at}: this run {gap(claim.ours)}, paper {_printed(claim)}: {SAYS[claim.verdict]}"


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
        """Where a difference stands, in pixels."""
        return round(MARGIN + (WIDTH - 2 * MARGIN) * (value - self.low) / (self.high - self.low), 1)

    def ticks(self) -> Iterator[float]:
        """The values to name."""
        for number in range(round((self.high - self.low) / self.step) + 1):
            yield self.low + number * self.step

    def axis(self) -> str:
        """The axis with its numbers, to stand above the plots."""
        marks = "".join(
            f'<line class="axis" x1="{self.x(tick)}" x2="{self.x(tick)}" y1="20" y2="24"/>'
            f'<text x="{self.x(tick)}" y="16">{minus(_short(tick))}</text>'
            for tick in self.ticks()
        )
        line = f'<line class="axis" x1="{self.x(self.low)}" x2="{self.x(self.high)}" y1="24" y2="24"/>'
        return f'<svg width="{WIDTH}" height="25">{line}{marks}</svg>'

    def plot(self, claim: Claim) -> str:
        """The paper's number as a diamond, ours as a dot with its interval, in the middle of a row of any height."""
        ours = claim.ours
        marks = [
            f'<line class="{"grid" if abs(tick) > 1e-9 else "zero"}" x1="{self.x(tick)}" x2="{self.x(tick)}" y1="0" '
            'y2="100%"/>'
            for tick in self.ticks()
        ]
        if ours.low is not None and ours.high is not None:
            ends = f'x1="{self.x(ours.low)}" x2="{self.x(ours.high)}"'
            marks.append(f'<line class="ours" {ends} y1="50%" y2="50%"/>')
        marks.append(f'<circle cx="{self.x(ours.mean)}" cy="50%" r="4"/>')
        if claim.paper is not None:
            marks.append(_diamond(self.x(claim.paper), "50%"))
        label = f"paper {_printed(claim)}, this run {gap(ours)}"
        return (
            f'<svg class="row {NAME[claim.verdict]}" width="{WIDTH}" height="100%" role="img" '
            f'aria-label="{escape(label)}">{"".join(marks)}</svg>'
        )


def _diamond(x: float, y: str) -> str:
    """The mark of the paper around (x, y); y may be in percent of the height."""
    return f'<svg x="{x}" y="{y}" overflow="visible"><polygon points="0,-5.5 5.5,0 0,5.5 -5.5,0"/></svg>'


def _step(span: float) -> float:
    """1, 2 or 5 times a power of ten, so that about five steps make the span."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * 6 >= span)


def _short(value: float) -> str:
    return "0" if abs(value) < 1e-9 else f"{value:+.3g}"
