"""Figures: pure functions from records to matplotlib figures, and `save`, which writes them as PNG and SVG.

Colours are Okabe and Ito's, which people with colour-blindness can tell apart; each series has a marker or a hatch
of its own as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from t2ipal.errors import UserError
from t2ipal.records import Record
from t2ipal.store import atomic
from t2ipal.tables import MethodRow, summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "///", "...", "xx", "\\\\\\", "++", "oo")
PAPER_COLOUR = "#595959"
LOOKS = {"ZSCLIP": 0, "TaI-DPT": 1, "T2I-PAL": 2, "Oracle (true labels)": 3}
"""Title -> index of colour, marker and hatch, for the methods that most figures show: they look the same in all."""

STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "svg.hashsalt": "t2ipal",
    "svg.fonttype": "path",
    "savefig.dpi": 200,
    "hatch.linewidth": 0.6,
}


def save(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Write `figure` to each path in the format of its suffix (.png, .svg, .pdf); equal figures give equal files."""
    for path in map(Path, paths):
        date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(path.suffix[1:], {})
        with mpl.rc_context(STYLE), atomic(path) as part:
            figure.savefig(part, format=path.suffix[1:], metadata=date, bbox_inches="tight", pad_inches=0.06)


def look(title: str, others: Sequence[str] = ()) -> int:
    """Index of the look of a method among `others`: its own, or the next one that is free."""
    if title in LOOKS:
        return LOOKS[title]
    strangers = [other for other in dict.fromkeys([*others, title]) if other not in LOOKS]
    return (len(LOOKS) + strangers.index(title)) % len(COLOURS)


def _new(width: float, height: float, **grid: Any) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(**grid)


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
    """mAP over one setting (Figures 3 and 4): ours with a band of one standard deviation, the paper's values beside it.

    The paper's values belong to another data set, so they have a panel of their own with its own scale.

    Args:
        key: the setting, such as "gamma".
        points: (value, records of the seeds), at least two.
        title: title of the method that was varied.
        dataset: title of our data set.
        paper: value -> mAP that the paper's text or table prints.
        paper_dataset: the paper's data set.
        references: titles and records of other methods, drawn as horizontal lines.
        chosen: the default value, marked on the axis.
    """
    if len(points) < 2:
        raise UserError(f"sweep over {key}: {len(points)} values; expected at least 2")
    points = sorted(points, key=lambda point: point[0])
    with mpl.rc_context(STYLE):
        panels = 2 if paper else 1
        figure, axes = _new(3.2 + 2.6 * panels, 3.5, ncols=panels, width_ratios=[1.7, 1][:panels], squeeze=False)
        _sweep_ours(axes[0, 0], points, title, references or {})
        _value_axis(axes[0, 0], key, chosen)
        axes[0, 0].set_title(f"Ours, {dataset}", loc="left")
        if paper:
            x = [value for value, _ in points]
            _sweep_paper(axes[0, 1], paper, (min(x), max(x)))
            _value_axis(axes[0, 1], key, chosen)
            axes[0, 1].set_title(f"Paper, real {paper_dataset}", loc="left", color=PAPER_COLOUR)
    return figure


def _sweep_ours(
    axes: Axes,
    points: Sequence[tuple[float, Sequence[Record]]],
    title: str,
    references: Mapping[str, Sequence[Record]],
) -> None:
    x = [value for value, _ in points]
    values = [summary([row["mAP"] for row in rows]) for _, rows in points]
    middle = np.array([value.mean for value in values])
    spread = np.array([value.std or 0.0 for value in values])
    place = look(title)
    axes.plot(x, middle, color=COLOURS[place], marker=MARKERS[place], label=title)
    band = f"± std over {max(value.count for value in values)} seeds"
    axes.fill_between(x, middle - spread, middle + spread, color=COLOURS[place], alpha=0.2, linewidth=0, label=band)
    low, high = float((middle - spread).min()), float((middle + spread).max())
    reach = max(1.0, 2 * (high - low))
    for number, (other, rows) in enumerate(references.items()):
        level, style = mean(row["mAP"] for row in rows), ("--", "-.", ":")[number % 3]
        look_of = {"color": COLOURS[look(other, [*references])], "linestyle": style, "linewidth": 1.4}
        if low - reach <= level <= high + reach:
            axes.axhline(level, label=other, **look_of)
        else:  # a line far away would flatten the curve
            axes.plot([], [], label=f"{other}: {level:.1f}, off the scale", **look_of)
    axes.margins(y=0.12)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    axes.set_ylabel("mAP (%)")


