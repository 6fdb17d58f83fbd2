"""Memory and time of reading features for training, at sizes of the default and 10 and 100 times that.

    python benchmarks/streaming.py [--times 1 10 100] [--wide 1 10] [--folder DIR] [--extract 1 10] [--ways ...]

Features are made up, on disk as the workflow writes them: N captions x 6 images, each sample in two shards. The default
has 1,000 captions, D = 128 and maps of 3 x 3 cells; --wide has D = 512 and 7 x 7. Each line is a process of its own:

plain:   each file read as a table and put together in memory, as one would write it first; no batches.
memory:  `t2ipal.rows.data.read_training_data` without a limit of memory.
scratch: the same with all features in scratch files; their pages that are in memory belong to the system, which takes
         them back when they are wanted.

load is the time until the first batch, step the mean time of a batch of 64 captions and images for three seeds, over
--steps batches drawn from all rows, and again; for "scratch" the pages are put out of memory before the first time.
"own" is the peak of memory that only the process has (anonymous pages), "all" that with mapped pages. --extract passes
pictures of 32 pixels through a small CLIP of random weights: 6,000 are one time the default.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

SAMPLES, SHARDS, CLASSES, TOKENS = 6, 2, 20, 14
SEEDS, BATCH = (1, 2, 3), 64


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--wide", type=int, nargs="*", default=[1, 10])
    parser.add_argument("--extract", type=int, nargs="*", default=[1, 10])
    parser.add_argument("--ways", nargs="*", default=["plain", "memory", "scratch"])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--captions", type=int, default=1000, help="those of one time the default (%(default)s)")
    parser.add_argument("--folder", default=None, help="where features and scratch files go, removed afterwards")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(CHILDREN[options.child.split()[0]](*options.child.split()[1:])))
        return
    columns = ("features", "images", "file MB", "way", "load s", "step ms", "again ms", "own MB", "all MB")
    print(" ".join(f"{column:>12}" for column in columns), flush=True)
    for name, (dim, side, times) in {"128, 3x3": (128, 3, options.times), "512, 7x7": (512, 7, options.wide)}.items():
        for factor in times:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                _child(f"make {folder} {options.captions * factor} {dim} {side}", options.folder)
                size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
                for way in options.ways:
                    found = _child(f"read {folder} {way} {options.steps}", options.folder)
                    cells = [name, f"{SAMPLES * options.captions * factor:,}", f"{size:.0f}", way, *found]
                    print(" ".join(f"{cell:>12}" for cell in cells), flush=True)
    for factor in options.extract:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            found = _child(f"extract {folder} {SAMPLES * options.captions * factor}", options.folder)
            cells = ["extraction", f"{SAMPLES * options.captions * factor:,}", "", "", *found]
            print(" ".join(f"{cell:>12}" for cell in cells), flush=True)


def _child(work: str, folder: str | None) -> list[str]:
    """Do a part in a process of its own; return the cells that it measured."""
    environment = {**os.environ, **({"TMPDIR": folder} if folder else {})}
    command = [sys.executable, __file__, "--child", work]
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


class Peak:
    """Peaks of this process's memory in MB: its own pages, and all that are in memory, looked at every 20 ms."""

    def __init__(self) -> None:
        self.own = self.all = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def look(self) -> None:
        lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
        values = {words[0]: int(words[1]) / 1e3 for words in lines if words[0].startswith(("RssAnon", "VmRSS"))}
        self.own, self.all = max(self.own, values["RssAnon:"]), max(self.all, values["VmRSS:"])

    def _watch(self) -> None:
        while True:
            self.look()
            time.sleep(0.02)


def _ids(count: int) -> list[str]:
    return [f"caption-{row:08d}" for row in range(count)]


def make(folder: str, count: str, dim: str, side: str) -> list[str]:
    """Write made-up features of captions and images, and labels."""
    import numpy as np
    import pyarrow as pa

    from t2ipal.features.cache import image_schema, text_schema
    from t2ipal.store import parquet_writer

    draw, captions, width, cells = np.random.default_rng(0), int(count), int(dim), int(side) ** 2
    facts = {"clip_sha256": "0", "clip_name": "made", "dim": dim}
    # one block of numbers, written again and again: what they are changes nothing here
    rows = 256
    block = draw.standard_normal(rows * max(cells, TOKENS) * width).astype(np.float16)

    def fixed(n: int, size: int) -> pa.Array:
        return pa.FixedSizeListArray.from_arrays(pa.array(block[: n * size]), size)

    ids = _ids(captions)
    for sample in range(SAMPLES):
        for shard in range(SHARDS):
            schema = image_schema(width, cells, False, {**facts, "kind": "image", "grid": f"{side},{side}"})
            with parquet_writer(Path(folder, f"images-{sample}-{shard}.parquet"), schema) as writer:
                own = ids[shard::SHARDS]
                for start in range(0, len(own), rows):
                    part = own[start : start + rows]
                    columns = [pa.array(part), *(fixed(len(part), size) for size in (width, width, cells * width))]
                    writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    schema = text_schema(width, {**facts, "kind": "text", "grid": ""})
    with parquet_writer(Path(folder, "captions.parquet"), schema) as writer:
        for start in range(0, captions, rows):
            part = ids[start : start + rows]
            starts = np.arange(len(part) + 1, dtype=np.int32) * TOKENS
            local = pa.ListArray.from_arrays(pa.array(starts * np.int32(width)), pa.array(block[: starts[-1] * width]))
            tokens = pa.ListArray.from_arrays(pa.array(starts), pa.array(np.ones(starts[-1], np.int32)))
            columns = [pa.array(part), fixed(len(part), width), local, tokens]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    schema = pa.schema(
        [("caption_id", pa.string()), ("positive", pa.list_(pa.int32())), ("unknown", pa.list_(pa.int32()))]
    )
    with parquet_writer(Path(folder, "labelled.parquet"), schema) as writer:
        labels = [[row % CLASSES] for row in range(captions)]
        writer.write_table(
            pa.table(
                [pa.array(ids), pa.array(labels, schema[1].type), pa.array([[]] * captions, schema[2].type)],
                schema=schema,
            )
        )
    return []


