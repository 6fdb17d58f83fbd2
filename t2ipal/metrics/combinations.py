"""How the scores of other runs are combined: typed, and plain data for the parameters of a rule."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Fusion:
    """Two runs' scores, brought to one scale and added.

    Attributes:
        weight: share of the first run's scores, 0 to 1.
        norm: the scale, a name of `t2ipal.metrics.score_fusion.fuse`.
    """

    kind: ClassVar[str] = "fuse"
    weight: float
    norm: str


@dataclass(frozen=True)
class Standardisation:
    """One run's scores, standardised as SPARC does."""

    kind: ClassVar[str] = "sparc"


@dataclass(frozen=True)
class Selection:
    """One run's scores of some classes alone.

    Attributes:
        classes: their names, in the order of the columns.
    """

    kind: ClassVar[str] = "novel"
    classes: tuple[str, ...]


Combination = Fusion | Standardisation | Selection


def plain_of(combination: Combination) -> dict[str, Any]:
    """The combination as plain data, which Snakemake compares by value."""
    data = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(combination).items()}
    return {"kind": combination.kind, **data}


def combination_of(plain: Mapping[str, Any]) -> Combination:
    """The combination that `plain_of` wrote down.

    Raises:
        KeyError: no such kind.
    """
    kinds = {kind.kind: kind for kind in (Fusion, Standardisation, Selection)}
    data = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items() if key != "kind"}
    return kinds[plain["kind"]](**data)
