"""Reading YAML that people write: a mistake is one line with the file and the line, and no key counts twice.

YAML itself lets the last of two equal keys win, so that the first is lost without a word.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from t2ipal.errors import UserError
from t2ipal.text_files import unique

if TYPE_CHECKING:
    import yaml


DEEPEST = 100
"""Levels of lists and mappings in each other."""
LARGEST = 1_000_000
"""Values of a file, those that aliases repeat included."""


class Refused(Exception):
    """What YAML allows and people do not mean: a key twice, an alias of itself, a number that is read as another."""


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
        return _load(text)
    except Refused as error:
        raise UserError(f"{where}: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark and "\n" in text.strip() else ""
        lines = text.splitlines()
        if mark and mark.line < len(lines) and re.match(r" *\t", lines[mark.line]):
            raise UserError(f"{where}: {line}a tab (expected spaces)") from error
        raise UserError(f"{where}: {line}not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{where}: not YAML: {str(error) or type(error).__name__}") from error


def _load(text: str) -> Any:
    """The content of a text, once its size is known: libyaml ends the process in a text of 100,000 brackets."""
    import yaml

    depth = 0
    for event in yaml.parse(text, _loader()):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _too_deep(event)
    loader = _loader()(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _expanded(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _expanded(node: yaml.Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """The values and the levels of a node, with what its aliases repeat; `known` are those of other nodes."""
    import yaml

    if isinstance(node, yaml.ScalarNode):
        return 1, 0
    if id(node) in known:
        size = known[id(node)]
        if size is None:
            raise Refused(f"line {node.start_mark.line + 1}: contains itself (expected an alias of something else)")
        return size
    known[id(node)] = None
    items = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    sizes = [_expanded(item, known) for item in items]
    values, levels = 1 + sum(size for size, _ in sizes), 1 + max((level for _, level in sizes), default=0)
    if values > LARGEST:
        raise Refused(f"line {node.start_mark.line + 1}: more than {LARGEST:,} values, repeated by aliases")
    if levels > DEEPEST:
        raise _too_deep(node)
    known[id(node)] = values, levels
    return values, levels


def _too_deep(part: yaml.Node | yaml.Event) -> Refused:
    return Refused(f"line {part.start_mark.line + 1}: more than {DEEPEST} lists and mappings in each other")


def _from_json(text: str, where: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        try:
            return unique(pairs)
        except ValueError as error:
            raise UserError(f"{where}: {error}") from None

    try:
        content = json.loads(text, object_pairs_hook=once)
        deep = _levels(content) > DEEPEST
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: line {error.lineno}: not JSON: {error.msg}") from error
    except ValueError as error:  # a number of thousands of digits
        raise UserError(f"{where}: not JSON: {error}") from error
    except RecursionError:
        deep = True
    if deep:
        raise UserError(f"{where}: more than {DEEPEST} lists and mappings in each other")
    return content


def _levels(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_levels, inner), default=0)


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
                        raise Refused(f"line {line}: key {key.value!r} again, after line {first} (expected it once)")
                    lines[key.tag, key.value] = line
            return super().construct_mapping(node, deep)

        def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
            return _plain_number(node, super().construct_yaml_int(node))

        def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
            return _plain_number(node, super().construct_yaml_float(node))

    Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)
    Loader.add_constructor("tag:yaml.org,2002:float", Loader.construct_yaml_float)
    timestamp = "tag:yaml.org,2002:timestamp"
    Loader.add_constructor(timestamp, Loader.construct_yaml_str)
    resolvers = Loader.yaml_implicit_resolvers.items()
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != timestamp] for first, known in resolvers
    }
    return Loader


Number = TypeVar("Number", int, float)


def _plain_number(node: yaml.ScalarNode, value: Number) -> Number:
    """The number, if it is the one that people read: to YAML 1.1, 010 is 8 and 10:30 is 630.

    Raises:
        Refused: it is another one, or has more than 64 bits.
    """
    text, where = node.value, f"line {node.start_mark.line + 1}"
    if isinstance(value, int) and abs(value) >= 2**64:
        raise Refused(f"{where}: a number beyond 2**64")
    if ":" in text or re.fullmatch(r"[-+]?0[0-9_]+", text):
        raise Refused(f"{where}: {text}, which YAML reads as {value:g} (expected a decimal number, or text in quotes)")
    return value
