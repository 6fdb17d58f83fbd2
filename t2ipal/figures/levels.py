"""Tables 2 and 4 as curves: a metric over the share of known labels, or over labelled images per class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
from matplotlib.patches import Patch

from t2ipal.errors import UserError
from t2ipal.figures.style import COLUMN, GREY, PAPER_COLOUR, STYLE, Look, fused, legend_below, level_line, look, new
from t2ipal.figures.values import Point, metric_label, near, number, numbers, point, seeds_text
from t2ipal.metrics.records import Record, by_run, run_of
from t2ipal.plan.specs import LevelsSpec, RowSpec
from t2ipal.tables.numbers import Result
from t2ipal.tables.paper import Paper, paper_key

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Axis = Literal["labels", "shots"]
LABELS: Mapping[str, str] = {"labels": "known labels (%)", "shots": "labelled images per class"}
ROLES = ("label", "fused", "zero-shot")


@dataclass(frozen=True)
class Curve:
    """One system of the table.

    Attributes:
        title: its name in tables.
        role: "label": trained from labels; "fused": with a text-trained partner; "zero-shot": without labels, a
            horizontal line.
        points: (level, result): percent of the labels that are known, or shots. For "zero-shot" one point, whose level
            does not matter.
        partner: title of a fusion's text-trained partner, whose colour it takes.
        paper: level -> metric that the paper prints; for "zero-shot" one value.
    """

    title: str
    role: Literal["label", "fused", "zero-shot"]
    points: Sequence[tuple[float, Result]]
    partner: str | None = None
    paper: Mapping[float, float] = field(default_factory=dict)


def plot_levels(spec: LevelsSpec, records: Iterable[Record], paper: Paper) -> Figure:
    """The figure of a block of a table of levels.

    Raises:
        UserError: a run without metrics, or a level that is no position on the axis.
    """
    runs = by_run(records)
    curves = [_curve(spec, row, runs, paper) for row in spec.rows]
    return levels_figure(spec.axis, curves, spec.dataset.title, spec.dataset.paper or "", spec.title)


def _curve(spec: LevelsSpec, row: RowSpec, runs: Mapping[Any, Sequence[Record]], paper: Paper) -> Curve:
    """The curve of a row: that of a fusion has "+" in its key, that of a system without labels the level 0 alone."""
    points, printed = [], {}
    for cell in row.cells.values():
        records = run_of(runs, (*cell.run, cell.level), spec.title)
        points.append((cell.level, Result.of(records, cell.metric)))
        key = paper_key(cell.paper, cell.metric) if cell.paper else None
        if key in paper:
            printed[cell.level] = paper[key]
    if "+" in row.key:
        return Curve(row.title, "fused", points, row.title.rpartition("+")[2], printed)
    role = "label" if any(level for level, _ in points) else "zero-shot"
    return Curve(row.title, role, points, None, printed)


@mpl.rc_context(STYLE)
def levels_figure(
    axis: Axis, curves: Sequence[Curve], dataset: str, paper_dataset: str = "", title: str = ""
) -> Figure:
    """A metric over the level of supervision: ours above, with bands over the seeds, the paper's curves below.

    A system looks the same in both panels, which have scales of their own, as their data sets differ.

    Args:
        axis: "labels", the percentage of known labels, or "shots", on an axis of powers of two.
        curves: the systems, in the order of the legend.
        dataset: title of our data set.
        paper_dataset: the paper's data set.
        title: above the panels.

    Raises:
        UserError: an unknown axis or role, a curve without points, or a level that is no position on the axis.
    """
    if axis not in LABELS:
        raise UserError(f"levels figure: axis {axis!r}; expected one of {', '.join(LABELS)}")
    if not any(curve.role != "zero-shot" for curve in curves):
        raise UserError("levels figure: no curve; expected at least one system that learns from labels")
    what = "levels figure"
    looks = [_look(curve, curves, what) for curve in curves]
    printed = any(curve.paper for curve in curves)
    rows = 2 if printed else 1
    height = 0.7 + 1.9 * rows + 0.15 * ((len(curves) + 2) // 2)
    figure, axes = new(COLUMN, height, nrows=rows, sharex=True, squeeze=False)
    handles = _ours(axes[0, 0], axis, curves, looks, what)
    axes[0, 0].set_title(f"Ours, {dataset}", loc="left")
    if printed:
        _paper(axes[1, 0], axis, curves, looks, what)
        axes[1, 0].set_title(f"Paper, real {paper_dataset}", loc="left", color=PAPER_COLOUR)
    learned = [curve for curve in curves if curve.role != "zero-shot"]
    marked = {level for curve in learned for level in (*curve.paper, *(level for level, _ in curve.points))}
    _level_axis(axes[-1, 0], axis, sorted(marked))
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    figure.align_ylabels()
    legend_below(figure, handles, 2)
    return figure


def _look(curve: Curve, curves: Sequence[Curve], what: str) -> Look:
    if curve.role not in ROLES:
        raise UserError(f"{what}: role {curve.role!r} of {curve.title}; expected one of {', '.join(ROLES)}")
    titles = [other.title for other in curves]
    if curve.role == "fused" and curve.partner is not None:
        return fused(look(curve.partner, [*titles, curve.partner]))
    return look(curve.title, titles)


def _ours(axes: Axes, axis: Axis, curves: Sequence[Curve], looks: Sequence[Look], what: str) -> list[Artist]:
    """Draw our panel; return the legend's entries, one per system, and one for the bands."""
    values = [_points(curve, axis, what) for curve in curves]
    learned = [v for curve, own in zip(curves, values, strict=True) if curve.role != "zero-shot" for v in own]
    low, high = min(value.band[0] for value in learned), max(value.band[1] for value in learned)
    handles: list[Artist] = []
    for curve, of, own in zip(curves, looks, values, strict=True):
        if curve.role == "zero-shot":
            handles.append(_zero_shot(axes, curve.title, of, own[0], low, high))
            continue
        x = sorted(level for level, _ in curve.points)
        handles += axes.plot(x, [value.mean for value in own], **of.curve(), label=curve.title, zorder=3)
        axes.fill_between(x, *zip(*(v.band for v in own), strict=True), color=of.colour, alpha=0.25, linewidth=0)
    every = [value for own in values for value in own]
    if any(value.std is not None for value in every):
        handles.append(Patch(color=GREY, alpha=0.4, linewidth=0, label=seeds_text(every)))
    axes.margins(y=0.08)
    axes.set_ylabel(metric_label(_metric(curves)))
    return handles


