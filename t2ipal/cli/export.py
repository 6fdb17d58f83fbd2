"""`t2ipal export`: results in the formats of others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.cli.options import add_configfile, config_of, nonempty_path
from t2ipal.errors import UserError, printable

if TYPE_CHECKING:
    from t2ipal.config import Config
    from t2ipal.plan.runs import Run

ABOUT = """\
Write what a finished run of the workflow made in a format that others read.

  images   the generated images with captions and labels as a data set of
           Hugging Face's kind: load_dataset(FOLDER) reads it
  model    a recogniser with its CLIP as a folder for a hub, with a card:
           t2ipal.Recogniser.from_pretrained(FOLDER) reads it
  onnx     a recogniser as one graph from photos to scores, probabilities
           and labels, for programs without torch
"""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    export = commands.add_parser("export", help="write results for others", description=ABOUT, formatter_class=raw)
    kinds = export.add_subparsers(dest="what", metavar="WHAT", required=True, title="what (each has --help)")
    images = kinds.add_parser("images", help="the generated images as a data set")
    _add_run(images)
    images.set_defaults(run=run_images)
    model = kinds.add_parser("model", help="a recogniser as a folder for a hub")
    _add_run(model)
    model.add_argument("--method", metavar="NAME", help="whose recogniser; without it the config's only one")
    model.add_argument("--clip-license", default="", metavar="NAME", help="licence of the CLIP, where it is not known")
    _add_clip(model)
    model.set_defaults(run=run_model)
    onnx = kinds.add_parser("onnx", help="a recogniser as one graph")
    onnx.add_argument(
        "--model",
        type=nonempty_path,
        required=True,
        metavar="FILE",
        help="the recogniser (.safetensors), or a folder of export model",
    )
    onnx.add_argument("--to", type=nonempty_path, required=True, metavar="FILE", help="the new .onnx file")
    _add_clip(onnx)
    onnx.set_defaults(run=run_onnx)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=nonempty_path, required=True, metavar="FOLDER", help="a new or an empty folder")
    parser.add_argument("--dataset", metavar="NAME", help="of which data set; without it the config's only one")
    parser.add_argument(
        "--license",
        default="unknown",
        metavar="NAME",
        help="licence of what is written, as the hub names it (%(default)s)",
    )
    add_configfile(parser)


def _add_clip(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clip", type=nonempty_path, metavar="FILE", help="its CLIP, if that is not where it was at training"
    )
    parser.add_argument("--trust-method", action="store_true", help="run the method's code, though it is not t2ipal's")


def run_images(options: argparse.Namespace) -> int:
    """Write the images of a data set."""
    from t2ipal.classes import load_classes
    from t2ipal.export.images import export_images
    from t2ipal.plan.queries import labels_name
    from t2ipal.results import results_folder
    from t2ipal.runtime.progress import progress

    config = config_of(options.configfile)
    name = _one_of("--dataset", options.dataset, list(config.datasets))
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


def run_model(options: argparse.Namespace) -> int:
    """Write a recogniser for a hub."""
    from t2ipal.export.model import export_model
    from t2ipal.plan.make import make_plan
    from t2ipal.results import results_folder

    config = config_of(options.configfile)
    name = _one_of("--dataset", options.dataset, list(config.datasets))
    method = _one_of("--method", options.method, list(config.methods))
    folder = Path(results_folder(config.results_dir, config.name, to_write=False))
    recogniser = folder / f"recognisers/{name}/{method}.safetensors"
    metrics = folder / f"runs/{name}/{method}/base/metrics.parquet"
    if not recogniser.exists():
        raise UserError(
            f"{recogniser}: no such recogniser (expected it to be made: snakemake --cores all {recogniser})"
        )
    about = {
        "title": config.datasets[name].title,
        "data": _data(config, make_plan(config).runs[name, method, "base"]),
        "license": options.license,
        "clip_license": options.clip_license,
    }
    measured = metrics if metrics.exists() else None
    header = export_model(recogniser, options.to, about, measured, options.clip, options.trust_method)
    clip = "with its CLIP" if header["clip"]["path"] else f"its CLIP {header['clip']['name']} is known by its name"
    scores = "its scores" if measured else "no scores"
    print(printable(f"{method} of {name} in {options.to}; {clip}; {scores} are in the card"))
    return 0


def run_onnx(options: argparse.Namespace) -> int:
    """Write a recogniser as a graph."""
    from t2ipal.export.onnx_graph import check_target, export_onnx, outputs_of
    from t2ipal.prediction.recogniser import load_recogniser

    check_target(options.to)
    loaded = load_recogniser(options.model, options.clip, "cpu", options.trust_method)
    differs = export_onnx(loaded, options.to)
    outputs = ", ".join(outputs_of(loaded.header))
    print(printable(f"wrote {options.to} ({outputs}); its scores differ by at most {differs:.0e} from PyTorch's"))
    return 0


def _one_of(option: str, wanted: str | None, names: list[str]) -> str:
    """The name that an option has, or the only one.

    Raises:
        UserError: there are several, or there is no such.
    """
    if wanted is None and len(names) > 1:
        raise UserError(f"{option}: missing (expected one of {', '.join(names)})")
    if wanted is not None and wanted not in names:
        raise UserError(f"{option}: {wanted!r} is not in the config (expected one of {', '.join(names)})")
    return wanted or names[0]


def _data(config: Config, run: Run) -> dict[str, Any]:
    """What a run learned from and was tested on, for the card."""
    from t2ipal.rows import CAPTIONS, SYNTHETIC, TRAIN

    data, rows = config.datasets[run.dataset], {}
    if {CAPTIONS, SYNTHETIC} & run.kinds:
        rows["captions"] = f"source {config.pools[run.pool].source}, labels by the noun filter {data.filter}"
    if SYNTHETIC in run.kinds:
        rows["generated images"] = f"{config.text_to_image[run.t2i].model}, {run.samples} of each caption"
    images = {"training images": data.train if TRAIN in run.kinds else None}
    images |= {"validation images": data.validation, "test images": data.test}
    return rows | {name: f"labelled, source {source.source}" for name, source in images.items() if source}


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
