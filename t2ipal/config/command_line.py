"""The command `snakemake`: what `--config` means, and what is checked before Snakemake reads anything.

Snakemake leaves numbers, null and truth values inside lists and mappings as text, so values are read again here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from t2ipal.atomic import nearest
from t2ipal.config.files import merge, read_config
from t2ipal.errors import UserError
from t2ipal.yaml_files import parse_yaml

ENTRIES, FILES, CACHE = ("--config", "-C"), ("--configfile", "--configfiles"), ("--runtime-source-cache-path",)
_KEY = re.compile(r"[a-zA-Z_][\w-]*\w")
"""The keys that Snakemake takes."""


def with_entries(config: Mapping[str, Any], entries: Sequence[str]) -> dict[str, Any]:
    """The config with the values of `--config`, read as YAML.

    Args:
        config: as Snakemake merged it.
        entries: texts "key=value".

    Raises:
        UserError: as `parse_entry`.
    """
    merged = dict(config)
    for entry in entries:
        key, value = parse_entry(entry)
        merged = merge(merged, {key: value})
    return merged


def parse_entry(entry: str) -> tuple[str, Any]:
    """The key and the value of an entry of `--config`.

    Raises:
        UserError: no "=", a key that Snakemake does not take, or a value that is not YAML.
    """
    key, equals, text = entry.partition("=")
    if not equals:
        raise UserError(f"--config {entry}: no '=' (expected KEY=VALUE; targets go before --config)")
    if "." in key and all(map(_KEY.fullmatch, key.split("."))):
        first, *rest = key.split(".")
        inside = text
        for part in reversed(rest):
            inside = f"{{{part}: {inside}}}"
        raise UserError(f"--config {entry}: a key with dots (expected --config '{first}={inside}')")
    if not _KEY.fullmatch(key):
        raise UserError(f"--config {entry}: {key!r} is no key (expected a key of config.yaml, such as name)")
    return key, parse_yaml(text, f"--config {entry}")


def check_arguments(argv: Sequence[str]) -> None:
    """Check what Snakemake reads before the Snakefile, and answers with a traceback: else one line, exit 1.

    Args:
        argv: arguments of the command `snakemake`. The profiles pass them.
    """
    with _one_line():
        for path in _values(argv, FILES):
            read_config(Path(path))
        for entry in _values(argv, ENTRIES):
            parse_entry(entry)
        if not _values(argv, CACHE):
            _check_cache(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser())


def check_start(checkout: str, paths: Iterable[str | Path]) -> None:
    """Check what the Snakefile is about to use: else one line, exit 1. Snakemake itself reports a missing file.

    Args:
        checkout: the folder of the Snakefile.
        paths: config files, in the order in which they are merged.
    """
    with _one_line():
        if set("{}") & set(checkout):
            raise UserError(f"{checkout}: braces, which Snakemake takes for wildcards (expected a folder without them)")
        for path in map(Path, paths):
            if path.exists():
                read_config(path)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")


def _check_cache(folder: Path) -> None:
    """Snakemake keeps a cache of sources in the user's home."""
    if not os.access(nearest(folder), os.W_OK | os.X_OK):
        raise UserError(f"{folder}: cannot be written (expected a cache folder: set XDG_CACHE_HOME to one's own)")


def _values(argv: Sequence[str], options: Sequence[str]) -> list[str]:
    """The values behind each of the `options`, up to the next option."""
    values, inside = [], False
    for word in argv:
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if word.startswith("-"):
            inside = name in options and not equals
            values += [value] if name in options and equals else []
        elif inside:
            values.append(word)
    return values
