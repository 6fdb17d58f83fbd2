"""Losses over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from statistics import mean
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from t2ipal.errors import UserError
from t2ipal.figures.style import COLUMN, PAGE, STYLE, Look, legend_below, look, new
from t2ipal.plan.specs import CurvesSpec, MethodSpec
from t2ipal.rows import KINDS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSS_TITLES = {"loss": "Total loss", **{kind.loss: kind.title for kind in KINDS.values()}}


def plot_curves(spec: CurvesSpec, histories: Sequence[Sequence[Mapping[str, Any]]]) -> Figure:
    """The figure of the losses, from the history of each method of the specification.

    Raises:
        UserError: no method has a history.
    """
    return curves_figure(list(zip(spec.methods, histories, strict=True)), spec.dataset.title)


@mpl.rc_context(STYLE)
def curves_figure(runs: Sequence[tuple[MethodSpec, Sequence[Mapping[str, Any]]]], dataset: str) -> Figure:
    """Loss over epochs, a panel per part of the loss, a band between the least and the greatest seed.

    Args:
        runs: a method and its history rows: seed, epoch, loss, and the parts of the loss, named loss_...
        dataset: title of the data set.

    Raises:
        UserError: no method has a history.
    """
    names = {name for _, rows in runs for row in rows for name, value in row.items() if value is not None}
    losses = [name for name in names if name.split("_")[0] == "loss"]
    if not losses:
        raise UserError("training curves: no history; expected a method that trains")
    present = [name for name in LOSS_TITLES if name in losses] + sorted(set(losses) - LOSS_TITLES.keys())
    titles = [method.title for method, _ in runs]
    columns = min(2, len(present))
    lines = ceil(len(present) / columns)
    figure, axes = new(PAGE if columns > 1 else COLUMN, 0.6 + 1.75 * lines, nrows=lines, ncols=columns, squeeze=False)
    handles: dict[str, Artist] = {}
    for panel, name in zip(axes.flat, present, strict=False):
        for method, rows in runs:
            for line in _curve(panel, rows, name, look(method.title, titles)):
                line.set_label(method.title)
                handles.setdefault(method.title, line)
        panel.set_title(LOSS_TITLES.get(name, name.removeprefix("loss_").replace("_", " ")), loc="left")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.margins(y=0.1)
    for panel in axes.flat[len(present) :]:
        panel.set_axis_off()
    for index, panel in enumerate(axes.flat[: len(present)]):
        if index % columns == 0:
            panel.set_ylabel("training loss")
        if index + columns >= len(present):
            panel.set_xlabel("epoch")
    figure.suptitle(f"Training, {dataset}", x=0.01, ha="left")
    figure.align_ylabels()
    legend_below(figure, list(handles.values()), min(4, len(handles)))
    return figure


def _curve(axes: Axes, rows: Sequence[Mapping[str, Any]], name: str, of: Look) -> list[Any]:
    epochs = sorted({row["epoch"] for row in rows if row.get(name) is not None})
    if not epochs:
        return []
    values = [[row[name] for row in rows if row["epoch"] == epoch and row.get(name) is not None] for epoch in epochs]
    axes.fill_between(epochs, list(map(min, values)), list(map(max, values)), color=of.colour, alpha=0.25, linewidth=0)
    return axes.plot(epochs, list(map(mean, values)), **of.curve(), markevery=max(1, len(epochs) // 8))
