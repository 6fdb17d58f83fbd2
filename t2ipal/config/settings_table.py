"""The table of all settings of the methods in docs/deviations.md, made from the methods' `Settings`."""

from __future__ import annotations

from typing import Any, get_args

from pydantic.fields import FieldInfo

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.user_paths import HomePath

BEGIN, END = "<!-- settings: written by make format -->", "<!-- end of settings -->"
"""The lines around the table."""

HEAD = "| setting | methods | default | range | meaning |\n|---|---|---|---|---|\n"
BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def settings_table() -> str:
    """A row per setting; methods with equal default, range and description share one. Sorted by setting."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for method in methods.names():
        for key, field in methods.get(method).Settings.model_fields.items():
            row = (key, text_of(field.default), range_of(field), field.description or "")
            rows.setdefault(row, []).append(method)
    lines = [
        f"| `{key}` | {', '.join(users)} | {default} | {allowed} | {escaped(meaning)} |\n"
        for (key, default, allowed, meaning), users in sorted(rows.items(), key=lambda row: (row[0][0], row[1]))
    ]
    return HEAD + "".join(lines)


def with_settings_table(page: str) -> str:
    """The page with the table between its two markers renewed.

    Raises:
        UserError: a marker is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"docs/deviations.md: expected the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{settings_table()}\n{END}{after}"


def text_of(value: Any) -> str:
    """A value as YAML writes it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def range_of(field: FieldInfo) -> str:
    """The values that a setting may have."""
    if field.annotation is bool:
        return "true, false"
    if field.annotation is str:
        return "text"
    if field.annotation == HomePath | None:
        return "null or a path"
    choices = get_args(field.annotation)
    null = "null or " if type(None) in choices else ""
    if choices and not null:
        return ", ".join(choices)
    limits = [(sign, getattr(item, name, None)) for name, sign in BOUNDS.items() for item in field.metadata]
    return null + ", ".join(f"{sign} {limit}" for sign, limit in limits if limit is not None)


def escaped(text: str) -> str:
    """Text inside a Markdown cell."""
    return text.replace("|", "\\|")
