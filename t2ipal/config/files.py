"""Reading the files that make up a config, as Snakemake does: each is laid over the ones before."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from t2ipal.errors import UserError


def read_configs(paths: Iterable[Path]) -> dict[str, Any]:
    """Merge config files, mapping by mapping; the mapping is for `load_config`.

    Raises:
        UserError: a file is missing or is no mapping in YAML.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        merged = _over(merged, _read(path))
    return merged


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())} (expected a config file in YAML)") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: found {type(data).__name__} (expected a mapping of keys)")
    return data


def _over(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _over(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in overlay.items()
    }
    return {**base, **both}
