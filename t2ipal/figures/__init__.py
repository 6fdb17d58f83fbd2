"""Figures: pure functions from records to matplotlib figures, and `save`, which writes them as PNG, SVG and PDF."""

from t2ipal.figures.levels import Curve, levels
from t2ipal.figures.modality_gap import modality_gap
from t2ipal.figures.per_class import per_class
from t2ipal.figures.style import COLOURS, LOOKS, Look, fused, look, save
from t2ipal.figures.sweep import sweep
from t2ipal.figures.training_curves import training_curves

__all__ = [
    "COLOURS",
    "LOOKS",
    "Curve",
    "Look",
    "fused",
    "levels",
    "look",
    "modality_gap",
    "per_class",
    "save",
    "sweep",
    "training_curves",
]
