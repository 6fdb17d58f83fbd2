"""The settings of a drawing, as plain values: what a config's `text_to_image` entry says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Encoding = Literal["png", "webp", "jpeg"]
COMPILE = ("off", "on", "auto")
"""Values of `compile`; a job is told their place, for Snakemake's resources are numbers on their way to a cluster."""

NOT_DECIDING = ("batch", "compile")
"""Settings that change no image beyond rounding: no rerun follows from them."""


@dataclass(frozen=True)
class DrawSettings:
    """How captions are drawn. Two drawings with equal settings, captions and seeds give the same images.

    Attributes:
        model: folder of a diffusers pipeline, or its name on the Hugging Face hub.
        revision: commit or branch of a hub model; None is its default branch.
        variant: file variant of a hub model ("fp16"); None is the plain files.
        steps: solver steps. The paper does not state them; Stable Diffusion's own default is 50.
        guidance: scale of classifier-free guidance; 1 and below turn it off and halve the cost.
        solver: "default" (the pipeline's own), a name of `pipeline.SOLVERS`, or a diffusers scheduler class.
        negative: negative prompt, used when guidance is on.
        width, height: pixels; None is the model's native size.
        dtype: "auto", "bfloat16", "float16" or "float32" of the denoiser and the decoder.
        batch: images drawn together; the last batch is padded to it.
        safety: "off" loads no safety checker; "on" uses the one the pipeline brings and flags what it finds.
        redraws: further seeds tried for an image that is NaN, of one colour, or flagged as unsafe.
        encoding: file format of the stored images.
        quality: quality of "webp" and "jpeg", 1-100.
        store_size: pixels of the shorter side of stored images; larger ones are made smaller. None: as drawn.
        compile: "on" compiles the denoiser and the decoder; "auto" does on a GPU. Rounding apart, no image changes.
    """

    model: str
    revision: str | None = None
    variant: str | None = None
    steps: int = 50
    guidance: float = 7.5
    solver: str = "default"
    negative: str = ""
    width: int | None = None
    height: int | None = None
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    batch: int = 64
    safety: Literal["off", "on"] = "off"
    redraws: int = 2
    encoding: Encoding = "png"
    quality: int = 92
    store_size: int | None = None
    compile: Literal["auto", "on", "off"] = "auto"

    def deciding(self) -> dict[str, Any]:
        """All that decides an image."""
        return {key: value for key, value in asdict(self).items() if key not in NOT_DECIDING}
