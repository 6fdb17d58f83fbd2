"""The tokenizer of OpenAI's package, without torch: `snakemake -n` counts tokens of class names."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clip.simple_tokenizer import SimpleTokenizer


@cache
def tokenizer() -> SimpleTokenizer:
    """The tokenizer, loaded once."""
    from clip.simple_tokenizer import SimpleTokenizer

    return SimpleTokenizer()
