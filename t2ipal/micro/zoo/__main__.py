"""Train the micro CLIPs, the micro text-to-image model and the judge from nothing, and write their manifest."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from t2ipal import store
from t2ipal.errors import UserError
from t2ipal.micro.zoo import quality
from t2ipal.micro.zoo.autoencoder import DECODER, AutoencoderStage, DecoderStage
from t2ipal.micro.zoo.clip import ARCHITECTURES, ClipStage, export
from t2ipal.micro.zoo.judge import JudgeStage
from t2ipal.micro.zoo.loop import Recipe, Result, train
from t2ipal.micro.zoo.text_to_image import (
    CURATED,
    TEACHER,
    TEACHER_2,
    WEB,
    CuratedStage,
    SecondTeacherStage,
    TeacherStage,
    TextToImageStage,
    WebStage,
    write_pipeline,
)
from t2ipal.micro.zoo.tokens import Vocabulary
from t2ipal.micro.zoo.world import World

log = logging.getLogger("zoo")
SCENES = 120_000  # of the pre-training world
RECIPES = {
    "clip": Recipe(steps=1700, batch=256, lr=2e-3, warmup=100, weight_decay=0.05),
    "clip-small": Recipe(steps=1700, batch=256, lr=2e-3, warmup=100, weight_decay=0.05),
    "judge": Recipe(steps=1500, batch=64, lr=2e-3, warmup=100),
    "autoencoder": Recipe(steps=4500, batch=32, lr=2e-3, warmup=200, ema=0.999),
    DECODER: Recipe(steps=1000, batch=32, lr=1e-3, warmup=100, ema=0.999),
    WEB: Recipe(steps=7000, batch=64, lr=1.2e-3, warmup=500, tail=0.4, ema=0.9995),
    CURATED: Recipe(steps=5200, batch=128, lr=1.2e-3, warmup=300, tail=0.5, ema=0.999),
    TEACHER: Recipe(steps=3700, batch=128, lr=1.2e-3, warmup=200, tail=0.6, ema=0.999),
    TEACHER_2: Recipe(steps=2200, batch=128, lr=8e-4, warmup=100, ema=0.999),
    "text-to-image": Recipe(steps=2000, batch=128, lr=8e-4, warmup=50, ema=0.995),
}
STAGES = tuple(RECIPES)


def main(arguments: list[str] | None = None) -> int:
    """Run the stages asked for; each resumes from its checkpoint. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m t2ipal.micro.zoo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("resources/zoo"), help="where the weights go (%(default)s)")
    parser.add_argument("--work", type=Path, default=Path("results/zoo"), help="scenes and checkpoints (%(default)s)")
    parser.add_argument("--only", choices=STAGES, nargs="+", default=STAGES, help="train just these stages")
    parser.add_argument("--processes", type=int, default=None, help="per stage (default: one per GPU or CPU core)")
    parser.add_argument("--scenes", type=int, default=SCENES, help="size of the pre-training world (%(default)s)")
    parser.add_argument("--steps", type=float, default=1.0, help="multiplies every recipe's steps (%(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    processes = options.processes or torch.cuda.device_count() or os.cpu_count() or 1
    try:
        for name in STAGES:
            if name in options.only:
                _run(name, options, processes)
    except UserError as error:
        log.error("error: %s", error)
        return 1
    return 0


def _run(name: str, options: argparse.Namespace, processes: int) -> None:
    work, out, size = options.work, options.out, options.scenes
    for stream, count in (("pretrain", size), ("curated", size // 2), ("train", size // 4), ("validation", 2000)):
        World(work, stream, count, os.cpu_count() or 1)
    clip = work / "clip.safetensors"
    scaled = {name: _scaled(recipe, options.steps) for name, recipe in RECIPES.items()}
    stages: dict[str, Callable] = {
        "clip": lambda: ClipStage(work, size, scaled["clip"]),
        "clip-small": lambda: ClipStage(work, size, scaled["clip-small"], "clip-small"),
        "judge": lambda: JudgeStage(work, size // 4, scaled["judge"]),
        "autoencoder": lambda: AutoencoderStage(work, size, scaled["autoencoder"]),
        DECODER: lambda: DecoderStage(work, size, scaled[DECODER]),
        WEB: lambda: WebStage(work, size, clip, scaled[WEB]),
        CURATED: lambda: CuratedStage(work, size, clip, scaled[CURATED]),
        TEACHER: lambda: TeacherStage(work, size, clip, scaled[TEACHER]),
        TEACHER_2: lambda: SecondTeacherStage(work, size, clip, scaled[TEACHER_2]),
        "text-to-image": lambda: TextToImageStage(work, size, clip, scaled["text-to-image"]),
    }
    started = time.time()
    result = train(stages[name](), work, processes)
    if name in ARCHITECTURES:
        store.write_tensors(work / f"{name}.safetensors", export(result.model, Vocabulary.of_grammar()))
    elif name == "text-to-image":
        autoencoder = train(stages[DECODER](), work, processes)
        write_pipeline(work / "text-to-image", work, result.model, autoencoder.model)
        judge = train(stages["judge"](), work, processes).model
        result.figures.update(quality.of_pipeline(work / "text-to-image", clip, judge, work))
    else:
        state = {key: value.half() if value.ndim > 1 else value for key, value in result.model.state_dict().items()}
        store.write_tensors(work / f"{name}.safetensors", state)
    _publish(name, result, work, out, size)
    log.info("%s: %s in %.0f s", name, result.figures, time.time() - started)


def _scaled(recipe: Recipe, factor: float) -> Recipe:
    return replace(recipe, steps=max(2, round(recipe.steps * factor)))


def _publish(name: str, result: Result, work: Path, out: Path, size: int) -> None:
    """Copy a stage's files to the zoo and renew its part of the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    if name == "text-to-image":
        shutil.copytree(work / name, out / name, dirs_exist_ok=True)
    elif name in (*ARCHITECTURES, "judge"):  # what the others learned is in the pipeline
        shutil.copy(work / f"{name}.safetensors", out / f"{name}.safetensors")
    path = out / "manifest.json"
    manifest = store.read_json(path) if path.exists() else {"models": {}}
    manifest["command"] = "python -m t2ipal.micro.zoo"
    manifest["world"] = {"scenes": size, "stream": "pretrain", "seed": 0}
    manifest["models"][name] = result.record
    manifest["hardware"] = {"machine": platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__}
    manifest["files"] = {
        file.relative_to(out).as_posix(): {"sha256": store.sha256_file(file), "bytes": file.stat().st_size}
        for file in sorted(out.rglob("*"))
        if file.is_file() and file != path
    }
    store.write_json(path, manifest)


if __name__ == "__main__":
    sys.exit(main())
