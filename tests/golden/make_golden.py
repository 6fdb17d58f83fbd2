"""Writes golden.safetensors: one T2I-PAL step on a small CLIP, computed the slow way.

    python tests/golden/make_golden.py

Nothing of `t2ipal` is used. CLIP is OpenAI's module in float64 with weights from a frozen random stream; prompts have
all 77 tokens and go through it one class at a time; every equation is a loop over rows, classes and pairs.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import clip
import clip.model
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

PATH = Path(__file__).parent / "golden.safetensors"
NAMES = ["dog", "dining table", "person", "tv monitor", "potted plant", "bicycle"]
CAPTIONS = [
    "A brown dog sleeping under the dining table.",
    "Two men riding bikes next to a parked car",
    "a person watching tv with a puppy on the sofa, and another person reading beside a plant",
    "A bicycle.",
]
LABELS = [[1, 1, 0, 0, 0, 0], [0, 0, 1, 0, -1, 1], [1, 0, 1, 1, 1, 0], [0, 0, 0, -1, 0, 1]]
CONTEXT, WIDTH, DIM, SIDE = 16, 128, 24, 64
SETTINGS = {"scale": 4.0, "tau": 0.02, "alpha": 1.0, "beta": 3.5, "eta": 1.0, "gamma": 0.2}


def random(seed: int, *shape: int, std: float = 1.0) -> Tensor:
    """Normal numbers of numpy's legacy stream, which is frozen for good, rounded to float32."""
    return torch.from_numpy(np.asarray(std * np.random.RandomState(seed).standard_normal(shape))).float()


