"""The modality gap: where captions and images are, how far class prompts are from images, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from t2ipal.errors import UserError
from t2ipal.figures.style import BLACK, DOTTED, GREY, ORANGE, PAGE, SKY, SOLID, STYLE, Look, legend_below, look
from t2ipal.figures.values import metric_label, point
from t2ipal.metrics.records import Record, by_run, run_of
from t2ipal.metrics.registry import DEFAULT
from t2ipal.plan.specs import GapSpec, MethodSpec
from t2ipal.tables.numbers import Result

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

CAPTIONS, SYNTHETIC, TEST = "captions", "synthetic images", "test images"
KINDS = {
    CAPTIONS: Look(ORANGE, "o", SOLID, ""),
    SYNTHETIC: Look(SKY, "s", SOLID, ""),
    TEST: Look(BLACK, "^", SOLID, ""),
}
"""Looks of the kinds of features; no method's."""
BEFORE, AFTER = "before", "after"


def plot_gap(
    spec: GapSpec,
    records: Iterable[Record],
    features: Mapping[str, np.ndarray],
    distances: Mapping[str, float],
    prompts: Sequence[tuple[MethodSpec, Sequence[float]]] = (),
) -> Figure:
    """The figure of the modality gap; `features`, `distances` and `prompts` as those of `gap_figure`.

    Raises:
        UserError: a run without metrics, no distances, or a method without any.
    """
    runs, data = by_run(records), spec.dataset
    costs = [
        (method, Result.of(run_of(runs, (data.name, method.name, "base", 0), "modality gap"), spec.metric))
        for method in spec.methods
    ]
    return gap_figure(features, distances, costs, data.title, prompts)


@mpl.rc_context(STYLE)
def gap_figure(
    features: Mapping[str, np.ndarray],
    distances: Mapping[str, float],
    costs: Sequence[tuple[MethodSpec, Result]],
    dataset: str,
    prompts: Sequence[tuple[MethodSpec, Sequence[float]]] = (),
) -> Figure:
    """The modality gap: the features, the distances of their means, and what the gap costs.

    With `prompts`, a panel "before and after" shows how far the class prompts are from the test images in
    CLIP as it is and after training, next to the distances of the data that methods learn from.

    Args:
        features: name -> [n, D] global features, such as captions, synthetic images and test images. They are projected
            on the direction of the gap, from the mean of the first to the mean of the last, and on the direction that
            holds most of the variance across it.
        distances: "a to b" -> distance of the mean features of a and b.
        costs: methods whose results show the cost: TaI-DPT learns on one side of the gap, the oracle on the other.
        dataset: title of the data set.
        prompts: a method, and for each seed the distance of its mean class prompt to the mean test image; before
            training if the method has no random choice, as CLIP's own prompts.

    Raises:
        UserError: no distances, or a method without any.
    """
    if not distances:
        raise UserError("modality gap: no distances; expected those of at least two kinds of features")
    for method, values in prompts:
        if not values:
            raise UserError(f"modality gap: no prompt distances of {method.name}; expected one per seed")
    figure = Figure(figsize=(PAGE, 5.2), layout="constrained")
    rows = [["features", "gap"], ["prompts" if prompts else "features", "costs"]]
    axes = figure.subplot_mosaic(rows, width_ratios=[1.1, 1])
    handles = _projection(axes["features"], features)
    _bars(axes["gap"], distances)
    if prompts:
        _prompts(axes["prompts"], distances, prompts)
    _costs(axes["costs"], costs)
    axes["costs"].set_title(f"What it costs, {dataset}", loc="left")
    legend_below(figure, handles, len(handles))
    return figure


def _kind(name: str, index: int) -> Look:
    return KINDS.get(name) or Look(GREY, "Pvd<>"[index % 5], SOLID, "")


def _projection(axes: Axes, features: Mapping[str, np.ndarray]) -> list[Artist]:
    groups = {name: np.asarray(values, dtype=np.float64) for name, values in features.items()}
    first, *_, last = groups
    every = np.concatenate(list(groups.values()))
    centre = every.mean(0)
    axis = _directions(every - centre, groups[last].mean(0) - groups[first].mean(0))
    handles: list[Artist] = []
    for index, (name, values) in enumerate(groups.items()):
        flat, of = (values - centre) @ axis.T, _kind(name, index)
        style = {"color": of.colour, "marker": of.marker, "linewidths": 0, "rasterized": True}
        axes.scatter(*flat.T, s=3.5, alpha=0.3, **style)
        look_of = {"marker": of.marker, "color": of.colour, "linestyle": "none", "label": name}
        handles += axes.plot([], [], markersize=5, **look_of)
    for index, (name, values) in enumerate(groups.items()):
        middle, of = (values.mean(0) - centre) @ axis.T, _kind(name, index)
        axes.scatter(*middle, s=48, color=of.colour, marker=of.marker, edgecolors="white", linewidths=1.0, zorder=3)
    axes.set_xlabel(f"from {first} to {last}")
    axes.set_ylabel("main direction across it")
    axes.set_title("Global features; large: their means", loc="left")
    return handles


