"""config.yaml: its schema, and one line for each error.

`load_config` turns the merged mapping that Snakemake read into a `Config` or raises a `UserError` of one line that
names the key, its value and what was expected. No heavy import here: `snakemake -n` pays for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from t2ipal.config.plausible import check_plausible
from t2ipal.config.references import check_references
from t2ipal.config.schema import NAMED_TABLES, Config
from t2ipal.names import check_texts, control_of
from t2ipal.validation import validated

__all__ = ["Config", "load_config"]


def load_config(data: Mapping[str, Any]) -> Config:
    """Validate a config mapping.

    An entry of a named table that an overlay set to null is dropped; numbers such as 1e-4, which YAML 1.1 reads as
    text, are numbers.

    Raises:
        UserError: one line with the key, its value and what was expected.
    """
    for key, value in data.items():
        check_texts(value, f"config: {key}", control_of)
    data = {key: _without_dropped(value) if key in NAMED_TABLES else value for key, value in _numbers(data).items()}
    if isinstance(ablations := data.get("ablations"), Mapping):
        for ablation in ablations.values():
            if isinstance(ablation, dict) and "rows" in ablation:
                ablation["rows"] = _without_dropped(ablation["rows"])
    config = validated(Config, data, "")
    check_references(config)
    check_plausible(config)
    return config


def _without_dropped(value: Any) -> Any:
    """A named table without the entries that an overlay set to null."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


_SCIENTIFIC = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def _numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, str) and _SCIENTIFIC.fullmatch(value):
        return float(value)
    return value
