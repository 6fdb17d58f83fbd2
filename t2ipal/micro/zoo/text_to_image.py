"""The micro text-to-image model: a small Stable Diffusion pipeline.

It learns as such models do: from web images with their alt-texts replaced by sentences (Betker et al. 2023), then from
curated pictures, in three lessons: the later ones restart the learning rate and dwell on the time steps at which things
take shape. Last, guidance is distilled (Meng et al. 2023): a student learns what a teacher gives under classifier-free
guidance, so that a generation step takes one pass, not two. The text encoder starts as the micro CLIP's, which has read
alt-texts only, and is trained along.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from t2ipal import store
from t2ipal.backbones.openai.training import transformers_text_state
from t2ipal.micro.grammar import ALT_TEXTS
from t2ipal.micro.zoo.autoencoder import CHANNELS, FACTOR, Components, to_unit
from t2ipal.micro.zoo.loop import Recipe, Stage
from t2ipal.micro.zoo.tokens import Vocabulary, small_vocabulary, write_tokenizer
from t2ipal.micro.zoo.world import World

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel

WEB, CURATED = "text-to-image-web", "text-to-image-curated"
TEACHER, TEACHER_2 = "text-to-image-teacher", "text-to-image-teacher-2"
TRAINED_STEPS = 1000  # time steps of the noise schedule
LENGTH = 32  # token positions of a prompt
TEXT_WIDTH, TEXT_LAYERS = 128, 3
LATENT_SIDE = 16
COARSE_FACTOR, COARSE_CHANNELS = 8, 24
SENTENCES = 0.95  # share of sentences in training on web images, the others are alt-texts
STEPS = 8
"""Generation steps, evenly spaced, that the student learns for."""

OWN_STEPS = 3
"""How many of them it takes from pure noise to where it learns."""

COMPILE_FROM = 500  # steps; compiling takes one to two minutes
DROP_TEXT = 0.1  # share of empty prompts in training, for classifier-free guidance
# What the student learns of guidance: its scale, and how far the result is brought back to the spread that a prediction
# has without it, against glaring colours (Lin et al. 2024). Chosen by the judge on validation captions.
GUIDANCE, RESCALE = 10.0, 0.5


def micro_unet() -> UNet2DConditionModel:
    """Three resolutions, 16 x 16 to 4 x 4 latents; text is attended to at the lowest, and pooled into every block."""
    return _unet(LATENT_SIDE, CHANNELS, (64, 128, 144))


def coarse_unet() -> UNet2DConditionModel:
    """The two lower resolutions of `micro_unet`, for the latents of 8 x 8 patches."""
    return _unet(LATENT_SIDE // 2, COARSE_CHANNELS, (128, 144))


def _unet(side: int, channels: int, widths: tuple[int, ...]) -> UNet2DConditionModel:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=side,
        in_channels=channels,
        out_channels=channels,
        down_block_types=("DownBlock2D",) * (len(widths) - 1) + ("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * (len(widths) - 1),
        block_out_channels=widths,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,  # diffusers reads this as the number of heads
        norm_num_groups=16,
        time_embedding_dim=512,
        addition_embed_type="text",
        addition_embed_type_num_heads=TEXT_WIDTH // 64,
    )


def grow(model: Denoiser, coarse: Mapping[str, Tensor]) -> None:
    """Give `model` what one of the two lower resolutions has learned, wherever shapes agree (Karras et al. 2018)."""
    state = model.state_dict()
    for name, value in coarse.items():
        key = re.sub(r"^unet.down_blocks.(\d)", lambda match: f"unet.down_blocks.{int(match[1]) + 1}", name)
        if key in state and state[key].shape == value.shape:
            state[key] = value
    # half as many frequencies of the time step: each replaces two neighbours
    cosines_and_sines = coarse["unet.time_embedding.linear_1.weight"].unflatten(1, (2, -1, 2))
    state["unet.time_embedding.linear_1.weight"] = cosines_and_sines.sum(-1).flatten(1)
    model.load_state_dict(state)


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


def micro_text_encoder(clip: Mapping[str, Tensor]) -> CLIPTextModel:
    """The text tower of a micro CLIP as the module that Stable Diffusion expects, for prompts of 32 tokens.

    Args:
        clip: what `clip.export` gives.

    Returns:
        A model with the same hidden states, for the ids of the small tokenizer.
    """
    from transformers import CLIPTextConfig, CLIPTextModel

    ids = small_vocabulary(Vocabulary.of_grammar())[2]
    model = CLIPTextModel(
        CLIPTextConfig(
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
    )
    state = transformers_text_state(clip, torch.from_numpy(ids), LENGTH, TEXT_LAYERS)
    prefix = "text_model." if any(key.startswith("text_model.") for key in model.state_dict()) else ""
    model.load_state_dict({prefix + key: value for key, value in state.items()})
    return model


class Denoiser(nn.Module):
    """What is trained: the U-Net and the text encoder that it attends to."""

    def __init__(self, unet: UNet2DConditionModel, text: CLIPTextModel) -> None:
        super().__init__()
        self.unet, self.text = unet, text

    def forward(self, noisy: Tensor, step: Tensor, ids: Tensor) -> Tensor:
        """Velocity at noisy latents [B, C, H, W], time steps [B] and the tokenizer's ids [B, 32]."""
        return self.unet(noisy, step, self.text(ids).last_hidden_state).sample


