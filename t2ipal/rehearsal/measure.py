"""What an item costs on this machine, with models as large as the real ones: the rows of resources/unit_costs.yaml.

`python -m t2ipal.rehearsal.measure --out FOLDER --data COCO_ROOT [--results results/rehearsal]` prints processor
seconds per item (the median of a few repetitions after a first one), file sizes, and the jobs' memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.costs.measured import jobs_of
from t2ipal.resource_files import resource

if TYPE_CHECKING:
    from t2ipal.backbones.base import ImageTextEncoder

MICRO = resource("zoo/clip.safetensors")
PARTS = ("reading", "captions", "encoding", "training", "heads", "micro", "generation", "files")
PROMPT = "A man rides a wave on a surfboard while a dog watches from the beach."
SEEDS = 3
BATCH = 64


def seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """Median processor time of `work`, after one call that is not counted; other programs' share is not in it."""
    work()
    times = []
    for _ in range(repeat):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return statistics.median(times)


def generation(folder: Path, batch: int = 2) -> Iterator[tuple[str, float]]:
    """Seconds of an image's U-Net pass, of decoding it, and of encoding its prompt, at 512 pixels."""
    import torch

    from t2ipal.images.pipeline import load_pipeline
    from t2ipal.images.settings import GenerationSettings

    generator = load_pipeline(GenerationSettings(model=str(folder), batch=batch))
    pipe = generator.pipe
    latents = torch.randn(batch, 4, 64, 64)
    with torch.inference_mode():
        text = generator._encode([PROMPT] * batch)
        one = seconds(lambda: generator._encode([PROMPT] * batch)) / batch
        yield f"text_prompt ({generator.dtype} U-Net)", one
        once = seconds(lambda: pipe.unet(latents, torch.tensor(500), encoder_hidden_states=text)[0]) / batch
        yield f"unet_pass_512 ({generator.dtype}, batch {batch})", once
        z = latents.to(generator.dtype) / pipe.vae.config.scaling_factor
        yield f"vae_decode_512 ({generator.dtype})", seconds(lambda: pipe.vae.decode(z[:1], return_dict=False)[0], 2)


def encoding(backbone: ImageTextEncoder) -> Iterator[tuple[str, float]]:
    """Seconds of an image at 224 and 448 pixels, and of a caption."""
    import torch

    from t2ipal.features.extract import encode_ragged, images_per_pass

    with torch.inference_mode():
        for side in (224, 448):
            count = images_per_pass(side**2)
            images = torch.randn(count, 3, side, side)
            yield f"clip_image_{side} ({backbone.name})", seconds(lambda x=images: backbone.image_dense(x)) / count
    yield f"clip_caption ({backbone.name})", seconds(lambda: encode_ragged(backbone, [PROMPT] * 64, 64)) / 64


def reading(data: Path, backbone: ImageTextEncoder) -> Iterator[tuple[str, float]]:
    """Seconds of reading a photograph for a backbone, and the bytes of photographs stored as generated images are."""
    import numpy as np
    from PIL import Image, ImageOps

    from t2ipal.images.encode import decode, encode

    paths = sorted(data.rglob("*.jpg"))[:60]
    to_input = backbone.preprocess(224, "center")
    yield "photograph_to_input_224", seconds(lambda: [to_input(decode(path)) for path in paths]) / len(paths)
    square = [np.asarray(ImageOps.fit(decode(path), (512, 512), Image.Resampling.BICUBIC)) for path in paths]
    files = [encode(pixels, "webp", 92) for pixels in square]
    yield "webp_512_to_input_224", seconds(lambda: [to_input(decode(file)) for file in files]) / len(files)
    yield "webp_512_write", seconds(lambda: [encode(pixels, "webp", 92) for pixels in square], 1) / len(files)
    yield "webp_512_bytes (photographs)", statistics.mean(map(len, files))
    yield "png_512_bytes (photographs)", statistics.mean(len(encode(pixels, "png")) for pixels in square)


def noun_filter(data: Path) -> Iterator[tuple[str, float]]:
    """Seconds of a caption in the noun filter."""
    from t2ipal.captions.nouns import NounFilter
    from t2ipal.classes import load_classes

    texts = [row["caption"] for path in sorted((data / "annotations").glob("captions_*.json"))
             for row in json.loads(path.read_text(encoding="utf-8"))["annotations"]][:500]  # fmt: skip
    labeller = NounFilter(load_classes("coco"))
    yield "noun_filter_caption", seconds(lambda: list(labeller.label(texts)), 2) / len(texts)


