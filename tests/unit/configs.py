"""The default config, and what lies over it."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def default() -> dict[str, Any]:
    """The content of config.yaml, to change as one likes."""
    return shipped("config.yaml")


def shipped(name: str) -> dict[str, Any]:
    """The content of a config file of the checkout, such as `config/paper.yaml`, to change as one likes."""
    return deepcopy(_parsed(ROOT / name))


@cache
def _parsed(path: Path) -> dict[str, Any]:
    return yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` over `base`, mapping by mapping, as Snakemake merges config files."""
    both = {
        key: merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in over.items()
    }
    return {**base, **both}
