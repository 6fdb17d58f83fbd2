"""`t2ipal show`: what a recogniser is."""

from __future__ import annotations

import argparse
import textwrap

from t2ipal.cli.options import nonempty_path


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    show = commands.add_parser(
        "show",
        help="show what a recogniser is",
        description="Show the contents of a recogniser file: classes, method, settings, CLIP, seeds.",
    )
    show.add_argument("model", type=nonempty_path, metavar="FILE", help="the recogniser, a .safetensors file")
    show.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """A recogniser's header."""
    from t2ipal.prediction.recogniser import read_header

    header = read_header(options.model)
    clip, threshold = header["clip"], header["threshold"]
    about = {
        "method": header["method"],
        "classes": f"{len(header['classes'])}: {', '.join(header['classes'])}",
        "seeds": f"{', '.join(map(str, header['seeds']))} (a score is the {header['scores']})",
        "threshold": "none (no labelled validation images)" if threshold is None else f"{threshold:.4g}",
        "CLIP": f"{clip['name']}, {clip['image_size']} pixels, crop {clip['crop']}",
        "sha256": header["clip_sha256"],
        "settings": ", ".join(f"{key}={value}" for key, value in sorted(header["settings"].items())),
        "made by": f"t2ipal {header['t2ipal']}",
    }
    for name, value in about.items():
        print(textwrap.fill(f"{name + ':':<11}{value}", 110, subsequent_indent=" " * 11, break_long_words=False))
    return 0
