"""The paper's tables beside ours: pure functions of metric records and of the numbers the paper prints.

`make_table` makes a table from a spec, `make_claims` and `shape_claims` say what the paper claims and what this run
says of it. `t2ipal.pages` writes them.
"""

from t2ipal.tables.claims import Claim, claims_of, make_claims
from t2ipal.tables.claims import count as count_claims
from t2ipal.tables.claims import to_csv as claims_to_csv
from t2ipal.tables.grid import make_table
from t2ipal.tables.model import MethodRow, Table, Value
from t2ipal.tables.numbers import difference, summary
from t2ipal.tables.paper import Paper, read_paper
from t2ipal.tables.shapes import shape_claims

__all__ = [
    "Claim",
    "MethodRow",
    "Paper",
    "Table",
    "Value",
    "claims_of",
    "claims_to_csv",
    "count_claims",
    "difference",
    "make_claims",
    "make_table",
    "read_paper",
    "shape_claims",
    "summary",
]
