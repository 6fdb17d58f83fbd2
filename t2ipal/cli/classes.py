"""`t2ipal classes`: the words of each class."""

from __future__ import annotations

import argparse
import sys

from t2ipal.cli.options import nonempty_path
from t2ipal.errors import UserError

ABOUT = """\
Show which words of captions name each class, and where they are from.

A .txt list has one class name per line: the words of a class that the lists of
this project have (VOC2007, COCO, NUS-WIDE) are proposed, any other class has
its name alone. Plurals are found without being listed. "maybe" words leave a
class open, "not" phrases hold one of its words and mean something else. A
.yaml list is complete; --yaml prints the proposal in that form, to be
saved, changed, and named in the config.
"""

MORE = """\
examples:
  t2ipal classes data/mine/classes.txt
  t2ipal classes data/mine/classes.txt --captions captions.txt
  t2ipal classes data/mine/classes.txt --yaml > classes.yaml
"""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    classes = commands.add_parser(
        "classes",
        help="show the words of each class",
        description=ABOUT,
        epilog=MORE,
        formatter_class=raw,
    )
    classes.add_argument("classes", metavar="LIST", help="a .txt or .yaml file, or voc2007, coco, nuswide")
    classes.add_argument(
        "--captions", type=nonempty_path, metavar="FILE", help=".txt, .csv, .jsonl or .parquet: count in them"
    )
    classes.add_argument("--all", action="store_true", help="all words, not the first eight of each kind")
    classes.add_argument("--yaml", action="store_true", help="print a class list to save and change")
    classes.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """A class list with its words."""
    from t2ipal.captions.class_words import as_yaml, class_words, find_captions, lines, warnings
    from t2ipal.classes import load_classes

    counts = None
    if options.captions:
        counts, named, total = find_captions(options.captions, load_classes(options.classes))
        if not total:
            raise UserError(f"{options.captions}: no captions (expected at least one)")
        print(f"{named:,} of {total:,} captions name a class", file=sys.stderr)
    rows = class_words(options.classes, counts)
    print(as_yaml(rows) if options.yaml else "\n".join(lines(rows, None if options.all else 8)))
    for warning in warnings(rows):
        print(f"warning: {warning}", file=sys.stderr)
    return 0
