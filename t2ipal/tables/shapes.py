"""What the paper's Figures 3 and 4 claim: one value of a setting above another, or above another method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from t2ipal.metrics.records import Record, by_run, run_of
from t2ipal.metrics.registry import DEFAULT, METRICS
from t2ipal.plan.specs import SweepSpec
from t2ipal.tables.claims import SYSTEMS, Claim
from t2ipal.tables.numbers import Result, difference
from t2ipal.tables.paper import Paper, paper_key, quoted

NAMES = {
    "gamma": "\N{GREEK SMALL LETTER GAMMA}",
    "alpha": "\N{GREEK SMALL LETTER ALPHA}",
    "beta": "\N{GREEK SMALL LETTER BETA}",
    "samples": "images per caption",
}
"""Setting -> its name for readers."""


def shape_claims(sweeps: Iterable[SweepSpec], records: Iterable[Record], paper: Paper) -> list[Claim]:
    """The claims of sweeps, in their order.

    A sweep on a data set that is none of the paper's claims nothing; neither does a pair of which one side was not run.

    Args:
        sweeps: with `above`, the pairs that the paper compares.
        records: metric records of all runs that the sweeps name, at least.
        paper: the paper's numbers. It prints few of its figures': of the others the direction alone is known.

    Raises:
        UserError: a run without metrics, or runs that cannot be compared.
    """
    records = list(records)
    claimed = [sweep for sweep in sweeps if sweep.dataset.paper]
    return [claim for sweep in claimed for claim in _claims(sweep, by_run(records, sweep.seeds.shown), paper)]


def _claims(sweep: SweepSpec, runs: Mapping[Any, Sequence[Record]], paper: Paper) -> Iterable[Claim]:
    data, what = sweep.dataset, f"figure {sweep.name}"
    setting, method = NAMES.get(sweep.key, sweep.key), sweep.method.title
    metric = METRICS[sweep.metric]
    figure = f"Figure {sweep.name.removeprefix('fig')}. {method}, {setting}"
    figure += "" if sweep.metric == DEFAULT else f", {metric.title}"
    keys = {point.value: point.run for point in sweep.points}
    titles = {value: f"{setting} = {value}" for value in keys}
    prints: dict[Any, float | None] = {**quoted(paper, sweep)}
    for other in sweep.others:
        keys[other.name] = (data.name, other.name, "base")
        titles[other.name] = other.title
        prints[other.name] = paper.get(paper_key(("T1", data.paper, other.title, "zero-shot"), sweep.metric))
    for better, worse in sweep.above:
        if better in keys and worse in keys:
            upper, lower = (better, worse) if metric.higher_is_better else (worse, better)
            left, right = (Result.of(run_of(runs, (*keys[end], 0), what), sweep.metric) for end in (upper, lower))
            known = prints.get(upper) is not None and prints.get(lower) is not None
            yield Claim(
                figure,
                SYSTEMS,
                data.title,
                data.paper,
                f"{titles[upper]} above {titles[lower]}",
                f"{titles[upper]} minus {titles[lower]}",
                "",
                round(prints[upper] - prints[lower], 6) if known else None,
                difference(left, right),
            )