def _sweep_paper(axes: Axes, paper: Mapping[float, float], limits: tuple[float, float]) -> None:
    x = sorted(paper)
    y = [paper[value] for value in x]
    axes.plot(x, y, linestyle="none", marker="D", markersize=7, color=PAPER_COLOUR, label="values the text quotes")
    for value, level in zip(x, y, strict=True):
        axes.annotate(f"{level:g}", (value, level), (0, 8), textcoords="offset points", ha="center", fontsize=9)
    room = 0.08 * (limits[1] - limits[0])
    axes.set_xlim(limits[0] - room, limits[1] + room)
    axes.set_ylim(min(y) - 0.8, max(y) + 0.8)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))


def _value_axis(axes: Axes, key: str, chosen: float | None) -> None:
    greek = ("alpha", "beta", "gamma", "eta")
    axes.set_xlabel(rf"$\{key}$ ({key})" if key in greek else key.replace("_", " "))
    if chosen is not None:
        axes.axvline(chosen, color="#999999", linewidth=1, linestyle=":", zorder=0)


def per_class(
    class_names: Sequence[str], methods: Sequence[tuple[MethodRow, Sequence[Record]]], dataset: str
) -> Figure:
    """Average precision of each class: a group of bars per class, a bar per method, whiskers of one deviation."""
    with mpl.rc_context(STYLE):
        count = len(class_names)
        figure, axes = _new(max(6.0, 1.4 + 0.52 * count), 4.0)
        width = 0.84 / len(methods)
        titles = [method.title for method, _ in methods]
        for number, (method, rows) in enumerate(methods):
            place = look(method.title, titles)
            values = np.array([row["ap"] for row in rows], dtype=float)
            if values.shape[1] != count:
                raise UserError(f"metrics of {method.name}: ap of {values.shape[1]} classes; expected {count}")
            spread = values.std(0, ddof=1) if len(values) > 1 and not method.deterministic else None
            x = np.arange(count) + (number - (len(methods) - 1) / 2) * width
            axes.bar(
                x,
                values.mean(0),
                width,
                yerr=spread,
                label=method.title if method.in_paper else f"{method.title}, not in the paper",
                color=COLOURS[place],
                hatch=HATCHES[place],
                edgecolor="white",
                linewidth=0.3,
                error_kw={"elinewidth": 0.8, "ecolor": "#222222"},
            )
        axes.set_xticks(range(count), class_names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, count - 0.4)
        axes.set_ylim(0, 100)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("average precision (%)")
        axes.set_title(f"Average precision of each class, {dataset}", loc="left", pad=26)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(methods), borderaxespad=0.2)
    return figure


def modality_gap(
    features: Mapping[str, np.ndarray],
    distances: Mapping[str, float],
    gains: Sequence[tuple[MethodRow, Sequence[Record]]],
    dataset: str,
) -> Figure:
    """The modality gap in three panels: the features, the distances of their means, and what the gap costs.

    Args:
        features: name -> [n, D] global features, such as captions, synthetic images and test images. They are projected
            on the two directions that hold most of their common variance.
        distances: name of a pair -> distance of the two mean features.
        gains: methods whose mAP shows the cost: TaI-DPT learns on one side of the gap, the oracle on the other.
        dataset: title of the data set.
    """
    with mpl.rc_context(STYLE):
        figure, axes = _new(11.0, 3.7, ncols=3, width_ratios=[1.15, 1, 1])
        _projection(axes[0], features)
        _bars(axes[1], distances)
        _dots(axes[2], gains)
        axes[2].set_title(f"What it costs, {dataset}", loc="left")
    return figure


