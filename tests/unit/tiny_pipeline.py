"""A random text-to-image pipeline directory, small enough for tests: real diffusers parts, untrained weights."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from pathlib import Path

from t2ipal.store import sha256_file, write_json

UNET, VAE = (32, 32), (8, 8, 8, 8)  # widths
LATENT_CHANNELS, LATENT_SIZE = 4, 4
TEXT_WIDTH, TOKENS = 32, 16


def build(
    path: Path,
    seed: int = 0,
    manifest: bool = False,
    unet_widths: Sequence[int] = UNET,
    vae_widths: Sequence[int] = VAE,
) -> Path:
    """Write a `StableDiffusionPipeline` of random weights to `path`, with a manifest beside it if asked.

    The widths are those of the levels; the last level of the UNet attends to the text.
    """
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        words = _write_vocabulary(path.parent / f"{path.name}-vocabulary")
        tokenizer = CLIPTokenizer.from_pretrained(words, model_max_length=TOKENS)
        text = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=1,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        unet = UNet2DConditionModel(
            sample_size=LATENT_SIZE,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            block_out_channels=unet_widths,
            layers_per_block=1,
            down_block_types=(*["DownBlock2D"] * (len(unet_widths) - 1), "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", *["UpBlock2D"] * (len(unet_widths) - 1)),
            cross_attention_dim=TEXT_WIDTH,
            attention_head_dim=1,
            norm_num_groups=16,
        )
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(vae_widths),
            up_block_types=("UpDecoderBlock2D",) * len(vae_widths),
            block_out_channels=vae_widths,
            layers_per_block=1,
            latent_channels=LATENT_CHANNELS,
            norm_num_groups=4,
            sample_size=LATENT_SIZE * 2 ** (len(vae_widths) - 1),
            scaling_factor=1.0,
        )
        with torch.no_grad():
            # An untrained decoder paints near-uniform grey; a larger last layer makes images that differ visibly.
            vae.decoder.conv_out.weight.mul_(4)
        pipe = StableDiffusionPipeline(
            vae=vae,
            text_encoder=CLIPTextModel(text),
            tokenizer=tokenizer,
            unet=unet,
            scheduler=DDIMScheduler(
                beta_schedule="squaredcos_cap_v2",
                prediction_type="v_prediction",
                clip_sample=False,
                timestep_spacing="trailing",
                rescale_betas_zero_snr=True,
                steps_offset=1,
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    # Half precision on disk, as the embedded default: loading has to ask for the dtype it computes in.
    pipe.to(dtype=torch.float16).save_pretrained(path, safe_serialization=True)
    if manifest:
        files = {
            str(file.relative_to(path.parent)): {"sha256": sha256_file(file), "bytes": file.stat().st_size}
            for file in sorted(path.rglob("*"))
            if file.is_file()
        }
        write_json(path.parent / "manifest.json", {"files": files})
    return path


def _write_vocabulary(path: Path) -> Path:
    """A CLIP vocabulary without merges: each letter is a token, alone or at the end of a word."""
    path.mkdir(parents=True, exist_ok=True)
    letters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (path / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (path / "merges.txt").write_text("#version: 0.2\n")
    return path
