"""Reading OpenAI's CLIP, by name or from a file: frozen, float32, with the sha256 of the weights."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

from t2ipal.backbones.openai.checkpoint import ROWS, State, clip_tensors, read_pt
from t2ipal.backbones.openai.checkpoint import TEXT as TABLE
from t2ipal.backbones.openai.tokens import VOCABULARY
from t2ipal.backbones.openai.variants import (
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
from t2ipal.errors import UserError
from t2ipal.images.decoding import not_a_file
from t2ipal.images.manifest import verify
from t2ipal.store import existing, read_tensors, sha256_file

if TYPE_CHECKING:
    from clip.model import CLIP

IDS = "token_embedding.ids"
UNNEEDED = {init.normal_, init.uniform_, init.kaiming_uniform_, Tensor.normal_, Tensor.uniform_, Tensor.half}
"""What `build_model` does to weights before those of a file replace them: random numbers, and rounding to float16."""


@dataclass(frozen=True)
class Loaded:
    """A module and where it is from.

    Attributes:
        module: frozen, in float32 and evaluation mode.
        name: as asked for: a name of OpenAI's, or the name of the file.
        sha256: of the file of weights.
        variant: the model of OpenAI's that has its sizes; "" for none.
    """

    module: CLIP
    name: str
    sha256: str
    variant: str = ""


def load_module(model: str | Path, device: str | torch.device = "cpu", sha256: str | None = None) -> Loaded:
    """Load a CLIP; see `OpenAIEncoder.load`.

    Raises:
        UserError: an unknown name, a file that is missing, damaged, not a CLIP, or not the one expected; sizes that are
            not those of the model it is named after.
    """
    path, asked = _locate(str(model))
    if problem := not_a_file(path):
        raise UserError(f"{path}: {problem}; expected a CLIP model")
    digest = sha256_file(path)
    expected = {"sha256": sha256, f"OpenAI's {path.name}": SHA256.get(asked or named_as(path.name))}
    for whose, wanted in expected.items():
        if wanted and digest != wanted:
            raise UserError(
                f"{path}: sha256 {digest[:16]}, expected {wanted[:16]} ({whose}): a damaged file, or a different one "
                "(rename it, then)"
            )
    verify(path)
    state = read_state(path)
    known = asked or next((name for name, value in SHA256.items() if value == digest), "")
    if known:
        check_sizes(state, known, str(path))
    built = build(state, str(path)).to(device)
    variant = known or recognise(sizes_of({key: tuple(value.shape) for key, value in state.items()}))
    return Loaded(built, asked or path.name, digest, variant)


def read_state(path: str | Path) -> State:
    """The state dict in a file, in float32.

    Raises:
        UserError: the file is missing, damaged, or holds no state dict of finite numbers.
    """
    path = existing(path, "CLIP model")
    content = read_tensors(path)[0] if path.suffix == ".safetensors" else read_pt(path)
    state = clip_tensors(content, str(path))
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    for key, value in state.items():
        if not value.isfinite().all():
            raise UserError(f"{path}: tensor {key!r} contains NaN or infinity; expected finite numbers")
    return _full_table(state, path)


def build(state: State, origin: str = "CLIP") -> CLIP:
    """OpenAI's module with the sizes that its `build_model` reads off the shapes, frozen, in float32.

    Raises:
        UserError: a tensor is missing or of the wrong shape; the message names `origin`.
    """
    from clip.model import build_model

    try:
        with _WeightsOfAFile():
            model = build_model(dict(state))
        known = model.state_dict()
        for key, value in state.items():
            if key in known and known[key].is_floating_point() and not value.is_floating_point():
                raise UserError(f"{origin}: tensor {key!r} is {value.dtype}; expected floating point")
    except KeyError as error:
        raise UserError(f"{origin}: no tensor {error}; expected the state dict of OpenAI's CLIP") from error
    except (RuntimeError, ArithmeticError, AssertionError, IndexError, TypeError, ValueError) as error:
        raise UserError(f"{origin}: tensors do not make a CLIP: {str(error)[:300] or 'unexpected shapes'}") from error
    check_activation(model, origin)
    return model.requires_grad_(False).eval()


class _WeightsOfAFile(TorchFunctionMode):
    """Within, a module is made as fast as its memory: `UNNEEDED` leaves tensors as they are."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in UNNEEDED:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


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
