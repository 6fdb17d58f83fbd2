"""Does this project keep its promises on this machine's GPU? Measures with random weights of real size; no download.

    python benchmarks/check_gpu.py [--out docs/gpu.md] [--folder DIR]     (make check-gpu)

generation: Stable Diffusion 1.5 at 512 pixels, plain diffusers and ours with the same solver, steps and dtype, with and
    without compilation, in two batch sizes.
features: CLIP RN101 from JPEG files in a parquet file, against the rate from tensors.
training: a step for 20 and for 80 classes, against 77 tokens per class and captions encoded in each step.
micro world: images and the rows of a small Table 1 on the GPU against the CPU.

The exit code is 1 without a GPU, and where a promise is broken. It takes 10 minutes and 24 GB at most. --tiny runs
everything on the CPU with models of the micro world, so that a test can.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

import clip_features
import generation
import training_step

from t2ipal.classes import load_classes
from t2ipal.cpu import this_cpu
from t2ipal.resource_files import resource
from t2ipal.version import VERSION

if TYPE_CHECKING:
    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.rows.data import TrainingData

PAGE = Path(__file__).resolve().parents[1] / "docs/gpu.md"
MICRO_CLIP, MICRO_PIPELINE = resource("zoo/clip.safetensors"), resource("zoo/text-to-image")
MEMORY_GB = 24


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        images, steps: of each way to generate.
        batches: batch sizes.
        jpegs, side: JPEG files for CLIP, and their pixels.
        width, layers, repeats: of the text encoder in a training step; steps of each kind.
        captions, scenes, epochs: of the micro world's Table 1.
        methods: its rows.
    """

    images: int = 16
    steps: int = 20
    batches: tuple[int, ...] = (4, 16)
    jpegs: int = 2048
    side: int = 512
    width: int = training_step.WIDTH
    layers: int = training_step.LAYERS
    repeats: int = 5
    captions: int = 300
    scenes: int = 500
    epochs: int = 3
    methods: tuple[str, ...] = ("zsclip", "clip_dpt", "tai_dpt", "t2i_pal", "comc", "oracle")


TINY = Size(2, 1, (2,), 3, 64, 64, 1, 1, 8, 12, 1, ("zsclip", "t2i_pal"))


@dataclass(frozen=True)
class Finding:
    """One line of the page: a value, and the bound that docs/scale.md promises, if any."""

    what: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the value is within its bound."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    def cells(self) -> list[str]:
        """Of its line."""
        bounds = [f"{sign} {bound:g}" for sign, bound in ((">=", self.least), ("<=", self.most)) if bound is not None]
        result = ("kept" if self.kept else "broken") if bounds else ""
        return [self.what, f"{self.value:.3g} {self.unit}".strip(), " ".join(bounds), result]


