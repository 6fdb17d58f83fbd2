"""What can be done without Snakemake: `python -m t2ipal` lists it."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.errors import UserError
from t2ipal.version import VERSION

if TYPE_CHECKING:
    from rich.progress import Progress

ABOUT = """\
T2I-PAL: image recognisers learned from captions and the images drawn of them.

Training is Snakemake's: snakemake --cores all --configfile my.yaml
(docs/own_data.md). The commands here need no Snakemake.
"""

PREDICT = """\
Say what is in photos, by a recogniser that was trained with this project.

The file of a recogniser knows its classes, its settings and where its CLIP
lies. Photos may be of any size and any format that Pillow reads; they are
turned upright by their EXIF orientation, and read and scored a batch at a
time. What cannot be read is listed with its reason and does not stop the rest.
Without an output option, the highest-scored labels go to standard output, a
line per photo.
"""

PREDICT_MORE = """\
examples:
  python -m t2ipal predict --model M.safetensors photos/
  python -m t2ipal predict --model M.safetensors --gallery page.html photos/
  python -m t2ipal predict --model M.safetensors --csv scores.csv a.jpg more/
  python -m t2ipal predict --model M.safetensors --clip models/RN101.pt photos/

M.safetensors is a file of results/{name}/recognisers/{dataset}/.

exit code: 0 if at least one photo could be read, 1 if none could or something
else went wrong (one line says what), 2 for a wrong option
"""

CLASSES = """\
Show which words of captions stand for each class, and where they are from.

A .txt list has one class name per line: the words of a class that the lists of
this project know (VOC2007, COCO, NUS-WIDE) are proposed, any other class has
its name alone. Plurals are found without being listed. "maybe" words leave a
class open, "not" phrases hold one of its words and mean something else. A
.yaml list says all itself; --yaml prints the proposal in that form, to be
saved, changed, and named in the config.
"""

CLASSES_MORE = """\
examples:
  python -m t2ipal classes data/mine/classes.txt
  python -m t2ipal classes data/mine/classes.txt --captions captions.txt
  python -m t2ipal classes data/mine/classes.txt --yaml > classes.yaml
