"""The interface of a backbone: a frozen encoder of images and texts into one space.

Everything outside this package works through `ImageTextEncoder` and sees no layer of a model. Sizes: B rows, L text
positions, W text width, D joint dimension, C classes, M context vectors, HW cells of the local image map.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from t2ipal.errors import UserError
from t2ipal.findings import Finding
from t2ipal.images.manifest import check_path
from t2ipal.listings import files_of
from t2ipal.names import spoken

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor

    from t2ipal.backbones.tower import TextTower

Resize = Literal["shortest_crop", "squash"]
CROPS: dict[str, Resize] = {"center": "shortest_crop", "squash": "squash"}
"""How the config names the ways of resizing."""


@dataclass(frozen=True)
class Description:
    """The sizes that decide what a backbone costs, known without loading it.

    Attributes:
        dim: joint dimension D.
        image_size: pixels that the model was trained at.
        patch: pixels of a cell's side.
        gflops: operations in billions of one image at `image_size`.
    """

    dim: int
    image_size: int
    patch: int
    gflops: float

    def gflops_at(self, image_size: int) -> float:
        """Operations in billions of one image of `image_size` pixels."""
        return self.gflops * (image_size / self.image_size) ** 2

    def cells_at(self, image_size: int) -> int:
        """Cells of the local map of a square image."""
        return (image_size // self.patch) ** 2


@dataclass(frozen=True)
class Prompts:
    """Prompts with a slot for context vectors: prefix, slot, suffix.

    Attributes:
        prefix: [P] ids in front of the slot, the same for all; may be empty.
        slot: positions of the M context vectors, P to P + M.
        suffix: [C, L - P - M] ids behind the slot: name, full stop, end mark, padding; L is the encoder's context.
        lengths: [C] positions from the start to the end mark.
    """

    prefix: Tensor
    slot: slice
    suffix: Tensor
    lengths: Tensor


def check_size(size: int, patch: int, model: str) -> None:
    """Images of `size` pixels are whole patches.

    Raises:
        UserError: they are not.
    """
    if size % patch or size < patch:
        near = sorted({max(size // patch, 1) * patch, (size // patch + 1) * patch})
        raise UserError(
            f"image_size: {size} is not a multiple of {patch}, the patch of {model} (expected such as "
            f"{' or '.join(map(str, near))})"
        )


class ImageTextEncoder(ABC):
    """A frozen encoder in float32 and in evaluation mode.

    A kind of backbone is a subclass in a file of its own, registered by one line in `t2ipal.backbones.kinds`. It is
    imported before anything is loaded (by checks, cost plans and rules): import torch inside functions.

    Attributes:
        kind: the prefix that names this kind in a config.
        name: as the config names the model, without the prefix.
        sha256: of the weights' file.
        tokenizer_sha256: of the tokenizer's file; "" where none is known.
        license: of the weights; "" where it is not known.
        device: where the model computes.
        dim, width, context: D, W, and the longest text in positions.
        causal: whether a text position sees only those before it.
        pool: position of a text's feature: its end mark, or the last one of the context, usually padding.
        start_ids: ids in front of every text; may be empty.
        end_id, pad_id: ids of the end mark and of padding.
        logit_scale: factor on a cosine, exponentiated.
        logit_bias: added to the scaled cosine.
        link: how the model was trained to read its logits.
        image_size: pixels that the model was trained at.
        patch: pixels of a cell's side.
        mean, std: pixel statistics that the input is normalised by.
        resize: how the model was trained to see images of other shapes.
        interpolation: filter of that resizing, a name in torchvision's `InterpolationMode`.
    """

    kind: ClassVar[str]
    positions: ClassVar[int] = 10**6
    """Text positions of the smallest model of this kind, where they are known without loading one."""

    name: str
    sha256: str
    tokenizer_sha256: str = ""
    license: str = ""
    device: torch.device

    dim: int
    width: int
    context: int
    causal: bool = True
    pool: Literal["end", "last"] = "end"
    start_ids: tuple[int, ...] = ()
    end_id: int
    pad_id: int = 0

    logit_scale: float
    logit_bias: float = 0.0
    link: Literal["softmax", "sigmoid"] = "softmax"

    image_size: int
    patch: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: Resize = "shortest_crop"
    interpolation: str = "bicubic"

    # Without loading a model

    @classmethod
    def location(cls, model: str) -> Path | None:
        """The file or folder that `model` names; None for a name that the kind looks up elsewhere."""
        return Path(model)

    @classmethod
    def named_at(cls, path: str | Path, model: str = "") -> str:
        """The name of `model` when its file or folder is at `path`."""
        return str(path)

    @classmethod
    def check(cls, key: str, model: str) -> Finding:
        """Whether `model` is present and equals its manifest, if it has one; `key` is the key that names it."""
        path = cls.location(model)
        return Finding(key, f"{model}: looked up by name when it is needed") if path is None else check_path(key, path)

    @classmethod
    def files(cls, model: str) -> tuple[Path, ...]:
        """The files whose content identifies the model, present or not: its manifest or its own; none for a name."""
        path = cls.location(model)
        if path is None:
            return ()
        manifests = (path / "manifest.json", path.parent / "manifest.json")
        manifest = next((manifest for manifest in manifests if manifest.exists()), None)
        return (manifest,) if manifest else tuple(files_of(path)) or (path,)

    @classmethod
    def patch_of(cls, model: str) -> int:
        """Pixels of the side of a patch or cell, as far as the name tells; 0 where the model must be loaded for it."""
        return 0

    @classmethod
    def count_tokens(cls, text: str) -> int:
        """Tokens of a text without marks, by the kind's tokenizer and without torch; 0 where that is not known."""
        return 0

    @classmethod
    @abstractmethod
    def describe(cls, model: str) -> Description:
        """Sizes for the cost plan, from the name or the path alone; a guess for a model that is not known."""

    @classmethod
    @abstractmethod
    def load(cls, model: str, device: str | torch.device = "cpu", sha256: str | None = None) -> Self:
        """Load a model.

        Args:
            model: as in the config, without the prefix.
            device: where it computes.
            sha256: expected of the weights' file.

        Raises:
            UserError: an unknown name, or a file that is missing, damaged, of another kind or not the expected one.
        """

    # Texts

    @property
    def can_share_prefix(self) -> bool:
        """Whether texts with equal beginnings have equal states there, so that they can be computed once."""
        return self.causal

    @abstractmethod
    def tokenize(self, texts: Sequence[str], truncate: bool = True) -> tuple[Tensor, Tensor]:
        """Ids int64 [B, context], padded by `pad_id`, and lengths int64 [B] from the start to the end mark.

        Args:
            texts: B texts.
            truncate: cut a longer text and keep its end mark.

        Raises:
            UserError: a text is longer than the context and `truncate` is off.
        """

    @abstractmethod
    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings [B, L, W] of ids [B, L], without positions, on the model's device."""

    @abstractmethod
    def text_states(self, embeddings: Tensor) -> Tensor:
        """States [B, L, D] of embeddings [B, L, W]: positions, attention mask, layers, final norm and projection."""

    def text_from_embeddings(self, embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features [B, D] and the states of all positions [B, L, D]: differentiable, not normalised.

        States behind a text's length have no meaning.

        Args:
            embeddings: [B, L, W] as `embed` returns them. A causal encoder takes L up to its context, as nothing behind
                a text's end changes it; a bidirectional one takes its context, no less.
            lengths: [B] positions from the start to the end mark, at most L.

        Raises:
            ValueError: L does not fit, or a length is greater than L.
        """
        import torch

        size = embeddings.shape[1]
        if size > self.context or (size < self.context and not self.causal):
            expected = f"at most {self.context}" if self.causal else f"{self.context}: this encoder is bidirectional"
            raise ValueError(f"texts of {size} positions; expected {expected}")
        if len(lengths) and int(lengths.max()) > size:
            raise ValueError(f"a text of length {int(lengths.max())} in {size} positions")
        states = self.text_states(embeddings)
        last = lengths.to(states.device) - 1 if self.pool == "end" else torch.full_like(lengths, size - 1)
        return states[torch.arange(len(states), device=states.device), last.to(states.device)], states

    def text_dense(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features [B, D] and those of all positions [B, L, D], L2-normalised.

        Args:
            ids: [B, L] as `tokenize` or `cut` return them.
            lengths: [B].
        """
        from torch.nn.functional import normalize

        pooled, states = self.text_from_embeddings(self.embed(ids), lengths)
        return normalize(pooled, dim=-1), normalize(states, dim=-1)

    def cut(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids [B, L] without the positions that no text of them fills; unchanged for a bidirectional encoder."""
        return ids[:, : int(lengths.max())] if self.causal and len(lengths) else ids

    def prompt(self, names: Sequence[str], n_ctx: int) -> Prompts:
        """Prompts [start, v_1 ... v_M, name, '.', end] of C class names with M = `n_ctx` context vectors.

        Raises:
            UserError: a name is too long.
        """
        import torch

        texts = [spoken(name) + "." for name in names]
        try:
            ids, lengths = self.tokenize(texts, truncate=False)
        except UserError as error:
            raise UserError(f"a class name is too long: {error}") from error
        start, lengths = len(self.start_ids), lengths + n_ctx
        longest = int(lengths.argmax())
        if int(lengths[longest]) > self.context:
            raise UserError(
                f"class name {names[longest]!r} is too long with {n_ctx} context vectors: {int(lengths[longest])} "
                f"tokens; expected at most {self.context}"
            )
        suffix = ids[:, start : self.context - n_ctx]
        return Prompts(torch.tensor(self.start_ids, dtype=torch.int64), slice(start, start + n_ctx), suffix, lengths)

    def text_tower(self) -> TextTower:
        """The text encoder's frozen layers for packed sequences; needed only where `can_share_prefix`."""
        raise NotImplementedError(f"backbones of kind {self.kind} have no text tower")

    # Images

    @abstractmethod
    def image_dense(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Global features with and without positional embedding and local ones: [B, D], [B, D], [B, HW, D].

        All are L2-normalised. A model without such a distinction returns its global feature twice.

        Args:
            images: [B, 3, H, W], preprocessed, of any square size that the grid divides.
        """

    def image_global(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The global features of `image_dense` alone; a model that needs less work for them overrides this."""
        return self.image_dense(images)[:2]

    def grid(self, size: int) -> tuple[int, int]:
        """Rows and columns of the local map of a square image of `size` pixels.

        Raises:
            UserError: as `check_size`.
        """
        check_size(size, self.patch, self.name)
        return size // self.patch, size // self.patch

    def preprocess(self, size: int, crop: str | None = None) -> Callable[[Image], Tensor]:
        """The function from an RGB image to float32 [3, size, size].

        Args:
            size: side in pixels.
            crop: "center": shorter side resized, centre cut out, as OpenAI does and TaI-DPT's zero-shot configs;
                "squash": both sides resized, nothing cut, as the partial-label systems do; None: as in `resize`.

        Raises:
            ValueError: an unknown crop.
        """
        import numpy as np
        import torch
        from torchvision.transforms.v2 import InterpolationMode
        from torchvision.transforms.v2 import functional as vision

        shape = [size, size] if self.resized(crop) == "squash" else [size]
        mode = InterpolationMode(self.interpolation)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))

        def to_input(image: Image) -> Tensor:
            # the functions of torchvision's transforms, whose classes cost twice the resizing of a small image
            image = vision.center_crop(vision.resize(image, shape, mode), [size, size])
            pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
            # channels first in memory too: a mean for each of three neighbours would take four times as long
            pixels = pixels.to(torch.float32, memory_format=torch.contiguous_format)
            return pixels.mul_(1 / 255).sub_(mean).div_(std)

        return to_input

    def resized(self, crop: str | None = None) -> Resize:
        """The way of resizing that the config's `crop` names; None: the model's own."""
        if crop is None:
            return self.resize
        if crop not in CROPS:
            raise ValueError(f"crop is {crop!r}; expected one of {', '.join(CROPS)}")
        return CROPS[crop]
