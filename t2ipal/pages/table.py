"""A table as an HTML page of its own, and what such pages share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from t2ipal.pages.layout import MARKS, Head, Line, Sheet, Text, layout
from t2ipal.tables.model import Table

STYLE = """
:root { color-scheme: light; --ink: #1a1a1a; --pale: #5c5c5c; --rule: #d8d8d8; --wash: #f6f6f6; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink);
  background: #fff; margin: 2rem; }
h1 { font-size: 1.35rem; margin: 0 0 .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; font-size: 1.05rem; padding-bottom: .6rem; }
th, td { padding: .28rem 0 .28rem .3rem; white-space: nowrap; font-weight: 400; text-align: right; }
th[scope=row], thead th.left { text-align: left; padding-left: .4rem; padding-right: 1rem; }
thead th { font-weight: 600; }
ul.notes { padding-left: 1.1rem; max-width: 60rem; color: #333; }
ul.notes li { margin: .25rem 0; }
.scroll { overflow-x: auto; }
@media print { @page { margin: 12mm; } body { margin: 0; zoom: .7; } .scroll { overflow: visible; }
  tr { break-inside: avoid; } }
"""

_TABLE = """
thead tr:first-child > * { border-top: 2px solid var(--ink); }
thead tr:last-child > * { border-bottom: 1px solid var(--ink); }
tbody:last-child tr:last-child > * { border-bottom: 2px solid var(--ink); }
thead th.group { text-align: center; padding-left: 1.1rem; }
thead th.group span { display: block; border-bottom: 1px solid #999; padding-bottom: .1rem; }
thead th.head { text-align: center; padding-left: 1.1rem; }
thead th small { display: block; font-weight: 400; font-size: .75em; line-height: 1.2; }
thead th { vertical-align: top; }
td.main { padding-left: 1.1rem; }
td.extra { text-align: left; padding-right: .2rem; font-size: .8em; color: var(--pale); }
td.span { text-align: center; padding-left: 1.1rem; font-size: .8em; color: var(--pale); }
td.best { font-weight: 700; }
td.none { text-align: center; padding-left: 1.1rem; color: #999; }
td.paper, th.paper, td.label { color: #767676; }
td.label { text-align: left; font-size: .85em; padding-right: .6rem; }
tr.first > * { border-top: 1px solid var(--rule); }
tr.rule > * { border-top: 1px solid #888; }
tr.difference { background: var(--wash); }
tr.inner > th[scope=row] { padding-left: 1.4rem; color: var(--pale); }
tr.section > th { text-align: left; font-weight: 600; font-style: italic; padding: .7rem 0 .25rem .4rem;
  border-top: 1px solid var(--ink); }
thead + tbody tr.section > th { border-top: 0; }
tr.section + tr.first > * { border-top: 0; }
thead + tbody:not(.titled) tr.first:first-child > * { border-top: 0; }
.remark { font-style: italic; color: var(--pale); }
"""


def document(title: str, style: str, body: str) -> str:
    """A whole page that needs nothing from outside."""
    head = f'<head><meta charset="utf-8"><title>{escape(title)}</title>\n<style>{STYLE}{style}</style></head>'
    return f'<!doctype html>\n<html lang="en">\n{head}\n<body>\n{body}\n</body>\n</html>\n'


def marked(**names: bool) -> str:
    """The class attribute of an element: the names that are true."""
    chosen = " ".join(name for name, on in names.items() if on)
    return f' class="{chosen}"' if chosen else ""


def minus(text: str) -> str:
    """The text of a number with a minus as wide as a plus."""
    return escape(text.replace("-", "\N{MINUS SIGN}"))


def bullets(notes: Sequence[str]) -> str:
    """Sentences below a table."""
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>' if notes else ""


def to_html(table: Table) -> str:
    """The table with the paper's numbers in grey, the differences shaded, and the sentences below it."""
    sheet = layout(table)
    width = 1 + sheet.labels + 2 * len(sheet.heads)
    parts = [f"<caption>{escape(table.title)}</caption>", f"<thead>{''.join(_heads(sheet))}</thead>"]
    for title, section in sheet.sections:
        rows = (
            [f'<tr class="section"><th colspan="{width}" scope="rowgroup">{escape(title)}</th></tr>'] if title else []
        )
        rows += _rows(section, sheet.labels)
        parts.append("\n".join([f"<tbody{marked(titled=bool(title))}>", *rows, "</tbody>"]))
    body = ['<div class="scroll"><table>', *parts, "</table></div>", bullets((*table.notes, MARKS))]
    return document(table.title, _TABLE, "\n".join(body))


def _heads(sheet: Sheet) -> Iterator[str]:
    corner = f'<th class="left" colspan="{1 + sheet.labels}">'
    if any(name for name, _ in sheet.groups):
        groups = (
            f'<th class="group" colspan="{2 * count}" scope="colgroup"><span>{escape(name)}</span></th>'
            for name, count in sheet.groups
        )
        yield f"<tr>{corner}</th>{''.join(groups)}</tr>\n"
    names = (
        f'<th{marked(head=True, paper=head.paper)} colspan="2" scope="col">{_named(head)}</th>' for head in sheet.heads
    )
    yield f"<tr>{corner}Method</th>{''.join(names)}</tr>"


def _named(head: Head) -> str:
    return escape(head.header) + (f"<small>{escape(head.data)}</small>" if head.data else "")


def _rows(lines: Sequence[Line], labels: bool) -> Iterator[str]:
    for place, line in enumerate(lines):
        starts = not labels and place > 0 and line.difference != lines[place - 1].difference
        inner = labels and line.difference
        marks = marked(first=labels and line.first, rule=starts, difference=line.difference, inner=inner)
        remark = f' <span class="remark">({escape(line.remark)})</span>' if line.remark else ""
        head = f'<th scope="row">{escape(line.title)}{remark}</th>'
        label = f'<td class="label">{escape(line.label)}</td>' if labels else ""
        cells = "".join(map(_cell, line.texts))
        yield f"<tr{marks}>{head}{label}{cells}</tr>"


def _cell(text: Text | None) -> str:
    """A number and what follows it, in a cell each, so that numbers stand below each other."""
    if text is None:
        return '<td class="none" colspan="2">\N{EN DASH}</td>'
    if not text.main:
        return f'<td class="span" colspan="2">{minus(text.extra)}</td>'
    marks = marked(main=True, best=text.best, paper=text.paper)
    return f'<td{marks}>{minus(text.main)}</td><td class="extra">{minus(text.extra)}</td>'
