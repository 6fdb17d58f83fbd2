"""The micro text-to-image model: a small Stable Diffusion pipeline.

Its text encoder is CLIP's kind of transformer, trained along from nothing: the micro CLIP has read alt-texts only, and
this model is to draw what sentences say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2ipal.micro.grammar import ALT_TEXTS
from t2ipal.micro.zoo.autoencoder import CHANNELS, Components, to_unit
from t2ipal.micro.zoo.loop import Recipe, Stage
from t2ipal.micro.zoo.tokens import Vocabulary, small_vocabulary, write_tokenizer
from t2ipal.micro.zoo.world import World

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel

LENGTH = 32  # token positions of a prompt
TEXT_WIDTH, TEXT_LAYERS = 128, 3
LATENT_SIDE = 8
SENTENCES = 0.5  # share of sentences in training; the others are alt-texts
DROP_TEXT = 0.1  # share of empty prompts in training, for classifier-free guidance


def micro_unet() -> UNet2DConditionModel:
    """Two resolutions, 8 x 8 and 4 x 4 latents; the text is attended to at the lower one."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(128, 144),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,  # diffusers reads this as the number of heads
        norm_num_groups=16,
    )


def scheduler() -> DDIMScheduler:
    """Cosine schedule, velocity prediction, first step at pure noise."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )


def micro_text_encoder() -> CLIPTextModel:
    """The text encoder that Stable Diffusion expects, for the small vocabulary and prompts of 32 tokens."""
    from transformers import CLIPTextConfig, CLIPTextModel

    size = len(small_vocabulary(Vocabulary.of_grammar())[2])
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=size,
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=TEXT_LAYERS,
            num_attention_heads=TEXT_WIDTH // 64,
            max_position_embeddings=LENGTH,
            hidden_act="quick_gelu",
            bos_token_id=size - 2,
            eos_token_id=size - 1,
            pad_token_id=size - 1,
        )
    )


class Denoiser(nn.Module):
    """What is trained: the U-Net and the text encoder that it attends to."""

    def __init__(self, unet: UNet2DConditionModel, text: CLIPTextModel) -> None:
        super().__init__()
        self.unet, self.text = unet, text

    def forward(self, noisy: Tensor, step: Tensor, ids: Tensor) -> Tensor:
        """Velocity [B, 24, 8, 8] at noisy latents, time steps [B] and the tokenizer's ids [B, 32]."""
        return self.unet(noisy, step, self.text(ids).last_hidden_state).sample


@dataclass(frozen=True)
class TextToImageStage(Stage):
    """Velocity prediction in the latent space (Salimans & Ho 2022)."""

    work: Path
    size: int
    recipe: Recipe
    name: str = "text-to-image"
    channels_last = False

    def build(self) -> nn.Module:
        return Denoiser(micro_unet(), micro_text_encoder())

    def loss(self, model: nn.Module, rng: np.random.Generator, batch: int, device: torch.device) -> dict[str, Tensor]:
        world, components = World(self.work, "pretrain", self.size), _components(self.work, self.size, device)
        rows = np.sort(rng.choice(world.size, batch, replace=False))
        z = components.encode(to_unit(world.images[rows], device))
        told = np.where(rng.random(batch) < SENTENCES, ALT_TEXTS, rng.integers(ALT_TEXTS, size=batch))
        tokens = world.tokens[rows, told].astype(np.int64)
        tokens[rng.random(batch) < DROP_TEXT] = _empty()
        ids = torch.from_numpy(prompt_ids(tokens)).to(device)
        noise, schedule = torch.randn_like(z), _scheduler()
        step = torch.from_numpy(rng.integers(0, 1000, batch)).to(device)
        noisy, target = schedule.add_noise(z, noise, step), schedule.get_velocity(z, noise, step)
        with torch.autocast(device.type, torch.bfloat16):
            predicted = model(noisy, step, ids)
        return {"loss": F.mse_loss(predicted.float(), target)}


@cache
def _components(work: Path, size: int, device: torch.device) -> Components:
    return Components.of(work, size).to(device)


@cache
def _scheduler() -> DDIMScheduler:
    return scheduler()


@cache
def _empty() -> np.ndarray:
    return Vocabulary.of_grammar().compact([""], LENGTH + 8)[0]


@cache
def _places() -> np.ndarray:
    """The tokenizer's id of each compact id."""
    new = {old: place for place, old in enumerate(small_vocabulary(Vocabulary.of_grammar())[2].tolist())}
    return np.array([new.get(old, len(new) - 1) for old in Vocabulary.of_grammar().ids])


def prompt_ids(tokens: np.ndarray) -> np.ndarray:
    """Compact ids [B, >= 32], 0-padded -> the ids [B, 32] that the pipeline's tokenizer gives, padded with the end."""
    last = len(Vocabulary.of_grammar().ids) - 1
    tokens = tokens[:, :LENGTH]
    ids = _places()[tokens]
    ended = np.cumsum(tokens == last, 1) > 0
    ids[ended] = _places()[last]
    ids[:, -1] = _places()[last]
    return ids


def write_pipeline(folder: Path, work: Path, denoiser: Denoiser, autoencoder: nn.Module) -> None:
    """Write the pipeline directory, weights in half precision."""
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPTokenizer

    write_tokenizer(work / "tokenizer", Vocabulary.of_grammar(), LENGTH)
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=denoiser.text,
        tokenizer=CLIPTokenizer.from_pretrained(work / "tokenizer"),
        unet=denoiser.unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(dtype=torch.float16).save_pretrained(folder, safe_serialization=True)
