"""Figures 3a to 3c and 4: a metric over one setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import NullFormatter

from t2ipal.errors import UserError
from t2ipal.figures.style import COLUMN, PAPER_COLOUR, STYLE, legend_below, level_line, look, new
from t2ipal.figures.values import Point, metric_label, near, number, numbers, point, seeds_text, span
from t2ipal.metrics.records import Record, by_run, run_of
from t2ipal.plan.specs import SweepSpec
from t2ipal.tables.numbers import Result
from t2ipal.tables.paper import Paper, quoted

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "gamma": r"$\gamma$, share of the image loss",
    "alpha": r"$\alpha$, weight of the affinity",
    "beta": r"$\beta$, sharpness of the affinity",
    "eta": r"$\eta$, margin of the ranking loss",
    "samples": "images per caption",
    "images_per_caption": "images per caption",
}
"""Setting -> label of its axis, with the paper's symbol."""
DECADES = 50
"""Greatest over least value from which on an axis is logarithmic."""


def plot_sweep(spec: SweepSpec, records: Iterable[Record], paper: Paper) -> Figure:
    """The figure of a sweep.

    Raises:
        UserError: a run without metrics, fewer than two values, or a value that is no number.
    """
    runs, what = by_run(records, spec.seeds.shown), f"figure {spec.name}"

    def result(method: str, variant: str) -> Result:
        return Result.of(run_of(runs, (spec.dataset.name, method, variant, 0), what), spec.metric)

    return sweep_figure(
        spec.key,
        [(point.value, Result.of(run_of(runs, (*point.run, 0), what), spec.metric)) for point in spec.points],
        spec.method.title,
        spec.dataset.title,
        paper=quoted(paper, spec),
        paper_dataset=spec.dataset.paper or "",
        references={other.title: result(other.name, "base") for other in spec.others},
        default=spec.default,
        seeds=spec.seeds.text,
    )


