"""Reading YAML that people write: a mistake is one line with the file and the line, and no key counts twice.

YAML itself lets the last of two equal keys win, so that the first is lost without a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError

if TYPE_CHECKING:
    import yaml


class RepeatedKey(Exception):
    """A mapping has a key twice."""


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file, or of a JSON file by its suffix; None for an empty one.

    Raises:
        UserError: no such file, one that cannot be read, is not UTF-8 or not YAML, or a mapping that has a key twice.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file (expected a file in YAML)") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}: line {line}: not UTF-8 text (expected a file that is saved as UTF-8)") from error
    return _from_json(text, str(path)) if path.suffix == ".json" else parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """The content of a text in YAML; dates stay text.

    Args:
        text: YAML.
        where: what the text is, for messages.

    Raises:
        UserError: it is not YAML, or a mapping has a key twice.
    """
    import yaml

    try:
        return yaml.load(text, _loader())
    except RepeatedKey as error:
        raise UserError(f"{where}: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark and "\n" in text.strip() else ""
        lines = text.splitlines()
        if mark and mark.line < len(lines) and re.match(r" *\t", lines[mark.line]):
            raise UserError(f"{where}: {line}a tab (expected spaces)") from error
        raise UserError(f"{where}: {line}not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{where}: not YAML: {str(error) or type(error).__name__}") from error


def _from_json(text: str, where: str) -> Any:
    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        for key in mapping:
            if sum(name == key for name, _ in pairs) > 1:
                raise UserError(f"{where}: key {key!r} occurs twice (expected each key once)")
        return mapping

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: line {error.lineno}: not JSON: {error.msg}") from error


@cache
def _loader() -> type[yaml.SafeLoader]:
    """The loader; libyaml's, where it is there, is ten times as fast."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            lines: dict[tuple[str, str], int] = {}
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge"):
                    line = key.start_mark.line + 1
                    if (key.tag, key.value) in lines:
                        first = lines[key.tag, key.value]
                        raise RepeatedKey(
                            f"line {line}: key {key.value!r} again, after line {first} (expected it once)"
                        )
                    lines[key.tag, key.value] = line
            return super().construct_mapping(node, deep)

    timestamp = "tag:yaml.org,2002:timestamp"
    resolvers = Loader.yaml_implicit_resolvers.items()
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != timestamp] for first, known in resolvers
    }
    return Loader
