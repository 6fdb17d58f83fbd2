"""Layers for CPUs: they equal diffusers' own up to rounding, and kinds that are not known stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_pipeline
import torch
from diffusers import StableDiffusionPipeline, UniPCMultistepScheduler
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from t2ipal.images.cpu_layers import GroupNorm, Remembered, ResidualBlock, Upsampling, replace_layers
from t2ipal.images.pipeline import load_pipeline
from t2ipal.images.settings import GenerationSettings

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers.*"),
    pytest.mark.filterwarnings("ignore::UserWarning:huggingface_hub.*"),
]


def random(layer: nn.Module, seed: int = 0) -> nn.Module:
    """The layer with random weights, biases and scales, channels last."""
    generator = torch.Generator().manual_seed(seed)
    for value in layer.parameters():
        value.data = torch.randn(value.shape, generator=generator) / max(1, value[0].numel()) ** 0.5
    return layer.requires_grad_(False).eval().to(memory_format=torch.channels_last)


def images(*shape: int, last: bool = True) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)) + 0.5
    return x.to(memory_format=torch.channels_last) if last else x


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("groups", [1, 4])
def test_group_norm(groups: int, last: bool) -> None:
    norm, x, offset = random(nn.GroupNorm(groups, 12)), images(3, 12, 5, 6, last=last), images(3, 12, last=False)
    torch.testing.assert_close(GroupNorm(norm)(x), norm(x))
    expected = nn.functional.silu(norm(x + offset[:, :, None, None]))
    torch.testing.assert_close(GroupNorm(norm, silu=True)(x, offset), expected)
    torch.testing.assert_close(GroupNorm(norm)(x.flatten(2)), norm(x.flatten(2)))


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("out", [8, 12])
@pytest.mark.parametrize("time", [None, 16])
def test_residual_block(time: int | None, out: int, last: bool) -> None:
    block = random(ResnetBlock2D(in_channels=8, out_channels=out, temb_channels=time, groups=4))
    assert ResidualBlock.fits(block)
    x, temb = images(2, 8, 5, 6, last=last), None if time is None else images(2, time, last=False)
    before = x.clone()
    torch.testing.assert_close(ResidualBlock(block)(x, temb), block(x, temb), rtol=1e-5, atol=1e-5)
    assert torch.equal(x, before)


def test_upsampling() -> None:
    layer, x = random(Upsample2D(6, use_conv=True, out_channels=10)), images(2, 6, 3, 4)
    ours = Upsampling(layer)
    torch.testing.assert_close(ours(x), layer(x), rtol=1e-5, atol=1e-5)
    assert ours(x).shape == (2, 10, 6, 8)
    for size in ((6, 8), (5, 7)):
        torch.testing.assert_close(ours(x, size), layer(x, size), rtol=1e-5, atol=1e-5)


def test_other_kinds_stay() -> None:
    others = [
        ResnetBlock2D(in_channels=8, groups=4, temb_channels=16, time_embedding_norm="scale_shift"),
        ResnetBlock2D(in_channels=8, groups=4, temb_channels=16, up=True),
        ResnetBlock2D(in_channels=8, groups=4, temb_channels=16, non_linearity="relu"),
        ResnetBlock2D(in_channels=8, groups=4, temb_channels=16, output_scale_factor=2.0),
        Upsample2D(8, use_conv=True, use_conv_transpose=True),
        Upsample2D(8),
    ]
    model = nn.ModuleList(others)
    replace_layers(model)
    assert list(model) == others


def test_a_layer_of_the_text_is_computed_once() -> None:
    seen: list[Tensor] = []
    layer = Remembered(nn.Linear(4, 4))
    layer.layer.register_forward_hook(lambda *call: seen.append(call[1][0]))
    first, second = torch.ones(2, 4), torch.ones(2, 4)
    assert layer(first) is layer(first)
    layer(second)
    layer(first)
    assert list(map(id, seen)) == list(map(id, (first, second, first)))


@pytest.mark.slow
def test_a_pipeline_generates_the_same(tmp_path: Path) -> None:
    model = str(tiny_pipeline.build(tmp_path / "tiny"))
    settings = GenerationSettings(model=model, steps=3, guidance=3.0, solver="unipc", dtype="float32", batch=2)
    generator = load_pipeline(settings, "cpu")
    assert any(isinstance(part, Remembered) for part in generator.pipe.unet.modules())
    assert not any(type(part) is nn.GroupNorm for part in generator.pipe.vae.decoder.modules())
    ours = generator.generate(["a red bus", "two dogs"], [1, 2])[0]
    pipe = StableDiffusionPipeline.from_pretrained(model, dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = UniPCMultistepScheduler.from_config(pipe.scheduler.config)
    expected = pipe(
        ["a red bus", "two dogs"],
        num_inference_steps=3,
        guidance_scale=3.0,
        negative_prompt=["", ""],
        generator=[torch.Generator().manual_seed(seed) for seed in (1, 2)],
        output_type="pt",
    ).images.permute(0, 2, 3, 1)
    torch.testing.assert_close(ours.clamp(0, 1), expected, rtol=0, atol=1e-4)
