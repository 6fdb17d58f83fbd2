"""The package against parity.safetensors, which `make_parity.py` computed without it."""

import hashlib
import json
from functools import cache

import numpy as np
import pytest
import torch
from make_parity import LEVELS, MASKS, PATH, expected, inputs
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from t2ipal import methods
from t2ipal.metrics.evaluate import average_precision, f1_threshold
from t2ipal.metrics.original import voc2012_average_precision
from t2ipal.metrics.score_fusion import fuse, standardise
from t2ipal.models.asymmetric_loss import DUALCOOP_FLOOR, TAI_FLOOR, asymmetric_loss
from t2ipal.models.blending import blend_instances, contrastive
from t2ipal.models.graph_network import classify, propagate
from t2ipal.models.label_graph import cooccurrence, gcn_adjacency
from t2ipal.models.label_propagation import propagate as propagate_labels
from t2ipal.models.label_propagation import share_labels
from t2ipal.models.semantic_decoupling import decouple
from t2ipal.protocols.partial import sample_known

Tensors = dict[str, Tensor]


@cache
def golden() -> Tensors:
    return load_file(PATH)


def by_class(values: Tensor) -> Tensor:
    """[R, C, H] as [S, C, R, H] of one seed."""
    return values.transpose(0, 1)[None]


@cache
def ours() -> Tensors:
    """What the package makes of the inputs, by the names of what is expected."""
    g = inputs()
    found: Tensors = {}
    for name, floor in (("none", 0.0), ("tai_dpt", TAI_FLOOR), ("dualcoop", DUALCOOP_FLOOR)):
        logits = g["asl.logits"].clone().requires_grad_()
        found[f"asl.{name}.loss"] = asymmetric_loss(logits, g["asl.labels"], floor=floor)
        found[f"asl.{name}.loss"].sum().backward()
        found[f"asl.{name}.grad"] = logits.grad
    text, label, truth = (g[f"scores.{name}"].numpy() for name in ("text", "label", "labels"))
    found["fused"] = torch.from_numpy(fuse(text[None], label[None], 0.9))[0]
    found["sparc"] = torch.from_numpy(standardise(label[None]))[0]
    found["ap"] = torch.from_numpy(average_precision(label, truth))
    found["ap.voc2012"] = torch.from_numpy(voc2012_average_precision(label, truth))
    found["f1"] = torch.tensor([getattr(f1_threshold(label, truth), name) for name in ("CF1", "OF1")])
    found["conditional.known"] = cooccurrence(g["graph.labels"])
    found["adjacency"] = gcn_adjacency(found["conditional.known"])
    query, vector = g["words"] @ g["word_map"], g["inner_map"] @ g["attention"]
    features = decouple(g["cells"][None], g["image_map"][None], query[None], vector[None]).features
    weights = {
        "message_gates": torch.cat([g["update.w"], g["reset.w"]], -1),
        "state_gates": torch.cat([g["update.u"], g["reset.u"]], -1),
        "gate_bias": torch.cat([g["update.b"], g["reset.b"]]),
        "message_candidate": g["candidate.w"],
        "state_candidate": g["candidate.u"],
        "candidate_bias": g["candidate.b"],
        **{name: g[name] for name in ("output", "output_bias", "classifier", "classifier_bias")},
    }
    weights = {name: value[None] for name, value in weights.items()}
    states = propagate(features, g["conditional"][None], weights, 3)
    found |= {"decoupled": features[0].transpose(0, 1), "states": states[0].transpose(0, 1)}
    found["logits"] = classify(states, features, weights)[0]
    blended = blend_instances(features, g["labels"][None], torch.tensor([0.3]))
    found |= {"blended": blended.features[0].transpose(0, 1), "blended.targets": blended.targets[0]}
    found["contrastive"] = contrastive(features, g["labels"][None])[0]
    method = methods.get("comc")
    x, texts = (normalize(g[f"comc.{name}"], dim=-1) for name in ("x", "texts"))
    found["comc.logits"] = method(method.Settings(), list("abcd")).mapped(x, texts) @ g["comc.weight"].T
    found["shares"] = share_labels(g["support.labels"])
    found["propagated"] = propagate_labels(
        normalize(g["query"], dim=-1), normalize(g["support"], dim=-1), found["shares"], 0.7
    )
    return {name: value.detach() for name, value in found.items()}


def difference(found: Tensor, wanted: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    assert found.shape == wanted.shape
    return float((found.double() - wanted.double()).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("name", [name.removeprefix("expected.") for name in golden() if name.startswith("expected.")])
def test_equal_to_rounding(name: str) -> None:
    assert difference(ours()[name], golden()[f"expected.{name}"]) < 3e-6


def test_everything_expected_is_compared() -> None:
    assert {f"expected.{name}" for name in ours()} == {name for name in golden() if name.startswith("expected.")}


@pytest.mark.parametrize("name", MASKS)
def test_masks_bit_for_bit(name: str) -> None:
    with safe_open(PATH, "pt") as file:
        digests = json.loads(file.metadata()["masks"])
    seed, rows, classes = MASKS[name]
    for level in LEVELS:
        known = sample_known(rows, classes, level / 100, seed)
        head = golden()[f"mask.{name}.{level}"].numpy()
        assert np.array_equal(known[: len(head)], head == 1)
        assert hashlib.sha256(np.packbits(known).tobytes()).hexdigest() == digests[f"{name}.{level}"]


def test_the_file_is_what_the_script_computes() -> None:
    given = inputs()
    assert all(torch.equal(golden()[name], value) for name, value in given.items())
    for name, value in expected(given).items():
        assert difference(value, golden()[f"expected.{name}"]) < 1e-9, name


def test_it_is_worth_comparing() -> None:
    """Numbers that would not notice an error are no test."""
    for name, value in golden().items():
        assert value.isfinite().all() if value.is_floating_point() else value.unique().numel() > 1, name
    floors = [golden()[f"expected.asl.{name}.grad"] for name in ("none", "tai_dpt", "dualcoop")]
    assert [int((grad == 0).sum()) for grad in floors] == sorted({int((grad == 0).sum()) for grad in floors})
