"""Seconds of one training step at the real size, the plain way against ours, on random weights.

A step takes two sets of prompts (global and local) through CLIP's text encoder, 512 wide and 12 layers deep, and back, and
ranks 64 captions against them.

plain: 77 tokens per class and prompt by CLIP's own modules, and the 64 captions encoded again in each step.
ours:  `t2ipal.models.prompts.PromptEncoder` (the shared prefix once, nothing behind the end mark), captions cached.

    python benchmarks/training_step.py --threads 2 --repeats 5 --plain-repeats 1
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from t2ipal.features.clip_models import Clip, tokenize
from t2ipal.features.dense import encode_text_dense
from t2ipal.models.losses import ranking_loss
from t2ipal.models.prompts import PromptEncoder, encode_plain
from t2ipal.models.similarity import global_logits, local_logits

WIDTH, LAYERS, HEADS, BATCH, CONTEXT = 512, 12, 8, 64, 16
VOC = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table", "dog", "horse",
    "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip
COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light", "fire hydrant",
    "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
    "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat",
    "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl",
    "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave",
    "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

Step = Callable[[], tuple[Tensor, list[Tensor]]]


def random_clip() -> Clip:
    """A CLIP with a text encoder of the real size and next to no image encoder."""
    from clip.model import CLIP

    model = CLIP(512, 32, (1, 1, 1, 1), 2, None, 77, 49408, WIDTH, HEADS, LAYERS).eval().requires_grad_(False)
    return Clip(model, "random", "", 512, 32)


def steps(clip: Clip, names: tuple[str, ...]) -> tuple[Step, Step]:
    """The plain step and ours; each returns the loss and the gradients of the two contexts."""
    captions = [
        f"a photo of a {names[i % len(names)]} beside a {names[3 * i % len(names)]} in the street" for i in range(BATCH)
    ]
    tokens = tokenize(captions)
    mask = tokens != 0
    labels = torch.zeros(BATCH, len(names), dtype=torch.int8)
    for i in range(BATCH):
        labels[i, [i % len(names), 3 * i % len(names)]] = 1
    contexts = (0.02 * torch.randn(2, CONTEXT, WIDTH)).requires_grad_()
    encoder = PromptEncoder(clip, names, CONTEXT)
    with torch.no_grad():
        pooled, local = encode_text_dense(clip, tokens)
    longest = int(mask.sum(1).max())
    cached, cached_mask = (pooled, local[:, :longest].contiguous()), mask[:, :longest]

    def rank(embeddings: Tensor, features: tuple[Tensor, Tensor], mask: Tensor) -> tuple[Tensor, list[Tensor]]:
        s = 4 * global_logits(features[0], embeddings[0])
        s_local = 4 * local_logits(features[1], embeddings[1], 0.02, mask, attend=False).logits
        loss = (ranking_loss(s, labels) + ranking_loss(s_local, labels)).mean()
        return loss.detach(), list(torch.autograd.grad(loss, [contexts]))

    def plain() -> tuple[Tensor, list[Tensor]]:
        with torch.no_grad():
            features = encode_text_dense(clip, tokens)
        return rank(torch.stack([encode_plain(clip, names, context) for context in contexts]), features, mask)

    def ours() -> tuple[Tensor, list[Tensor]]:
        return rank(encoder(contexts), cached, cached_mask)

    return plain, ours


def seconds(step: Step, repeats: int) -> float:
    """Median seconds of a step, after one that is not counted where there is more than one."""
    taken = []
    for _ in range(repeats + (repeats > 1)):
        started = time.perf_counter()
        step()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[-repeats:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7, help="steps of our way")
    parser.add_argument("--plain-repeats", type=int, default=1, help="steps of the plain way")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    clip = random_clip()
    print(f"{WIDTH} x {LAYERS} layers, batch {BATCH}, {options.threads} threads, torch {torch.__version__}")
    print(
        f"{'C':>4} {'plain s':>9} {'ours s':>9} {'ratio':>7} {'goal':>6} {'max loss diff':>14} {'max grad diff (relative)':>25}"
    )
    for names, goal in ((VOC, 12), (COCO, 20)):
        plain, ours = steps(clip, names)
        (loss, grad), (our_loss, our_grad) = plain(), ours()
        slow, fast = seconds(plain, options.plain_repeats), seconds(ours, options.repeats)
        difference = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(grad, our_grad, strict=True))
        print(
            f"{len(names):>4} {slow:>9.2f} {fast:>9.3f} {slow / fast:>6.1f}x {goal:>5}x {float((loss - our_loss).abs()):>14.1e} "
            f"{difference:>25.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