def _points(curve: Curve, axis: Axis, what: str) -> list[Point]:
    """The points of a curve in the order of the levels; those of a horizontal line must be one."""
    if not curve.points:
        raise UserError(f"{what}: {curve.title} has no points; expected one for each level")
    if curve.role == "zero-shot":
        if len(curve.points) > 1 or len(curve.paper) > 1:
            raise UserError(f"{what}: {curve.title} is zero-shot and has several levels; expected one value")
        return [point(curve.points[0][1], f"{what}, {curve.title}")]
    points = sorted(((_level(level, axis, what), result) for level, result in curve.points), key=lambda pair: pair[0])
    return [point(result, f"{what}, {curve.title} at {level:g}") for level, result in points]


def _metric(curves: Sequence[Curve]) -> str:
    return next(result.metric for curve in curves for _, result in curve.points)


def _level(level: object, axis: Axis, what: str) -> float:
    value = number(level, what)
    if value <= 0 or (axis == "labels" and value > 100):
        expected = "a percentage above 0" if axis == "labels" else "at least one shot"
        raise UserError(f"{what}: level {value:g}; expected {expected}")
    return value


def _zero_shot(axes: Axes, title: str, of: Look, value: Point, low: float, high: float) -> Artist:
    if not near(value.mean, low, high):  # a line far away would flatten the curves
        label = f"{title}, zero-shot: {value.mean:.1f}, off scale"
        return axes.plot([], [], **of.curve(), linewidth=1.1, label=label)[0]
    if value.std is not None:
        axes.axhspan(*value.band, color=of.colour, alpha=0.12, linewidth=0, zorder=1)
    return level_line(axes, value.mean, of, f"{title}, zero-shot")


def _paper(axes: Axes, axis: Axis, curves: Sequence[Curve], looks: Sequence[Look], what: str) -> None:
    for curve, of in zip(curves, looks, strict=True):
        if curve.role == "zero-shot":
            for level in curve.paper.values():
                level_line(axes, level, of, curve.title)
        elif curve.paper:
            x, y = numbers({_level(level, axis, what): value for level, value in curve.paper.items()}, what)
            axes.plot(x, y, **of.curve(), label=curve.title, zorder=3)
    axes.margins(y=0.08)
    axes.set_ylabel(metric_label(_metric(curves)))


def _level_axis(axes: Axes, axis: Axis, marked: Sequence[float]) -> None:
    if axis == "shots":
        axes.set_xscale("log", base=2)
    axes.set_xticks(marked, [f"{level:g}" for level in marked])
    axes.minorticks_off()
    axes.set_xlabel(LABELS[axis])
