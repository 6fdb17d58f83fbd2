"""A pipeline with the architecture of Stable Diffusion 1.5 and random weights, in the files of the published one.

The sizes are those of the configs that diffusers' documentation and the model's repository give; the counts of
parameters that follow from them are checked by a test (U-Net 859,520,964; decoder and encoder 83,653,863; text encoder
123,060,480).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
    "scaling_factor": 0.18215,
}
TEXT: dict[str, Any] = {
    "vocab_size": 49_408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
    "bos_token_id": 49_406,
    "eos_token_id": 49_407,
}
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
CONTRAST = 30.0
"""Factor on the decoder's last layer: untrained, it generates a near-uniform grey, like a flat image."""


def unet() -> UNet2DConditionModel:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**UNET)


def vae() -> AutoencoderKL:
    from diffusers import AutoencoderKL

    return AutoencoderKL(**VAE)


def text_encoder() -> CLIPTextModel:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig(**TEXT))


def scheduler() -> PNDMScheduler:
    from diffusers import PNDMScheduler

    return PNDMScheduler(**SCHEDULER)


def tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's tokenizer from the merges of OpenAI's package; its two files are written to `folder`."""
    from transformers import CLIPTokenizer

    from t2ipal.backbones.openai.tokens import byte_pairs

    pairs = byte_pairs()
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in pairs.merges)]
    (folder / "vocab.json").write_text(json.dumps(pairs.ids), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CLIPTokenizer.from_pretrained(str(folder), model_max_length=77, pad_token="<|endoftext|>")


def write_pipeline(path: str | Path, seed: int = 0) -> Path:
    """Write the pipeline to a folder: float32 safetensors, 4.3 GB, without a safety checker."""
    import torch
    import transformers
    from diffusers import StableDiffusionPipeline

    transformers.utils.logging.disable_progress_bar()
    path = Path(path)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        decoder = vae()
        decoder.decoder.conv_out.weight.mul_(CONTRAST)
        pipe = StableDiffusionPipeline(
            vae=decoder,
            text_encoder=text_encoder(),
            tokenizer=tokenizer(path / "tokenizer"),
            unet=unet(),
            scheduler=scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipe.save_pretrained(path, safe_serialization=True)
    return path
