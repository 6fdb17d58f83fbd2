"""`t2ipal show`: what a recogniser is."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping
from typing import Any

from t2ipal.cli.options import nonempty_path

ERRORS = {"class_wise": "class-wise ECE", "pooled": "pooled ECE", "brier": "Brier score"}


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    show = commands.add_parser(
        "show",
        help="show what a recogniser is",
        description="Show the contents of a recogniser file: classes, method, settings, CLIP, seeds.",
    )
    show.add_argument(
        "model",
        type=nonempty_path,
        metavar="FILE",
        help="the recogniser, a .safetensors file or a folder of export model",
    )
    show.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """A recogniser's header."""
    from t2ipal.prediction.recogniser import read_header

    header = read_header(options.model)
    clip = header["clip"]
    about = {
        "method": header["method"],
        "classes": f"{len(header['classes'])}: {', '.join(header['classes'])}",
        "seeds": f"{', '.join(map(str, header['seeds']))} (a score is the {header['scores']})",
        "labels": _labels(header),
        "CLIP": f"{clip['name']}, {clip['image_size']} pixels, crop {clip['crop']}",
        "sha256": header["clip_sha256"],
        "settings": ", ".join(f"{key}={value}" for key, value in sorted(header["settings"].items())),
        "made by": f"t2ipal {header['t2ipal']}",
    }
    for name, value in about.items():
        print(textwrap.fill(f"{name + ':':<11}{value}", 110, subsequent_indent=" " * 11, break_long_words=False))
    return 0


def _labels(header: Mapping[str, Any]) -> str:
    """What its probabilities and labels rest on."""
    from t2ipal.prediction.calibrate import rests_on, uninformed

    fit = header["calibration"]
    if fit is None:
        return "none: scores are no probabilities" if header["threshold"] is None else f"from {header['threshold']:.4g}"
    off = ", ".join(f"{name} {fit['ece'][key]:.2f} % (floor {fit['floor'][key]:.2f} %)" for key, name in ERRORS.items())
    same = f"; one probability for all photos: {', '.join(names)}" if (names := uninformed(header)) else ""
    return f"probabilities, from {rests_on(fit['fitted_on'])}; {off}{same}"
