"""Figures 3a to 3c and 4: mAP over one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from t2ipal.errors import UserError
from t2ipal.figures.style import COLUMN, PAPER_COLOUR, STYLE, legend_below, level_line, look, new
from t2ipal.figures.values import Point, near, number, numbers, point, seeds_text, span
from t2ipal.metrics.records import Record

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


@mpl.rc_context(STYLE)
def sweep(
    key: str,
    points: Sequence[tuple[float, Sequence[Record]]],
    title: str,
    dataset: str,
    paper: Mapping[float, float] | None = None,
    paper_dataset: str = "",
    references: Mapping[str, Sequence[Record]] | None = None,
    chosen: float | None = None,
) -> Figure:
    """mAP over one setting: ours above, the paper's values below.

    Ours is the mean over the seeds, with a band of one standard deviation and, where records carry `bootstrap`,
    whiskers: the 95 % interval over test images. The paper's values belong to another data set, so they have a panel
    of their own with its own scale.

    Args:
        key: the setting, such as "gamma".
        points: (value, records of the seeds), at least two.
        title: title of the method that was varied.
        dataset: title of our data set.
        paper: value -> mAP that the paper's text or table prints.
        paper_dataset: the paper's data set.
        references: titles and records of other methods, drawn as horizontal lines.
        chosen: the default value, marked on the axis.

    Raises:
        UserError: fewer than two values, a value that is no number, or records that do not fit together.
    """
    what = f"sweep over {key}"
    if len(points) < 2:
        raise UserError(f"{what}: {len(points)} values; expected at least 2")
    points = sorted(((number(value, what), rows) for value, rows in points), key=lambda pair: pair[0])
    x = [value for value, _ in points]
    panels = 2 if paper else 1
    height = (3.4 if paper else 2.5) + 0.15 * ((len(references or {}) + 6) // 2)
    figure, axes = new(COLUMN, height, nrows=panels, height_ratios=[2.3, 1][:panels], sharex=True, squeeze=False)
    ours = [point(rows, f"{what}, {key}={value:g}") for value, rows in points]
    handles = _curve(axes[0, 0], x, ours, title)
    handles += _references(axes[0, 0], references or {}, *span(ours))
    axes[0, 0].set_title(f"Ours, {dataset}", loc="left")
    if paper:
        handles.append(_paper(axes[1, 0], paper, what))
        axes[1, 0].set_title(f"Paper, real {paper_dataset}", loc="left", color=PAPER_COLOUR)
    handles += _value_axis(axes[:, 0], key, x, chosen)
    figure.align_ylabels()
    legend_below(figure, handles, 2)
    return figure


def _curve(axes: Axes, x: Sequence[float], values: Sequence[Point], title: str) -> list[Artist]:
    of, middle = look(title), [value.mean for value in values]
    handles: list[Artist] = axes.plot(x, middle, **of.curve(), label=title, zorder=3)
    if any(value.std is not None for value in values):
        low, high = zip(*(value.band for value in values), strict=True)
        band = {"color": of.colour, "alpha": 0.28, "linewidth": 0, "label": seeds_text(values)}
        handles.append(axes.fill_between(x, low, high, **band))
    held = [(place, value) for place, value in zip(x, values, strict=True) if value.interval is not None]
    if held:
        # Around the middle of the interval and not the mean: the interval need not contain it.
        low, high = np.transpose([value.interval for _, value in held])
        style = {"color": of.colour, "elinewidth": 0.7, "capthick": 0.7, "capsize": 2.5, "zorder": 2.5}
        whiskers = axes.errorbar([place for place, _ in held], (low + high) / 2, (high - low) / 2, fmt="none", **style)
        whiskers.set_label("95 % over test images")
        handles.append(whiskers)
    axes.margins(y=0.12)
    axes.set_ylabel("mAP (%)")
    return handles


def _references(axes: Axes, others: Mapping[str, Sequence[Record]], low: float, high: float) -> list[Artist]:
    handles: list[Artist] = []
    for other, rows in others.items():
        level, of = mean(row["mAP"] for row in rows), look(other, [*others])
        if near(level, low, high):
            handles.append(level_line(axes, level, of, other))
        else:  # a line far away would flatten the curve
            handles += axes.plot([], [], **of.curve(), linewidth=1.1, label=f"{other}: {level:.1f}, off the scale")
    return handles


def _paper(axes: Axes, paper: Mapping[float, float], what: str) -> Artist:
    x, y = numbers(paper, f"{what}: the paper")
    look_of = {"linestyle": "none", "marker": "D", "markersize": 5, "color": PAPER_COLOUR}
    (handle,) = axes.plot(x, y, **look_of, label="quoted in the text")
    left, right = axes.get_xlim()
    for value, level in zip(x, y, strict=True):
        side = 1 if value <= (left + right) / 2 else -1  # beside the marker: above it runs the line of the default
        style = {"textcoords": "offset points", "ha": "left" if side > 0 else "right", "va": "center", "fontsize": 7}
        axes.annotate(f"{level:g}", (value, level), (6 * side, 0), **style)
    room = max(0.7, 0.35 * (max(y) - min(y)))
    axes.set_ylim(min(y) - room, max(y) + room)
    axes.yaxis.get_major_locator().set_params(nbins=4)
    axes.set_ylabel("mAP (%)")
    return handle


def _value_axis(panels: Sequence[Axes], key: str, x: Sequence[float], chosen: float | None) -> list[Artist]:
    """The setting's axis, below the last panel: its scale, its ticks, its label and the default."""
    bottom = panels[-1]
    bottom.set_xlabel(LABELS.get(key, key.replace("_", " ")))
    wide = x[0] > 0 and x[-1] / x[0] >= DECADES
    if wide:
        bottom.set_xscale("log")
    places = np.log(x) if wide else np.asarray(x, dtype=float)
    if np.diff(places).min() >= 0.07 * (places[-1] - places[0]):
        bottom.set_xticks(x, [f"{value:g}" for value in x])
        bottom.minorticks_off()
    if chosen is None:
        return []
    style = {"color": "#777777", "linewidth": 0.9, "linestyle": (0, (1, 2)), "zorder": 1}
    return [panel.axvline(number(chosen, f"default of {key}"), label="default", **style) for panel in panels][:1]
