"""The latent space of the micro text-to-image model: patch principal components, and an `AutoencoderKL` of them.

The latent of a 4 x 4 patch is its projection on 8 principal components, so diffusion can be trained at once and does
not wait for the autoencoder. The decoder then learns to undo the projection with its neighbours in view, which removes
the block edges; the encoder learns to give the same latents, so the pipeline is an ordinary one.
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

from t2ipal import store
from t2ipal.micro.zoo.loop import Recipe, Stage
from t2ipal.micro.zoo.world import World

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

CHANNELS, FACTOR = 8, 4
CROP = 32  # pixels of the squares that the decoder learns from
SAMPLE = 8000  # images the components are computed from, and the decoder's second lesson
NOISE = 0.08  # added to the decoder's input in training, so that it bears what a sampler makes
MOST_NOISE = 0.2  # the same in the decoder's second lesson, where each picture has its own
SHARPEN = 1.0  # how far the pictures of that lesson are sharpened
DECODER = "decoder"


class Components:
    """Principal components of patches of an image in [-1, 1], a patch of `factor` x `factor` pixels per latent.

    Each channel is divided by the root of its standard deviation (half way to whitening): fine detail counts for
    something in the diffusion loss, but less than the coarse shape. All channels together have unit variance.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.mean, self.basis, self.scale = tensors["mean"], tensors["basis"], tensors["scale"]
        self.factor = round((len(self.mean) / 3) ** 0.5)

    @staticmethod
    @cache
    def of(work: Path, size: int, factor: int = FACTOR, channels: int = CHANNELS) -> Components:
        """Compute them from the pre-training world, or read what was computed."""
        path = work / f"components-{factor}-{channels}.safetensors"
        if not path.exists():
            images = World(work, "pretrain", size).images[:SAMPLE]
            x = F.pixel_unshuffle(to_unit(np.asarray(images), torch.device("cpu")), factor)
            x = x.permute(0, 2, 3, 1).reshape(-1, 3 * factor**2)
            mean = x.mean(0)
            values, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
            deviation, basis = values.flip(0)[:channels].sqrt(), vectors.flip(1)[:, :channels]
            scale = deviation.rsqrt()
            scale = scale / (deviation * scale).square().mean().sqrt()
            store.write_tensors(path, {"mean": mean, "basis": basis, "scale": scale})
        return Components(store.read_tensors(path)[0])

    def to(self, device: torch.device) -> Components:
        return Components({key: getattr(self, key).to(device) for key in ("mean", "basis", "scale")})

    def encode(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] in [-1, 1] -> latents [B, channels, H / factor, W / factor]."""
        patches = F.pixel_unshuffle(x, self.factor)
        z = torch.einsum("bphw,pc->bchw", patches - self.mean[:, None, None], self.basis)
        return z * self.scale[:, None, None]

    def decode(self, z: Tensor) -> Tensor:
        """The linear inverse: latents -> [B, 3, H, W]."""
        x = torch.einsum("bchw,pc->bphw", z / self.scale[:, None, None], self.basis) + self.mean[:, None, None]
        return F.pixel_shuffle(x, self.factor)


def to_unit(images: np.ndarray, device: torch.device) -> Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def micro_autoencoder() -> AutoencoderKL:
    from diffusers import AutoencoderKL

    blocks = (16, 32, 64)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(blocks),
        up_block_types=("UpDecoderBlock2D",) * len(blocks),
        block_out_channels=blocks,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=1,
        sample_size=64,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


@dataclass(frozen=True)
class AutoencoderStage(Stage):
    """The decoder restores pixels from the components (L1 + L2), the encoder gives the components (L2)."""

    work: Path
    size: int
    recipe: Recipe
    name: str = "autoencoder"

    def build(self) -> nn.Module:
        return micro_autoencoder()

    def loss(self, model: nn.Module, rng: np.random.Generator, batch: int, device: torch.device) -> dict[str, Tensor]:
        world, components = World(self.work, "pretrain", self.size), Components.of(self.work, self.size).to(device)
        x = to_unit(world.images[np.sort(rng.choice(world.size, batch, replace=False))], device)
        z = components.encode(x)
        # crops of a scene: the networks are convolutional, and more scenes fit into a step
        side = CROP // FACTOR
        top, left = rng.integers(0, z.shape[-1] - side + 1, 2)
        z = z[..., top : top + side, left : left + side]
        top, left = top * FACTOR, left * FACTOR
        x = x[..., top : top + CROP, left : left + CROP]
        x, z = x.contiguous(memory_format=torch.channels_last), z.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            decoded = model.decode(z + NOISE * torch.randn_like(z)).sample
            encoded = model.encode(x).latent_dist.mode()
        error = decoded.float() - x
        pixel = error.abs().mean() + 2 * error.square().mean()
        latent = (encoded.float() - z).square().mean()
        return {"loss": pixel + 0.2 * latent, "psnr": -10 * (error.square().mean() / 4).log10(), "latent": latent}

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Peak signal-to-noise ratio in dB on validation scenes: through the decoder, and of the components alone."""
        components = Components.of(self.work, self.size).to(device)
        x = to_unit(World(self.work, "validation", 2000).images[:256], device)
        with torch.inference_mode():
            z = components.encode(x)
            decoded = model.decode(z).sample.clamp(-1, 1)
        return {"psnr": _psnr(decoded, x), "psnr_components": _psnr(components.decode(z).clamp(-1, 1), x)}


@dataclass(frozen=True)
class DecoderStage(AutoencoderStage):
    """The decoder alone, from where `AutoencoderStage` ended: whole pictures, sharpened beforehand (L1).

    A decoder that is unsure blurs. Stable Diffusion's has learned from a critic not to; this one from lines that are
    more marked than they should be, so that they are as they should be once blurred.
    """

    name: str = DECODER

    def build(self) -> nn.Module:
        model = micro_autoencoder()
        model.load_state_dict(store.read_tensors(self.work / "autoencoder.safetensors")[0])
        model.encoder.requires_grad_(False)
        model.quant_conv.requires_grad_(False)
        return model

    def loss(self, model: nn.Module, rng: np.random.Generator, batch: int, device: torch.device) -> dict[str, Tensor]:
        world, components = World(self.work, "pretrain", self.size), Components.of(self.work, self.size).to(device)
        x = to_unit(world.images[np.sort(rng.choice(min(SAMPLE, self.size), batch, replace=False))], device)
        z = components.encode(x)
        z = z + MOST_NOISE * torch.rand(batch, 1, 1, 1, device=device) * torch.randn_like(z)
        x, z = x.contiguous(memory_format=torch.channels_last), z.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            decoded = model.decode(z).sample
        return {"loss": (decoded.float() - sharpened(x)).abs().mean()}


def sharpened(x: Tensor, strength: float = SHARPEN) -> Tensor:
    """Unsharp mask of images [B, 3, H, W]: what a blur of 3 x 3 pixels takes away is added `strength` times."""
    line = torch.tensor([0.25, 0.5, 0.25], device=x.device)
    kernel = torch.outer(line, line).expand(3, 1, 3, 3)
    blurred = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    return x + strength * (x - blurred)


def _psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * ((a - b).square().mean((1, 2, 3)) / 4).log10().mean())