@dataclass
class Check:
    """What all parts share.

    Attributes:
        size: how much is measured.
        tiny: whether on the CPU with tiny models.
        folder: for files that are made.
        device: where to measure.
    """

    size: Size
    tiny: bool
    folder: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def generation(self) -> Iterator[Finding]:
        """Images per second, and what ours gain over plain diffusers."""
        from t2ipal.images.settings import GenerationSettings
        from t2ipal.rehearsal.stable_diffusion import write_pipeline

        model = MICRO_PIPELINE if self.tiny else write_pipeline(self.folder / "pipeline")
        captions = [(f"c{index:05d}", f"a photo of {index} dogs near a bus") for index in range(self.size.images)]
        dtype = "float32" if self.tiny else "bfloat16"
        common = {"model": str(model), "steps": self.size.steps, "guidance": 7.5, "dtype": dtype}
        ours = plain = 0.0
        for batch in self.size.batches:
            for compiled in ("off",) if self.tiny else ("off", "on"):
                settings = GenerationSettings(**common, batch=batch, compile=compiled)
                if compiled == "off":
                    plain = max(plain, len(captions) / generation._plain(settings, captions, dtype))
                    yield Finding(f"generation, plain diffusers, batch {batch}", plain, "images/s")
                first, rate = generation.rates(settings, captions)
                ours = max(ours, rate)
                name = f"generation, ours, batch {batch}{', compiled' if compiled == 'on' else ''}"
                yield Finding(f"{name}: first batch", first, "s")
                yield Finding(name, rate, "images/s")
        least = None if self.tiny else 1.0
        yield Finding("generation, best of ours / best of plain diffusers", ours / plain, "", least)

    def features(self) -> Iterator[Finding]:
        """CLIP's rate from tensors, and from JPEG files."""
        from t2ipal.backbones import load_backbone
        from t2ipal.backbones.openai.archive import random_module
        from t2ipal.backbones.openai.encoder import OpenAIEncoder
        from t2ipal.backbones.openai.variants import VARIANTS
        from t2ipal.features.extract import encode_images
        from t2ipal.images.encode import encode

        clip: ImageTextEncoder = load_backbone(MICRO_CLIP)
        if not self.tiny:
            clip = OpenAIEncoder(random_module(VARIANTS["RN101"]).to(self.device), "RN101")
        side, batch = (32, 2) if self.tiny else (224, 256)
        tensors = torch.randn(batch, 3, side, side)
        encode_images(clip, tensors)
        model = batch / clip_features.seconds(lambda: encode_images(clip, tensors))
        yield Finding("features, from tensors", model, "images/s")
        content = encode(clip_features.picture(self.size.side), "jpeg")
        threads = this_cpu().cores
        options = argparse.Namespace(image_size=side, images=self.size.jpegs, batch=batch, threads=threads)
        *_, rate, share = clip_features.measure(clip, content, model, options)
        yield Finding(f"features, from JPEG files, {threads} threads", float(rate), "images/s")
        yield Finding("features, from JPEG files / from tensors", float(share), "", None if self.tiny else 0.5)

    def training(self) -> Iterator[Finding]:
        """A training step, the plain way and ours."""
        clip = training_step.random_clip(self.size.width, self.size.layers)
        for classes in ("voc2007",) if self.tiny else ("voc2007", "coco"):
            names = load_classes(classes).names
            plain, ours = training_step.steps(clip, names)
            walls = []
            for step in (plain, ours):
                step()
                times: list[tuple[float, float]] = []
                for _ in range(self.size.repeats):
                    training_step.timed(step, times)
                walls.append(training_step.medians(times)[0])
            yield Finding(f"training step, {len(names)} classes, plain", walls[0], "s")
            yield Finding(f"training step, {len(names)} classes, ours", walls[1], "s")
            least = None if self.tiny else 1.0
            yield Finding(f"training step, {len(names)} classes, plain / ours", walls[0] / walls[1], "", least)

    def micro(self) -> Iterator[Finding]:
        """The micro world on the GPU against the CPU: images in grey levels, mAP in points."""
        here, rows = self._table("cpu")
        there, others = (here, rows) if self.tiny else self._table(self.device.type)
        apart = np.abs(here.astype(int) - there.astype(int))
        yield Finding("micro images, mean difference to the CPU's", float(apart.mean()), "grey levels", most=0.5)
        yield Finding("micro images, pixels further than 8 grey levels", float((apart > 8).mean()), "", most=0.005)
        for name in self.size.methods:
            yield Finding(f"micro Table 1, {name}: mAP on the CPU", rows[name])
            difference = abs(rows[name] - others[name])
            yield Finding(f"micro Table 1, {name}: difference on the GPU", difference, "points", most=0.5)

    def _table(self, device: str) -> tuple[np.ndarray, dict[str, float]]:
        """Generated images [N, H, W, 3], and the mAP of each row, all made on one device."""
        from t2ipal import methods
        from t2ipal.backbones import load_backbone
        from t2ipal.metrics.evaluate import average_precision
        from t2ipal.micro.zoo import room
        from t2ipal.training.train import fit

        clip = load_backbone(MICRO_CLIP, device)
        pixels, data = self._rows(
            clip, room.training_data(clip, self.size.captions, self.size.scenes, patterns=1), device
        )
        images, labels = room.images(clip, "validation", self.size.scenes)
        scored = labels.any(0).numpy()
        found = {}
        for name in self.size.methods:
            kind = methods.get(name)
            wanted = {"epochs": self.size.epochs, "lr": 1e-2, "templates": 1, "dtype": "float32", "n_ctx": 4}
            settings = kind.Settings(**{key: wanted[key] for key in wanted if key in kind.Settings.model_fields})
            tensors, _ = fit(kind, settings, clip, room.CLASSES.names, data, (1,), device=device)
            tensors = {key: value.to(device) for key, value in tensors.items()}
            scores = kind(settings, room.CLASSES.names).scores(tensors, images).numpy()[0]
            found[name] = float(average_precision(scores[:, scored], labels[:, scored].numpy()).mean())
        return pixels, found

    def _rows(self, clip: ImageTextEncoder, data: TrainingData, device: str) -> tuple[np.ndarray, TrainingData]:
        """One generated image for each caption of the data, as pixels and as further rows."""
        from t2ipal.features.cache import ImageFeatures
        from t2ipal.features.extract import encode_images
        from t2ipal.images.encode import decode
        from t2ipal.images.generate import generate
        from t2ipal.images.pipeline import load_pipeline
        from t2ipal.micro.grammar import captions_of
        from t2ipal.micro.zoo import quality
        from t2ipal.micro.zoo.clip import IMAGE_SIZE
        from t2ipal.rows import CAPTIONS
        from t2ipal.rows.synthetic import add_images

        settings = quality.DEFAULT.model_copy(
            update={"model": str(MICRO_PIPELINE), "dtype": "float32", "compile": "off"}
        )
        captions = [(key, captions_of("captions", int(key), n=1)[0].text) for key in data[CAPTIONS].ids]
        pictures = [decode(row.image) for row in generate(load_pipeline(settings, device), captions, 0, 0)]
        to_input = clip.preprocess(IMAGE_SIZE)
        parts = [value.half() for value in encode_images(clip, torch.stack([to_input(each) for each in pictures]))]
        ids = tuple(data[CAPTIONS].ids)
        features = ImageFeatures(ids, *parts, clip.grid(IMAGE_SIZE), clip.sha256)
        pixels = np.stack([np.asarray(each) for each in pictures])
        return pixels, add_images(data, ids, data[CAPTIONS].labels, [features])


