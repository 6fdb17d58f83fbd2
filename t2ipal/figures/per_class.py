"""Average precision of each class, by method."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from t2ipal.errors import UserError
from t2ipal.figures.style import PAGE, STYLE, legend_below, look, new
from t2ipal.metrics.records import Record, by_run, run_of
from t2ipal.plan.specs import MethodSpec, PerClassSpec

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 27
"""Classes in a row of bars at most: a page is no wider. 80 classes take three rows."""


def plot_per_class(spec: PerClassSpec, records: Iterable[Record]) -> Figure:
    """The figure of each class's average precision.

    Raises:
        UserError: no methods, a run without metrics, or with another number of classes.
    """
    runs, data = by_run(records), spec.dataset
    methods = [
        (method, run_of(runs, (data.name, method.name, "base", 0), "per-class figure")) for method in spec.methods
    ]
    return per_class_figure(spec.classes, methods, data.title)


@mpl.rc_context(STYLE)
def per_class_figure(
    class_names: Sequence[str], methods: Sequence[tuple[MethodSpec, Sequence[Record]]], dataset: str
) -> Figure:
    """Average precision of each class: a group of bars per class, a bar per method, whiskers of one deviation.

    Raises:
        UserError: no methods, no records of one, or records with another number of classes.
    """
    if not methods:
        raise UserError("per-class figure: no methods; expected at least one")
    count = len(class_names)
    values = [_precisions(method, rows, count) for method, rows in methods]
    rows = ceil(count / ROW)
    width = ceil(count / rows)
    figure, axes = new(PAGE, 0.6 + 2.0 * rows, nrows=rows, sharey=True, squeeze=False)
    handles: list[Artist] = []
    for row, panel in enumerate(axes[:, 0]):
        part = slice(row * width, (row + 1) * width)
        handles = _bars(panel, [(method, v[:, part]) for (method, _), v in zip(methods, values, strict=True)])
        names = class_names[part]
        panel.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        panel.set_xlim(-0.6, width - 0.4)
        panel.grid(visible=False, axis="x")
        panel.set_ylabel("AP (%)")
    axes[0, 0].set_ylim(0, 100)
    axes[0, 0].set_title(f"Average precision of each class, {dataset}", loc="left")
    legend_below(figure, handles, len(methods) if len(methods) <= 5 else ceil(len(methods) / 2))
    return figure


def _precisions(method: MethodSpec, rows: Sequence[Record], count: int) -> np.ndarray:
    """[S, C], or an error in one line."""
    if not rows:
        raise UserError(f"metrics of {method.name}: no records; expected one per seed")
    lengths = sorted({len(row["ap"]) for row in rows})
    if lengths != [count]:
        other = next(length for length in lengths if length != count)
        raise UserError(f"metrics of {method.name}: ap of {other} classes; expected {count}")
    return np.array([row["ap"] for row in rows], dtype=float)


def _bars(axes: Axes, methods: Sequence[tuple[MethodSpec, np.ndarray]]) -> list[Artist]:
    width, handles = 0.84 / len(methods), []
    titles = [method.title for method, _ in methods]
    for index, (method, values) in enumerate(methods):
        of = look(method.title, titles)
        x = np.arange(values.shape[1]) + (index - (len(methods) - 1) / 2) * width
        bars = axes.bar(
            x,
            values.mean(0),
            width,
            yerr=values.std(0, ddof=1) if len(values) > 1 and not method.deterministic else None,
            label=method.title if method.in_paper else f"{method.title}, not in the paper",
            color=of.colour,
            hatch=of.hatch,
            edgecolor="white",
            linewidth=0.3,
            error_kw={"elinewidth": 0.6, "ecolor": "#222222"},
        )
        handles.append(bars)
    return handles
