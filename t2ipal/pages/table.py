"""A table as an HTML page of its own."""

from __future__ import annotations

from t2ipal.pages.environment import render
from t2ipal.pages.layout import MARKS, layout
from t2ipal.tables.model import Table


def to_html(table: Table) -> str:
    """The table with the paper's numbers in grey, the differences shaded, and the sentences below it."""
    return render("table.html.j2", title=table.title, sheet=layout(table), notes=(*table.notes, MARKS))
