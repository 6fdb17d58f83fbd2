"""Rows as the text of a CSV file that people open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from t2ipal.names import cell


def csv_text(rows: Sequence[Any], fields: Sequence[str]) -> str:
    """Rows, mappings or tuples, below a header of `fields`; numbers have six digits, no text is a formula."""
    frame = pd.DataFrame(rows, columns=list(fields))
    safe = frame.map(lambda value: cell(value) if isinstance(value, str) else value)
    return safe.to_csv(index=False, float_format="%.6g", lineterminator="\n")
