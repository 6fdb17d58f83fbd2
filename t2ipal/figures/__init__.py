"""Figures: pure functions from a specification and records to matplotlib figures, and `save`, which writes them."""

from t2ipal.figures.curves import curves_figure, plot_curves
from t2ipal.figures.gap import gap_figure, plot_gap
from t2ipal.figures.levels import Curve, levels_figure, plot_levels
from t2ipal.figures.per_class import per_class_figure, plot_per_class
from t2ipal.figures.style import COLOURS, LOOKS, Look, fused, look, save
from t2ipal.figures.sweep import plot_sweep, sweep_figure

__all__ = [
    "COLOURS",
    "LOOKS",
    "Curve",
    "Look",
    "curves_figure",
    "fused",
    "gap_figure",
    "levels_figure",
    "look",
    "per_class_figure",
    "plot_curves",
    "plot_gap",
    "plot_levels",
    "plot_per_class",
    "plot_sweep",
    "save",
    "sweep_figure",
]
