"""`t2ipal predict`: photos to labels and scores."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from t2ipal.cli.options import nonempty_path, positive
from t2ipal.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress

ABOUT = """\
Recognise the classes in photos, with a recogniser trained by this project.

A recogniser file contains its classes, its settings and where its CLIP
is. Photos may be of any size and any format that Pillow reads; they are
turned upright by their EXIF orientation, and read and scored a batch at a
time. What cannot be read is listed with its reason and does not stop the rest.
Without an output option, the highest-scored classes go to standard output, a
line per photo, with their probabilities if the recogniser is calibrated and
else their scores, and the labels: classes that count, if a threshold is known.
"""

MORE = """\
examples:
  t2ipal predict --model M.safetensors photos/
  t2ipal predict --model M.safetensors --gallery page.html photos/
  t2ipal predict --model M.safetensors --csv scores.csv a.jpg more/
  t2ipal predict --model M.safetensors --clip models/RN101.pt photos/

M.safetensors is a file of results/{name}/recognisers/{dataset}/.

exit code: 0 if at least one photo could be read, 1 if none could or something
else went wrong (one line of explanation), 2 for a wrong option
"""


OUTPUTS = ("csv", "parquet", "gallery")
NAMED = 100
"""Unreadable photos that are named in the terminal, if no file lists them."""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    predict = commands.add_parser(
        "predict", help="recognise the classes in photos", description=ABOUT, epilog=MORE, formatter_class=raw
    )
    predict.add_argument(
        "photos", metavar="PHOTO", nargs="+", type=nonempty_path, help="a photo, or a folder of them and below"
    )
    predict.add_argument(
        "--model",
        required=True,
        type=nonempty_path,
        metavar="FILE",
        help="the recogniser (.safetensors), or a folder of export model",
    )
    out = predict.add_argument_group("outputs")
    out.add_argument(
        "--csv", type=nonempty_path, metavar="FILE", help="a table: photo, problem, top, labels, probabilities, scores"
    )
    out.add_argument("--parquet", type=nonempty_path, metavar="FILE", help="the same for programs (docs/outputs.md)")
    out.add_argument(
        "--gallery",
        type=nonempty_path,
        metavar="FILE",
        help="an .html page of the photos with labels, scores and heat maps",
    )
    out.add_argument("--top", type=positive, default=5, metavar="N", help="labels to show per photo (default: 5)")
    how = predict.add_argument_group("how")
    how.add_argument(
        "--clip", type=nonempty_path, metavar="FILE", help="its CLIP, if that is not where it was at training"
    )
    how.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    how.add_argument("--batch", type=positive, metavar="N", help="photos in memory together (default: as in training)")
    how.add_argument("--workers", type=positive, default=2, metavar="N", help="threads that read photos (default: 2)")
    how.add_argument("--trust-method", action="store_true", help="run the method's code, though it is not t2ipal's")
    how.add_argument("--quiet", action="store_true", help="no progress bar")
    predict.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Photos to labels and scores."""
    from t2ipal.prediction.files import Counts, written
    from t2ipal.prediction.gallery import SIDE, Gallery
    from t2ipal.prediction.hub import file_of
    from t2ipal.prediction.outputs import check_outputs
    from t2ipal.prediction.photos import find_photos
    from t2ipal.prediction.predict import Recogniser

    photos = find_photos(options.photos)
    outputs = {f"--{name}": path for name in OUTPUTS if (path := getattr(options, name)) is not None}
    check_outputs(outputs, [file_of(options.model), *filter(None, [options.clip]), *(photo.path for photo in photos)])
    recogniser = Recogniser.load(options.model, options.clip, options.device, options.trust_method)
    counts, to_screen = Counts(), not outputs
    how = {"batch": options.batch, "workers": options.workers}
    with ExitStack() as stack:
        gallery = None
        if options.gallery:
            gallery = stack.enter_context(Gallery(options.gallery, recogniser.header, len(photos), options.top))
            how |= {"thumbnails": SIDE, "maps": options.top}
        bar = stack.enter_context(_bar(options.quiet or to_screen))
        task = bar.add_task("photos", total=len(photos))
        predictions = recogniser.predict(photos, on_progress=lambda done, _: bar.update(task, completed=done), **how)
        files = {"parquet": options.parquet, "table": options.csv, "calibrated": recogniser.calibrated}
        for prediction in written(predictions, recogniser.classes, options.top, **files):
            counts.add(prediction)
            if gallery:
                gallery.add(prediction)
            if to_screen and not prediction.problem:
                print(printable(prediction.line(options.top)), flush=True)
        if gallery:
            gallery.write()
    print(printable(counts.text(NAMED if to_screen else 3)), file=sys.stderr)
    for path in outputs.values():
        print(printable(f"wrote {path}"), file=sys.stderr)
    return 0


def _bar(quiet: bool) -> Progress:
    """A progress bar on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=quiet or not console.is_terminal)
