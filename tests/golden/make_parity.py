"""Writes parity.safetensors: small inputs, and what the formulas of the official code make of them, the slow way.

    python tests/golden/make_parity.py

Nothing of `t2ipal` is used, and nothing was copied: each formula is written anew, in float64, one number at a time.
README.md says which of them were compared with the official code itself.
"""

from __future__ import annotations

import hashlib
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

PATH = Path(__file__).parent / "parity.safetensors"
Tensors = dict[str, Tensor]

MASKS = {"voc2007": (0, 5011, 20), "coco2014-sarb": (0, 82783, 80), "coco2014-tai_dpt": (1, 82783, 80)}
"""Seed, images and classes of the official masks of known labels."""
LEVELS, HEAD = (10, 50, 90), 16


def inputs() -> Tensors:
    """Normal numbers and labels of numpy's legacy stream, which is frozen for good, rounded to float32."""
    stream = np.random.RandomState(7)

    def normal(*shape: int, std: float = 1.0) -> Tensor:
        return torch.from_numpy(np.asarray(std * stream.standard_normal(shape))).float()

    def pick(shape: tuple[int, ...], *shares: float) -> Tensor:
        return torch.from_numpy(stream.choice([1, 0, -1], shape, p=shares)).to(torch.int8)

    rows, cells, classes, width, inner, words = 6, 5, 4, 8, 6, 7
    drawn = {
        "asl.logits": 9 * normal(5, 8) - 4,
        "asl.labels": pick((5, 8), 0.4, 0.4, 0.2),
        "scores.text": normal(40, classes),
        "scores.label": 3 * normal(40, classes) - 1,
        "scores.labels": pick((40, classes), 0.3, 0.7, 0.0),
        "labels": pick((rows, classes), 0.4, 0.3, 0.3),
        "graph.labels": pick((30, 7), 0.5, 0.4, 0.1),
        "cells": normal(rows, cells, width),
        "words": normal(classes, words),
        "image_map": normal(width, inner, std=0.4),
        "word_map": normal(words, inner, std=0.4),
        "inner_map": normal(inner, inner, std=0.4),
        "attention": normal(inner, std=0.8),
        "conditional": normal(classes, classes).abs().clamp(max=1),
        "output": normal(2 * width, width, std=0.3),
        "output_bias": normal(width),
        "classifier": normal(classes, width),
        "classifier_bias": normal(classes),
        "centre": normal(classes, width),
        "comc.x": normal(rows, width),
        "comc.texts": normal(classes, width),
        "comc.weight": normal(classes, width),
        "support": normal(9, width),
        "query": normal(rows, width),
        "support.labels": pick((9, 5), 0.5, 0.5, 0.0),
    }
    for gate in ("update", "reset", "candidate"):
        drawn |= {f"{gate}.w": normal(2 * width, width, std=0.3), f"{gate}.u": normal(width, width, std=0.3)}
        drawn |= {f"{gate}.b": normal(width, std=0.3)}
    return drawn


def asymmetric(given: Tensors) -> Tensors:
    """The loss and its gradient with the floors of both repositories and without one."""
    out = {}
    for name, floor in (("none", 0.0), ("tai_dpt", 1e-8), ("dualcoop", 1e-6)):
        z = given["asl.logits"].double().requires_grad_()
        total = []
        for row, labels in zip(z, given["asl.labels"].tolist(), strict=True):
            cost = torch.zeros((), dtype=torch.float64)
            for one, label in zip(row, labels, strict=True):
                p = 1 / (1 + (-one).exp())
                if label == 1:
                    cost = cost - (1 - p).detach() * p.clamp(min=floor).log()
                elif label == 0:
                    q = (1 - p + 0.05).clamp(max=1)
                    cost = cost - (1 - q).detach() ** 2 * q.clamp(min=floor).log()
            total.append(cost)
        torch.stack(total).sum().backward()
        out |= {f"asl.{name}.loss": torch.stack(total), f"asl.{name}.grad": z.grad}
    return out