"""

EXAMPLE_MORE = """\
example:
  python -m t2ipal example data/toys
  snakemake --cores all --configfile data/toys/config.yaml
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        return options.run(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def make_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m t2ipal", description=ABOUT, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"t2ipal {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands (each has --help)")

    predict = commands.add_parser(
        "predict", help="say what is in photos", description=PREDICT, epilog=PREDICT_MORE, formatter_class=raw
    )
    predict.add_argument("photos", metavar="PHOTO", nargs="+", type=Path, help="a photo, or a folder of them and below")
    predict.add_argument("--model", required=True, type=Path, metavar="FILE", help="the recogniser (.safetensors)")
    out = predict.add_argument_group("outputs")
    out.add_argument("--csv", type=Path, metavar="FILE", help="a table: photo, problem, top, labels, a score per class")
    out.add_argument("--parquet", type=Path, metavar="FILE", help="the same for programs (docs/outputs.md)")
    out.add_argument(
        "--gallery", type=Path, metavar="FILE", help="an .html page of the photos with labels, scores and heat maps"
    )
    out.add_argument("--top", type=_positive, default=5, metavar="N", help="labels to show per photo (default: 5)")
    how = predict.add_argument_group("how")
    how.add_argument("--clip", type=Path, metavar="FILE", help="its CLIP, if that is not where it was at training")
    how.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    how.add_argument("--batch", type=_positive, metavar="N", help="photos in memory together (default: as in training)")
    how.add_argument("--workers", type=_positive, default=2, metavar="N", help="threads that read photos (default: 2)")
    how.add_argument("--quiet", action="store_true", help="no progress bar")
    predict.set_defaults(run=run_predict)

    classes = commands.add_parser(
        "classes",
        help="show the words that stand for each class",
        description=CLASSES,
        epilog=CLASSES_MORE,
        formatter_class=raw,
    )
    classes.add_argument("classes", metavar="LIST", help="a .txt or .yaml file, or voc2007, coco, nuswide")
    classes.add_argument("--captions", type=Path, metavar="FILE", help=".txt, .csv, .jsonl or .parquet: count in them")
    classes.add_argument("--all", action="store_true", help="all words, not the first eight of each kind")
    classes.add_argument("--yaml", action="store_true", help="print a class list to save and change")
    classes.set_defaults(run=run_classes)

    show = commands.add_parser(
        "show",
        help="show what a recogniser is",
        description="Show what a recogniser's file says of itself: classes, method, settings, CLIP, seeds.",
    )
    show.add_argument("model", type=Path, metavar="FILE", help="the recogniser, a .safetensors file")
    show.set_defaults(run=run_show)

    example = commands.add_parser(
        "example",
        help="write example data: classes, captions, photos, config",
        description="Write the micro world as data of one's own:\nclass names, captions, photos, and a config.",
        epilog=EXAMPLE_MORE,
        formatter_class=raw,
    )
    example.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder; its name becomes the config's")
    example.add_argument("--photos", type=_positive, default=300, metavar="N", help="how many (default: 300)")
    example.add_argument("--captions", type=_positive, default=400, metavar="N", help="how many (default: 400)")
    example.set_defaults(run=run_example)
    return parser


def run_predict(options: argparse.Namespace) -> int:
    """Photos to labels and scores."""
    from t2ipal.prediction.files import Counts, written
    from t2ipal.prediction.gallery import SIDE, Gallery
    from t2ipal.prediction.photos import find_photos
    from t2ipal.prediction.predict import Recogniser

    paths = find_photos(options.photos)
    recogniser = Recogniser.load(options.model, options.clip, options.device)
    gallery = Gallery(options.gallery, recogniser.header, len(paths), options.top) if options.gallery else None
    counts, to_screen = Counts(), not (options.csv or options.parquet or options.gallery)
    how = {"batch": options.batch, "workers": options.workers}
    how |= {"thumbnails": SIDE, "maps": options.top} if gallery else {}
    with _bar(options.quiet or to_screen) as bar:
        task = bar.add_task("photos", total=len(paths))
        found = recogniser.predict(paths, on_progress=lambda done, _: bar.update(task, completed=done), **how)
        for prediction in written(found, recogniser.classes, options.top, options.parquet, options.csv):
            counts.add(prediction)
            if gallery:
                gallery.add(prediction)
            if to_screen and not prediction.problem:
                labels = ", ".join(f"{name} {score:.3f}" for name, score in prediction.top(options.top))
                print(f"{prediction.path}: {labels}", flush=True)
    if gallery:
        gallery.write()
    print(counts.text(), file=sys.stderr)
    for path in filter(None, (options.csv, options.parquet, options.gallery)):
        print(f"wrote {path}", file=sys.stderr)
    return 0


def run_classes(options: argparse.Namespace) -> int:
    """A class list with its words."""
    from t2ipal.captions.class_words import as_yaml, class_words, find_captions, lines, warnings
    from t2ipal.classes import load_classes

    counts = None
    if options.captions:
        counts, named, total = find_captions(options.captions, load_classes(options.classes))
        print(f"{named:,} of {total:,} captions name a class", file=sys.stderr)
    rows = class_words(options.classes, counts)
    print(as_yaml(rows) if options.yaml else "\n".join(lines(rows, None if options.all else 8)))
    for warning in warnings(rows):
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def run_show(options: argparse.Namespace) -> int:
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


def run_example(options: argparse.Namespace) -> int:
    """Example data, and what to do with it."""
    from t2ipal.micro.own_example import write_example

    paths = write_example(options.folder, options.photos, options.captions)
    for path in paths:
        print(f"wrote {path}")
    print(f"train and predict: snakemake --cores all --configfile {paths[-1]}")
    return 0


def _bar(quiet: bool) -> Progress:
    """A progress bar on standard error; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=quiet or not console.is_terminal)


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