def _directions(centred: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Two orthonormal directions [2, D]: that of the gap, and the first principal one of what is left.

    The first two principal directions would separate classes, and means that are far from each other may coincide
    there.
    """
    gap = gap / max(np.linalg.norm(gap), 1e-12)
    _, _, rest = np.linalg.svd(centred - (centred @ gap)[:, None] * gap, full_matrices=False)
    # The sign of a singular vector is arbitrary: the largest entry is made positive.
    return np.stack([gap, rest[0] * np.sign(rest[0][np.abs(rest[0]).argmax()])])


def _bars(axes: Axes, distances: Mapping[str, float]) -> None:
    axes.barh(range(len(distances)), list(distances.values()), 0.5, color=GREY)
    for row, value in enumerate(distances.values()):
        axes.annotate(f"{value:.2f}", (value, row), (3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_yticks(range(len(distances)), [name.replace(" to ", "\nto ") for name in distances])
    axes.set_ylim(len(distances) - 0.4, -0.6)
    axes.set_xlim(0, 1.18 * max(distances.values()))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("distance of the mean features")
    axes.set_title("Gap", loc="left")


def _prompts(axes: Axes, distances: Mapping[str, float], prompts: Sequence[tuple[MethodSpec, Sequence[float]]]) -> None:
    titles = [method.title for method, _ in prompts]
    rows = [(name, [value], of) for name, value, of in _sources(distances)]
    rows += [
        (f"prompts of {m.title.split(' (')[0]}\n({BEFORE if m.deterministic else AFTER})", v, look(m.title, titles))
        for m, v in prompts
    ]
    for row, (_, values, of) in enumerate(rows):
        middle, spread = mean(values), stdev(values) if len(values) > 1 else None
        axes.plot([0, middle], [row, row], color=of.colour, linewidth=1, alpha=0.5)
        axes.errorbar(middle, row, xerr=spread, color=of.colour, marker=of.marker, markersize=6, capsize=2)
        position = {"xy": (0.99, row), "xycoords": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
        axes.annotate(f"{middle:.2f}", **position, fontsize=7)
    start = len(rows) - len(prompts)
    axes.axhline(start - 0.5, color=GREY, linewidth=0.7)
    before = [row for row, (method, _) in enumerate(prompts, start) if method.deterministic]
    if before:  # from CLIP's own prompts down, so that the eye sees what training moved
        style = {"color": rows[before[0]][2].colour, "linewidth": 0.9, "linestyle": DOTTED, "zorder": 1}
        axes.vlines(mean(rows[before[0]][1]), before[0], len(rows) - 0.6, **style)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.22 * max(max(values) for _, values, _ in rows))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"distance to the mean of {TEST}")
    axes.set_title("Before and after training", loc="left")


def _sources(distances: Mapping[str, float]) -> list[tuple[str, float, Look]]:
    """What methods learn from, and its distance to the test images."""
    sources = []
    for name in (CAPTIONS, SYNTHETIC):
        for pair in (f"{name} to {TEST}", f"{TEST} to {name}"):
            if pair in distances:
                sources.append((name, distances[pair], KINDS[name]))
    return sources


def _costs(axes: Axes, methods: Sequence[tuple[MethodSpec, Result]]) -> None:
    titles = [method.title for method, _ in methods]
    for row, (method, result) in enumerate(methods):
        value, of = point(result, f"modality gap, {method.name}"), look(method.title, titles)
        spread = None if method.deterministic else value.std
        axes.errorbar(value.mean, row, xerr=spread, color=of.colour, marker=of.marker, markersize=6, capsize=2)
        text = f"{value.mean:.1f}"
        axes.annotate(text, (value.mean, row), (0, 6), textcoords="offset points", ha="center", fontsize=7)
    axes.set_yticks(range(len(methods)), [title.replace(" (", "\n(") for title in titles])
    axes.set_ylim(len(methods) - 0.5, -0.7)
    axes.margins(x=0.15)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(metric_label(methods[0][1].metric if methods else DEFAULT))
