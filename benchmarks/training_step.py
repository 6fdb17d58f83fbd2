"""Seconds of one training step at the real size, the plain way against ours, on random weights.

A step takes two sets of prompts (global and local) through CLIP's text encoder, 512 wide and 12 layers deep, and back,
and ranks 64 captions against them.

plain: 77 tokens per class and prompt by CLIP's own modules, and the 64 captions encoded again in each step.
ours:  `t2ipal.models.prompts.PromptEncoder` (the shared prefix once, nothing behind the end mark), captions cached.

On a GPU, where there is one, the wall clock counts and the CPU columns say how long the host was busy: where both are
equal, launching kernels decides.

    python benchmarks/training_step.py --threads 2
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from t2ipal.backbones.base import ImageTextEncoder
from t2ipal.backbones.openai.encoder import OpenAIEncoder
from t2ipal.backbones.openai.variants import Sizes, build_sizes
from t2ipal.classes import load_classes
from t2ipal.device import pick_device
from t2ipal.models.losses import ranking_loss
from t2ipal.models.prompts import PromptEncoder, encode_plain
from t2ipal.models.similarity import global_logits, local_logits

WIDTH, LAYERS, BATCH, CONTEXT = 512, 12, 64, 16
GOALS = {"voc2007": "12x", "coco": "20x"}
Step = Callable[[], tuple[Tensor, list[Tensor]]]


def random_clip(width: int, layers: int) -> OpenAIEncoder:
    """A CLIP with a text encoder of this size and next to no image encoder."""
    heads = max(1, width // 64)
    sizes = Sizes(width, 32, (1, 1, 1, 1), 2, 0, 1, width, heads, layers)
    return OpenAIEncoder(build_sizes(sizes).eval().requires_grad_(False).to(pick_device()), "random")


def steps(clip: ImageTextEncoder, names: tuple[str, ...]) -> tuple[Step, Step]:
    """The plain step and ours; each returns the loss and the gradients of the two contexts."""
    captions = [
        f"a photo of a {names[i % len(names)]} beside a {names[3 * i % len(names)]} in the street" for i in range(BATCH)
    ]
    tokens, lengths = clip.tokenize(captions)
    mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).to(clip.device)
    labels = torch.zeros(BATCH, len(names), dtype=torch.int8)
    for i in range(BATCH):
        labels[i, [i % len(names), 3 * i % len(names)]] = 1
    labels = labels.to(clip.device)
    contexts = (0.02 * torch.randn(2, CONTEXT, clip.dim)).to(clip.device).requires_grad_()
    encoder = PromptEncoder(clip, names, CONTEXT)
    with torch.no_grad():
        pooled, local = clip.text_dense(tokens, lengths)
    longest = int(lengths.max())
    cached, cached_mask = (pooled, local[:, :longest].contiguous()), mask[:, :longest]

    def rank(embeddings: Tensor, features: tuple[Tensor, Tensor], mask: Tensor) -> tuple[Tensor, list[Tensor]]:
        s = 4 * global_logits(features[0], embeddings[0])
        s_local = 4 * local_logits(features[1], embeddings[1], 0.02, mask).logits
        loss = (ranking_loss(s, labels) + ranking_loss(s_local, labels)).mean()
        return loss.detach(), list(torch.autograd.grad(loss, [contexts]))

    def plain() -> tuple[Tensor, list[Tensor]]:
        with torch.no_grad():
            features = clip.text_dense(tokens, lengths)
        return rank(torch.stack([encode_plain(clip, names, context) for context in contexts]), features, mask)

    def ours() -> tuple[Tensor, list[Tensor]]:
        return rank(encoder(contexts), cached, cached_mask)

    return plain, ours


def timed(step: Step, times: list[tuple[float, float]]) -> tuple[Tensor, list[Tensor]]:
    """Take a step; append its seconds of wall clock, and of CPU, all threads together, to `times`."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return result


def medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    """Median wall clock and median CPU seconds."""
    wall, cpu = zip(*times, strict=True)
    return statistics.median(wall), statistics.median(cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--rounds", type=int, default=3, help="times that one plain step and --repeats of ours take turns"
    )
    parser.add_argument("--repeats", type=int, default=5, help="steps of ours in a round")
    parser.add_argument("--width", type=int, default=WIDTH, help="of the text encoder (%(default)s)")
    parser.add_argument("--layers", type=int, default=LAYERS, help="of the text encoder (%(default)s)")
    parser.add_argument("--classes", nargs="*", default=list(GOALS), help="class lists (%(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    clip = random_clip(options.width, options.layers)
    place = f"{clip.device}, {options.threads} threads, torch {torch.__version__}"
    print(f"{options.width} x {options.layers} layers, batch {BATCH}, {place}; medians")
    print("With other work on the machine, threads wait for each other: then take --threads 1 and the CPU seconds.")
    print(f"{'':>4} {'wall clock':>27} {'CPU':>27} {'':>6} {'differences':>25}")
    columns = ("C", "plain s", "ours s", "ratio", "plain s", "ours s", "ratio", "goal", "loss", "gradient (relative)")
    widths = (4, 10, 8, 7, 10, 8, 7, 6, 9, 20)
    print(" ".join(f"{name:>{width}}" for name, width in zip(columns, widths, strict=True)))
    for classes in options.classes:
        names = load_classes(classes).names
        plain, ours = steps(clip, names)
        our_loss, our_grad = ours()
        slow: list[tuple[float, float]] = []
        fast: list[tuple[float, float]] = []
        for _ in range(options.rounds):
            loss, grad = timed(plain, slow)
            for _ in range(options.repeats):
                timed(ours, fast)
        (slow_wall, slow_cpu), (fast_wall, fast_cpu) = medians(slow), medians(fast)
        gradient = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(grad, our_grad, strict=True))
        cells = [f"{len(names)}"]
        for a, b in ((slow_wall, fast_wall), (slow_cpu, fast_cpu)):
            cells += [f"{a:.2f}", f"{b:.3f}", f"{a / b:.1f}x"]
        cells += [GOALS.get(classes, ""), f"{float((loss - our_loss).abs()):.1e}", f"{gradient:.1e}"]
        print(" ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)), flush=True)


if __name__ == "__main__":
    main()
