"""The JSON schema of config.yaml, for editors."""

from __future__ import annotations

from typing import Any

from t2ipal import methods
from t2ipal.config.schema import NAMED_TABLES, Config
from t2ipal.methods.prompt_learning import PromptSettings
from t2ipal.metrics.registry import METRICS


def json_schema() -> dict[str, Any]:
    """The JSON schema of config.yaml, for editors: `resources/config.schema.json`."""
    schema = Config.model_json_schema()
    keys = schema["properties"]
    keys["training"] = PromptSettings.model_json_schema() | {"description": keys["training"]["description"]}
    own = {name: methods.get(name).Settings.model_json_schema() for name in methods.names()}
    keys["settings"] = {"description": keys["settings"]["description"], "type": "object", "properties": own}
    keys["metric"]["enum"] = keys["table_metrics"]["items"]["enum"] = list(METRICS)
    for name in NAMED_TABLES[:4]:
        entries = keys[name]["patternProperties"]
        keys[name]["patternProperties"] = {at: {"anyOf": [entry, {"type": "null"}]} for at, entry in entries.items()}
        keys[name]["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
