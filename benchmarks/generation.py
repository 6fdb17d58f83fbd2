"""Images per second of this project's generation against a plain diffusers call, in one run.

    python benchmarks/generation.py [--model DIR] [--images N] [--steps N] [--batch N] [--threads N]

Without --model it is the embedded default's pipeline. "plain" is how one would
call diffusers first: prompts as text, the pipeline's own solver and --steps steps, float32, PIL images saved as PNG.
The line after it is ours with the same solver and steps; each further line changes one thing. Start one process per
core with --threads 1 to see what a machine can do. On a GPU a line is with compilation, whose minutes are told apart.

At the end: what encoding the prompts costs of a batch, measured here, and counted for Stable Diffusion 1.5 at 512
pixels.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from t2ipal.resource_files import resource

if TYPE_CHECKING:
    from t2ipal.images.settings import GenerationSettings


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", default=str(resource("zoo/text-to-image")), help="folder of a pipeline (%(default)s)"
    )
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    import torch

    torch.set_num_threads(options.threads)
    _measure(options)
    _count_operations()


def _measure(options: argparse.Namespace) -> None:
    import torch

    from t2ipal.images.pipeline import load_pipeline
    from t2ipal.images.settings import GenerationSettings
    from t2ipal.micro.zoo import quality

    images, steps = options.images, options.steps
    captions = [(f"c{index:05d}", f"a photo of {index} dogs near a red bus") for index in range(images)]
    batch = min(options.batch, images)
    base = GenerationSettings(
        model=options.model, steps=steps, guidance=7.0, dtype="float32", batch=batch, compile="off"
    )
    print(f"{'way':<44}{'images/s':>10}{'gain':>8}")
    plain = images / _plain(base, captions)
    print(f"{f'plain diffusers, {steps} steps, float32':<44}{plain:>10.2f}{1:>7.1f}x")
    ours = base.model_copy(update={"steps": 8, "solver": "unipc"})
    ways = {
        f"ours, {steps} steps, float32": base,
        f"ours, {steps} steps, auto": base.model_copy(update={"dtype": "auto"}),
        "ours, 8 steps of unipc, float32": ours,
        "ours, 8 steps of unipc, bfloat16": ours.model_copy(update={"dtype": "bfloat16"}),
        f"ours, as the default: {quality.DEFAULT.step_count} steps, auto": ours.model_copy(
            update={"steps": quality.DEFAULT.steps, "dtype": "auto", "guidance": 1.0}
        ),
    }
    if torch.cuda.is_available():
        ways[f"ours, {steps} steps, auto, compiled"] = base.model_copy(update={"dtype": "auto", "compile": "on"})
    for name, settings in ways.items():
        first, rate = rates(settings, captions)
        if settings.compile == "on":
            print(f"first batch, with compilation: {first:.0f} s")
        print(f"{name:<44}{rate:>10.2f}{rate / plain:>7.1f}x", flush=True)

    texts, seeds = [text for _, text in captions[:batch]], list(range(batch))
    generator = load_pipeline(base)
    whole, prompts = (
        min(_seconds(work) for _ in range(3))
        for work in (lambda: generator.generate(texts, seeds)[0].cpu(), lambda: generator._encode(texts).cpu())
    )
    print(f"prompts: {1e3 * prompts:.1f} of {1e3 * whole:.0f} ms of a batch, 1/{whole / prompts:.0f}")


def rates(settings: GenerationSettings, captions: list[tuple[str, str]]) -> tuple[float, float]:
    """Seconds of the first batch, and images per second after it."""
    from t2ipal.images.generate import generate
    from t2ipal.images.pipeline import load_pipeline

    generator = load_pipeline(settings)
    first = _seconds(lambda: list(generate(generator, captions[: settings.batch], 0, 0)))
    return first, len(captions) / _seconds(lambda: list(generate(generator, captions, 0, 0)))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _count_operations() -> None:
    """Operations of one prompt and of one denoising pass in the sizes of Stable Diffusion 1.5; nothing is computed."""
    import torch
    from diffusers import UNet2DConditionModel
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device("meta"):
        sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
        text = CLIPTextModel(CLIPTextConfig(**sizes))
        denoiser = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
        latents, states = torch.empty(1, 4, 64, 64), torch.empty(1, 77, 768)
        counts = []
        for work in (
            lambda: text(torch.zeros(1, 77, dtype=torch.int64)),
            lambda: denoiser(latents, torch.zeros(1), states),
        ):
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                work()
            counts.append(counter.get_total_flops())
    prompt, step = counts
    print(
        f"Stable Diffusion 1.5: a prompt {prompt / 1e9:.1f}, a denoising pass {step / 1e9:.0f} billion operations; so"
    )
    for steps in (25, 50):
        print(f"    a prompt is 1/{2 * steps * step / prompt:.0f} of an image of {steps} steps with guidance")


def _plain(settings: GenerationSettings, captions: list[tuple[str, str]], dtype: str = "float32") -> float:
    """Seconds of the call a reader of the diffusers documentation would write."""
    import torch
    from diffusers import DiffusionPipeline

    options = {"dtype": getattr(torch, dtype), "safety_checker": None, "requires_safety_checker": False}
    pipe = DiffusionPipeline.from_pretrained(settings.model, **options)
    pipe.set_progress_bar_config(disable=True)
    pipe.to("cuda" if torch.cuda.is_available() else "cpu")
    start = time.perf_counter()
    for place in range(0, len(captions), settings.batch):
        texts = [text for _, text in captions[place : place + settings.batch]]
        generators = [torch.Generator().manual_seed(index) for index in range(len(texts))]
        output = pipe(texts, num_inference_steps=settings.steps, guidance_scale=settings.guidance, generator=generators)
        for image in output.images:
            image.save(io.BytesIO(), "PNG")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