@mpl.rc_context(STYLE)
def sweep_figure(
    key: str,
    points: Sequence[tuple[float, Result]],
    title: str,
    dataset: str,
    paper: Mapping[float, float] | None = None,
    paper_dataset: str = "",
    references: Mapping[str, Result] | None = None,
    default: float | None = None,
    seeds: str = "",
) -> Figure:
    """A metric over one setting: ours above, the paper's values below.

    Ours is the mean over the seeds, with a band of one standard deviation and, where there are resamples, whiskers: the
    95 % interval over test images. The paper's values belong to another data set, so they have a panel of their own
    with its own scale.

    Args:
        key: the setting, such as "gamma".
        points: (value, result), at least two.
        title: title of the method that was varied.
        dataset: title of our data set.
        paper: value -> metric that the paper's text or table prints.
        paper_dataset: the paper's data set.
        references: titles and results of other methods, shown as horizontal lines.
        default: the default value, marked on the axis.
        seeds: which seeds all of it is of, for the title; "" for all.

    Raises:
        UserError: fewer than two values, or a value that is no number.
    """
    what = f"sweep over {key}"
    if len(points) < 2:
        raise UserError(f"{what}: {len(points)} values; expected at least 2")
    points = sorted(((number(value, what), result) for value, result in points), key=lambda pair: pair[0])
    x = [value for value, _ in points]
    panels = 2 if paper else 1
    height = (3.4 if paper else 2.5) + 0.15 * ((len(references or {}) + 6) // 2)
    figure, axes = new(COLUMN, height, nrows=panels, height_ratios=[2.3, 1][:panels], sharex=True, squeeze=False)
    ours = [point(result, f"{what}, {key}={value:g}") for value, result in points]
    metric = points[0][1].metric
    handles = _curve(axes[0, 0], x, ours, title, metric)
    handles += _references(axes[0, 0], references or {}, *span(ours))
    axes[0, 0].set_title(", ".join(filter(None, ("Ours", dataset, seeds))), loc="left")
    if paper:
        handles.append(_paper(axes[1, 0], paper, what, metric))
        axes[1, 0].set_title(f"Paper, real {paper_dataset}", loc="left", color=PAPER_COLOUR)
    handles += _value_axis(axes[:, 0], key, x, default)
    figure.align_ylabels()
    legend_below(figure, handles, 2)
    return figure


def _curve(axes: Axes, x: Sequence[float], values: Sequence[Point], title: str, metric: str) -> list[Artist]:
    of, middle = look(title), [value.mean for value in values]
    handles: list[Artist] = axes.plot(x, middle, **of.curve(), label=title, zorder=3)
    if any(value.std is not None for value in values):
        low, high = zip(*(value.band for value in values), strict=True)
        band = {"color": of.colour, "alpha": 0.28, "linewidth": 0, "label": seeds_text(values)}
        handles.append(axes.fill_between(x, low, high, **band))
    known = [(position, value) for position, value in zip(x, values, strict=True) if value.interval is not None]
    if known:
        # Around the middle of the interval and not the mean: the interval need not contain it.
        low, high = np.transpose([value.interval for _, value in known])
        style = {"color": of.colour, "elinewidth": 0.7, "capthick": 0.7, "capsize": 2.5, "zorder": 2.5}
        whiskers = axes.errorbar(
            [position for position, _ in known], (low + high) / 2, (high - low) / 2, fmt="none", **style
        )
        whiskers.set_label("95 % over test images")
        handles.append(whiskers)
    axes.margins(y=0.12)
    axes.set_ylabel(metric_label(metric))
    return handles


def _references(axes: Axes, others: Mapping[str, Result], low: float, high: float) -> list[Artist]:
    handles: list[Artist] = []
    for other, result in others.items():
        level, of = result.mean, look(other, [*others])
        if near(level, low, high):
            handles.append(level_line(axes, level, of, other))
        else:  # a line far away would flatten the curve
            handles += axes.plot([], [], **of.curve(), linewidth=1.1, label=f"{other}: {level:.1f}, off the scale")
    return handles


def _paper(axes: Axes, paper: Mapping[float, float], what: str, metric: str) -> Artist:
    x, y = numbers(paper, f"{what}: the paper")
    look_of = {"linestyle": "none", "marker": "D", "markersize": 5, "color": PAPER_COLOUR}
    (handle,) = axes.plot(x, y, **look_of, label="quoted in the text")
    left, right = axes.get_xlim()
    for value, level in zip(x, y, strict=True):
        side = 1 if value <= (left + right) / 2 else -1  # next to the marker: above it runs the line of the default
        style = {"textcoords": "offset points", "ha": "left" if side > 0 else "right", "va": "center", "fontsize": 7}
        axes.annotate(f"{level:g}", (value, level), (6 * side, 0), **style)
    margin = max(0.7, 0.35 * (max(y) - min(y)))
    axes.set_ylim(min(y) - margin, max(y) + margin)
    axes.yaxis.get_major_locator().set_params(nbins=4)
    axes.set_ylabel(metric_label(metric))
    return handle


def _value_axis(panels: Sequence[Axes], key: str, x: Sequence[float], default: float | None) -> list[Artist]:
    """The setting's axis, below the last panel: its scale, its ticks, its label and the default."""
    bottom = panels[-1]
    bottom.set_xlabel(LABELS.get(key, key.replace("_", " ")), parse_math=True)
    wide = x[0] > 0 and x[-1] / x[0] >= DECADES
    if wide:
        bottom.set_xscale("log")
        bottom.xaxis.set_major_formatter("{x:g}")
        bottom.xaxis.set_minor_formatter(NullFormatter())
    positions = np.log(x) if wide else np.asarray(x, dtype=float)
    if np.diff(positions).min() >= 0.07 * (positions[-1] - positions[0]):
        bottom.set_xticks(x, [f"{value:g}" for value in x])
        bottom.minorticks_off()
    if default is None:
        return []
    style = {"color": "#777777", "linewidth": 0.9, "linestyle": (0, (1, 2)), "zorder": 1}
    return [panel.axvline(number(default, f"default of {key}"), label="default", **style) for panel in panels][:1]
