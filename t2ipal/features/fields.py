"""Which features of an image there are, and how many bits they are stored in. No heavy import: `snakemake -n` pays."""

from __future__ import annotations

from typing import Literal

GLOBAL_POS, GLOBAL_NOPOS, LOCAL = "global_pos", "global_nopos", "local"
FIELDS = (GLOBAL_POS, GLOBAL_NOPOS, LOCAL)
"""Columns of a file of image features, as far as some run reads them."""

ALL_FIELDS = frozenset(FIELDS)

Store = Literal["float16", "int8"]
"""How a number is stored: in half precision, or in 8 bits with a scale per vector."""


def global_field(variant: str) -> str:
    """The global feature of a variant, "pos" or "nopos"."""
    return GLOBAL_POS if variant == "pos" else GLOBAL_NOPOS
