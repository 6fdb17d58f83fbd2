"""The result of a check before a run, for one thing that the config needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The state of one thing that the config needs.

    Attributes:
        key: the key of the config that names it.
        text: the result, for people.
        missing: whether a run would stop there.
        download: its row of resources/data_sources.csv; "" for what is the user's own.
    """

    key: str
    text: str
    missing: bool = False
    download: str = ""
