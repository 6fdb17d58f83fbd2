"""CLIP's byte-pair tokenizer: what OpenAI's own gives, without the rest of its package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from t2ipal.backbones.openai.byte_pairs import tokenizer
from t2ipal.errors import UserError

CONTEXT = 77
START_ID, END_ID, PAD_ID = 49_406, 49_407, 0
VOCABULARY = 49_408


@dataclass(frozen=True)
class BytePairs:
    """The tokenizer's tables.

    Attributes:
        ids: id of each symbol; the last two are start and end mark.
        merges: pairs of symbols, in the order in which they are merged.
    """

    ids: dict[str, int]
    merges: tuple[tuple[str, str], ...]

    @property
    def symbols(self) -> dict[int, str]:
        """Symbol of each id."""
        return {number: symbol for symbol, number in self.ids.items()}


@cache
def byte_pairs() -> BytePairs:
    """The tables that OpenAI's package carries."""
    ranks = tokenizer().bpe_ranks
    return BytePairs(dict(tokenizer().encoder), tuple(sorted(ranks, key=ranks.__getitem__)))


def encode(text: str) -> list[int]:
    """Ids of a text, without marks."""
    return tokenizer().encode(text)


def tokenize(texts: Sequence[str], truncate: bool = True, context: int = CONTEXT) -> tuple[Tensor, Tensor]:
    """Byte-pair ids int64 [B, context] as `clip.tokenize` gives them (start, text, end, zeros), and lengths [B].

    Args:
        texts: B texts.
        truncate: cut a text beyond the context and keep its end mark.
        context: positions.

    Raises:
        UserError: a text is too long and `truncate` is off.
    """
    ids = torch.full((len(texts), context), PAD_ID, dtype=torch.int64)
    lengths = torch.zeros(len(texts), dtype=torch.int64)
    for row, text in enumerate(texts):
        tokens = [START_ID, *encode(text), END_ID]
        if len(tokens) > context:
            if not truncate:
                raise UserError(f"text {text[:60]!r}: {len(tokens)} tokens; expected at most CLIP's {context}")
            tokens = [*tokens[: context - 1], END_ID]
        ids[row, : len(tokens)] = torch.tensor(tokens)
        lengths[row] = len(tokens)
    return ids, lengths


def lengths_of(ids: Tensor) -> Tensor:
    """Positions [B] from start to end mark of ids [B, L]: the end mark has the greatest id, and so it has wherever a
    smaller vocabulary keeps the order."""
    return ids.argmax(-1) + 1


def tokenizer_file() -> Path:
    """The file of merges in OpenAI's package."""
    from clip.simple_tokenizer import default_bpe

    return Path(default_bpe())
