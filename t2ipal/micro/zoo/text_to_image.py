"""The micro text-to-image model: a small Stable Diffusion pipeline conditioned on the micro CLIP's text encoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2ipal import store
from t2ipal.micro.zoo.autoencoder import CHANNELS, Components, to_unit
from t2ipal.micro.zoo.clip import ARCHITECTURES
from t2ipal.micro.zoo.loop import Recipe, Stage
from t2ipal.micro.zoo.tokens import END, Vocabulary, write_tokenizer
from t2ipal.micro.zoo.world import World

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel

LENGTH = 32  # token positions of a prompt
TEXT_WIDTH, TEXT_LAYERS = ARCHITECTURES["clip"].text_width, ARCHITECTURES["clip"].text_layers
LATENT_SIDE = 8
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
        block_out_channels=(96, 160),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=5,  # diffusers reads this as the number of heads
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


def text_encoder(clip_state: dict[str, Tensor], ids: np.ndarray) -> CLIPTextModel:
    """The text tower of a micro CLIP as the `CLIPTextModel` that Stable Diffusion expects: the same hidden states.

    Args:
        clip_state: what `clip.export` gives.
        ids: CLIP's id of each id of the pipeline's tokenizer.
    """
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=len(ids),
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=TEXT_LAYERS,
        num_attention_heads=TEXT_WIDTH // 64,
        max_position_embeddings=LENGTH,
        hidden_act="quick_gelu",
        bos_token_id=len(ids) - 2,
        eos_token_id=len(ids) - 1,
        pad_token_id=len(ids) - 1,
    )
    model = CLIPTextModel(config).eval().requires_grad_(False)
    state = {key: value.float() for key, value in clip_state.items()}
    table = torch.zeros(END + 1, TEXT_WIDTH)
    table[clip_state["token_embedding.ids"].long()] = state["token_embedding.rows"]
    new = {
        "embeddings.token_embedding.weight": table[torch.from_numpy(ids)],
        "embeddings.position_embedding.weight": state["positional_embedding"][:LENGTH],
        "final_layer_norm.weight": state["ln_final.weight"],
        "final_layer_norm.bias": state["ln_final.bias"],
    }
    names = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj"}
    names |= {"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    for layer in range(TEXT_LAYERS):
        old, to = f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            for source, target in names.items():
                new[f"{to}{target}.{kind}"] = state[f"{old}{source}.{kind}"]
            fused = state[f"{old}attn.in_proj_{kind}"].chunk(3)
            for letter, part in zip("qkv", fused, strict=True):
                new[f"{to}self_attn.{letter}_proj.{kind}"] = part
    prefix = "text_model." if any(key.startswith("text_model.") for key in model.state_dict()) else ""
    result = model.load_state_dict({prefix + key: value for key, value in new.items()}, strict=False)
    unexpected = [key for key in result.missing_keys if "position_ids" not in key] + list(result.unexpected_keys)
    if unexpected:
        raise RuntimeError(f"the text encoder's weights do not fit: {unexpected[:3]}")
    return model


@dataclass(frozen=True)
class TextToImageStage(Stage):
    """Velocity prediction in the latent space (Salimans & Ho 2022), text encoder frozen."""

    work: Path
    size: int
    clip: Path
    recipe: Recipe
    name: str = "text-to-image"
    channels_last = False

    def build(self) -> nn.Module:
        return micro_unet()

    def loss(self, model: nn.Module, rng: np.random.Generator, batch: int, device: torch.device) -> dict[str, Tensor]:
        world, components = World(self.work, "pretrain", self.size), _components(self.work, self.size, device)
        rows = np.sort(rng.choice(world.size, batch, replace=False))
        z = components.encode(to_unit(world.images[rows], device))
        tokens = world.tokens[rows, rng.integers(world.tokens.shape[1], size=batch)].astype(np.int64)
        tokens[rng.random(batch) < DROP_TEXT] = _empty()
        text = encode_compact(self.clip, self.work, tokens, device)
        noise, schedule = torch.randn_like(z), _scheduler()
        step = torch.from_numpy(rng.integers(0, 1000, batch)).to(device)
        noisy, target = schedule.add_noise(z, noise, step), schedule.get_velocity(z, noise, step)
        with torch.autocast(device.type, torch.bfloat16):
            predicted = model(noisy, step, text).sample
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
def _conditioning(clip: Path, work: Path, device: torch.device) -> tuple[CLIPTextModel, np.ndarray]:
    """The frozen text encoder, and the tokenizer's id of each compact id."""
    ids = write_tokenizer(work / "tokenizer", Vocabulary.of_grammar(), LENGTH)
    place = {old: new for new, old in enumerate(ids)}
    table = np.array([place.get(old, len(ids) - 1) for old in Vocabulary.of_grammar().ids])
    return text_encoder(store.read_tensors(clip)[0], ids).to(device), table


def encode_compact(clip: Path, work: Path, tokens: np.ndarray, device: torch.device) -> Tensor:
    """Compact ids [B, >= 32], 0-padded -> hidden states [B, 32, width], as the pipeline computes them."""
    encoder, table = _conditioning(clip, work, device)
    last = len(Vocabulary.of_grammar().ids) - 1
    ids = table[tokens[:, :LENGTH]]
    after = np.cumsum(tokens[:, :LENGTH] == last, 1) - (tokens[:, :LENGTH] == last) > 0
    ids[after] = table[last]  # the pipeline pads with the end mark
    ids[:, -1] = np.where((tokens[:, :LENGTH] == last).any(1), ids[:, -1], table[last])
    with torch.inference_mode():
        hidden = encoder(torch.from_numpy(ids).to(device)).last_hidden_state
    return hidden.clone()


def write_pipeline(folder: Path, work: Path, clip: Path, unet: nn.Module, autoencoder: nn.Module) -> None:
    """Write the pipeline directory, weights in half precision."""
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPTokenizer

    ids = write_tokenizer(work / "tokenizer", Vocabulary.of_grammar(), LENGTH)
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=text_encoder(store.read_tensors(clip)[0], ids),
        tokenizer=CLIPTokenizer.from_pretrained(work / "tokenizer"),
        unet=unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(dtype=torch.float16).save_pretrained(folder, safe_serialization=True)
