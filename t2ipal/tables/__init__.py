"""The paper's tables beside ours: pure functions of metric records and of the numbers the paper prints.

`make_table` makes a table from a spec, `RENDERERS` and `print_table` write any table, `make_claims`, `shape_claims`
and `claims_page` say what the paper claims and what this run says of it.
"""

from collections.abc import Callable, Mapping

from t2ipal.tables.claims import Claim, claims_of, make_claims
from t2ipal.tables.claims import count as count_claims
from t2ipal.tables.claims import to_csv as claims_to_csv
from t2ipal.tables.claims_page import claims_page
from t2ipal.tables.grid import make_table
from t2ipal.tables.latex import escape_tex, to_tex
from t2ipal.tables.model import MethodRow, Table, Value
from t2ipal.tables.numbers import difference, summary
from t2ipal.tables.page import to_html
from t2ipal.tables.paper import Paper, read_paper
from t2ipal.tables.render import to_csv, to_markdown
from t2ipal.tables.shapes import shape_claims
from t2ipal.tables.terminal import print_table

RENDERERS: Mapping[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "txt": print_table,
    "tex": to_tex,
    "html": to_html,
}
"""By the suffix of the file."""

__all__ = [
    "RENDERERS",
    "Claim",
    "MethodRow",
    "Paper",
    "Table",
    "Value",
    "claims_of",
    "claims_page",
    "claims_to_csv",
    "count_claims",
    "difference",
    "escape_tex",
    "make_claims",
    "make_table",
    "print_table",
    "read_paper",
    "shape_claims",
    "summary",
    "to_csv",
    "to_html",
    "to_markdown",
    "to_tex",
]