@dataclass(frozen=True)
class _Lesson(Stage):
    """Velocity prediction in the latent space (Salimans & Ho 2022), of curated pictures at every time step alike."""

    work: Path
    size: int
    clip: Path
    recipe: Recipe
    channels_last = False

    def text_encoder(self) -> CLIPTextModel:
        """CLIP's, where training begins."""
        return micro_text_encoder(store.read_tensors(self.clip)[0])

    def before(self, lesson: str) -> dict[str, Tensor]:
        """The weights that a lesson left."""
        return store.read_tensors(self.work / f"{lesson}.safetensors")[0]

    def resumed(self, lesson: str) -> Denoiser:
        """The model that a lesson left."""
        model = Denoiser(micro_unet(), self.text_encoder())
        model.load_state_dict(self.before(lesson))
        return model

    def compile(self, model: Denoiser) -> None:
        """The U-Net, whose group norms are then fused with what surrounds them: 1.2 times as fast on CPUs."""
        if self.recipe.steps >= COMPILE_FROM:
            model.unet.compile()

    def world(self) -> World:
        """The pictures to learn from."""
        return World(self.work, "curated", self.size // 2)

    def components(self, device: torch.device) -> Components:
        """The latent space."""
        return _components(self.work, self.size, FACTOR, CHANNELS, device)

    def caption_numbers(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """The number of the caption for each picture: [B]."""
        return rng.integers(ALT_TEXTS, size=batch)

    def time_steps(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """At which noise each picture is shown: [B], below `TRAINED_STEPS`."""
        return rng.integers(0, TRAINED_STEPS, batch)

    def loss(self, model: nn.Module, rng: np.random.Generator, batch: int, device: torch.device) -> dict[str, Tensor]:
        world = self.world()
        rows = np.sort(rng.choice(world.size, batch, replace=False))
        z = self.components(device).encode(to_unit(world.images[rows], device))
        tokens = world.tokens[rows, self.caption_numbers(rng, batch)].astype(np.int64)
        tokens[rng.random(batch) < DROP_TEXT] = _empty()
        ids = torch.from_numpy(prompt_ids(tokens)).to(device)
        noise, schedule = torch.randn_like(z), _scheduler()
        step = torch.from_numpy(self.time_steps(rng, batch)).to(device)
        noisy, velocity = schedule.add_noise(z, noise, step), schedule.get_velocity(z, noise, step)
        # the fused attention of CPUs is slow backwards: 106 against 130 samples/s of one core
        attention = sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()
        with attention, torch.autocast(device.type, torch.bfloat16):
            noisy, step = self.places(model, noisy, step, ids)
            target = self.target(velocity, noisy, step, ids)
            predicted = model(noisy, step, ids)
        return {"loss": F.mse_loss(predicted.float(), target)}

    def places(self, model: nn.Module, noisy: Tensor, step: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, C, H, W] and time steps [B] to learn at, from noisy pictures: those."""
        return noisy, step

    def target(self, velocity: Tensor, noisy: Tensor, step: Tensor, ids: Tensor) -> Tensor:
        """What is to be predicted, [B, C, H, W]: the true velocity."""
        return velocity


@dataclass(frozen=True)
class WebStage(_Lesson):
    """The first lesson: web images, at half the resolution, from a U-Net of nothing and CLIP's text encoder."""

    name: str = WEB

    def build(self) -> nn.Module:
        text = self.text_encoder()  # first: initialising draws random numbers
        return Denoiser(coarse_unet(), text)

    def world(self) -> World:
        return World(self.work, "pretrain", self.size)

    def components(self, device: torch.device) -> Components:
        return _components(self.work, self.size, COARSE_FACTOR, COARSE_CHANNELS, device)

    def caption_numbers(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        sentence = rng.random(batch) < SENTENCES
        return np.where(sentence, ALT_TEXTS, rng.integers(ALT_TEXTS, size=batch))


@dataclass(frozen=True)
class CuratedStage(_Lesson):
    """The second lesson: curated pictures, at full resolution, grown from what `WebStage` taught."""

    name: str = CURATED

    def build(self) -> nn.Module:
        text = self.text_encoder()
        model = Denoiser(micro_unet(), text)
        grow(model, self.before(WEB))
        return model


@dataclass(frozen=True)
class TeacherStage(_Lesson):
    """The third lesson: from where `CuratedStage` ended, half of the pictures at time steps of the middle."""

    name: str = TEACHER

    def build(self) -> nn.Module:
        return self.resumed(CURATED)

    def time_steps(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """Half of them logit-normal (Esser et al. 2024), half uniform: generation begins at pure noise."""
        middle = TRAINED_STEPS / (1 + np.exp(-rng.standard_normal(batch)))
        return np.where(rng.random(batch) < 0.5, middle.astype(np.int64), super().time_steps(rng, batch))


@dataclass(frozen=True)
class SecondTeacherStage(TeacherStage):
    """The fourth lesson: the third once more, the learning rate risen and fallen again."""

    name: str = TEACHER_2

    def build(self) -> nn.Module:
        return self.resumed(TEACHER)


@dataclass(frozen=True)
class TextToImageStage(_Lesson):
    """The last lesson: the velocity that the teacher has under guidance."""

    name: str = "text-to-image"

    def build(self) -> nn.Module:
        return self.resumed(TEACHER_2)

    def time_steps(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """Half of them those at which eight steps generate (so do four, and two), half uniform."""
        visited = TRAINED_STEPS - 1 - TRAINED_STEPS // STEPS * rng.integers(0, STEPS, batch)
        return np.where(rng.random(batch) < 0.5, visited, super().time_steps(rng, batch))

    def places(self, model: nn.Module, noisy: Tensor, step: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """A third of them are where the student's own first generation steps lead, which noisy pictures are unlike.

        What images of a caption differ in is decided there: without it, they come out more alike than the teacher's.
        """
        from diffusers import UniPCMultistepScheduler

        own = len(noisy) // 3
        solver = UniPCMultistepScheduler.from_config(_scheduler().config)
        solver.set_timesteps(STEPS, noisy.device)
        x, noisy, step = torch.randn_like(noisy[:own]), noisy.clone(), step.clone()
        for index, now in enumerate(solver.timesteps[:OWN_STEPS]):
            with torch.no_grad():
                x = solver.step(model(x, now.expand(own), ids[:own]).float(), now, x).prev_sample
            part = slice(index, own, OWN_STEPS)
            noisy[part], step[part] = x[part], solver.timesteps[index + 1]
        return noisy, step

    def target(self, velocity: Tensor, noisy: Tensor, step: Tensor, ids: Tensor) -> Tensor:
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

        empty = torch.from_numpy(prompt_ids(_empty()[None])).to(ids.device).expand_as(ids)
        with torch.no_grad():
            both = _teacher(self, noisy.device)(noisy.repeat(2, 1, 1, 1), step.repeat(2), torch.cat([ids, empty]))
        with_text, without = both.float().chunk(2)
        return rescale_noise_cfg(without + GUIDANCE * (with_text - without), with_text, RESCALE)


@cache
def _teacher(stage: TextToImageStage, device: torch.device) -> nn.Module:
    model = stage.build().eval().requires_grad_(False).to(device)
    stage.compile(model)
    return model


@cache
def _components(work: Path, size: int, factor: int, channels: int, device: torch.device) -> Components:
    return Components.of(work, size, factor, channels).to(device)


@cache
def _scheduler() -> DDIMScheduler:
    return scheduler()


@cache
def _empty() -> np.ndarray:
    return Vocabulary.of_grammar().compact([""], LENGTH + 8)[0]


@cache
def _places() -> np.ndarray:
    """The tokenizer's id of each compact id."""
    new = {old: index for index, old in enumerate(small_vocabulary(Vocabulary.of_grammar())[2].tolist())}
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