def read(folder: str, way: str, steps: str) -> list[str]:
    """Load the features and draw batches."""
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.rows import CAPTIONS, SYNTHETIC
    from t2ipal.rows.data import TrainingFiles, read_training_data

    samples = [[f"{folder}/images-{k}-{i}.parquet" for i in range(SHARDS)] for k in range(SAMPLES)]
    # what is read of the disk shall be read of the disk
    for path in Path(folder).iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    gc.collect()
    peak, started = Peak(), time.perf_counter()
    if way == "plain":
        kept = _plain(samples)
        load = time.perf_counter() - started
        peak.look()
        del kept
        return [f"{load:.1f}", "", "", f"{peak.own:.0f}", f"{peak.all:.0f}"]
    budget = MemoryBudget() if way == "memory" else MemoryBudget(memory=0)
    paths = {name: f"{folder}/{name}.parquet" for name in ("labelled", "captions")}
    files = TrainingFiles({**paths, "images": [path for shards in samples for path in shards]}, SHARDS)
    data = read_training_data(files, {CAPTIONS, SYNTHETIC}, CLASSES, budget)
    load = time.perf_counter() - started
    if way == "scratch":
        for sample in data[SYNTHETIC].samples:
            _evict(sample.local)
    first, again = (_steps(data, int(steps)) for _ in range(2))
    peak.look()
    return [f"{load:.1f}", f"{1e3 * first:.1f}", f"{1e3 * again:.1f}", f"{peak.own:.0f}", f"{peak.all:.0f}"]


def _plain(samples: list[list[str]]) -> list[Any]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = []
    for shards in samples:
        table = pa.concat_tables([pq.read_table(path) for path in shards]).sort_by("id")
        names = ("global_pos", "global_nopos", "local")
        found += [np.concatenate([part.flatten().to_numpy() for part in table[name].chunks]) for name in names]
    return found


def _steps(data: Any, steps: int) -> float:
    """Seconds per batch of the same draws."""
    import torch

    from t2ipal.rows import CAPTIONS as TEXTS
    from t2ipal.rows import SYNTHETIC
    from t2ipal.rows.base import RowRequest
    from t2ipal.rows.sampler import Sampler

    sampler = Sampler(data, RowRequest(frozenset({TEXTS, SYNTHETIC})), SEEDS, BATCH, True)
    batches = sampler.epoch(0, torch.device("cpu"))
    next(batches)
    started, count = time.perf_counter(), 0
    for _ in batches:
        count += 1
        if count == steps:
            break
    return (time.perf_counter() - started) / count


def _evict(tensor: Any) -> None:
    """Write a mapped tensor's pages to the disk and put them out of memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    size = tensor.numel() * tensor.element_size()
    start = tensor.data_ptr() & ~4095
    length = size + tensor.data_ptr() - start
    # msync, then the pages out of the process (MADV_PAGEOUT also drops clean pages of the file)
    if libc.msync(ctypes.c_void_p(start), ctypes.c_size_t(length), 4):
        raise OSError(ctypes.get_errno(), "msync")
    if libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), 21):
        raise OSError(ctypes.get_errno(), "madvise")


def random_clip() -> Any:
    """A small CLIP of random weights."""
    from t2ipal.backbones.openai.encoder import OpenAIEncoder
    from t2ipal.backbones.openai.variants import Sizes, build_sizes

    sizes = Sizes(32, 32, (1, 1, 1, 1), 8, 0, 8, 64, 1, 1)
    return OpenAIEncoder(build_sizes(sizes).eval().requires_grad_(False), "random")


def extract(folder: str, count: str) -> list[str]:
    """Write pictures and pass them through a small CLIP."""
    import io

    import numpy as np
    import pyarrow as pa
    from PIL import Image

    from t2ipal.features.extract import extract_images
    from t2ipal.store import parquet_writer

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(buffer, "PNG")
    schema = pa.schema(
        [("caption_id", pa.string()), ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))]
    )
    ids = _ids(int(count))
    with parquet_writer(f"{folder}/images.parquet", schema) as writer:
        for start in range(0, len(ids), 256):
            rows = [
                {"caption_id": key, "image": {"bytes": buffer.getvalue(), "path": None}}
                for key in ids[start : start + 256]
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))
    clip, peak, started = random_clip(), Peak(), time.perf_counter()
    extract_images(f"{folder}/images.parquet", f"{folder}/features.parquet", clip, image_size=32)
    seconds = time.perf_counter() - started
    peak.look()
    return [f"{seconds:.1f}", "", "", f"{peak.own:.0f}", f"{peak.all:.0f}"]


CHILDREN = {"make": make, "read": read, "extract": extract}

if __name__ == "__main__":
    main()
