"""Partial-BCE, GCN-ML, SSGRL and SARB: their logits and losses against loops, and their training on toy images."""

import dataclasses
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny_clip import DIM
from training_toy import CPU, NAMES, changed, clip, images, toy

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.methods.base import Method, Tensors
from t2ipal.methods.label_learning import LabelLearning
from t2ipal.methods.prompt_learning import NAME_TEMPLATE, encode_names
from t2ipal.metrics.evaluate import average_precision
from t2ipal.rows import TRAIN
from t2ipal.rows.data import TrainingData
from t2ipal.rows.sampler import Sampler
from t2ipal.rows.train import TrainRows
from t2ipal.store import read_tensors, write_tensors
from t2ipal.training.train import fit

ALL = ("partial_bce", "gcn_ml", "ssgrl", "sarb")
GRAPHS = ("gcn_ml", "ssgrl", "sarb")
SHORT = {"epochs": 2, "batch": 8}
LEARNING = {"partial_bce": {}, "gcn_ml": {}, "ssgrl": {"lr": 0.01, "epochs": 10}, "sarb": {"lr": 0.01, "epochs": 8}}


def partial(count: int = 60, known: float = 0.6, seed: int = 0) -> TrainingData:
    """Labelled images of one or two classes each, some of their labels unknown."""
    draw = torch.Generator().manual_seed(seed)
    centres = torch.nn.functional.normalize(torch.randn(len(NAMES), DIM, generator=draw), dim=-1)
    labels = torch.nn.functional.one_hot(torch.randint(len(NAMES), (count,), generator=draw), len(NAMES))
    labels = labels.maximum((torch.rand(count, len(NAMES), generator=draw) < 0.15).long())
    train = images([f"i{row:03d}" for row in range(count)], labels.float() @ centres, seed + 5)
    unknown = torch.rand(labels.shape, generator=draw) >= known
    return TrainingData().with_rows(TrainRows(train, labels.masked_fill(unknown, -1).to(torch.int8)))


def make(name: str, **changes: object) -> Method:
    return methods.get(name)(methods.get(name).Settings(**changes), NAMES)


def begun(name: str, data: TrainingData, seeds: tuple[int, ...] = (1, 2), **changes: object) -> tuple[Method, Tensors]:
    """A method as it is before its first step, with starts of zero replaced by draws."""
    model = make(name, **changes)
    model.prepare(clip(), CPU)
    model.observe(data, seeds)
    learned = model.start(seeds)
    draw = torch.Generator().manual_seed(7)
    for key, value in learned.items():
        if key not in ("alpha", "beta"):
            learned[key] = value + 0.3 * torch.randn(value.shape, generator=draw)
    return model, learned


@cache
def trained(name: str, seeds: tuple[int, ...] = (1, 2, 3)) -> tuple[Tensors, list]:
    return fit(methods.get(name), make(name, **SHORT).settings, clip(), NAMES, partial(), seeds, device="cpu")


@pytest.mark.parametrize("name", ALL)
def test_every_setting_is_described_and_strict(name: str) -> None:
    method = methods.get(name)
    assert all(field.description for field in method.Settings.model_fields.values())
    with pytest.raises(ValidationError):
        method.Settings(colour="red")
    assert method.own_schedule
    assert method.kinds(method.Settings()) == method.uses == {TRAIN}
    assert method.source
    assert method.title == {"partial_bce": "Partial-BCE", "gcn_ml": "GCN-ML", "ssgrl": "SSGRL", "sarb": "SARB"}[name]


