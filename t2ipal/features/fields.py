"""Which features of an image there are, and how many bits they are stored in. No heavy import: `snakemake -n` pays."""

from __future__ import annotations

from typing import Literal

GLOBAL_POS, GLOBAL_NOPOS, LOCAL = "global_pos", "global_nopos", "local"
FIELDS = (GLOBAL_POS, GLOBAL_NOPOS, LOCAL)
"""Columns of a file of image features, as far as some run reads them."""

ALL_FIELDS = frozenset(FIELDS)

Store = Literal["float16", "int8"]
"""How features are stored, see `t2ipal.features.encoding`."""

GROUP = 32
"""Numbers of 8 bits that share a scale."""


def global_field(variant: str) -> str:
    """The global feature of a variant, "pos" or "nopos"."""
    return GLOBAL_POS if variant == "pos" else GLOBAL_NOPOS


def groups_of(dim: int) -> int:
    """Scales of a vector."""
    return dim // GROUP if dim % GROUP == 0 else 1


def stored_bytes(store: Store, dim: int) -> int:
    """Bytes of a vector on disk, before compression."""
    return 2 * dim if store == "float16" else dim + 2 * groups_of(dim)