PARTS: dict[str, Callable[[Check], Iterator[Finding]]] = {
    "generation": Check.generation,
    "features": Check.features,
    "training": Check.training,
    "micro": Check.micro,
}


def measured(check: Check) -> Iterator[Finding]:
    """All parts, and the GPU memory of each."""
    on_gpu = check.device.type == "cuda"
    for name, part in PARTS.items():
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        yield from part(check)
        if on_gpu:
            yield Finding(f"{name}, peak memory", torch.cuda.max_memory_reserved() / 1e9, "GB", most=MEMORY_GB)


def page(findings: list[Finding], device: torch.device, seconds: float) -> str:
    """The page in Markdown."""
    import diffusers

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU: tiny models on the CPU"
    versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}, diffusers {diffusers.__version__}"
    lines = [
        "# On a GPU",
        "",
        "Written by `make check-gpu`, which says what is measured (`benchmarks/check_gpu.py`).",
        "",
    ]
    lines += [f"{name}; {this_cpu()}; {versions}, Python {platform.python_version()}, t2ipal {VERSION}.", ""]
    lines += [f"Random weights of real size; {seconds / 60:.1f} minutes.", ""]
    lines += ["| what | measured | promise | |", "|---|---:|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(each.cells())} |" for each in findings)]) + "\n"


def main() -> int:
    """Measure, write the page; 1 if there is no GPU or a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PAGE, help="the page (%(default)s)")
    parser.add_argument("--folder", type=Path, help="for 5 GB of models (default: a temporary folder)")
    parser.add_argument("--tiny", action="store_true", help="on the CPU, on sizes that mean nothing")
    options = parser.parse_args()
    if not options.tiny and not torch.cuda.is_available():
        print("error: no GPU that torch can use; expected one with 24 GB of memory or more", file=sys.stderr)
        return 1
    started = time.perf_counter()
    device = torch.device("cpu" if options.tiny else "cuda")
    findings = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        check = Check(TINY if options.tiny else Size(), options.tiny, Path(folder), device)
        for finding in measured(check):
            findings.append(finding)
            print(" | ".join(finding.cells()), flush=True)
    options.out.write_text(page(findings, device, time.perf_counter() - started), encoding="utf-8")
    print(f"Written: {options.out}")
    broken = [finding for finding in findings if not finding.kept]
    for finding in broken:
        print(f"error: {finding.what}: {' '.join(finding.cells()[1:3])}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__" and main():
    sys.exit(1)
