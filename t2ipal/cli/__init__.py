"""The command `t2ipal`: what can be done without Snakemake. One file per subcommand."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from t2ipal.cli import classes, example, predict, results, show
from t2ipal.errors import UserError
from t2ipal.version import VERSION

ABOUT = """\
T2I-PAL: image recognisers learned from captions and the images generated from them.

Training is Snakemake's: snakemake --cores all --configfile my.yaml
(docs/own_data.md). The commands here need no Snakemake.
"""

COMMANDS = (predict, classes, show, example, results)
"""In the order of `t2ipal --help`."""


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
    parser = argparse.ArgumentParser("t2ipal", description=ABOUT, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"t2ipal {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands (each has --help)")
    for command in COMMANDS:
        command.add_to(commands)
    return parser
