"""Images per second of this project's drawing against a plain diffusers call, in one run.

    python benchmarks/generation.py [--model DIR] [--images N] [--threads N]

Without --model it writes a pipeline of random weights in the sizes of the embedded default. "plain" is how one would
call diffusers first: prompts as text, the pipeline's own solver and 25 steps, float32, PIL images saved as PNG.
Each following line changes one thing. Start one process per core with --threads 1 to see what a machine can do.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit")]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder of a pipeline; default: random weights of the default's sizes")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or str(_random_model(Path(folder) / "random"))
        _measure(model, options.images)


def _random_model(path: Path) -> Path:
    import tiny_pipeline

    return tiny_pipeline.build(path, tiny_pipeline.MICRO)


def _measure(model: str, images: int) -> None:
    from t2ipal.images.generate import generate
    from t2ipal.images.pipeline import load_pipeline
    from t2ipal.images.settings import DrawSettings

    captions = [(f"c{index:05d}", f"a photo of {index} dogs near a red bus") for index in range(images)]
    base = DrawSettings(model, steps=25, guidance=3.0, dtype="float32", batch=min(64, images))
    print(f"{'way':<44}{'images/s':>10}{'gain':>8}")
    plain = images / _plain(base, captions)
    print(f"{'plain diffusers, 25 steps, float32':<44}{plain:>10.2f}{1:>7.1f}x")
    ours = replace(base, steps=8, solver="dpm++")
    ways = {
        "ours, 25 steps, float32": base,
        "ours, 8 steps of dpm++, float32": ours,
        "ours, 8 steps of dpm++, bfloat16": replace(ours, dtype="bfloat16"),
        "ours, 8 steps of dpm++, auto, no guidance": replace(ours, dtype="auto", guidance=1.0),
    }
    for name, settings in ways.items():
        painter = load_pipeline(settings)
        list(generate(painter, captions[: settings.batch], 0, 0))
        start = time.perf_counter()
        rows = sum(1 for _ in generate(painter, captions, 0, 0))
        rate = rows / (time.perf_counter() - start)
        print(f"{name:<44}{rate:>10.2f}{rate / plain:>7.1f}x", flush=True)


def _plain(settings: object, captions: list[tuple[str, str]]) -> float:
    """Seconds of the call a reader of the diffusers documentation would write."""
    import torch
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(settings.model, safety_checker=None, requires_safety_checker=False)
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
