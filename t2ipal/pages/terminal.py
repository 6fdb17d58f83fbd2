"""A table for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from t2ipal.pages.layout import EMPTY, Line, Sheet, Text, layout
from t2ipal.tables.model import Table

BETWEEN = "  "
INDENT = "  "


def print_table(table: Table, width: int = 100) -> str:
    """The table in lines of at most `width`: columns that do not fit follow below, sentences are wrapped.

    A line is longer only where the titles and one column, or one group of columns, are.
    """
    sheet = layout(table)
    lines = [line for _, section in sheet.sections for line in section]
    titles = _widest(["Method", *map(_title, lines)])
    labels = _widest([line.label for line in lines])
    columns = [_texts(sheet, lines, place) for place in range(len(sheet.heads))]
    room = width - titles - (len(BETWEEN) + labels if labels else 0)
    parts = [_part(sheet, places, columns, titles, labels) for places in _parts(sheet, columns, room)]
    rule = "-" * max([_widest([*heads, *body]) for heads, body in parts])
    found = [table.title, rule]
    for heads, body in parts:
        found += [*heads, rule, *body, rule]
    remarks = sorted({line.remark for line in lines if line.remark})
    notes = [*(f"* {remark}" for remark in remarks), *table.notes]
    found += [line for note in notes for line in textwrap.wrap(note, width, break_on_hyphens=False)]
    return "\n".join(found) + "\n"


def _parts(sheet: Sheet, columns: Sequence[Sequence[str]], room: int) -> list[list[int]]:
    """The columns that stand beside each other: as many as fit in `room`, a group of columns never torn."""
    parts: list[list[int]] = []
    left = 0
    start = 0
    for name, count in sheet.groups:
        for unit in [range(start, start + count)] if name else [[place] for place in range(start, start + count)]:
            needed = sum(len(BETWEEN) + len(columns[place][0]) for place in unit)
            if not parts or needed > left:
                parts.append([])
                left = room
            parts[-1] += unit
            left -= needed
        start += count
    return parts


def _part(
    sheet: Sheet, places: Sequence[int], columns: Sequence[Sequence[str]], titles: int, labels: int
) -> tuple[list[str], list[str]]:
    """Some columns of the table: headings and lines, without those lines that do not apply to these columns."""

    def joined(title: str, label: str, cells: Sequence[str]) -> str:
        return BETWEEN.join([title.ljust(titles), *([label.ljust(labels)] if labels else []), *cells]).rstrip()

    heads = [joined("Method", "", [columns[place][0] for place in places])]
    if groups := _group_heads(sheet, places, columns):
        heads.insert(0, joined("", "", groups))
    body: list[str] = []
    start = 1  # a column's first text is its heading
    for title, section in sheet.sections:
        body += ["", title] if title and body else [title] if title else []
        for place, line in enumerate(section):
            if not sheet.labels and place and line.difference != section[place - 1].difference:
                body.append("")
            if any(line.texts[column] for column in places):
                cells = [columns[column][start + place] for column in places]
                body.append(joined(_title(line), line.label, cells))
        start += len(section)
    return heads, body


def _group_heads(sheet: Sheet, places: Sequence[int], columns: Sequence[Sequence[str]]) -> list[str]:
    """The headings above groups of columns, as wide as these; none where no group has one."""
    widths: dict[str, int] = {}
    for place in places:
        name, width = sheet.heads[place].group, len(columns[place][0])
        widths[name] = widths[name] + len(BETWEEN) + width if name in widths else width
    return [name.center(width) for name, width in widths.items()] if any(widths) else []


def _texts(sheet: Sheet, lines: Sequence[Line], place: int) -> list[str]:
    """A column: its heading, then its cells, numbers below numbers and what follows them below each other."""
    texts = [line.texts[place] for line in lines]
    main = _widest([EMPTY, *(text.main for text in texts if text)])
    extra = _widest([text.extra for text in texts if text and text.main])
    cells = [sheet.heads[place].text, *(_text(text, main, extra) for text in texts)]
    width = _widest(cells)
    return [cell.rjust(width) for cell in cells]


def _text(text: Text | None, main: int, extra: int) -> str:
    if text is None:
        return EMPTY.rjust(main) + " " * (1 + extra if extra else 0)
    if not text.main:
        return text.extra
    return text.main.rjust(main) + (f" {text.extra.ljust(extra)}" if extra else "")


def _title(line: Line) -> str:
    indent = INDENT if line.label and line.difference and line.title else ""
    return f"{indent}{line.title}{' *' if line.remark else ''}"


def _widest(texts: Sequence[str]) -> int:
    return max(map(len, texts), default=0)
