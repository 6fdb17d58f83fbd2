"""Config files: each is merged over those before it, as Snakemake does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from t2ipal.errors import UserError
from t2ipal.yaml_files import read_yaml


def read_configs(paths: Iterable[Path]) -> dict[str, Any]:
    """Merge config files, mapping by mapping; the mapping is for `load_config`.

    Raises:
        UserError: as `read_config`.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        merged = merge(merged, read_config(path))
    return merged


def read_config(path: Path) -> dict[str, Any]:
    """The mapping of one config file.

    Raises:
        UserError: the file is missing, unreadable, empty, not UTF-8, not YAML, no mapping, or has a key twice.
    """
    data = read_yaml(path)
    if data is None:
        raise UserError(f"{path}: empty (expected keys and their values, such as name: mine)")
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else repr(data)
        raise UserError(f"{path}: found {kind} (expected keys and their values, such as name: mine)")
    for key in data:
        if not isinstance(key, str):
            raise UserError(f"{path}: found {key!r} as a key (expected text)")
    return data


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """`overlay` over `base`: mappings are merged, any other value is replaced."""
    both = {
        key: merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in overlay.items()
    }
    return {**base, **both}