def scaled(data: TrainingData, read: np.ndarray, row: np.ndarray) -> np.ndarray:
    """A row's features, centred and scaled by the mean and deviation of those of all training images."""
    flat = read.reshape(-1, DIM)
    return (row - flat.mean(0)) / flat.std(0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def loop_words() -> np.ndarray:
    words = encode_names(clip(), NAMES, NAME_TEMPLATE).numpy().astype(np.float64)
    words = words - words.mean(0)
    return words / np.sqrt((words**2).mean())


def loop_conditional(labels: np.ndarray) -> np.ndarray:
    found = np.zeros((len(NAMES), len(NAMES)))
    for i in range(len(NAMES)):
        having = labels[labels[:, i] == 1]
        for j in range(len(NAMES)):
            found[i, j] = np.mean(having[:, j] == 1) if len(having) else 0
    return found


def loop_partial_bce(data: TrainingData, w: dict[str, np.ndarray], row: int) -> np.ndarray:
    pooled = data[TRAIN].images.global_pos.double().numpy()
    return w["classifier"] @ scaled(data, pooled, pooled[row]) + w["classifier_bias"]


def loop_gcn_ml(data: TrainingData, w: dict[str, np.ndarray], row: int) -> np.ndarray:
    """ML-GCN: x W^T with W = A leaky(A Z W_1) W_2; thresholds t = 0.4, p = 0.25."""
    size = len(NAMES)
    p = loop_conditional(data[TRAIN].labels.numpy())
    a = np.array([[float(i != j and p[i, j] >= 0.4) for j in range(size)] for i in range(size)])
    a = a * 0.25 / (a.sum(0, keepdims=True) + 1e-6) + np.eye(size)
    d = np.diag(a.sum(1) ** -0.5)
    a = (a @ d).T @ d
    hidden = a @ loop_words() @ w["layer_1"]
    made = a @ np.where(hidden > 0, hidden, 0.2 * hidden) @ w["layer_2"]
    largest = data[TRAIN].images.local.double().numpy().max(1)
    return made @ scaled(data, largest, largest[row]) + w["classifier_bias"]


def loop_class_features(data: TrainingData, w: dict[str, np.ndarray], row: int) -> np.ndarray:
    """SSGRL, eqs. 1-4: [C, H]."""
    local = data[TRAIN].images.local.double().numpy()
    cells = [w["cell_map"].T @ x + w["cell_bias"] for x in scaled(data, local, local[row])]
    found = []
    for word in loop_words():
        query = w["word_map"].T @ word
        logits = np.array([w["attention"] @ np.tanh((w["image_map"].T @ x) * query) for x in cells])
        heat = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        found.append(sum(a * x for a, x in zip(heat, cells, strict=True)))
    return np.array(found)


def loop_classify(data: TrainingData, w: dict[str, np.ndarray], f: np.ndarray) -> np.ndarray:
    """SSGRL, eqs. 5-8, 3 rounds, and the classifiers: [C] from f [C, H]."""
    p, h, width = loop_conditional(data[TRAIN].labels.numpy()), f, f.shape[1]
    for _ in range(3):
        m = np.concatenate([p @ h, p.T @ h], 1)
        gates = sigmoid(m @ w["message_gates"] + h @ w["state_gates"] + w["gate_bias"])
        z, r = gates[:, :width], gates[:, width:]
        n = np.tanh(m @ w["message_candidate"] + (r * h) @ w["state_candidate"] + w["candidate_bias"])
        h = (1 - z) * h + z * n
    output = np.tanh(np.concatenate([h, f], 1) @ w["output"] + w["output_bias"])
    return (output * w["classifier"]).sum(1) + w["classifier_bias"]


def loop_ssgrl(data: TrainingData, w: dict[str, np.ndarray], row: int) -> np.ndarray:
    return loop_classify(data, w, loop_class_features(data, w, row))


LOOPS = {"partial_bce": loop_partial_bce, "gcn_ml": loop_gcn_ml, "ssgrl": loop_ssgrl, "sarb": loop_ssgrl}


@pytest.mark.parametrize("name", ALL)
def test_scores_are_those_of_the_equations(name: str) -> None:
    data = partial()
    model, learned = begun(name, data)
    scores = model.scores(model.finish(learned), data[TRAIN].images)
    assert scores.shape == (2, 60, 4)
    assert scores.dtype == torch.float32
    for s, row in ((0, 0), (1, 59)):
        weights = {key: value[s].double().numpy() for key, value in learned.items()}
        assert scores[s, row].numpy() == pytest.approx(LOOPS[name](data, weights, row), rel=1e-3, abs=1e-3)


def terms(logits: np.ndarray, targets: np.ndarray, known: np.ndarray) -> np.ndarray:
    return -(targets * np.log(sigmoid(logits)) + (1 - targets) * np.log(1 - sigmoid(logits))) * known


def first_batch(data: TrainingData, model: Method, seeds: tuple[int, ...] = (1, 2)) -> dict:
    return next(Sampler(data, model.rows(), seeds, 6, True).epoch(0, CPU))


def rows_of(data: TrainingData, local: torch.Tensor) -> list[int]:
    """Which training images a batch holds."""
    return [int((data[TRAIN].images.local.float() - row).abs().sum((1, 2)).argmin()) for row in local]


@pytest.mark.parametrize("name", ["partial_bce", "gcn_ml", "ssgrl"])
def test_the_loss_is_that_of_the_equations(name: str) -> None:
    data = partial()
    model, learned = begun(name, data)
    batch = first_batch(data, model)
    found = model.loss(learned, batch)
    branch = batch[TRAIN]
    for s in range(2):
        weights = {key: value[s].double().numpy() for key, value in learned.items()}
        logits = np.array([LOOPS[name](data, weights, row) for row in rows_of(data, branch.local[s])])
        labels = branch.labels[s].numpy()
        costs, known = terms(logits, labels == 1, labels >= 0), (labels >= 0).sum(1)
        expected = {
            "partial_bce": np.mean((-4.45 * known / 4 + 5.45) * costs.sum(1) / 4),
            "gcn_ml": np.mean(costs.sum(1) / 4),
            "ssgrl": costs.sum() / known.sum(),
        }[name]
        assert float(found["loss"][s]) == pytest.approx(expected, rel=1e-3)
        assert float(found["loss_train"][s]) == pytest.approx(expected, rel=1e-3)


def test_sarbs_loss_is_the_sum_of_its_parts() -> None:
    """Epoch 1, alpha 0.3, beta 0.6, one prototype per class: everything but the prototypes from loops."""
    data = partial(known=0.5)
    model, learned = begun("sarb", data, seeds=(1,), blend_from=0, prototypes=1, contrastive=0.0)
    learned |= {"alpha": torch.tensor([0.3]), "beta": torch.tensor([0.6])}
    batch = first_batch(data, model, (1,))
    model.begin_epoch(learned, 0)
    draws = torch.rand(6, 5, generator=torch.Generator().manual_seed(model.generators[0].initial_seed()))
    found = model.loss(learned, batch)
    w = {key: value[0].double().numpy() for key, value in learned.items()}
    labels = batch[TRAIN].labels[0].numpy()
    rows = rows_of(data, batch[TRAIN].local[0])
    features = np.array([loop_class_features(data, w, row) for row in rows])
    every = np.array([loop_class_features(data, w, row) for row in range(60)])
    known_labels = data[TRAIN].labels.numpy()
    centres = [every[known_labels[:, c] == 1, c].mean(0) for c in range(4)]
    assert model.prototypes.centres[0, :, 0].numpy() == pytest.approx(np.array(centres), rel=1e-3, abs=1e-3)
    total, blended = 0.0, 0
    for kind in ("none", "instance", "prototype"):
        mixed, targets, known = features.copy(), (labels == 1).astype(float), (labels >= 0).astype(float)
        for r in range(6):
            unknown = [c for c in range(4) if labels[r, c] == -1]
            for c in unknown:
                if kind == "instance" and labels[5 - r, c] == 1:
                    mixed[r, c] = 0.3 * features[r, c] + 0.7 * features[5 - r, c]
                    targets[r, c], known[r, c], blended = 0.7, 1, blended + 1
            if kind == "prototype" and unknown:
                c = max(unknown, key=lambda c: float(draws[r, c]))
                mixed[r, c] = 0.6 * features[r, c] + 0.4 * centres[c]
                targets[r, c], known[r, c], blended = 0.4, 1, blended + 1
        logits = np.array([loop_classify(data, w, f) for f in mixed])
        total += terms(logits, targets, known).sum() / known.sum()
        if kind == "none":
            assert float(found["loss_train"][0]) == pytest.approx(total, rel=1e-3)
    assert blended > 3
    assert float(found["loss"][0]) == pytest.approx(total, rel=1e-3)


def test_sarbs_contrastive_loss_grows_over_the_first_epoch() -> None:
    from t2ipal.models.blending import contrastive

    data = partial()
    model, learned = begun("sarb", data, batch=6, blend_from=5, contrastive=0.5)
    batch = first_batch(data, model)
    tensors = model.fixed | learned
    local = batch[TRAIN].local
    full = contrastive(model.class_features(tensors, model.scaled(tensors, local, local)), batch[TRAIN].labels)
    for epoch, shares in ((0, [0.0, 0.1, 0.2]), (1, [1.0, 1.0])):
        model.begin_epoch(learned, epoch)
        for share in shares:
            found = model.loss(learned, batch)
            assert torch.allclose(found["loss"] - found["loss_train"], 0.5 * share * full, atol=1e-5)


def test_sarb_without_its_parts_is_ssgrl() -> None:
    data = partial()
    plain = {"epochs": 2, "weight_decay": 0.0}
    one, _ = fit(methods.get("ssgrl"), make("ssgrl", **plain).settings, clip(), NAMES, data, (1,), device="cpu")
    bare = make("sarb", blend_from=2, contrastive=0.0, **plain).settings
    other, _ = fit(methods.get("sarb"), bare, clip(), NAMES, data, (1,), device="cpu")
    assert other.keys() - one.keys() == {"alpha", "beta"}
    assert all(torch.allclose(one[key], other[key], atol=1e-6) for key in one)


def test_sarbs_shares_are_learned_within_bounds() -> None:
    chosen = make("sarb", epochs=4, batch=8, lr=0.5, blend_from=0).settings
    model, learned = begun("sarb", partial(known=0.4), epochs=4, blend_from=0)
    learned |= {"alpha": torch.tensor([1.7, -0.2]), "beta": torch.tensor([-3.0, 0.4])}
    model.begin_epoch(learned, 0)
    assert math.isfinite(float(model.loss(learned, first_batch(partial(known=0.4), model))["loss"].sum()))
    assert (learned["alpha"].tolist(), learned["beta"].tolist()) == ([1.0, 0.0], [0.0, pytest.approx(0.4)])
    tensors, _ = fit(methods.get("sarb"), chosen, clip(), NAMES, partial(known=0.4), (1,), device="cpu")
    assert float(tensors["alpha"]) != 0.5
    assert float(tensors["beta"]) != 0.5


@pytest.mark.parametrize("name", ALL)
def test_a_class_of_unknown_labels_teaches_nothing(name: str) -> None:
    data = partial()
    labels = data[TRAIN].labels.clone()
    labels[:, 2] = -1
    model, learned = begun(name, changed(data, TRAIN, labels=labels))
    learned = {key: value.requires_grad_() for key, value in learned.items()}
    model.begin_epoch(learned, 1)
    model.loss(learned, first_batch(changed(data, TRAIN, labels=labels), model))["loss"].sum().backward()
    gradient = learned["classifier_bias"].grad
    assert (gradient[:, 2] == 0).all()
    assert (gradient[:, [0, 1, 3]] != 0).all()
    if "classifier" in learned:
        assert (learned["classifier"].grad[:, 2] == 0).all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_labels_of_one_kind_do_no_harm(name: str, value: int) -> None:
    data = partial(count=20)
    data = changed(data, TRAIN, labels=torch.full_like(data[TRAIN].labels, value))
    chosen = make(name, **SHORT).settings
    tensors, history = fit(methods.get(name), chosen, clip(), NAMES, data, (1,), device="cpu")
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert math.isfinite(history[-1]["loss"])


@pytest.mark.parametrize("name", ALL)
def test_a_seed_does_not_depend_on_the_others(name: str) -> None:
    together, history = trained(name)
    alone, single = trained(name, (2,))
    assert together.keys() == alone.keys()
    for key, value in alone.items():
        assert torch.allclose(together[key][1], value[0], atol=1e-4), key
    assert any(not torch.allclose(together[key][0], value[0], atol=1e-3) for key, value in alone.items())
    assert [row["loss"] for row in history if row["seed"] == 2] == pytest.approx(
        [row["loss"] for row in single], rel=1e-4
    )
    assert all(row["loss_train"] is not None for row in history)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.slow
def test_training_ranks_images_it_has_not_seen(name: str) -> None:
    data = partial(count=240, known=0.5)
    truth = partial(count=240, known=1.1)[TRAIN].labels
    learning = changed(data, TRAIN, chosen=torch.arange(120))
    chosen = make(name, **{"batch": 8} | LEARNING[name]).settings
    tensors, history = fit(methods.get(name), chosen, clip(), NAMES, learning, (1, 2), device="cpu")
    assert history[-1]["loss_train"] < 0.6 * history[0]["loss_train"]
    scores = make(name).scores(tensors, data[TRAIN].images)[:, 120:]
    chance = float((truth[120:] == 1).double().mean()) * 100
    for found in scores:
        assert average_precision(found, truth[120:]).mean() > 80 > 1.8 * chance


@pytest.mark.parametrize("name", ALL)
def test_rows_that_are_not_for_training_change_nothing(name: str) -> None:
    data = changed(partial(), TRAIN, chosen=torch.arange(0, 60, 2))
    images_ = data[TRAIN].images
    labels, local, pooled = data[TRAIN].labels.clone(), images_.local.clone(), images_.global_pos.clone()
    labels[1::2], local[1::2], pooled[1::2] = 1, math.nan, math.nan
    images_ = dataclasses.replace(images_, local=local, global_pos=pooled)
    spoilt = changed(data, TRAIN, labels=labels, images=images_)
    chosen = make(name, **SHORT).settings
    one, other = (fit(methods.get(name), chosen, clip(), NAMES, d, (1,), device="cpu")[0] for d in (data, spoilt))
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", ALL)
def test_scores_need_what_is_saved_and_nothing_else(name: str, tmp_path: Path) -> None:
    tensors, _ = trained(name)
    assert all(len(value) == 3 for value in tensors.values())
    write_tensors(tmp_path / "model.safetensors", tensors)
    saved, _ = read_tensors(tmp_path / "model.safetensors")
    images_ = partial(seed=3)[TRAIN].images
    found = make(name).scores(saved, images_)
    assert torch.equal(found, make(name).scores(tensors, images_))
    assert torch.allclose(found, make(name).scores(saved, images_, chunk=7), atol=1e-5)
    assert torch.allclose(
        found[1:2], make(name).scores({key: value[1:2] for key, value in saved.items()}, images_), atol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, {"standardise": False}) for name in ALL),
        *((name, {"weight_decay": 10.0}) for name in ALL),
        *((name, {"schedule": "constant"}) for name in ALL),
        ("partial_bce", {"g_none": 1.0}),
        ("partial_bce", {"g_power": 2.0}),
        ("partial_bce", {"global_feature": "nopos"}),
        ("gcn_ml", {"threshold": 0.05}),
        ("gcn_ml", {"threshold": 0.05, "neighbours": 0.9}),
        ("gcn_ml", {"slope": 0.0}),
        ("gcn_ml", {"hidden": 1.5}),
        ("ssgrl", {"hidden": 1.0}),
        ("ssgrl", {"inner": 0.01}),
        ("ssgrl", {"steps": 0}),
        ("sarb", {"blend_from": 0}),
        ("sarb", {"prototypes": 2}),
        ("sarb", {"prototypes_every": 5}),
        ("sarb", {"blend_start": 0.9}),
        ("sarb", {"contrastive": 1.0}),
    ],
    ids=str,
)
@pytest.mark.slow
def test_each_choice_trains_and_matters(name: str, changes: dict[str, object]) -> None:
    results = []
    for chosen in (
        make(name, **SHORT | {"epochs": 3}).settings,
        make(name, **SHORT | {"epochs": 3} | changes).settings,
    ):
        tensors, history = fit(methods.get(name), chosen, clip(), NAMES, partial(), (1,), device="cpu")
        assert math.isfinite(history[-1]["loss"])
        results.append(tensors)
    one, other = results
    assert any(one[key].shape != other[key].shape or not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", GRAPHS)
def test_word_vectors_of_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    draw = np.random.default_rng(0)
    lines = [f"{word} {' '.join(map(str, draw.normal(size=5).round(4)))}" for word in ("a", *" ".join(NAMES).split())]
    path.write_text("\n".join(lines) + "\n")
    chosen = make(name, word_vectors=str(path), **SHORT).settings
    tensors, _ = fit(methods.get(name), chosen, clip(), NAMES, partial(), (1,), device="cpu")
    scores = make(name).scores(tensors, partial()[TRAIN].images)
    assert torch.isfinite(scores).all()
    assert not torch.allclose(scores[0], make(name).scores(trained(name)[0], partial()[TRAIN].images)[0], atol=1e-3)
    path.write_text("dog 1 2\n")
    with pytest.raises(UserError, match=r"glove.txt: no vector for class 'potted plant'"):
        fit(methods.get(name), chosen, clip(), NAMES, partial(), (1,), device="cpu")


def test_the_biases_start_from_the_odds_of_known_labels() -> None:
    data = partial()
    for name in ALL:
        model = make(name)
        model.prepare(clip(), CPU)
        model.observe(data, (1, 2))
        assert isinstance(model, LabelLearning)
        bias = model.start((1, 2))["classifier_bias"]
        for c in range(4):
            known = data[TRAIN].labels[:, c].tolist()
            assert bias[1, c] == pytest.approx(math.log((known.count(1) + 1) / (known.count(0) + 1)), abs=1e-5)


def test_toy_images_of_the_other_tests_work_too() -> None:
    """Labels without a -1, as in a run where all labels are known."""
    tensors, _ = fit(methods.get("sarb"), make("sarb", **SHORT).settings, clip(), NAMES, toy(), (1,), device="cpu")
    assert all(torch.isfinite(value).all() for value in tensors.values())
