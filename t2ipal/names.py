"""Names as people write them: of classes, columns and data sets, and titles.

Case, spaces, `_` and hyphens make no difference between names: "Hot Dog", "hot_dog" and "hot-dog" are one class, one
column and one entry of a shipped list (`key`). In a prompt, `_` is a space (`spoken`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from t2ipal.errors import UserError

LONGEST = 200
"""Characters of a class name. The tokens of a prompt, 77 for CLIP, are counted by `ImageTextEncoder.prompt`."""

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"  # control characters, line ends, halves of a character
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of writing
    "\u00ad\u200b\u2060\ufeff]"  # soft hyphen, spaces of no width, byte order mark
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SEPARATORS = re.compile("[\\s_\u2010-\u2015\u2212-]+")
"""Spaces, `_`, hyphens and dashes."""
_JOINERS = re.compile("[\u200c\u200d\ufe0e\ufe0f]")
"""Parts of letters and of emoji that are not seen by themselves."""
_SEEN = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "So"})
"""Unicode's categories of letters, numbers and other symbols, such as emoji."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""
_HARMLESS = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?|[-+] [\w .-]+")
"""Numbers, and rows of tables such as "+ TaI-DPT": words alone are no formula."""


def key(name: str) -> str:
    """What equal names have in common: lower case without spaces, `_` and hyphens, in compatible form (NFKC).

    >>> key("Dining table") == key("dining_table") == key("diningtable")
    True
    """
    return _SEPARATORS.sub("", _JOINERS.sub("", unicodedata.normalize("NFKC", name)).casefold())


def spoken(name: str) -> str:
    """A class name as prompts and captions have it: `_` is a space (as in CoOp, TaI-DPT and CoMC).

    >>> spoken("golden_retriever")
    'golden retriever'
    """
    return " ".join(name.replace("_", " ").split())


def control_of(text: str) -> str:
    """Why `text` must not be in a config: a control character that no path and no text of several lines has."""
    return _hidden_by(_CONTROLS, text)


def problem_of(text: str) -> str:
    """Why `text` must not be shown: an invisible character, or an angle bracket; "" if nothing is wrong."""
    if hidden := _hidden_by(_HIDDEN, text):
        return hidden
    if found := re.search("[<>]", text):
        return f"has {found[0]!r} (expected no angle brackets: pages would read a tag)"
    return ""


def checked(name: str, where: str) -> str:
    """A class name in composed form (NFC), without spaces around it and with single ones inside.

    Args:
        where: the file and the place in it, for messages.

    Raises:
        UserError: the name is empty or punctuation alone, too long, or not to be shown.
    """
    try:
        text = title(name)
        if len(text) > LONGEST:
            raise ValueError(f"has {len(text):,} characters (expected at most {LONGEST}: it is part of a prompt)")
    except ValueError as error:
        raise UserError(f"{where}: name {_short(name.strip())} {error}") from None
    return " ".join(text.split())


def title(text: str) -> str:
    """A name that pages show, such as a title of the config, in composed form (NFC), without spaces around it.

    Raises:
        ValueError: it is empty or punctuation alone, or not to be shown.
    """
    text = shown(text)
    if not any(unicodedata.category(character) in _SEEN for character in text):
        raise ValueError("has no letter, digit or symbol (expected a name)")
    return text


def shown(text: str) -> str:
    """Text that pages show, in composed form (NFC), without spaces around it.

    Raises:
        ValueError: it is not to be shown.
    """
    text = unicodedata.normalize("NFC", text.strip())
    if problem := problem_of(text):
        raise ValueError(problem)
    return text


def twins(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two names that are one (`key`), if there are any."""
    seen: dict[str, str] = {}
    for name in names:
        if (plain := key(name)) in seen:
            return seen[plain], name
        seen[plain] = name
    return None


def check_texts(value: Any, where: str, problem_of: Callable[[str], str] = problem_of) -> None:
    """Check all texts in plain data, keys included; by default whether they may be shown.

    Args:
        value: mappings and lists of texts and other values.
        where: the place of the value, for messages.
        problem_of: why a text is refused; "" if it is not.

    Raises:
        UserError: one is refused; the message has its key.
    """
    if isinstance(value, Mapping):
        for name, item in value.items():
            check_texts(str(name), where, problem_of)
            check_texts(item, f"{where}.{name}", problem_of)
    elif isinstance(value, (list, tuple)):
        for item in value:
            check_texts(item, where, problem_of)
    elif isinstance(value, str) and (problem := problem_of(value)):
        raise UserError(f"{where}: {_short(value)} {problem}")


def cell(text: str) -> str:
    """Text for a cell of a CSV file that people open: spreadsheets would run "=cmd()", so it gets an apostrophe first.

    >>> cell("=1+1"), cell("-0.5"), cell("dog")
    ("'=1+1", '-0.5', 'dog')
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _HARMLESS.fullmatch(text) else text


def cells(row: Sequence[Any]) -> list[Any]:
    """A row for a CSV file that people open: `cell` of each text."""
    return [cell(value) if isinstance(value, str) else value for value in row]


def _hidden_by(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return f"has the character U+{ord(match[0]):04X} (expected visible characters)" if match else ""


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
