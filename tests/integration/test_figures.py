"""Figures: what is drawn equals the records, texts and legends keep clear, and files are the same every time."""

from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from statistics import stdev

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from t2ipal.errors import UserError
from t2ipal.figures import (
    COLOURS,
    LOOKS,
    Curve,
    curves_figure,
    fused,
    gap_figure,
    levels_figure,
    look,
    per_class_figure,
    save,
    sweep_figure,
)
from t2ipal.figures.style import COLUMN, PAGE
from t2ipal.plan.specs import MethodSpec
from t2ipal.tables import Result

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable"),
    *("dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
METHODS = (
    MethodSpec(name="zsclip", title="ZSCLIP", deterministic=True),
    MethodSpec(name="tai_dpt", title="TaI-DPT"),
    MethodSpec(name="t2i_pal", title="T2I-PAL"),
    MethodSpec(name="oracle", title="Oracle (true labels)", in_paper=False),
)
KINDS = ("captions", "synthetic images", "test images")
RESAMPLES = np.random.default_rng(7).normal(0, 0.8, 200)
Records = list[dict[str, object]]


def records(level: float, seeds: int = 3, bootstrap: bool = True, classes: int = 20) -> Records:
    """mAP `level`, 0.2 more with each seed; resamples of the test images are common to all."""
    draw = np.random.default_rng(int(100 * level))
    rows: Records = []
    for seed in range(seeds):
        mean_ap = level + 0.2 * seed
        row = {"seed": seed, "mAP": mean_ap, "ap": (level + draw.normal(0, 5, classes)).clip(0, 100).tolist()}
        shifted = (mean_ap + RESAMPLES + draw.normal(0, 0.1, len(RESAMPLES))).tolist()
        rows.append(row | ({"bootstrap": shifted} if bootstrap else {}))
    return rows


def result(level: float, seeds: int = 3, bootstrap: bool = True) -> Result:
    """As the records of the same arguments."""
    run = {"dataset": "micro", "method": "a", "variant": "base", "level": 0}
    return Result.of([row | run for row in records(level, seeds, bootstrap)])


def points(count: int = 6, bootstrap: bool = True) -> list[tuple[float, Result]]:
    return [(value, result(80 + value, 3, bootstrap)) for value in np.linspace(0, 1, count).round(2).tolist()]


def the_sweep() -> Figure:
    others = {"TaI-DPT": result(80.5), "ZSCLIP": result(60, 1)}
    return sweep_figure("gamma", points(), "T2I-PAL", "micro world", {0.2: 91.1, 1.0: 90.4}, "VOC2007", others, 0.2)


def the_long_sweep() -> Figure:
    """As many reference lines as there are methods, and no values of the paper."""
    others = {title: result(78 + place) for place, title in enumerate(LOOKS) if title != "T2I-PAL"}
    images = [(count, result(80 + count / 4, 3, False)) for count in (1, 2, 4, 6, 8)]
    return sweep_figure("samples", images, "T2I-PAL", "micro world", references=others, default=4)


def label_curves() -> list[Curve]:
    found = []
    for place, title in enumerate(("SSGRL", "GCN-ML", "Partial-BCE", "SARB", "DualCoOp")):
        shares = [(10 * n, result(70 + place + n)) for n in range(1, 10)]
        found.append(Curve(title, "label", shares, None, {10 * n: 60 + place + n for n in range(1, 10)}))
    for place, partner in enumerate(("TaI-DPT", "T2I-PAL")):
        shares = [(10 * n, result(78 + place + n / 2)) for n in range(1, 10)]
        paper = {10 * n: 75 + 2 * place + n / 2 for n in range(1, 10)}
        found.append(Curve(f"DualCoOp+{partner}", "fused", shares, partner, paper))
    found.append(Curve("ZSCLIP", "zero-shot", [(0, result(20, 1))]))
    return [*found, Curve("T2I-PAL", "zero-shot", [(0, result(74))], None, {0: 71.4})]


def the_labels() -> Figure:
    return levels_figure("labels", label_curves(), "micro world", "COCO2014", "Partial labels")


def shot_curves(paper: bool) -> list[Curve]:
    shots = (16, 1, 4, 2, 8)
    printed = {n: 50 + n / 4 for n in shots} if paper else {}
    return [
        Curve("CoOp", "label", [(n, result(70 + n / 4)) for n in shots], None, printed),
        Curve("My own", "label", [(n, result(72 + n / 4)) for n in shots]),
        Curve("CoOp+T2I-PAL", "fused", [(n, result(76 + n / 8)) for n in shots], "t2i_pal", printed),
        Curve("T2I-PAL", "zero-shot", [(0, result(75.5))], None, {0: 55.0} if paper else {}),
    ]


def the_shots() -> Figure:
    return levels_figure("shots", shot_curves(True), "micro world", "VOC2007", "Few shots")


def our_shots() -> Figure:
    return levels_figure("shots", shot_curves(False), "micro world")


def the_bars() -> Figure:
    return per_class_figure(CLASSES, [(m, records(60 + 10 * i)) for i, m in enumerate(METHODS)], "micro world")


def the_long_bars() -> Figure:
    names = [f"{name} {part}" for part in "abcd" for name in CLASSES]
    return per_class_figure(
        names, [(m, records(60 + 10 * i, classes=80)) for i, m in enumerate(METHODS)], "micro world"
    )


def features() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {name: draw.normal(place, 1, (60, 16)) for place, name in enumerate(KINDS)}


GAP_TITLES = ("Global features; large: their means", "Gap", "Before and after training", "What it costs, micro world")
DISTANCES = {
    "captions to synthetic images": 0.33,
    "captions to test images": 0.41,
    "synthetic images to test images": 0.12,
}
PROMPTS = [(METHODS[0], [0.38]), (METHODS[1], [0.36, 0.34, 0.35]), (METHODS[2], [0.31, 0.29, 0.30])]


def the_gap() -> Figure:
    costs = [(m, result(60 + 10 * i)) for i, m in enumerate(METHODS)]
    return gap_figure(features(), DISTANCES, costs, "micro world", PROMPTS)


def the_gap_before() -> Figure:
    return gap_figure(features(), DISTANCES, [(METHODS[1], result(70))], "micro world")


def history(part: str) -> Records:
    empty = dict.fromkeys(("loss_text", "loss_image", "loss_train"))
    return [
        empty | {"seed": s, "epoch": e, "loss": 9 / e + s, part: 9 / e + s, "lr": 0.1}
        for e in range(1, 11)
        for s in (1, 2, 3)
    ]


def the_curves() -> Figure:
    parts = ("loss_text", "loss_image", "loss_train")
    return curves_figure([(m, history(part)) for m, part in zip(METHODS[1:], parts, strict=True)], "micro world")


ALL = (
    *(the_sweep, the_long_sweep, the_labels, the_shots, our_shots),
    *(the_bars, the_long_bars, the_gap, the_gap_before, the_curves),
)
WIDTHS = dict.fromkeys(ALL[:5], COLUMN) | dict.fromkeys(ALL[5:], PAGE)
Make = Callable[[], Figure]


@cache
def drawn(make: Make) -> tuple[Figure, FigureCanvasAgg]:
    """A figure laid out and drawn, for tests that only look at it."""
    figure = make()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return figure, canvas


def lines(axes: object) -> dict[str, Line2D]:
    """The lines of a panel that a legend could name."""
    return {str(line.get_label()): line for line in axes.lines if not str(line.get_label()).startswith("_")}


def limits(band: PolyCollection) -> dict[float, tuple[float, float]]:
    """x -> lower and upper limit of a band."""
    vertices = np.concatenate([path.vertices for path in band.get_paths()])
    return {x: (min(ys), max(ys)) for x in vertices[:, 0] if (ys := vertices[vertices[:, 0] == x, 1]).size}


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("make", [the_sweep, the_labels, the_shots, the_bars, the_gap, the_curves])
def test_figures_are_written_and_equal_ones_give_equal_files(make: Make, tmp_path: Path) -> None:
    suffixes = ("svg", "png", "pdf") if make is the_sweep else ("svg", "png")
    for name in ("a", "b"):
        save(make(), [tmp_path / f"{name}.{suffix}" for suffix in suffixes])
    for suffix in suffixes:
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    image = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    assert image.shape[1] > 900
    assert 0.01 < (image < 200).mean() < 0.6
    assert (tmp_path / "a.svg").read_text().rstrip().endswith("</svg>")
    assert len(list(tmp_path.iterdir())) == 2 * len(suffixes)


@pytest.mark.parametrize("make", ALL)
def test_texts_do_not_overlap(make: Make) -> None:
    figure, canvas = drawn(make)
    boxes = []
    texts = [(None, text) for text in [*figure.texts, *figure.legends[0].get_texts()]]
    for axes in figure.axes:
        level = [text for text in axes.get_xticklabels() if text.get_rotation() == 0]
        own = [axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title, *axes.texts]
        texts += [(axes, text) for text in (*own, *level, *axes.get_yticklabels()) if axes.axison]
    for axes, text in texts:
        box = text.get_window_extent(canvas.get_renderer())
        frame = axes.get_window_extent().expanded(1.02, 1.02) if axes else box
        on_axis = True  # matplotlib keeps labels of ticks beyond the limits and does not draw them
        if axes and text in axes.get_xticklabels():
            on_axis = frame.x0 <= (box.x0 + box.x1) / 2 <= frame.x1
        if axes and text in axes.get_yticklabels():
            on_axis = frame.y0 <= (box.y0 + box.y1) / 2 <= frame.y1
        if text.get_text() and text.get_visible() and on_axis:
            boxes.append((text.get_text(), box))
    for (left, a), (right, b) in combinations(boxes, 2):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
        assert not overlap, f"{left!r} runs into {right!r}"


@pytest.mark.parametrize("make", ALL)
def test_legends_cover_no_data_and_figures_keep_their_width(make: Make) -> None:
    figure, canvas = drawn(make)
    (legend,) = figure.legends
    assert not any(axes.get_legend() for axes in figure.axes)
    box = legend.get_window_extent(canvas.get_renderer())
    for axes in figure.axes:
        assert not box.overlaps(axes.get_window_extent())
        assert axes.get_window_extent().height > 60, "a panel has no room left"
    assert figure.get_tightbbox(canvas.get_renderer()).width <= WIDTHS[make] + 0.1


def test_a_sweep_draws_the_records() -> None:
    figure = the_sweep()
    ours, paper = figure.axes
    line = lines(ours)["T2I-PAL"]
    x = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert line.get_xdata().tolist() == x
    assert line.get_ydata().tolist() == pytest.approx([80.2 + value for value in x])
    (band,) = (part for part in ours.collections if part.get_label() == "± std over 3 seeds")
    assert limits(band)[0.4] == pytest.approx((80.4, 80.8))
    (whiskers,) = ours.containers
    segments = whiskers.lines[2][0].get_segments()
    for (value, reached), segment in zip(points(), segments, strict=True):
        resamples = np.mean(reached.resamples, axis=0)
        expected = np.percentile(resamples - resamples.mean(), [2.5, 97.5]) + reached.mean
        np.testing.assert_allclose(segment, [[value, expected[0]], [value, expected[1]]])
    assert lines(ours)["TaI-DPT"].get_ydata() == pytest.approx([80.7, 80.7])
    assert lines(ours)["default"].get_xdata() == pytest.approx([0.2, 0.2])
    assert lines(paper)["quoted in the text"].get_xydata().tolist() == [[0.2, 91.1], [1.0, 90.4]]
    assert [text.get_text() for text in paper.texts] == ["91.1", "90.4"]
    assert legend_of(figure) == [
        *("T2I-PAL", "± std over 3 seeds", "95 % over test images", "TaI-DPT", "ZSCLIP: 60.0, off the scale"),
        *("quoted in the text", "default"),
    ]


def test_a_sweep_says_what_it_shows() -> None:
    ours, paper = the_sweep().axes
    assert ours.get_title("left") == "Ours, micro world"
    assert paper.get_title("left") == "Paper, real VOC2007"
    assert {ours.get_ylabel(), paper.get_ylabel()} == {"mAP (%)"}
    assert paper.get_xlabel() == r"$\gamma$, share of the image loss"
    assert [text.get_text() for text in paper.get_xticklabels()] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert ours.get_xlim() == paper.get_xlim()
    few = sweep_figure("gamma", points(2), "T2I-PAL", "micro world", seeds="first 2 of 5 seeds")
    assert few.axes[0].get_title("left") == "Ours, micro world, first 2 of 5 seeds"
    assert ours.get_ylim()[0] > 77, "a line off the scale must not stretch it"
    assert the_long_sweep().axes[-1].get_xlabel() == "images per caption"
    for key, symbol in (("alpha", r"$\alpha$"), ("beta", r"$\beta$")):
        assert sweep_figure(key, points(2), "T2I-PAL", "micro world").axes[0].get_xlabel().startswith(symbol)


def test_a_sweep_shows_only_what_records_carry() -> None:
    plain = sweep_figure("n_ctx", points(2, bootstrap=False), "T2I-PAL", "micro world")
    assert len(plain.axes) == 1
    assert plain.axes[0].get_xlabel() == "n ctx"
    assert legend_of(plain) == ["T2I-PAL", "± std over 3 seeds"]
    one_seed = sweep_figure("n_ctx", [(n, result(80, 1, False)) for n in (4, 16)], "T2I-PAL", "micro world")
    assert legend_of(one_seed) == ["T2I-PAL"]
    assert not one_seed.axes[0].collections
    mixed = sweep_figure("n_ctx", [(4, result(80, 2)), (16, result(81, 3, False))], "T2I-PAL", "micro world")
    assert legend_of(mixed)[1] == "± std over 2 to 3 seeds"
    assert len(mixed.axes[0].containers[0].lines[2][0].get_segments()) == 1


def test_axes_name_the_metric() -> None:
    run = {"dataset": "micro", "method": "a", "variant": "base", "level": 0}
    reached = [Result.of([{**run, "seed": 1, "CF1_top3": value}], "CF1_top3") for value in (70.0, 71.0)]
    figure = sweep_figure("gamma", [(0.0, reached[0]), (1.0, reached[1])], "T2I-PAL", "micro world", {0.2: 91.1})
    assert {axes.get_ylabel() for axes in figure.axes} == {"CF1 of the top 3 (%)"}
    (axes,) = levels_figure("shots", [Curve("CoOp", "label", [(1, reached[0]), (2, reached[1])])], "a").axes
    assert axes.get_ylabel() == "CF1 of the top 3 (%)"
    costs = gap_figure(features(), DISTANCES, [(METHODS[1], reached[0])], "micro world").axes
    assert "CF1 of the top 3 (%)" in {axes.get_xlabel() for axes in costs}


def test_wide_sweeps_have_a_logarithmic_axis() -> None:
    def scale(values: tuple[float, ...]) -> str:
        return sweep_figure("lr", [(value, result(80)) for value in values], "T2I-PAL", "w").axes[0].get_xscale()

    assert scale((1e-5, 1e-4, 1e-3)) == "log"
    assert scale((1.0, 2.0, 8.0)) == "linear"
    assert scale((0.0, 1e-4, 1.0)) == "linear"


def test_what_a_sweep_refuses() -> None:
    def refuse(message: str, *given: tuple[object, Result]) -> None:
        with pytest.raises(UserError, match=message) as error:
            sweep_figure("gamma", given, "T2I-PAL", "micro world")  # type: ignore[arg-type]
        assert "\n" not in str(error.value)

    refuse("^sweep over gamma: 1 values; expected at least 2$", (0.1, result(80)))
    refuse("^sweep over gamma: value 'none'; expected a number", (0.1, result(80)), ("none", result(80)))
    refuse("value True; expected a number", (0.1, result(80)), (True, result(80)))
    unknown = Result("a run", "mAP", (0,), (np.nan,), np.zeros((1, 0)))
    refuse("gamma=0.1: mAP of seed 0 is not finite", (0.1, unknown), (0.2, result(80)))


def test_levels_draw_the_records_and_the_papers_table() -> None:
    figure = the_labels()
    ours, paper = figure.axes
    x = [10.0 * n for n in range(1, 10)]
    for place, title in enumerate(("SSGRL", "GCN-ML", "Partial-BCE", "SARB", "DualCoOp")):
        assert lines(ours)[title].get_xdata().tolist() == x
        assert lines(ours)[title].get_ydata().tolist() == pytest.approx([70.2 + place + n for n in range(1, 10)])
        assert lines(paper)[title].get_ydata().tolist() == [60 + place + n for n in range(1, 10)]
    bands = [part for part in ours.collections if isinstance(part, PolyCollection)]
    assert len(bands) == 7, "a band per system that learns from labels"
    assert limits(bands[0])[10.0] == pytest.approx((71.0, 71.4))
    assert lines(ours)["T2I-PAL, zero-shot"].get_ydata() == pytest.approx([74.2, 74.2])
    assert lines(paper)["T2I-PAL"].get_ydata() == pytest.approx([71.4, 71.4])
    assert "ZSCLIP" not in lines(paper)
    assert [patch.get_height() for patch in ours.patches] == pytest.approx([0.4]), "zero-shot: ± std over its seeds"
    assert legend_of(figure) == [
        *("SSGRL", "GCN-ML", "Partial-BCE", "SARB", "DualCoOp", "DualCoOp+TaI-DPT", "DualCoOp+T2I-PAL"),
        *("ZSCLIP, zero-shot: 20.0, off scale", "T2I-PAL, zero-shot", "± std over 3 seeds"),
    ]
    assert ours.get_ylim()[0] > 69, "a line off the scale must not stretch it"
    assert (paper.get_xlabel(), ours.get_ylabel(), paper.get_ylabel()) == ("known labels (%)", "mAP (%)", "mAP (%)")
    assert figure.texts[0].get_text() == "Partial labels"


def test_a_system_looks_the_same_in_both_panels_and_a_fusion_like_its_partner() -> None:
    ours, paper = (lines(axes) for axes in the_labels().axes)
    for title in ("SSGRL", "DualCoOp", "DualCoOp+T2I-PAL"):
        for part in ("get_color", "get_marker", "get_linestyle", "get_markerfacecolor", "_get_dash_pattern"):
            if hasattr(ours[title], part):
                assert getattr(ours[title], part)() == getattr(paper[title], part)()
    for partner in ("TaI-DPT", "T2I-PAL"):
        fusion = ours[f"DualCoOp+{partner}"]
        assert fusion.get_color() == LOOKS[partner].colour
        assert fusion.get_markerfacecolor() == "white"
        assert fusion._unscaled_dash_pattern != (0, None)
    assert ours["T2I-PAL, zero-shot"]._unscaled_dash_pattern == (0, None)
    assert ours["T2I-PAL, zero-shot"].get_color() == ours["DualCoOp+T2I-PAL"].get_color()


def test_shots_stand_on_powers_of_two() -> None:
    figure = the_shots()
    ours, paper = figure.axes
    assert paper.get_xscale() == "log"
    assert paper.xaxis.get_transform().base == 2
    assert [text.get_text() for text in paper.get_xticklabels()] == ["1", "2", "4", "8", "16"]
    assert paper.get_xlabel() == "labelled images per class"
    assert lines(ours)["CoOp"].get_xdata().tolist() == [1, 2, 4, 8, 16]
    assert lines(ours)["CoOp"].get_ydata().tolist() == pytest.approx([70.45, 70.7, 71.2, 72.2, 74.2])
    assert lines(ours)["CoOp+T2I-PAL"].get_color() == LOOKS["T2I-PAL"].colour
    assert "My own" not in lines(paper)
    assert len(our_shots().axes) == 1


def test_what_levels_refuse() -> None:
    def refuse(message: str, curves: list[Curve], axis: str = "shots") -> None:
        with pytest.raises(UserError, match=message) as error:
            levels_figure(axis, curves, "micro world")  # type: ignore[arg-type]
        assert "\n" not in str(error.value)

    curve = Curve("CoOp", "label", [(1, result(70)), (2, result(71))])
    refuse("^levels figure: axis 'epochs'; expected one of labels, shots$", [curve], "epochs")
    refuse("^levels figure: no curve; expected", [Curve("ZSCLIP", "zero-shot", [(0, result(60))])])
    refuse("role 'other' of CoOp; expected one of label, fused, zero-shot", [Curve("CoOp", "other", curve.points)])
    refuse("CoOp has no points; expected one for each level", [Curve("CoOp", "label", [])])
    refuse("level 0; expected at least one shot", [Curve("CoOp", "label", [(0, result(70))])])
    refuse("level 110; expected a percentage", [Curve("CoOp", "label", [(110, result(70))])], "labels")
    refuse("value 'few'; expected a number", [Curve("CoOp", "label", [("few", result(70))])])
    twice = Curve("ZSCLIP", "zero-shot", [(0, result(60)), (1, result(61))])
    refuse("ZSCLIP is zero-shot and has several levels; expected one value", [curve, twice])


def test_each_method_has_a_look_of_its_own() -> None:
    assert set(LOOKS) == {
        *("ZSCLIP", "CLIP-DPT", "TaI-DPT", "T2I-PAL", "Oracle", "CoMC", "CoOp", "DualCoOp", "SSGRL", "GCN-ML"),
        *("Partial-BCE", "SARB", "LaSO", "ML-FSL"),
    }
    assert len({look.marker for look in LOOKS.values()}) == len({look.hatch for look in LOOKS.values()}) == len(LOOKS)
    assert len({(look.colour, look.line) for look in LOOKS.values()}) == len(LOOKS)
    assert len({LOOKS[title].line for title in ("SSGRL", "GCN-ML", "Partial-BCE", "SARB")}) == 4
    assert {look.colour for look in LOOKS.values()} <= set(COLOURS)
    table2 = ("ZSCLIP", "TaI-DPT", "T2I-PAL", "SSGRL", "GCN-ML", "Partial-BCE", "SARB", "DualCoOp")
    assert len({LOOKS[title].colour for title in table2}) == len(table2)


def test_methods_keep_their_look() -> None:
    for name in ("T2I-PAL", "t2i_pal", "T2I-PAL (gamma 1)"):
        assert look(name) == LOOKS["T2I-PAL"]
    assert look("DualCoOp + T2I-PAL") == look("coop+t2i_pal") == fused(LOOKS["T2I-PAL"])
    assert fused(LOOKS["T2I-PAL"]).line not in {found.line for found in LOOKS.values()}
    others = ["New", "T2I-PAL", "Other"]
    strangers = {look(title, others) for title in ("New", "Other")}
    assert len(strangers) == 2
    assert not {stranger.marker for stranger in strangers} & {found.marker for found in LOOKS.values()}
    assert look("New", others) == look("New")


def test_bars_draw_the_records() -> None:
    (axes,) = the_bars().axes
    for place, method in enumerate(METHODS):
        ap = np.array([row["ap"] for row in records(60 + 10 * place)])
        drawn = next(c for c in axes.containers if c.get_label().startswith(method.title))
        assert [bar.get_height() for bar in drawn] == pytest.approx(ap.mean(0).tolist())
        assert to_hex(drawn[0].get_facecolor()).upper() == look(method.title).colour
        if method.deterministic:
            assert drawn.errorbar is None
        else:
            segments = drawn.errorbar.lines[2][0].get_segments()
            assert [(high - low) / 2 for (_, low), (_, high) in segments] == pytest.approx(ap.std(0, ddof=1).tolist())
    assert [text.get_text() for text in axes.get_xticklabels()] == list(CLASSES)
    assert axes.get_ylabel() == "AP (%)"
    assert legend_of(the_bars())[-1] == "Oracle (true labels), not in the paper"


def test_many_classes_take_several_rows() -> None:
    figure = the_long_bars()
    names = [[text.get_text() for text in axes.get_xticklabels()] for axes in figure.axes]
    assert [len(row) for row in names] == [27, 27, 26]
    heights = [bar.get_height() for axes in figure.axes for bar in axes.containers[0]]
    assert heights == pytest.approx(np.mean([row["ap"] for row in records(60, classes=80)], axis=0).tolist())


def test_the_gap_is_drawn_as_measured() -> None:
    panels = {axes.get_title("left"): axes for axes in the_gap().axes}
    projection, gap, prompts, costs = (panels[title] for title in GAP_TITLES)
    assert [bar.get_width() for bar in gap.patches] == list(DISTANCES.values())
    assert [text.get_text() for text in prompts.get_yticklabels()] == [
        *("captions", "synthetic images", "prompts of ZSCLIP\n(before)"),
        *("prompts of TaI-DPT\n(after)", "prompts of T2I-PAL\n(after)"),
    ]
    middles = [bar.lines[0].get_xdata()[0] for bar in prompts.containers]
    assert middles == pytest.approx([0.41, 0.12, 0.38, 0.35, 0.30])
    assert [text.get_text() for text in prompts.texts] == ["0.41", "0.12", "0.38", "0.35", "0.30"]
    whisker = prompts.containers[3].lines[2][0].get_segments()[0]
    assert whisker[:, 0].tolist() == pytest.approx([0.35 - stdev(PROMPTS[1][1]), 0.35 + stdev(PROMPTS[1][1])])
    assert not prompts.containers[2].has_xerr
    assert prompts.get_xlim()[0] == 0
    assert prompts.get_xlabel() == "distance to the mean of test images"
    assert [bar.lines[0].get_xdata()[0] for bar in costs.containers] == pytest.approx([60.2, 70.2, 80.2, 90.2])
    assert costs.get_xlabel() == "mAP (%)"
    means = {name: values.mean(0) for name, values in features().items()}
    (first, _), _, (last, _) = (part.get_offsets()[0] for part in projection.collections[3:])
    assert last - first == pytest.approx(np.linalg.norm(means["test images"] - means["captions"]))
    assert projection.get_xlabel() == "from captions to test images"


def test_the_gap_needs_no_models() -> None:
    titles = {axes.get_title("left") for axes in the_gap_before().axes}
    assert titles == {"Global features; large: their means", "Gap", "What it costs, micro world"}
    with pytest.raises(UserError, match=r"^modality gap: no distances; expected"):
        gap_figure({}, {}, [], "micro world")
    with pytest.raises(UserError, match=r"^modality gap: no prompt distances of tai_dpt; expected one per seed$"):
        gap_figure(features(), DISTANCES, [], "micro world", [(METHODS[1], [])])


def test_training_curves_draw_the_history() -> None:
    figure = the_curves()
    total, text, image, train = figure.axes
    assert [axes.get_title("left") for axes in (total, text)] == ["Total loss", "Captions and templates"]
    assert [len(axes.lines) for axes in (total, text, image, train)] == [3, 1, 1, 1]
    assert text.lines[0].get_ydata().tolist() == pytest.approx([9 / e + 2 for e in range(1, 11)])
    assert limits(text.collections[0])[1.0] == pytest.approx((10, 12))
    assert legend_of(figure) == ["TaI-DPT", "T2I-PAL", "Oracle (true labels)"]
    own = curves_figure([(MethodSpec(name="mine", title="Mine"), history("loss_my_part"))], "micro world")
    assert [axes.get_title("left") for axes in own.axes] == ["Total loss", "my part"]


def test_what_bars_and_curves_refuse() -> None:
    with pytest.raises(UserError, match=r"^metrics of tai_dpt: ap of 20 classes; expected 2$"):
        per_class_figure(("a", "b"), [(METHODS[1], records(70))], "micro world")
    with pytest.raises(UserError, match=r"^metrics of tai_dpt: no records; expected one per seed$"):
        per_class_figure(CLASSES, [(METHODS[1], [])], "micro world")
    with pytest.raises(UserError, match=r"^per-class figure: no methods; expected at least one$"):
        per_class_figure(CLASSES, [], "micro world")
    with pytest.raises(UserError, match=r"^training curves: no history; expected a method that trains$"):
        curves_figure([], "micro world")