def training(backbone: ImageTextEncoder, classes: str = "coco") -> Iterator[tuple[str, float]]:
    """Seconds of a class prompt, forward and backward, in T2I-PAL (shared contexts) and DualCoOp (own contexts).

    A step of three seeds and 64 rows, with all that belongs to it, divided by its prompts: two for each class and seed.
    """
    import torch

    from t2ipal import methods
    from t2ipal.classes import load_classes
    from t2ipal.rows import CAPTIONS, SYNTHETIC, TRAIN
    from t2ipal.rows.base import Branch

    names = load_classes(classes).names
    generator = torch.Generator().manual_seed(0)

    def branch(cells: int) -> Branch:
        def unit(*shape: int) -> torch.Tensor:
            return torch.nn.functional.normalize(torch.randn(*shape, backbone.dim, generator=generator), dim=-1)

        labels = (torch.rand(SEEDS, BATCH, len(names), generator=generator) < 0.03).to(torch.int8)
        return Branch(unit(SEEDS, BATCH), unit(SEEDS, BATCH, cells), None, labels, torch.ones(SEEDS, BATCH))

    batches = {"t2i_pal": {CAPTIONS: branch(24), SYNTHETIC: branch(49)}, "dualcoop": {TRAIN: branch(49)}}
    for name, batch in batches.items():
        kind = methods.get(name)
        method = kind(kind.Settings(), names)
        method.prepare(backbone, torch.device("cpu"))
        learned = {key: value.requires_grad_() for key, value in method.start(range(SEEDS)).items()}

        def step(method: Any = method, learned: Any = learned, batch: Any = batch) -> None:
            method.loss(learned, batch)["loss"].sum().backward()

        yield f"prompt of {name} ({backbone.name}, {len(names)} classes)", seconds(step, 2) / (SEEDS * 2 * len(names))


def heads(backbone: ImageTextEncoder, rows: int = 128, cells: int = 196) -> Iterator[tuple[str, float]]:
    """Seconds of a training row and seed of methods with a head on features: 80 classes, 14 x 14 cells."""
    import torch

    from t2ipal import methods
    from t2ipal.classes import load_classes
    from t2ipal.features.cache import ImageFeatures
    from t2ipal.rows.data import TrainingData
    from t2ipal.rows.train import TrainRows
    from t2ipal.training.train import fit

    generator = torch.Generator().manual_seed(0)
    features = (torch.randn(*shape, backbone.dim, generator=generator) for shape in ((rows,), (rows, cells)))
    pooled, local = (torch.nn.functional.normalize(values, dim=-1).half() for values in features)
    ids = tuple(f"{row:04d}" for row in range(rows))
    images = ImageFeatures(ids, pooled, pooled, local, (14, 14), backbone.sha256)
    names = load_classes("coco").names
    labels = (torch.rand(rows, len(names), generator=generator) < 0.1).to(torch.int8)
    data = TrainingData().with_rows(TrainRows(images, labels))
    for name in ("partial_bce", "gcn_ml", "ssgrl", "sarb"):
        kind = methods.get(name)

        def epochs(count: int, kind: Any = kind) -> None:
            fit(kind, kind.Settings(epochs=count), backbone, names, data, range(SEEDS), device="cpu")

        once = seconds(lambda run=epochs: run(1), 1)
        yield f"row of {name}", (seconds(lambda run=epochs: run(3), 1) - once) / (2 * rows * SEEDS)


def jobs(results: Path) -> Iterator[tuple[str, float]]:
    """Wall seconds and peak memory in MB of the rehearsal's jobs."""
    for job in sorted(jobs_of(results), key=attrgetter("name")):
        yield f"{job.name}: seconds", job.seconds
        if job.memory is not None:
            yield f"{job.name}: peak_mb", job.memory


def sizes(folder: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    """Bytes of the files of a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in suffixes:
            yield f"{path.relative_to(folder)}: bytes", path.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m t2ipal.rehearsal.measure", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the rehearsal's models")
    parser.add_argument("--data", type=Path, required=True, help="COCO in the official layout, or a part of it")
    parser.add_argument("--results", type=Path, help="results of the rehearsal's run")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure; default: all")
    arguments = parser.parse_args()
    import torch

    from t2ipal.backbones import load_backbone

    torch.set_num_threads(arguments.threads)
    out, data, results = arguments.out, arguments.data, arguments.results
    (archive,) = out.glob("random-*.pt")
    backbone = load_backbone(archive)
    made: dict[str, Callable[[], Iterator[tuple[str, float]]]] = {
        "reading": lambda: reading(data, backbone),
        "captions": lambda: noun_filter(data),
        "encoding": lambda: encoding(backbone),
        "training": lambda: training(backbone),
        "heads": lambda: heads(backbone),
        "micro": lambda: training(load_backbone(MICRO), "voc2007"),
        "generation": lambda: generation(out / "random-stable-diffusion-v1-5"),
        "files": lambda: sizes(out, (".pt", ".safetensors")),
    }
    parts = [made[name]() for name in arguments.parts]
    if results:
        parts += [jobs(results), sizes(results, (".parquet", ".safetensors"))]
    for part in parts:
        for name, value in part:
            print(f"{name}: {value:.4g}" if value < 1000 else f"{name}: {value:,.0f}", flush=True)


if __name__ == "__main__":
    main()