def scores(given: Tensors) -> Tensors:
    """TaI-DPT's late fusion, SPARC's normalisation, average precision, and the F1 of ML-GCN, SSGRL and SARB."""
    text, label = (given[f"scores.{name}"].double().numpy() for name in ("text", "label"))
    truth = given["scores.labels"].numpy() == 1
    scaled = [(one - one.min()) / (one.max() - one.min()) for one in (text, label)]
    by_image = np.array([(row - row.mean()) / row.std(ddof=1) for row in label])
    sparc = np.array([(column - column.mean()) / column.std(ddof=1) for column in by_image.T]).T
    precisions, smooth = [], []
    for c in range(label.shape[1]):
        order = sorted(range(len(label)), key=lambda row, c=c: -label[row, c])
        hits, at = 0, []
        for place, row in enumerate(order, 1):
            if truth[row, c]:
                hits += 1
                at.append(hits / place)
        precisions.append(sum(at) / hits)
        smooth.append(sum(max(at[k:]) for k in range(hits)) / hits)
    predicted = label >= 0
    by_class = [(np.sum(predicted[:, c] & truth[:, c]), predicted[:, c].sum(), truth[:, c].sum()) for c in range(4)]
    precision, recall = (np.mean([hit / row[k] for hit, *row in by_class]) for k in (0, 1))
    right, made, there = (sum(part) for part in zip(*by_class, strict=True))
    f1 = [2 * precision * recall / (precision + recall), 2 * right / (made + there)]
    return {
        "fused": torch.from_numpy(0.1 * scaled[0] + 0.9 * scaled[1]),
        "sparc": torch.from_numpy(sparc),
        "ap": 100 * torch.tensor(precisions, dtype=torch.float64),
        "ap.voc2012": 100 * torch.tensor(smooth, dtype=torch.float64),
        "f1": 100 * torch.tensor(f1, dtype=torch.float64),
    }


def graphs(given: Tensors) -> Tensors:
    """P of known labels (HCP-MLR-PL) and ML-GCN's adjacency of it."""
    known = (given["graph.labels"].numpy() == 1).astype(float)
    count = known.shape[1]
    p = np.array([[sum(known[:, i] * known[:, j]) / known[:, i].sum() for j in range(count)] for i in range(count)])
    edge = np.array([[float(p[i, j] >= 0.4 and i != j) for j in range(count)] for i in range(count)])
    share = np.array(
        [[edge[i, j] * 0.25 / (edge[:, j].sum() + 1e-6) + (i == j) for j in range(count)] for i in range(count)]
    )
    size = share.sum(1) ** -0.5
    adjacency = np.array([[size[i] * share[j, i] * size[j] for j in range(count)] for i in range(count)])
    return {"conditional.known": torch.from_numpy(p), "adjacency": torch.from_numpy(adjacency)}


def semantic(given: Tensors) -> Tensors:
    """SSGRL and SARB on cells: decoupling, three steps of the graph, logits, blendings, contrastive loss."""
    w = {name: value.double() for name, value in given.items()}
    rows, classes = given["labels"].shape
    v = w["inner_map"] @ w["attention"]
    features = []
    for cells in w["cells"]:
        row = []
        for word in w["words"]:
            inside = [torch.tanh((cell @ w["image_map"]) * (word @ w["word_map"])) for cell in cells]
            heat = torch.stack([value @ v for value in inside]).softmax(0)
            row.append(sum(share * cell for share, cell in zip(heat, cells, strict=True)))
        features.append(torch.stack(row))
    f = torch.stack(features)
    states = []
    for nodes in f:
        h = nodes
        for _ in range(3):
            m = torch.cat([w["conditional"] @ h, w["conditional"].T @ h], 1)
            z = torch.sigmoid(m @ w["update.w"] + h @ w["update.u"] + w["update.b"])
            r = torch.sigmoid(m @ w["reset.w"] + h @ w["reset.u"] + w["reset.b"])
            n = torch.tanh(m @ w["candidate.w"] + (r * h) @ w["candidate.u"] + w["candidate.b"])
            h = (1 - z) * h + z * n
        states.append(h)
    h = torch.stack(states)
    hidden = torch.tanh(torch.cat([h, f], -1) @ w["output"] + w["output_bias"])
    logits = torch.stack([hidden[:, c] @ w["classifier"][c] + w["classifier_bias"][c] for c in range(classes)], 1)
    labels, alpha = given["labels"].tolist(), 0.3
    mixed, targets = f.clone(), torch.tensor([[float(y == 1) for y in row] for row in labels], dtype=torch.float64)
    for row in range(rows):
        other = rows - 1 - row
        for c in range(classes):
            if labels[row][c] == -1 and labels[other][c] == 1:
                mixed[row, c] = alpha * f[row, c] + (1 - alpha) * f[other, c]
                targets[row, c] = 1 - alpha
    return {
        "decoupled": f,
        "states": h,
        "logits": logits,
        "blended": mixed,
        "blended.targets": targets,
        "contrastive": contrastive(f, labels),
    }


