"""What all figures share: sizes and fonts, the look of each method, and `save`.

Sizes are those of print: a figure is as wide as a column or as a page, so its letters are as large as given here.
Colours are Okabe and Ito's, which people with colour-blindness can distinguish; their yellow is left out, too light for
a line on white, and the grey of R's palette of that name joins. Each method has a marker and a hatch of its own as
well, so no figure needs its colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from t2ipal.atomic import atomic

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

COLUMN, PAGE = 3.5, 7.2
"""Widths in inches: a column of a two-column page, and the page."""

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#999999"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
PAPER_COLOUR = "#595959"
"""Of what the paper printed, where it has no look of a method."""

SOLID, DOTTED, LONG = "solid", (0, (1, 1.4)), (0, (9, 1.6))
DASHDOT, DASHDOTDOT = (0, (5, 1.4, 1, 1.4)), (0, (5, 1.2, 1, 1.2, 1, 1.2))
DASHED = (0, (4, 1.5))
"""Of fusions alone."""

STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.parse_math": False,  # names have dollar signs
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 8,
    "figure.titlesize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 3.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E2E2E2",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "mathtext.fontset": "dejavusans",
    "svg.hashsalt": "t2ipal",
    "svg.fonttype": "path",
    "savefig.dpi": 300,
    "hatch.linewidth": 0.5,
}


@dataclass(frozen=True)
class Look:
    """The style of a method in every figure.

    Attributes:
        colour: of its line, marker and bar.
        marker: matplotlib's; no two methods share one.
        line: matplotlib's line style; no two methods of one colour share one.
        hatch: of its bars; no two methods share one.
        hollow: whether the marker is white inside, as a fusion's is.
    """

    colour: str
    marker: Any
    line: Any
    hatch: str
    hollow: bool = False

    @property
    def face(self) -> str:
        """Colour of the inside of the marker."""
        return "white" if self.hollow else self.colour

    def curve(self) -> dict[str, Any]:
        """Arguments of `Axes.plot`."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line, "markerfacecolor": self.face}


# The methods of Table 2 have eight colours; their curves run close together, so they differ in their lines as well.
LOOKS: Mapping[str, Look] = {
    "ZSCLIP": Look(BLUE, "o", DOTTED, ""),
    "CLIP-DPT": Look(SKY, "v", DOTTED, 5 * "\\"),
    "TaI-DPT": Look(VERMILLION, "s", SOLID, 5 * "/"),
    "T2I-PAL": Look(GREEN, "^", SOLID, 5 * "."),
    "Oracle": Look(PURPLE, "D", DASHDOT, 4 * "x"),
    "CoMC": Look(ORANGE, "P", SOLID, 4 * "+"),
    "CoOp": Look(BLACK, "p", DASHDOT, 5 * "-"),
    "DualCoOp": Look(BLACK, "X", SOLID, 4 * "o"),
    "SSGRL": Look(SKY, "<", SOLID, 5 * "|"),
    "GCN-ML": Look(ORANGE, ">", DASHDOT, r"\\\..."),
    "Partial-BCE": Look(GREY, "h", LONG, "///..."),
    "SARB": Look(PURPLE, "*", DOTTED, 4 * "*"),
    "LaSO": Look(SKY, "8", DASHDOT, 3 * "O"),
    "ML-FSL": Look(ORANGE, "d", DOTTED, "xxx..."),
}
"""Title -> look."""

SPARE = (
    Look(GREY, "H", DASHDOTDOT, "---..."),
    Look(BLUE, (4, 1, 45), DASHDOTDOT, "|||..."),
    Look(BLACK, (3, 1, 0), DASHDOTDOT, "+++..."),
    Look(ORANGE, (6, 1, 0), DASHDOTDOT, "ooo..."),
    Look(SKY, (4, 1, 0), DASHDOTDOT, "OO..."),
    Look(PURPLE, (8, 1, 0), DASHDOTDOT, "***..."),
)
"""For methods of the user's own, in the order in which a figure names them."""


def look(title: str, others: Sequence[str] = ()) -> Look:
    """The look of a method among `others`: its own, that of a fusion's text-trained part, or the next spare one.

    Args:
        title: as tables or as the config call it, "T2I-PAL" or "t2i_pal"; what follows it in brackets does not
            matter. "A+B" is the fusion of A and B.
        others: titles of the figure, in its order, for those that have no look of their own.
    """
    own = _own(title)
    if own is not None:
        return own
    strangers = [other for other in dict.fromkeys([*others, title]) if _own(other) is None]
    return SPARE[strangers.index(title) % len(SPARE)]


def fused(partner: Look) -> Look:
    """The look of a fusion: the colour and marker of its text-trained partner, dashed and hollow."""
    return replace(partner, line=DASHED, hollow=True)


def _own(title: str) -> Look | None:
    *others, last = (_key(part) for part in title.split(" (")[0].split("+"))
    own = next((look for name, look in LOOKS.items() if _key(name) == last), None)
    return fused(own) if own is not None and others else own


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def save(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Write `figure` to each path in the format of its suffix (.png, .svg, .pdf); equal figures give equal files."""
    for path in map(Path, paths):
        date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(path.suffix[1:], {})
        with mpl.rc_context(STYLE), atomic(path) as part:
            figure.savefig(part, format=path.suffix[1:], metadata=date, bbox_inches="tight", pad_inches=0.04)


def new(width: float, height: float, **grid: Any) -> tuple[Figure, Any]:
    """A figure of this size in inches, and its axes, which `grid` lays out (as in `Figure.subplots`)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(**grid)


def legend_below(figure: Figure, handles: Sequence[Artist], columns: int) -> None:
    """One legend for all panels, below them, where it covers no data."""
    spacing = {"columnspacing": 1.4, "borderaxespad": 0.3}
    for handle in handles:
        if str(handle.get_label()).startswith("_"):  # matplotlib leaves such labels out
            handle.set_label(f" {handle.get_label()}")
    figure.legend(handles=list(handles), loc="outside lower center", ncols=columns, **spacing)


def level_line(axes: Axes, level: float, of: Look, label: str) -> Artist:
    """A horizontal line across the panel, with the method's marker at its right end."""
    return axes.axhline(level, **of.curve(), markevery=[1], clip_on=False, linewidth=1.1, zorder=1.8, label=label)
