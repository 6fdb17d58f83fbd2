"""`t2ipal example`: data to try the workflow on as if it were one's own."""

from __future__ import annotations

import argparse

from t2ipal.cli.options import nonempty_path, positive

MORE = """\
example:
  t2ipal example data/toys
  snakemake --cores all --configfile data/toys/config.yaml
"""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    example = commands.add_parser(
        "example",
        help="write example data: classes, captions, photos, config",
        description="Write the micro world as data of one's own:\nclass names, captions, photos, and a config.",
        epilog=MORE,
        formatter_class=raw,
    )
    example.add_argument(
        "folder", type=nonempty_path, metavar="FOLDER", help="a new folder; its name becomes the config's"
    )
    example.add_argument("--photos", type=positive, default=300, metavar="N", help="how many (default: 300)")
    example.add_argument("--captions", type=positive, default=400, metavar="N", help="how many (default: 400)")
    example.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Example data, and what to do with it."""
    from t2ipal.own_example import write_example

    paths = write_example(options.folder, options.photos, options.captions)
    for path in paths:
        print(f"wrote {path}")
    print(f"train and predict: snakemake --cores all --configfile {paths[-1]}")
    return 0