def _projection(axes: Axes, features: Mapping[str, np.ndarray]) -> None:
    every = np.concatenate([np.asarray(values, dtype=np.float64) for values in features.values()])
    centre = every.mean(0)
    _, _, directions = np.linalg.svd(every - centre, full_matrices=False)
    # The sign of a singular vector is arbitrary: the largest entry is made positive.
    signs = np.sign(directions[range(2), np.abs(directions[:2]).argmax(1)])
    axis = directions[:2] * signs[:, None]
    for place, (name, values) in enumerate(features.items()):
        flat = (np.asarray(values, dtype=np.float64) - centre) @ axis.T
        colour, marker = COLOURS[place], MARKERS[place]
        axes.scatter(*flat.T, s=7, color=colour, marker=marker, alpha=0.35, linewidths=0, label=name, rasterized=True)
    for place, values in enumerate(features.values()):
        middle = (np.asarray(values, dtype=np.float64).mean(0) - centre) @ axis.T
        axes.scatter(*middle, s=90, color=COLOURS[place], marker=MARKERS[place], edgecolors="black", linewidths=1.2)
    axes.set_xlabel("first principal direction")
    axes.set_ylabel("second")
    axes.set_title("Global features; large: their means", loc="left")
    legend = axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, columnspacing=1, handletextpad=0.2)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
        handle.set_sizes([30])


def _bars(axes: Axes, distances: Mapping[str, float]) -> None:
    place = range(len(distances))
    axes.barh(place, list(distances.values()), 0.55, color=COLOURS[5])
    for row, value in enumerate(distances.values()):
        axes.annotate(f"{value:.2f}", (value, row), (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(place, [name.replace(" to ", "\nto ") for name in distances])
    axes.set_ylim(len(distances) - 0.4, -0.6)
    axes.set_xlim(0, 1.18 * max(distances.values(), default=1.0))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("distance of the mean features")
    axes.set_title("Gap", loc="left")


def _dots(axes: Axes, methods: Sequence[tuple[MethodRow, Sequence[Record]]]) -> None:
    values = [summary([row["mAP"] for row in rows], method.deterministic) for method, rows in methods]
    for row, value in enumerate(values):
        place = look(methods[row][0].title, [method.title for method, _ in methods])
        colour, marker = COLOURS[place], MARKERS[place]
        axes.errorbar(value.mean, row, xerr=value.std, color=colour, marker=marker, markersize=8, capsize=3)
        axes.annotate(
            f"{value.mean:.1f}", (value.mean, row), (0, 9), textcoords="offset points", ha="center", fontsize=9
        )
    axes.set_yticks(range(len(methods)), [method.title.replace(" (", "\n(") for method, _ in methods])
    axes.set_ylim(len(methods) - 0.5, -0.7)
    axes.margins(x=0.15)
    axes.set_xlabel("mAP (%)")


def training_curves(runs: Sequence[tuple[MethodRow, Sequence[Mapping[str, Any]]]], dataset: str) -> Figure:
    """Loss over epochs, a panel per part of the loss, a band between the least and the greatest seed.

    Args:
        runs: a method and its history rows: seed, epoch, loss, loss_text, loss_image, loss_train.
        dataset: title of the data set.
    """
    parts = {
        "loss": "Total loss",
        "loss_text": "Captions and templates",
        "loss_image": "Synthetic images",
        "loss_train": "Real images, true labels",
    }
    present = [name for name in parts if any(row.get(name) is not None for _, rows in runs for row in rows)]
    if not present:
        raise UserError("training curves: no history; expected a method that trains")
    with mpl.rc_context(STYLE):
        figure, axes = _new(1.2 + 2.7 * len(present), 3.4, ncols=len(present), squeeze=False)
        for panel, name in zip(axes[0], present, strict=True):
            for method, rows in runs:
                _curve(panel, rows, name, method.title, look(method.title, [method.title for method, _ in runs]))
            panel.set_title(parts[name], loc="left")
            panel.set_xlabel("epoch")
            panel.xaxis.get_major_locator().set_params(integer=True)
            panel.margins(y=0.1)
        axes[0, 0].set_ylabel("ranking loss")
        handles = list(axes[0, 0].lines)
        figure.legend(handles=handles, loc="outside upper center", ncols=len(runs), title=f"Training, {dataset}")
    return figure


def _curve(axes: Axes, rows: Sequence[Mapping[str, Any]], name: str, label: str, place: int) -> None:
    epochs = sorted({row["epoch"] for row in rows if row.get(name) is not None})
    if not epochs:
        return
    values = [[row[name] for row in rows if row["epoch"] == epoch] for epoch in epochs]
    colour, marker = COLOURS[place], MARKERS[place]
    axes.fill_between(epochs, list(map(min, values)), list(map(max, values)), color=colour, alpha=0.2, linewidth=0)
    every = max(1, len(epochs) // 8)
    axes.plot(epochs, list(map(mean, values)), color=colour, marker=marker, markevery=every, label=label)
