"""`t2ipal export`: results in the formats of others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.cli.options import add_configfile, config_of, nonempty_path
from t2ipal.errors import UserError

if TYPE_CHECKING:
    from t2ipal.config import Config

ABOUT = """\
Write what a finished run of the workflow made in a format that others read.

  images   the generated images with captions and labels as a data set of
           Hugging Face's kind: load_dataset(FOLDER) reads it
"""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    export = commands.add_parser("export", help="write results for others", description=ABOUT, formatter_class=raw)
    export.add_argument("what", choices=["images"], help="what to write")
    export.add_argument("--to", type=nonempty_path, required=True, metavar="FOLDER", help="a new or an empty folder")
    export.add_argument(
        "--dataset", metavar="NAME", help="whose classes and captions; without it the config's only one"
    )
    export.add_argument(
        "--license", default="unknown", metavar="NAME", help="licence of the images, as the hub names it (%(default)s)"
    )
    add_configfile(export)
    export.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the images of a data set."""
    from t2ipal.classes import load_classes
    from t2ipal.export.images import export_images
    from t2ipal.plan.queries import labels_name
    from t2ipal.results import results_folder
    from t2ipal.runtime.progress import progress

    config = config_of(options.configfile)
    name = _dataset(config, options.dataset)
    data, model = config.datasets[name], config.text_to_image[config.use.text_to_image]
    folder = Path(results_folder(config.results_dir, config.name, to_write=False))
    shards = [
        folder / f"images/{data.pool}/{config.use.text_to_image}/sample{sample}/shard-{shard}.parquet"
        for sample in range(model.samples)
        for shard in range(config.pools[data.pool].shards)
    ]
    labelled = folder / f"captions/{data.pool}/{labels_name(config, name)}/labelled.parquet"
    with progress("export", "shards") as report:
        counts = export_images(
            shards,
            labelled,
            load_classes(data.classes).names,
            options.to,
            _about(config, name, options.license),
            report,
        )
    print(f"{counts.images:,} images in {options.to}; left out: {counts.left_out.total():,} flawed, "
          f"{counts.unlabelled:,} without labels")  # fmt: skip
    return 0


def _dataset(config: Config, wanted: str | None) -> str:
    names = list(config.datasets)
    if wanted is None and len(names) > 1:
        raise UserError(f"--dataset: missing (expected one of {', '.join(names)})")
    if wanted is not None and wanted not in names:
        raise UserError(f"--dataset: no data set {wanted!r} (expected one of {', '.join(names)})")
    return wanted or names[0]


def _about(config: Config, dataset: str, license_name: str) -> dict[str, Any]:
    from t2ipal.version import VERSION

    model = config.text_to_image[config.use.text_to_image]
    made_here = model.source == "diffusers"
    shown = ("steps", "guidance", "solver", "negative", "width", "height", "store_size", "encoding")
    return {
        "title": config.datasets[dataset].title,
        "model": model.model if made_here else "not known here: the images existed",
        "settings": {key: value for key in shown if (value := getattr(model, key, None)) not in (None, "")},
        "seed": config.seed,
        "filter": config.datasets[dataset].filter,
        "version": VERSION,
        "license": license_name,
    }
