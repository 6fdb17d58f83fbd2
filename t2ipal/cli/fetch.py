"""`t2ipal fetch`: data sets and models into the documented layout."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from t2ipal.cli.options import add_configfile, config_of, nonempty_path

ABOUT = """\
Download data sets and models into the documented layout (docs/data.md).

Without names: what the config needs, is missing and may be downloaded. A
broken download continues, and a file is there when it is whole. Sizes are
printed first; above 1 GB you are asked, unless you give --yes.
"""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    fetch = commands.add_parser("fetch", help="download data sets and models", description=ABOUT, formatter_class=raw)
    fetch.add_argument("names", nargs="*", metavar="NAME", help="rows of the table in docs/data.md, or CLIPs as RN50")
    fetch.add_argument("--to", type=nonempty_path, metavar="FOLDER", help="in the place of the config's data_dir")
    fetch.add_argument("--yes", action="store_true", help="do not ask, whatever the size")
    add_configfile(fetch)
    fetch.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fetch by name, or what the config needs."""
    from t2ipal.backbones.openai.variants import CACHE
    from t2ipal.fetch.jobs import fetch_all, named_jobs
    from t2ipal.fetch.wanted import wanted
    from t2ipal.plan.make import make_plan

    cache = CACHE.expanduser()
    if options.names:
        folder = options.to or Path(config_of(options.configfile).data_dir)
        jobs, manual = named_jobs(options.names, folder, cache)
    else:
        config = config_of(options.configfile)
        if options.to:
            config = config.model_copy(update={"data_dir": str(options.to)})
        jobs, manual = wanted(config, make_plan(config), cache)
    fetch_all(jobs, manual, lambda total: options.yes or _asked(total), print)
    return 0


def _asked(total: int) -> bool:
    """Whether a person at the terminal agrees."""
    if not sys.stdin.isatty():
        return False
    try:
        answer = input(f"Fetch {total / 1e9:.2f} GB, if the sizes above are right? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")
