"""Precision, recall and speed of the noun filters on captions with the true labels of their images.

    python benchmarks/noun_filter.py captions.jsonl [--terms 20]

The file has one JSON object per line: image_id, caption, labels (names of COCO's classes). It is split by a hash of the
image into the half that word lists were tuned on and the half that was not looked at. Counts are pairs of caption and
class, over all classes together. Speed is per second of processor time, on one core.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: the speed is that of one core

import resource
import time
from pathlib import Path

from t2ipal.captions.audit import Agreement, agreement, halves, read_samples
from t2ipal.captions.nouns import NounFilter
from t2ipal.captions.tai_dpt import TaiDptFilter
from t2ipal.classes import load_classes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path)
    parser.add_argument("--terms", type=int, default=0, help="show the words with most errors in the tuning half")
    parser.add_argument("--timed", type=int, default=5000, help="captions to take the time of, at least (%(default)s)")
    arguments = parser.parse_args()

    samples = list(read_samples(arguments.captions))
    classes = load_classes("coco").named("coco_official")
    print(
        f"{'filter':8} {'half':7} {'captions':>8} {'precision':>9} {'recall':>7} {'+unknown':>8} {'unknown/text':>12}"
    )
    for name, labeller in (("default", NounFilter(classes)), ("tai_dpt", TaiDptFilter(classes))):
        for half, part in zip(("tuning", "report"), halves(samples), strict=True):
            result = agreement(part, labeller.label(sample.text for sample in part), classes.names)
            print(
                f"{name:8} {half:7} {result.captions:8} {result.precision:9.4f} {result.recall:7.4f} "
                f"{result.recall_with_unknown:8.4f} {result.unknown / result.captions:12.2f}"
            )
            if half == "tuning" and arguments.terms:
                show_terms(result, classes.names, arguments.terms)
        texts = [sample.text for sample in samples]
        texts *= -(-arguments.timed // len(texts))
        started, wall = time.process_time(), time.perf_counter()
        count = sum(1 for _ in labeller.label(texts))
        rate, wall_rate = count / (time.process_time() - started), count / (time.perf_counter() - wall)
        print(f"{name:8} {rate:.0f} captions/s of processor time, {wall_rate:.0f} of the clock")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def show_terms(result: Agreement, names: tuple[str, ...], count: int) -> None:
    """Print the words with most wrong positives, and the most frequent unknown ones."""
    for verdict in ("positive", "unknown"):
        rows = [(shown - pairs, -pairs, term, names[index], shown, pairs)
                for (index, term, kind), (pairs, shown) in result.terms.items() if kind == verdict]  # fmt: skip
        for _, _, term, name, shown, pairs in sorted(rows)[:count]:
            print(f"    {verdict}: {term!r} as {name}: shown in {shown} of {pairs}")


if __name__ == "__main__":
    main()
