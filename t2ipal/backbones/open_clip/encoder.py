"""CLIP of the package open_clip as a backbone. Torch and open_clip are imported where they are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from t2ipal.backbones.base import Description
from t2ipal.backbones.module import BytePairEncoder
from t2ipal.backbones.open_clip import architectures
from t2ipal.errors import UserError
from t2ipal.findings import Finding
from t2ipal.store import sha256_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor

OPENAI = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
"""Pixel statistics of weights that say nothing else, such as one's own file."""


class OpenClipEncoder(BytePairEncoder):
    """open_clip's CLIP with a ViT or ResNet and a causal text encoder.

    Attributes:
        model: the module.
    """

    kind = "open_clip"

    def __init__(self, model: Any, name: str, sha256: str, about: dict[str, Any]) -> None:
        """
        Args:
            model: frozen, in float32 and evaluation mode.
            name: architecture and weights, as the config has them.
            sha256: of the weights' file.
            about: what open_clip records of the weights: mean, std, interpolation, resize_mode.
        """
        self.model, self.name, self.sha256 = model, name, sha256
        self.width, self.dim = model.text_projection.shape
        self.context = model.context_length
        size, patch = model.visual.image_size, getattr(model.visual, "patch_size", architectures.CELL)
        self.image_size, self.patch = (value if isinstance(value, int) else value[0] for value in (size, patch))
        self.mean, self.std = (tuple(about.get(key) or OPENAI[key]) for key in ("mean", "std"))
        self.interpolation = about.get("interpolation") or "bicubic"
        self.resize = "squash" if about.get("resize_mode") == "squash" else "shortest_crop"

    @property
    def layers(self) -> Any:
        from t2ipal.backbones.open_clip import dense

        return dense

    @classmethod
    def location(cls, model: str) -> Path | None:
        """The file of weights; None for a tag of open_clip's, which it looks up and downloads."""
        return architectures.weights_file(architectures.split(model)[1])

    @classmethod
    def named_at(cls, path: str | Path, model: str = "") -> str:
        """A file does not tell its architecture."""
        return f"{architectures.split(model)[0]}/{path}" if model else str(path)

    @classmethod
    def check(cls, key: str, model: str) -> Finding:
        """As for every kind; the architecture is one that open_clip has and this project can read."""
        try:
            architectures.read(architectures.split(model)[0])
        except UserError as error:
            return Finding(key, f"{model}: {error}", missing=True)
        return super().check(key, model)

    @classmethod
    def describe(cls, model: str) -> Description:
        return architectures.describe(architectures.read(architectures.split(model)[0]))

    @classmethod
    def patch_of(cls, model: str) -> int:
        try:
            return cls.describe(model).patch
        except UserError:  # told by `check`, and when it is loaded
            return 0

    @classmethod
    def load(cls, model: str, device: str | torch.device = "cpu", sha256: str | None = None) -> Self:
        """Load an architecture with the weights of a tag or of a file; errors as `ImageTextEncoder.load`.

        A file is read as plain tensors: no pickle is run.
        """
        from t2ipal.backbones.openai.loading import read_state
        from t2ipal.images.manifest import verify

        architecture, weights = architectures.split(model)
        architectures.check(architecture, config := _config(architecture))
        path, about = architectures.weights_file(weights), {}
        if path is None:
            path, about = _tagged(architecture, weights, bool(config.get("quick_gelu")))
        state = read_state(path)
        digest = sha256_file(path)
        if sha256 and digest != sha256:
            raise UserError(f"{path}: sha256 {digest[:16]}, expected {sha256[:16]}: damaged, or another model")
        verify(path)
        built = _build(architecture, state, str(path))
        return cls(built.requires_grad_(False).eval().to(device), model, digest, about)

    @property
    def can_share_prefix(self) -> bool:
        return self.layers.can_be_packed(self.model)

    def image_dense(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        from torch.nn.functional import normalize

        return tuple(
            normalize(part, dim=-1) for part in self.layers.image_dense(self.model, images.to(self.device).float())
        )


def _library() -> Any:
    try:
        import open_clip
    except ImportError:
        raise UserError(architectures.EXTRA) from None
    return open_clip


def _config(architecture: str) -> dict[str, Any]:
    """The config of an architecture that open_clip knows now, its user's own ones too."""
    config = _library().get_model_config(architecture)
    return architectures.read(architecture) if config is None else config


def _tagged(architecture: str, tag: str, is_quick: bool) -> tuple[Path, dict[str, Any]]:
    """The file of a tag's weights, downloaded if it is not cached, and what open_clip records of them.

    Raises:
        UserError: no such tag, the wrong activation for it, or it is not to be had.
    """
    pretrained = _library().pretrained
    about = pretrained.get_pretrained_cfg(architecture, tag)
    if not about:
        tags = pretrained.list_pretrained_tags_by_model(architecture)
        raise UserError(f"{architecture}: no weights {tag!r} (expected one of {', '.join(tags)}, or a file)")
    if bool(about.get("quick_gelu")) != is_quick:
        name = architecture.removesuffix("-quickgelu") if is_quick else f"{architecture}-quickgelu"
        raise UserError(f"{architecture}/{tag}: weights of another activation (expected {name}/{tag})")
    try:
        return Path(pretrained.download_pretrained(about)), about
    except Exception as error:  # of the hub, of urllib and of open_clip
        raise UserError(
            f"{architecture}/{tag}: neither cached nor to be had ({str(error).splitlines()[0][:160]}): download the "
            "weights where there is a network, and give their file in the place of the tag"
        ) from error


def _build(architecture: str, state: dict[str, Tensor], origin: str) -> Any:
    model = _library().create_model(architecture, pretrained=None, precision="fp32")
    wanted = model.state_dict()
    try:
        for name, value in wanted.items():
            if state[name].shape != value.shape:
                shapes = [list(tensor.shape) for tensor in (state[name], value)]
                raise UserError(
                    f"{origin}: tensor {name!r} of shape {shapes[0]}, expected {shapes[1]} of {architecture}"
                )
    except KeyError as error:
        raise UserError(f"{origin}: no tensor {error}; expected the state dict of {architecture}") from None
    model.load_state_dict({name: state[name] for name in wanted})
    return model
