"""What the paper's Figures 3 and 4 claim: one value of a setting above another, or above another method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from t2ipal.metrics.records import Record, by_run, run_of
from t2ipal.tables.claims import SYSTEMS, Claim
from t2ipal.tables.numbers import difference
from t2ipal.tables.paper import Paper, paper_key, quoted

NAMES = {
    "gamma": "\N{GREEK SMALL LETTER GAMMA}",
    "alpha": "\N{GREEK SMALL LETTER ALPHA}",
    "beta": "\N{GREEK SMALL LETTER BETA}",
    "samples": "images per caption",
}
"""Setting -> what readers call it."""


def shape_claims(specs: Iterable[Mapping[str, Any]], records: Sequence[Record], paper: Paper) -> list[Claim]:
    """The claims of sweeps, in their order.

    Args:
        specs: what the plan says of a sweep on a data set:

            name, key: of the sweep, and its setting.
            points: [[value, run]] with run [dataset, method, variant].
            above: [[value, value or method]]: the first is above the second. A pair with a value that has no point, or
                with a method that has no row, is left out.
            method, others: {name, title} of the method, and of the other rows of Table 1.
            dataset: {name, title, paper}; without a data set of the paper there is no claim.
        records: metric records of all runs that the specs name, at least.
        paper: the paper's numbers. It prints few of its figures': of the others the direction alone is known.

    Raises:
        UserError: a run without metrics, or runs that cannot be compared.
    """
    runs = by_run(records)
    return [claim for spec in specs if spec["dataset"]["paper"] for claim in _claims(spec, runs, paper)]


def _claims(spec: Mapping[str, Any], runs: Mapping[Any, Sequence[Record]], paper: Paper) -> Iterable[Claim]:
    data, what = spec["dataset"], f"figure {spec['name']}"
    name, method = NAMES.get(spec["key"], spec["key"]), spec["method"]["title"]
    figure = f"Figure {spec['name'].removeprefix('fig')}. {method}, {name}"
    keys = dict(spec["points"])
    titles = {value: f"{name} = {value}" for value in keys}
    prints = quoted(paper, spec)
    for other in spec["others"]:
        keys[other["name"]] = [data["name"], other["name"], "base"]
        titles[other["name"]] = other["title"]
        prints[other["name"]] = paper.get(paper_key(("T1", data["paper"], other["title"], "zero-shot")))
    for upper, lower in spec["above"]:
        if upper in keys and lower in keys:
            left, right = (run_of(runs, (*keys[end], 0), what) for end in (upper, lower))
            known = prints.get(upper) is not None and prints.get(lower) is not None
            yield Claim(
                figure,
                SYSTEMS,
                data["title"],
                data["paper"],
                f"{titles[upper]} above {titles[lower]}",
                f"{titles[upper]} minus {titles[lower]}",
                "",
                round(prints[upper] - prints[lower], 6) if known else None,
                difference(left, right),
            )