def contrastive(f: Tensor, labels: list[list[int]]) -> Tensor:
    """HCP-MLR-PL's contrastive loss, its random part replaced by the expectation."""
    kinds: dict[str, list[Tensor]] = {"together": [], "mixed": [], "absent": []}
    for a, b in combinations(range(len(labels)), 2):
        for c in range(len(labels[0])):
            cosine = torch.nn.functional.cosine_similarity(f[a, c], f[b, c], dim=0)
            pair = {labels[a][c], labels[b][c]}
            if pair == {1}:
                kinds["together"].append(1 - cosine)
            elif pair in ({0}, {0, 1}):
                kinds["absent" if pair == {0} else "mixed"].append(1 + cosine)
    n = len(kinds["together"])
    total, pairs = torch.stack(kinds["together"]).sum(), n
    for name in ("mixed", "absent"):
        values = torch.stack(kinds[name])
        sampled, hard = min(2 * n, len(values)), min(n, len(values))
        total = total + sampled * values.mean() + values.sort(descending=True).values[:hard].sum()
        pairs += sampled + hard
    return total / pairs


def comc(given: Tensors) -> Tensors:
    """CoMC's mapping of features towards texts, and its classifier."""
    x, texts = (torch.nn.functional.normalize(given[f"comc.{name}"].double(), dim=-1) for name in ("x", "texts"))
    rows = []
    for feature in x:
        share = torch.stack([100 * (feature @ text) for text in texts]).softmax(0)
        mapped = sum(one * text for one, text in zip(share, texts, strict=True))
        rows.append(given["comc.weight"].double() @ (0.7 * feature + 0.3 * mapped / mapped.norm()))
    return {"comc.logits": torch.stack(rows)}


def propagation(given: Tensors) -> Tensors:
    """ML-FSL's transductive label propagation: F_u = (I - W_uu)^-1 W_ul Y of a kernel of width 0.7."""
    query, support = (torch.nn.functional.normalize(given[name].double(), dim=-1) for name in ("query", "support"))
    everything, count = torch.cat([support, query]), len(support)
    labels = (given["support.labels"] == 1).double()
    shares = labels / labels.sum(1, keepdim=True).clamp(min=1)
    weights = torch.zeros(len(everything), len(everything), dtype=torch.float64)
    for i in range(len(everything)):
        for j in range(len(everything)):
            if i != j:
                weights[i, j] = (-(everything[i] - everything[j]).square().sum() / 0.7).exp()
    weights = weights / weights.sum(1, keepdim=True)
    a = torch.eye(len(everything), dtype=torch.float64) - weights
    return {"propagated": -torch.linalg.inv(a[count:, count:]) @ a[count:, :count] @ shares, "shares": shares}


def masks() -> tuple[Tensors, dict[str, str]]:
    """The first images of the official masks, and the SHA-256 of each whole mask, packed to bits."""
    heads, digests = {}, {}
    for name, (seed, rows, classes) in MASKS.items():
        np.random.seed(seed)
        drawn = np.random.random((rows, classes))
        for level in LEVELS:
            known = drawn < level / 100
            heads[f"mask.{name}.{level}"] = torch.from_numpy(known[:HEAD].astype(np.int8))
            digests[f"{name}.{level}"] = hashlib.sha256(np.packbits(known).tobytes()).hexdigest()
    return heads, digests


def expected(given: Tensors) -> Tensors:
    """All results but the masks."""
    parts = (asymmetric, scores, graphs, semantic, comc, propagation)
    return {name: value.detach() for part in parts for name, value in part(given).items()}


def main() -> None:
    given = inputs()
    heads, digests = masks()
    results = {f"expected.{name}": value.contiguous() for name, value in expected(given).items()}
    save_file(given | results | heads, PATH, metadata={"masks": json.dumps(digests)})
    print(f"{PATH}: {PATH.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
