"""Loading OpenAI's CLIP, by name or from a file: frozen, float32, with the sha256 of the weights."""

from __future__ import annotations

import pickle
import urllib.error
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from t2ipal.errors import UserError
from t2ipal.features.variants import (
    CACHE,
    SHA256,
    VARIANTS,
    address,
    check_activation,
    check_sizes,
    file_name,
    named_as,
    recognise,
    sizes_of,
)
from t2ipal.images.manifest import verify
from t2ipal.store import existing, read_tensors, sha256_file

if TYPE_CHECKING:
    from clip.model import CLIP
    from clip.simple_tokenizer import SimpleTokenizer

ROWS, IDS, TABLE = "token_embedding.rows", "token_embedding.ids", "token_embedding.weight"
VOCABULARY = 49_408
CONTEXT = 77

State = dict[str, Tensor]


@dataclass(frozen=True)
class Clip:
    """A frozen CLIP in float32, in evaluation mode.

    Attributes:
        model: OpenAI's module.
        name: as asked for: a name of OpenAI's, or the name of the file.
        sha256: of the file of weights.
        dim: size D of the joint space.
        image_size: side in pixels that the model was trained at.
        variant: the model of OpenAI's that has its sizes; "" for none.
    """

    model: CLIP
    name: str
    sha256: str
    dim: int
    image_size: int
    variant: str = ""

    @property
    def device(self) -> torch.device:
        return self.model.logit_scale.device


def load_clip(model: str | Path, device: str | torch.device = "cpu", sha256: str | None = None) -> Clip:
    """Load a CLIP with a ResNet or a ViT.

    Args:
        model: a name of OpenAI's (RN101, ViT-B/16 ...), downloaded where it is not in the cache folder of OpenAI's
            package; or the path of a .pt file (OpenAI's TorchScript archive or a state dict) or of a .safetensors file
            (a state dict, whose token table may be given as the rows in use and their ids, all other rows being zero).
        device: where the model goes.
        sha256: what the file must have. A manifest beside the file is checked anyway, and so is the hash in OpenAI's
            addresses, for a name and for a file that has the name of one of OpenAI's (RN101.pt).

    Raises:
        UserError: an unknown name, a file that is missing, damaged, not a CLIP, or not the one expected; sizes that are
            not those of the model it is said to be.
    """
    path, asked = _locate(str(model))
    found = sha256_file(path)
    expected = {"sha256": sha256, f"OpenAI's {path.name}": SHA256.get(asked or named_as(path.name))}
    for whose, wanted in expected.items():
        if wanted and found != wanted:
            raise UserError(
                f"{path}: sha256 {found[:16]}, expected {wanted[:16]} ({whose}): a damaged file, or a different one "
                "(rename it, then)"
            )
    verify(path)
    state = read_state(path)
    known = asked or next((name for name, value in SHA256.items() if value == found), "")
    if known:
        check_sizes(state, known, str(path))
    built = build(state, str(path)).to(device)
    variant = known or recognise(sizes_of({key: tuple(value.shape) for key, value in state.items()}))
    dim = built.text_projection.shape[1]
    return Clip(built, asked or path.name, found, dim, int(built.visual.input_resolution), variant)


def tokenize(texts: Sequence[str], truncate: bool = True) -> Tensor:
    """CLIP's byte-pair ids, int64 [B, 77]: start, text, end, zeros; what `clip.tokenize` gives.

    Args:
        texts: B texts.
        truncate: cut a text beyond 77 tokens and keep its end mark.

    Raises:
        UserError: a text is too long and `truncate` is off.
    """
    encoder = _tokenizer()
    start, end = (encoder.encoder[mark] for mark in ("<|startoftext|>", "<|endoftext|>"))
    tokens = torch.zeros(len(texts), CONTEXT, dtype=torch.int64)
    for row, text in enumerate(texts):
        ids = [start, *encoder.encode(text), end]
        if len(ids) > CONTEXT:
            if not truncate:
                raise UserError(f"text {text[:60]!r}: {len(ids)} tokens; expected at most CLIP's {CONTEXT}")
            ids = [*ids[: CONTEXT - 1], end]
        tokens[row, : len(ids)] = torch.tensor(ids)
    return tokens


@cache
def _tokenizer() -> SimpleTokenizer:
    from clip.simple_tokenizer import SimpleTokenizer

    return SimpleTokenizer()


def read_state(path: str | Path) -> State:
    """The state dict in a file, in float32.

    Raises:
        UserError: the file is missing, damaged, or holds no state dict.
    """
    path = existing(path, "CLIP model")
    state = read_tensors(path)[0] if path.suffix == ".safetensors" else _read_pt(path)
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path}: no state dict; expected names with tensors, as OpenAI's CLIP has them")
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    return _full_table(state, path)


def build(state: State, origin: str = "CLIP") -> CLIP:
    """OpenAI's module with the sizes that its `build_model` reads off the shapes, frozen, in float32.

    Raises:
        UserError: a tensor is missing or of the wrong shape; the message names `origin`.
    """
    from clip.model import build_model

    try:
        model = build_model(dict(state)).float()
        # build_model has put the weights through float16
        known = model.state_dict().keys()
        model.load_state_dict({key: value for key, value in state.items() if key in known})
    except KeyError as error:
        raise UserError(f"{origin}: no tensor {error}; expected the state dict of OpenAI's CLIP") from error
    except (RuntimeError, ZeroDivisionError, AssertionError, IndexError) as error:
        raise UserError(f"{origin}: tensors do not make a CLIP: {str(error)[:300] or 'unexpected shapes'}") from error
    check_activation(model, origin)
    return model.requires_grad_(False).eval()


def _locate(model: str) -> tuple[Path, str]:
    """The file of `model`, and the name of OpenAI's that it was asked for by ("" for a path)."""
    if Path(model).suffix or Path(model).exists():
        path = Path(model)
        known = named_as(path.name)
        if known and not path.exists():
            raise UserError(f"{path}: no such CLIP model; fetch {address(known)} and place it there")
        return existing(path, "CLIP model"), ""
    if model not in VARIANTS:
        raise UserError(f"CLIP model {model!r}: expected a file, or one of {', '.join(VARIANTS)}")
    path = CACHE.expanduser() / file_name(model)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address(model), str(path), hash_prefix=SHA256[model])
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            raise UserError(
                f"CLIP model {model!r}: cannot be downloaded ({error}); fetch {address(model)} where there is a "
                f"network and place it at {path}"
            ) from error
    return path, model


def _read_pt(path: Path) -> State:
    try:
        if _is_torchscript(path):
            with warnings.catch_warnings():
                # deprecated, and yet the only way to read OpenAI's files
                warnings.simplefilter("ignore", FutureWarning)
                return dict(torch.jit.load(path, map_location="cpu").state_dict())
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError) as error:
        raise UserError(
            f"{path}: damaged, or neither a TorchScript archive nor a state dict: {str(error)[:200]}"
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {"": state}
    return dict(state)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _full_table(state: State, path: Path) -> State:
    """Expand a token table of rows in use into the full one."""
    if ROWS not in state:
        return state
    rows, ids = state[ROWS], state.get(IDS)
    if ids is None or len(ids) != len(rows) or int(ids.min()) < 0 or int(ids.max()) >= VOCABULARY:
        raise UserError(
            f"{path}: {IDS} does not fit {ROWS}; expected one id below {VOCABULARY} for each of {len(rows)} rows"
        )
    table = rows.new_zeros(VOCABULARY, rows.shape[1])
    table[ids.long()] = rows
    return {key: value for key, value in state.items() if key not in (ROWS, IDS)} | {TABLE: table}
