"""CLIP and SigLIP of Hugging Face's transformers as a backbone. Torch is imported where it is used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from t2ipal.backbones.base import Description
from t2ipal.backbones.module import ModuleEncoder
from t2ipal.backbones.transformers import folder as folders
from t2ipal.errors import UserError
from t2ipal.findings import Finding

if TYPE_CHECKING:
    import torch
    from torch import Tensor

INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}
"""By Pillow's number."""


class TransformersEncoder(ModuleEncoder):
    """A CLIPModel or SiglipModel with its tokenizer and its image processor.

    Attributes:
        model: the module.
        family: "clip" or "siglip".
    """

    kind = "transformers"

    def __init__(self, model: Any, tokenizer: Any, processor: Any, name: str, sha256: str) -> None:
        """
        Args:
            model: frozen, in float32 and evaluation mode.
            tokenizer, processor: those saved with it.
            name: the name on the hub, or the folder's.
            sha256: of the weights.

        Raises:
            UserError: images are prepared in a way that is not known here, or the tokenizer puts no end mark behind a
                text, or other marks around it than the model has.
        """
        text = model.config.text_config
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.sha256, self.family = sha256, model.config.model_type
        self.causal = self.family == "clip"
        self.pool = "end" if self.causal else "last"
        self.link = "softmax" if self.causal else "sigmoid"
        self.width, self.context = text.hidden_size, text.max_position_embeddings
        self.dim = model.config.projection_dim if self.causal else model.text_model.head.out_features
        self.start_ids = (tokenizer.bos_token_id,) if self.causal else ()
        self.end_id = tokenizer.eos_token_id
        self.pad_id = self.end_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        wanted = [*self.start_ids, self.end_id]
        if (marks := tokenizer("")["input_ids"]) != wanted:
            raise UserError(f"{name}: its tokenizer makes {marks} of an empty text; expected the marks {wanted} alone")
        vision = model.config.vision_config
        self.image_size, self.patch = vision.image_size, vision.patch_size
        _check_processor(processor, name)
        self.mean, self.std = tuple(processor.image_mean), tuple(processor.image_std)
        self.resize = "shortest_crop" if getattr(processor, "do_center_crop", False) else "squash"
        self.interpolation = INTERPOLATIONS[int(processor.resample)]

    @property
    def layers(self) -> Any:
        from t2ipal.backbones.transformers import clip, siglip

        return clip if self.causal else siglip

    @cached_property
    def logit_bias(self) -> float:
        return 0.0 if self.causal else float(self.model.logit_bias.detach())

    @classmethod
    def location(cls, model: str) -> Path | None:
        return folders.find(model)

    @classmethod
    def check(cls, key: str, model: str) -> Finding:
        """As for every kind; a folder has a config of a known model, and weights as safetensors."""
        folder = cls.location(model)
        if folder is not None and folder.exists():
            try:
                folders.read_config(folder)
                folders.weights(folder)
            except UserError as error:
                return Finding(key, str(error), missing=True)
        return super().check(key, model)

    @classmethod
    def describe(cls, model: str) -> Description:
        """From the folder's config; a name on the hub counts as ViT-B/16."""
        folder = cls.location(model)
        return folders.GUESS if folder is None else folders.describe(folders.read_config(folder))

    @classmethod
    def patch_of(cls, model: str) -> int:
        folder = cls.location(model)
        return 0 if folder is None or not folder.is_dir() else cls.describe(model).patch

    @classmethod
    def load(cls, model: str, device: str | torch.device = "cpu", sha256: str | None = None) -> Self:
        """Load a folder that `save_pretrained` wrote, or a model on the hub; errors as `ImageTextEncoder.load`.

        Code that comes with a model is not run, and weights are read as safetensors alone.
        """
        import torch
        import transformers

        from t2ipal.images.manifest import verify

        transformers.utils.logging.disable_progress_bar()
        folder = cls.location(model) or folders.fetch(model)
        config, digest = folders.read_config(folder), folders.digest(folder)
        if sha256 and digest != sha256:
            raise UserError(f"{folder}: sha256 {digest[:16]}, expected {sha256[:16]}: damaged, or another model")
        verify(folder)
        kind = {"clip": transformers.CLIPModel, "siglip": transformers.SiglipModel}[config["model_type"]]
        here = {"local_files_only": True, "trust_remote_code": False}  # without the second, a terminal is asked
        try:
            built, info = kind.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **here)
            processor = transformers.AutoImageProcessor.from_pretrained(folder, **here)
        except ImportError as error:
            raise UserError(
                f"{folder}: its tokenizer needs a package that is not installed ({_line(error)}); expected the extra "
                "siglip: pip install 't2ipal[siglip]'"
            ) from error
        except Exception as error:  # transformers, tokenizers and safetensors each raise their own kinds
            raise UserError(f"{folder}: cannot be loaded: {_line(error)}") from error
        if lost := sorted(info["missing_keys"]):
            raise UserError(f"{folder}: no tensor {lost[0]!r} (expected all of a {kind.__name__})")
        built = built.requires_grad_(False).eval().to(device)
        backbone = cls(built, tokenizer, processor, str(model), digest)
        backbone.tokenizer_sha256 = folders.tokenizer_digest(folder)
        return backbone

    @property
    def can_share_prefix(self) -> bool:
        return self.causal and self.layers.can_be_packed(self.model)

    def tokenize(self, texts: Sequence[str], truncate: bool = True) -> tuple[Tensor, Tensor]:
        """As for every kind. SigLIP's end mark has the id of its padding, so lengths are those before padding."""
        import torch

        ids = torch.full((len(texts), self.context), self.pad_id, dtype=torch.int64)
        lengths = torch.zeros(len(texts), dtype=torch.int64)
        rows = self.tokenizer(list(texts), padding=False, truncation=False, verbose=False)["input_ids"] if texts else []
        for row, tokens in enumerate(rows):
            if len(tokens) > self.context:
                if not truncate:
                    raise UserError(f"text {texts[row][:60]!r}: {len(tokens)} tokens; expected at most {self.context}")
                tokens = [*tokens[: self.context - 1], self.end_id]
            ids[row, : len(tokens)] = torch.tensor(tokens)
            lengths[row] = len(tokens)
        return ids, lengths

    def embed(self, ids: Tensor) -> Tensor:
        return self.model.text_model.embeddings.token_embedding(ids.to(self.device))

    def image_dense(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `transformers.clip.image_dense` and `transformers.siglip.image_dense`; the global feature comes twice."""
        from torch.nn.functional import normalize

        pooled, local = self.layers.image_dense(self.model, images.to(self.device).float())
        pooled = normalize(pooled, dim=-1)
        return pooled, pooled, normalize(local, dim=-1)


def _check_processor(processor: Any, name: str) -> None:
    """Check how images are prepared: what is not read here would be another model's way.

    Raises:
        UserError: it is not known here.
    """
    where = f"{name}: preprocessor_config.json"
    for key in ("do_resize", "do_rescale", "do_normalize"):
        if getattr(processor, key, True) is False:
            raise UserError(f"{where}: {key} is false; expected true")
    if abs(255 * getattr(processor, "rescale_factor", 1 / 255) - 1) > 1e-3:
        raise UserError(f"{where}: rescale_factor is {processor.rescale_factor}; expected 1/255")
    if processor.resample is None or int(processor.resample) not in INTERPOLATIONS:
        raise UserError(f"{where}: resample is {processor.resample}; expected 2 (bilinear) or 3 (bicubic)")
    for key, least in (("image_mean", -math.inf), ("image_std", 0)):
        values = getattr(processor, key, None) or ()
        if len(values) != 3 or not all(math.isfinite(value) and value > least for value in values):
            expected = "3 numbers above 0" if least == 0 else "3 numbers"
            raise UserError(f"{where}: {key} is {list(values)}; expected {expected}")


def _line(error: Exception) -> str:
    """The first line of an error's text that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
