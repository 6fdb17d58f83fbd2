"""The paper's tables next to ours: pure functions of metric records and of the numbers the paper prints.

`make_table` makes a table from its specification, `claims_of` and `shape_claims` compare this run with what the paper
claims. `t2ipal.pages` writes them.
"""

from t2ipal.tables.claims import Claim, claims_of
from t2ipal.tables.claims import count as count_claims
from t2ipal.tables.make import make_table
from t2ipal.tables.model import Table, Value
from t2ipal.tables.numbers import Result, difference, summary
from t2ipal.tables.paper import Paper, read_paper
from t2ipal.tables.score_rules import gains, with_best_rules
from t2ipal.tables.shapes import shape_claims

__all__ = [
    "Claim",
    "Paper",
    "Result",
    "Table",
    "Value",
    "claims_of",
    "count_claims",
    "difference",
    "gains",
    "make_table",
    "read_paper",
    "shape_claims",
    "summary",
    "with_best_rules",
]
