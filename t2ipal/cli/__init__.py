"""The command `t2ipal`: what can be done without Snakemake. One file per subcommand."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import ClassVar, NoReturn

from t2ipal.cli import app, classes, example, export, fetch, predict, results, show
from t2ipal.errors import printable
from t2ipal.runtime.frame import framed
from t2ipal.version import VERSION

ABOUT = """\
T2I-PAL: image recognisers learned from captions and the images generated from them.

Training is Snakemake's: snakemake --cores all --configfile my.yaml
(docs/own_data.md). The commands here need no Snakemake.
"""

COMMANDS = (predict, app, classes, show, example, results, export, fetch)
"""In the order of `t2ipal --help`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    return framed(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    parser, Parser.words = make_parser(), sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    return options.run(options)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line.

    Attributes:
        words: the command line.
    """

    words: ClassVar[Sequence[str]] = ()

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        if odd := next((word for word in self.words if word.startswith("-") and os.path.lexists(word)), ""):
            message += f"; the file {odd} is written ./{odd}"
        self.exit(2, f"error: {printable(' '.join(message.split()))} (see {self.prog} --help)\n")


def make_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser("t2ipal", description=ABOUT, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"t2ipal {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands (each has --help)")
    for command in COMMANDS:
        command.add_to(commands)
    return parser
