"""`t2ipal results`: what a run of the workflow made, where, and its removal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.cli.options import add_configfile, config_of

if TYPE_CHECKING:
    from t2ipal.config import Config
    from t2ipal.validation import Part

ABOUT = """\
Show what a finished run of the workflow made: Table 1, and the paths of tables,
figures, report and lists of images. Without an option, of the run that
config.yaml of this folder describes, or else the project's.
"""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    results = commands.add_parser(
        "results",
        help="show what a run of the workflow made",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_configfile(results)
    what = results.add_mutually_exclusive_group()
    what.add_argument("--folder", action="store_true", help="print the path of its folder alone")
    what.add_argument("--stages", action="store_true", help="print what its jobs took, as Markdown, next to the plan")
    what.add_argument("--remove", action="store_true", help="remove what it made there, and nothing else")
    results.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """A summary of the results, their folder, or their removal."""
    from t2ipal.results import remove_results, results_folder

    config = config_of(options.configfile)
    folder = results_folder(config.results_dir, config.name, to_write=options.remove)
    if options.remove:
        for path in remove_results(folder, _inputs(config)):
            print(f"kept {path}: not made by the workflow", file=sys.stderr)
    elif options.stages:
        print(stages(config, Path(folder)))
    else:
        print(folder if options.folder else summary(Path(folder)))
    return 0


def stages(config: Config, folder: Path) -> str:
    """What the jobs of a run took, by rule, next to what `snakemake plan` says for this machine.

    Raises:
        UserError: there are no records of jobs.
    """
    from t2ipal.costs.here import machine_of
    from t2ipal.costs.measured import PAGES, jobs_of, measured_page
    from t2ipal.costs.units import load_units
    from t2ipal.costs.workload import Workload
    from t2ipal.plan.make import make_plan

    units, jobs = load_units(), jobs_of(folder)
    machine, cpu = machine_of(config.machine, units)
    pages = sum(job.rule in PAGES for job in jobs)
    works = Workload(config, make_plan(config), units.sizes, folder, pages).all()
    return measured_page(jobs, works, units, machine, cpu)


def _inputs(config: Config) -> list[Path]:
    """The files and folders that a config reads, as far as it names them by a path."""
    from t2ipal.validation import data_paths

    sources: list[Part | None] = list(config.pools.values())
    paths = [dataset.classes for dataset in config.datasets.values()]
    for dataset in config.datasets.values():
        sources += [dataset.train, dataset.validation, dataset.test, dataset.photos]
    paths += [clip.model for clip in config.clip.values()]
    for images in config.text_to_image.values():
        if images.source == "diffusers":
            paths.append(images.model)
        else:
            sources.append(images)
    data = [Path(config.data_dir, path) for source in sources if source for path in data_paths(source).values()]
    return [*map(Path, paths), *data]


def summary(folder: Path) -> str:
    """Table 1 as it was written, the paths of tables, figures and report, and how many images were generated.

    Raises:
        UserError: there is no Table 1.
    """
    from t2ipal.images.tally import tally_line
    from t2ipal.store import existing

    table = existing(folder / "tables/table1.txt").read_text(encoding="utf-8")
    paths = {
        "Tables": sorted(folder.glob("tables/*.html")),
        "Figures": sorted(folder.glob("figures/*.png")),
        "Report": sorted(folder.glob("report.html")),
    }
    lines = [f"{name + ':':9}{path}" for name, files in paths.items() for path in files]
    images = sorted(folder.glob("report/generated-*.csv"))
    lines += [f"{'Images:':9}{tally_line(path.read_text(encoding='utf-8'))} ({path})" for path in images]
    return "\n".join([table, *lines])
