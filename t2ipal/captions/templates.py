"""Texts made of a class name alone, which join the captions of text training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Any

from t2ipal.errors import UserError
from t2ipal.names import spoken
from t2ipal.resource_files import resource
from t2ipal.store import existing

PATH = resource("templates.yaml")


@dataclass(frozen=True, slots=True)
class Template:
    """A text for one class.

    Attributes:
        template_id: `{class index:03d}-{template index:03d}`.
        text: the pattern with the class name in it.
        index: class, the one positive label.
    """

    template_id: str
    text: str
    index: int


def templates(names: Sequence[str], path: str | Path = PATH) -> list[Template]:
    """Every template text of every class, by id.

    TaI-DPT (its data loaders) adds 9 x "a photo of a {}." and 80 ImageNet-style prompts per class: 89 texts each.

    Raises:
        UserError: the file of patterns is missing or malformed.
    """
    patterns = load_patterns(path)
    return [
        Template(f"{index:03d}-{number:03d}", pattern.replace("{}", spoken(name)), index)
        for index, name in enumerate(names)
        for number, pattern in enumerate(patterns)
    ]


@cache
def load_patterns(path: str | Path = PATH) -> tuple[str, ...]:
    """Patterns with {} for the class name, in order.

    Raises:
        UserError: the file is missing or malformed.
    """
    import yaml

    try:
        content = yaml.safe_load(existing(path).read_text(encoding="utf-8"))
        repeated = [content["repeated"]["text"]] * content["repeated"]["times"]
        composed = [text for pattern in content["patterns"] for text in _expand(pattern, content["words"])]
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path}: malformed ({error!r}); expected the keys repeated, words and patterns") from error
    for pattern in (*repeated, *composed):
        if pattern.count("{}") != 1:
            raise UserError(f"{path}: pattern {pattern!r}; expected {{}} once")
    return (*repeated, *composed)


def _expand(pattern: str, words: Mapping[str, Any]) -> Iterator[str]:
    """`pattern` once for each choice of words for its named places."""
    keys = [key for _, key, _, _ in Formatter().parse(pattern) if key]
    for choice in product(*(words[key] for key in keys)):
        text = pattern
        for key, word in zip(keys, choice, strict=True):
            text = text.replace(f"{{{key}}}", word)
        yield text
