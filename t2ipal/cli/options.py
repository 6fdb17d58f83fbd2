"""Options that commands share, and kinds of values that they take."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.validation import MOST

if TYPE_CHECKING:
    from t2ipal.config import Config


def add_configfile(parser: argparse.ArgumentParser) -> None:
    """Add the option for overlays on config.yaml, as Snakemake has it."""
    parser.add_argument(
        "--configfile",
        nargs="+",
        default=[],
        type=nonempty_path,
        metavar="FILE",
        help="overlays on config.yaml, as Snakemake's",
    )


def config_of(overlays: Sequence[Path]) -> Config:
    """The config of this folder, or else that of the checkout, with overlays.

    Snakemake's --directory works in any folder.

    Raises:
        UserError: one of the files is missing, or wrong.
    """
    from t2ipal.config import load_config
    from t2ipal.config.files import read_configs
    from t2ipal.resource_files import resources_folder

    here, project = Path("config.yaml"), resources_folder().parent / "config.yaml"
    default = project if not here.exists() and project.exists() else here
    return load_config(read_configs([default, *overlays]))


def nonempty_path(text: str) -> Path:
    """A path. An empty text, such as an unset variable of the shell, is refused: it would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path")
    if "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a path")
    return Path(text)


def positive(text: str) -> int:
    """A whole number from 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a whole number >= 1, at most {MOST:,}")
    return value