def golden_clip() -> clip.model.CLIP:
    """Float32. Text: 2 layers, 2 heads. Image: ResNet, 64 pixels, 2 x 2 cells."""
    model = clip.model.CLIP(DIM, SIDE, (1, 1, 1, 1), 8, None, 77, 49408, WIDTH, WIDTH // 64, 2)
    state = {}
    for seed, (name, value) in enumerate(sorted(model.state_dict().items())):
        if not value.is_floating_point():
            state[name] = value
        elif name.endswith("running_var"):
            state[name] = 1 + 0.3 * random(seed, *value.shape).abs()
        elif value.ndim == 1 and name.endswith("weight"):
            state[name] = 1 + random(seed, *value.shape, std=0.2)
        elif value.ndim > 1 and "embedding" not in name:
            state[name] = random(seed, *value.shape, std=1.5 * value[0].numel() ** -0.5)
        else:
            state[name] = random(seed, *value.shape, std=0.2)
    model.load_state_dict(state)
    return model.eval().requires_grad_(False)


def inputs() -> dict[str, Tensor]:
    """What is drawn rather than computed, float32."""
    return {
        "images": random(1000, len(CAPTIONS), 3, SIDE, SIDE),
        "context_global": random(1001, CONTEXT, WIDTH, std=0.1),
        "context_local": random(1002, CONTEXT, WIDTH, std=0.1),
        "prototypes": random(1003, len(NAMES), DIM, std=0.05),
    }


def in_double(model: clip.model.CLIP) -> clip.model.CLIP:
    for module in model.modules():
        if isinstance(module, clip.model.LayerNorm):
            module.__class__ = torch.nn.LayerNorm  # CLIP's own would compute in float32
    return model.double()


def unit(x: Tensor) -> Tensor:
    return x / x.norm()


def hidden(model: clip.model.CLIP, embedded: Tensor) -> Tensor:
    """[77, W] token embeddings to [77, D] projected states."""
    x = model.transformer((embedded + model.positional_embedding)[:, None])[:, 0]
    return model.ln_final(x) @ model.text_projection


def encode_class(model: clip.model.CLIP, name: str, context: Tensor) -> Tensor:
    tokens = clip.tokenize(" ".join(["X"] * CONTEXT) + f" {name}.")[0]
    embedded = model.token_embedding(tokens)
    embedded = torch.cat([embedded[:1], context, embedded[1 + CONTEXT :]])
    return unit(hidden(model, embedded)[tokens.argmax()])


def encode_caption(model: clip.model.CLIP, text: str) -> tuple[Tensor, list[Tensor]]:
    tokens = clip.tokenize(text)[0]
    states = hidden(model, model.token_embedding(tokens))
    return unit(states[tokens.argmax()]), [unit(states[j]) for j in range(77) if tokens[j] != 0]


def encode_image(model: clip.model.CLIP, image: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Global with and without position, and one local feature per cell in reading order."""
    pool, seen = model.visual.attnpool, []
    handle = pool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
    with_position = model.encode_image(image[None])[0]
    handle.remove()
    cells = [seen[0][:, y, x] for y in range(seen[0].shape[1]) for x in range(seen[0].shape[2])]
    tokens = [sum(cells) / len(cells), *cells]
    width, parts = len(tokens[0]) // pool.num_heads, []
    for h in range(pool.num_heads):
        part = slice(h * width, (h + 1) * width)
        scores = [pool.q_proj(tokens[0])[part] @ pool.k_proj(t)[part] / math.sqrt(width) for t in tokens]
        weights = [score.exp() / sum(other.exp() for other in scores) for score in scores]
        parts.append(sum(w * pool.v_proj(t)[part] for w, t in zip(weights, tokens, strict=True)))
    local = [unit(pool.c_proj(pool.v_proj(cell))) for cell in cells]
    return unit(with_position), unit(pool.c_proj(torch.cat(parts))), local


def local_class(local: list[Tensor], embedding: Tensor) -> tuple[Tensor, Tensor]:
    """s' (eq. 3) and H (eq. 4) of one row and class."""
    cosines = [feature @ embedding for feature in local]
    weights = [(s / SETTINGS["tau"]).exp() for s in cosines]
    heat = [w / sum(weights) for w in weights]
    attended = sum(h * feature for h, feature in zip(heat, local, strict=True))
    return sum(h * s for h, s in zip(heat, cosines, strict=True)), attended


def rank(scores: list[Tensor], labels: list[int]) -> Tensor:
    """Eq. 7 with the signed difference."""
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(labels)):
        for j in range(len(labels)):
            if labels[i] == 1 and labels[j] == 0:
                total = total + (SETTINGS["eta"] - scores[i] + scores[j]).clamp(min=0)
    return total


def step(model: clip.model.CLIP, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
    """Features, class embeddings, logits, losses, and the gradients of what is learned."""
    names = ("context_global", "context_local", "prototypes")
    learned = {name: drawn[name].double().requires_grad_() for name in names}
    with torch.no_grad():
        texts = [encode_caption(model, caption) for caption in CAPTIONS]
        images = [encode_image(model, image.double()) for image in drawn["images"]]
    out = {"image.global_pos": torch.stack([pos for pos, _, _ in images])}
    out["image.global_nopos"] = torch.stack([nopos for _, nopos, _ in images])
    out["image.local"] = torch.stack([torch.stack(local) for _, _, local in images])
    out["text.global"] = torch.stack([pooled for pooled, _ in texts])
    out["text.local"] = torch.cat([torch.stack(local) for _, local in texts])
    for side in ("global", "local"):
        out[f"class.{side}"] = torch.stack([encode_class(model, name, learned[f"context_{side}"]) for name in NAMES])
    prototypes = [unit(row) for row in learned["prototypes"]]
    branches = {"text": texts, "image": [(nopos, local) for _, nopos, local in images]}
    losses = {}
    for kind, rows in branches.items():
        tables: dict[str, list[list[Tensor]]] = {"s": [], "s_local": [], "q": [], "joint": []}
        total = torch.zeros((), dtype=torch.float64)
        for (pooled, local), labels in zip(rows, LABELS, strict=True):
            table: dict[str, list[Tensor]] = {name: [] for name in tables}
            for c in range(len(NAMES)):
                s_local, attended = local_class(local, out["class.local"][c])
                q = (-SETTINGS["beta"] * (1 - unit(attended) @ prototypes[c])).exp()
                table["s"].append(SETTINGS["scale"] * (pooled @ out["class.global"][c]))
                table["s_local"].append(SETTINGS["scale"] * s_local)
                table["q"].append(q)
                table["joint"].append(SETTINGS["alpha"] * q + SETTINGS["scale"] * s_local)
            total = total + rank(table["s"], labels) + rank(table["joint"], labels)
            for name, values in table.items():
                tables[name].append(values)
        losses[kind] = total / len(rows)
        out |= {f"{kind}.{name}": torch.stack([torch.stack(row) for row in rows]) for name, rows in tables.items()}
    loss = SETTINGS["gamma"] * losses["image"] + (1 - SETTINGS["gamma"]) * losses["text"]
    loss.backward()
    out |= {"loss": loss, "loss.text": losses["text"], "loss.image": losses["image"]}
    out |= {f"grad.{name}": value.grad for name, value in learned.items()}
    return {name: value.detach().float().contiguous() for name, value in out.items()}


def main() -> None:
    found = step(in_double(golden_clip()), inputs())
    metadata = {"names": json.dumps(NAMES), "captions": json.dumps(CAPTIONS), "labels": json.dumps(LABELS)}
    save_file(found, PATH, metadata=metadata | {"settings": json.dumps(SETTINGS)})
    print(f"{PATH}: {PATH.stat().st_size / 1e3:.0f} kB, loss {float(found['loss']):.6f}")


if __name__ == "__main__":
    main()
