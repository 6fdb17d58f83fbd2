"""From pictures to CLIP's input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Pixel statistics of CLIP's training images (Radford et al. 2021, in OpenAI's code)."""

Crop = Literal["center", "squash"]


def preprocess(image_size: int, crop: Crop = "center") -> Callable[[Image], Tensor]:
    """The function from an RGB image to float32 [3, image_size, image_size].

    Args:
        image_size: side in pixels.
        crop: "center": shorter side resized, centre cut out, as OpenAI does and TaI-DPT's zero-shot configs;
            "squash": both sides resized, nothing cut, as the partial-label systems do.
    """
    from torchvision.transforms import v2

    bicubic = v2.InterpolationMode.BICUBIC
    if crop == "center":
        shape = [v2.Resize(image_size, bicubic, antialias=True), v2.CenterCrop(image_size)]
    elif crop == "squash":
        shape = [v2.Resize((image_size, image_size), bicubic, antialias=True)]
    else:
        raise ValueError(f"crop is {crop!r}; expected 'center' or 'squash'")
    import torch

    return v2.Compose([*shape, v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
