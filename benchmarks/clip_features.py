"""CLIP images per second: from encoded images of a parquet file, from decoded ones, and from tensors, in one run.

    python benchmarks/clip_features.py [--model RN101] [--side 512] [--image-size 224] [--images 256] [--threads 2]

Without --model the embedded CLIP is taken. "extract" is what the workflow does: parquet of encoded images to parquet of
features; on a CPU each of --threads threads decodes and encodes images of its own, on a GPU they decode while it
encodes. Each format and stored side has a line: what `encoding` and `store_size` of `text_to_image` change. A GPU is
fast, and decoding decides: give the job more threads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch

from t2ipal.backbones import load_backbone
from t2ipal.backbones.base import ImageTextEncoder
from t2ipal.device import pick_device
from t2ipal.features.extract import encode_images, extract_images
from t2ipal.images.encode import decode, encode, shrink
from t2ipal.resource_files import resource
from t2ipal.store import write_parquet


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(resource("zoo/clip.safetensors")))
    parser.add_argument("--side", type=int, default=512, help="pixels of an image")
    parser.add_argument("--stored", type=int, nargs="*", default=[512, 448, 224], help="pixels of a stored one")
    parser.add_argument("--image-size", type=int, default=224, help="pixels that CLIP sees")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clip = load_backbone(options.model, pick_device())
    tensors = torch.randn(options.batch, 3, options.image_size, options.image_size)
    encode_images(clip, tensors)
    model = options.batch / seconds(lambda: encode_images(clip, tensors))
    print(f"{clip.name} at {options.image_size} pixels on {clip.device}, {options.threads} threads")
    print(f"from tensors: {model:.1f} images/s")
    columns = ("format", "side", "kB", "decode ms", "resize ms", "extract images/s", "of tensors")
    print(" ".join(f"{column:>16}" for column in columns))
    pixels = picture(options.side)
    for encoding in ("png", "webp", "jpeg"):
        for side in options.stored:
            cells = measure(clip, encode(shrink(pixels, side), encoding), model, options)
            print(" ".join(f"{cell:>16}" for cell in (encoding, side, *cells)), flush=True)


def picture(side: int) -> np.ndarray:
    """A picture with shapes and some noise: neither as easy to pack as a drawing nor as hard as noise."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side] / side
    waves = [np.sin(2 * np.pi * (a * rows + b * columns)) for a, b in random.integers(1, 12, (3, 2))]
    pixels = 128 + 80 * np.stack(waves, -1) + random.normal(0, 4, (side, side, 3))
    return pixels.clip(0, 255).astype(np.uint8)


def measure(clip: ImageTextEncoder, content: bytes, model: float, options: argparse.Namespace) -> tuple[str, ...]:
    """Size, milliseconds of decoding and of resizing, images per second of the workflow's extraction."""
    import pyarrow as pa

    to_input, image = clip.preprocess(options.image_size), decode(content)
    decoding = min(seconds(lambda: decode(content)) for _ in range(5))
    resizing = min(seconds(lambda: to_input(image)) for _ in range(5))
    rows = [{"bytes": content, "path": None}] * options.images
    table = pa.table({"caption_id": [f"c{row:06d}" for row in range(options.images)], "image": rows})
    with tempfile.TemporaryDirectory() as folder:
        write_parquet(table, f"{folder}/images.parquet", row_group_size=256)

        def extract() -> None:
            extract_images(
                f"{folder}/images.parquet",
                f"{folder}/features.parquet",
                clip,
                image_size=options.image_size,
                batch=options.batch,
                workers=options.threads,
            )

        rate = options.images / seconds(extract)
    sizes = (f"{len(content) / 1e3:.0f}", f"{1e3 * decoding:.1f}", f"{1e3 * resizing:.1f}")
    return *sizes, f"{rate:.1f}", f"{rate / model:.2f}"


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
