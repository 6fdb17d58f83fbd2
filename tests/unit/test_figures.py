"""Figures: what they show, that texts do not run into each other, and that files are the same every time."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from t2ipal.errors import UserError
from t2ipal.figures import COLOURS, HATCHES, MARKERS, look, modality_gap, per_class, save, sweep, training_curves
from t2ipal.tables import MethodRow

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable"),
    *("dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
METHODS = (
    MethodRow("zsclip", "ZSCLIP", deterministic=True),
    MethodRow("tai_dpt", "TaI-DPT"),
    MethodRow("t2i_pal", "T2I-PAL"),
    MethodRow("oracle", "Oracle (true labels)", in_paper=False),
)


def records(level: float, seeds: int = 3) -> list[dict[str, object]]:
    draw = np.random.default_rng(int(level))
    return [
        {"seed": s, "mAP": level + 0.2 * s, "ap": (level + draw.normal(0, 5, 20)).clip(0, 100).tolist()}
        for s in range(seeds)
    ]


def points(count: int = 6) -> list[tuple[float, list[dict[str, object]]]]:
    return [(value, records(80 + value)) for value in np.linspace(0, 1, count).round(2).tolist()]


def the_sweep() -> Figure:
    others = {"TaI-DPT": records(80.5), "ZSCLIP": records(60, 1)}
    return sweep("gamma", points(), "T2I-PAL", "micro world", {0.2: 91.1, 1.0: 90.4}, "VOC2007", others, 0.2)


def the_bars() -> Figure:
    return per_class(CLASSES, [(m, records(60 + 10 * i)) for i, m in enumerate(METHODS)], "micro world")


def the_gap() -> Figure:
    draw = np.random.default_rng(0)
    features = {
        name: draw.normal(i, 1, (60, 16)) for i, name in enumerate(("captions", "synthetic images", "test images"))
    }
    distances = {"test images to captions": 0.41, "test images to synthetic images": 0.12}
    return modality_gap(features, distances, [(m, records(60 + 10 * i)) for i, m in enumerate(METHODS)], "micro world")


def the_curves() -> Figure:
    def rows(part: str) -> list[dict[str, object]]:
        empty = dict.fromkeys(("loss_text", "loss_image", "loss_train"))
        return [
            empty | {"seed": s, "epoch": e, "loss": 9 / e + s, part: 9 / e + s} for e in range(1, 11) for s in (1, 2, 3)
        ]

    parts = ("loss_text", "loss_image", "loss_train")
    return training_curves([(m, rows(part)) for m, part in zip(METHODS[1:], parts, strict=True)], "micro world")


ALL = (the_sweep, the_bars, the_gap, the_curves)


@pytest.mark.parametrize("make", ALL)
def test_figures_are_written_and_are_not_empty(make: object, tmp_path: Path) -> None:
    save(make(), [tmp_path / "a.png", tmp_path / "a.svg"])
    image = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    assert image.shape[1] > 900
    assert 0.01 < (image < 200).mean() < 0.6
    assert (tmp_path / "a.svg").read_text().rstrip().endswith("</svg>")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("make", ALL)
def test_texts_do_not_overlap(make: object) -> None:
    figure = make()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = []
    for axes in figure.axes:
        texts = [axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title, *axes.texts]
        texts += axes.get_xticklabels() if axes.get_xticklabels()[0].get_rotation() == 0 else []
        texts += axes.get_yticklabels()
        legend = axes.get_legend()
        texts += legend.get_texts() if legend else []
        limits = axes.get_window_extent().expanded(1.02, 1.02)
        for text in texts:
            box = text.get_window_extent(canvas.get_renderer())
            on_axis = text not in axes.get_xticklabels() or limits.x0 <= (box.x0 + box.x1) / 2 <= limits.x1
            if text.get_text() and text.get_visible() and on_axis:
                boxes.append((text.get_text(), box))
    for (left, a), (right, b) in combinations(boxes, 2):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
        assert not overlap, f"{left!r} runs into {right!r}"


def test_equal_figures_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(the_sweep(), [tmp_path / f"{name}.svg", tmp_path / f"{name}.png"])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_sweep_shows_mean_band_and_the_papers_points() -> None:
    ours, paper = the_sweep().axes
    assert ours.lines[0].get_xdata().tolist() == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ours.lines[0].get_ydata()[0] == pytest.approx(80.2)
    assert paper.lines[0].get_xydata().tolist() == [[0.2, 91.1], [1.0, 90.4]]
    assert paper.get_title("left") == "Paper, real VOC2007"
    labels = [text.get_text() for text in ours.get_legend().get_texts()]
    assert labels == ["T2I-PAL", "± std over 3 seeds", "TaI-DPT", "ZSCLIP: 60.0, off the scale"]
    assert ours.get_ylim()[0] > 79


def test_a_sweep_without_the_paper_has_one_panel() -> None:
    assert len(sweep("n_ctx", points(2), "T2I-PAL", "micro world").axes) == 1
    with pytest.raises(UserError, match="sweep over gamma: 1 values; expected at least 2"):
        sweep("gamma", points(1), "T2I-PAL", "micro world")


def test_methods_keep_their_look() -> None:
    assert len({look(m.title) for m in METHODS}) == 4
    assert look("New", ["New", "T2I-PAL", "Other"]) == 4
    assert look("Other", ["New", "T2I-PAL", "Other"]) == 5
    assert len(set(COLOURS)) == len(set(MARKERS)) == len(set(HATCHES)) == 7


def test_bars_need_a_precision_for_each_class() -> None:
    with pytest.raises(UserError, match="ap of 20 classes; expected 2"):
        per_class(("a", "b"), [(METHODS[1], records(70))], "micro world")
    with pytest.raises(UserError, match="no history"):
        training_curves([], "micro world")
