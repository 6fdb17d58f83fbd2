"""A CLIP's tensors in checkpoints as people have them: by OpenAI's names, whatever is around them. No pickle is run."""

from __future__ import annotations

import argparse
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2ipal.errors import UserError

State = dict[str, Tensor]

EXPECTED = "the state dict of OpenAI's CLIP"
HOLDERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training code saves a state dict, next to epochs, optimizers and arguments."""

DEPTH = 3
"""Mappings inside each other that are looked into: a pickle may contain itself."""

TEXT, ROWS, IMAGE = "token_embedding.weight", "token_embedding.rows", "visual."
"""Names of a token table, whole or of the rows in use, and of the image tower: what is before them is a prefix."""

_HUGGING_FACE = "text_model.embeddings.token_embedding.weight"
_ADVICE = "weights_only"
"""What PyTorch says of any file that it does not know: to run what is in it."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_pt(path: Path) -> Any:
    """The content of a .pt file: a state dict of a TorchScript archive, or whatever of plain types was saved.

    Raises:
        UserError: it is damaged, or contains objects that only running a pickle would make.
    """
    try:
        if _is_torchscript(path):
            with warnings.catch_warnings():
                # deprecated, and yet the only way to read OpenAI's files
                warnings.simplefilter("ignore", FutureWarning)
                return dict(torch.jit.load(path, map_location="cpu").state_dict())
        # a namespace of arguments holds values alone
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle leads its reader anywhere
        if objects := _objects(path):
            raise UserError(
                f"{path}: contains {objects}, which cannot be read without running code; expected a state dict, as "
                "torch.save(model.state_dict(), ...) writes it"
            ) from None
        reason = _COLOURS.sub("", str(error))[:200] or type(error).__name__
        if _ADVICE in reason:
            reason = "no archive of PyTorch"
        raise UserError(f"{path}: damaged, or neither a TorchScript archive nor a state dict: {reason}") from None


def clip_tensors(content: Any, where: str) -> State:
    """The tensors of a CLIP in what a file contains, by OpenAI's names.

    Those around it, such as an optimizer's, are left out, as are prefixes (`module.`, `clip.`, `model.`), and the
    `text.` that OpenCLIP has before the text tower.

    Raises:
        UserError: there are none; `where` names the file.
    """
    for _ in range(DEPTH):
        if isinstance(content, Mapping):
            content = next((content[key] for key in HOLDERS if isinstance(content.get(key), Mapping)), content)
    named = content if isinstance(content, Mapping) else {}
    tensors = {key: value for key, value in named.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if not tensors:
        raise UserError(f"{where}: no state dict, but {type(content).__name__}; expected {EXPECTED}")
    if any(key.endswith(_HUGGING_FACE) for key in tensors):
        raise UserError(f"{where}: a CLIP in the names of Hugging Face's transformers; expected {EXPECTED}")
    if odd := [key for key, value in tensors.items() if not _is_plain(value)]:
        raise UserError(f"{where}: tensor {odd[0]!r} is sparse, quantized or without values; expected {EXPECTED}")
    prefix = prefix_of(tensors)
    tensors = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return {key.removeprefix("text."): value for key, value in tensors.items()}


def _is_plain(value: Tensor) -> bool:
    four_bits = getattr(torch, "float4_e2m1fn_x2", None)  # two numbers in a byte
    return value.layout is torch.strided and not (value.is_quantized or value.is_meta or value.dtype is four_bits)


def prefix_of(names: Mapping[str, Any]) -> str:
    """What is before the names of both towers, the shortest if there are several; "" if nothing is."""
    ends = (TEXT, ROWS)
    prefixes = {key.removesuffix(end).removesuffix("text.") for key in names for end in ends if key.endswith(end)}
    whole = {prefix for prefix in prefixes if any(key.startswith(prefix + IMAGE) for key in names)}
    return min(whole, key=len, default="")


def _objects(path: Path) -> str:
    """The types in a file that are not plain ones, named; "" if there are none or it cannot be told."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # as in `read_pt`
        return ""
    names = sorted(set(names) - {"argparse.Namespace"})
    return f"objects of {', '.join(names[:3])}"[:200] if names else ""


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())
