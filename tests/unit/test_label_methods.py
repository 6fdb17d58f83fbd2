"""The methods of Table 2 that learn from labels: their losses from the equations, and what must not matter to them."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from test_contrast import loop as loop_contrast
from test_label_losses import entropy
from test_semantic_decoupling import loop_classify, loop_decouple, loop_propagate
from test_train import CPU, NAMES, clip, images, toy
from tiny_clip import DIM
from torch import Tensor

from t2ipal import methods, store
from t2ipal.errors import UserError
from t2ipal.methods import label_learning
from t2ipal.methods.base import TRAIN, Batch, Method, Tensors
from t2ipal.methods.sarb import blend, kmeans
from t2ipal.models.contrast import contrastive
from t2ipal.models.label_graph import cooccurrence, gcn_adjacency
from t2ipal.sampler import Sampler
from t2ipal.seeds import seed_of
from t2ipal.train import fit
from t2ipal.training_data import TrainingData

ALL = ("partial_bce", "gcn_ml", "ssgrl", "sarb")
METHODS = pytest.mark.parametrize("name", ALL)
C = len(NAMES)


def partial(share: float = 0.6, seed: int = 0, **changes: object) -> TrainingData:
    """The toy images with a second class here and there and a `share` of their labels."""
    data = toy(**changes)
    draw = torch.Generator().manual_seed(seed)
    labels = data.train_labels.clone()
    labels[torch.rand(labels.shape, generator=draw) < 0.15] = 1
    labels[torch.rand(labels.shape, generator=draw) > share] = -1
    return dataclasses.replace(data, train_labels=labels)


def settings(name: str, **changes: object) -> object:
    own = {"hidden": 0.5} if name in ("gcn_ml", "ssgrl", "sarb") else {}
    own |= {"blend_from": 1, "refresh": 1, "prototypes": 3} if name == "sarb" else {}
    return methods.get(name).Settings(**{"epochs": 3, "batch": 8} | own | changes)


def made(name: str, data: TrainingData, seeds: tuple[int, ...], epoch: int = 0, **changes: object) -> tuple:
    """A method before its first step of an epoch, what it has learned by then, and its first batch."""
    model = methods.get(name)(settings(name, **changes), NAMES)
    model.prepare(clip(), CPU)
    model.observe(data, seeds)
    learned = {key: value.requires_grad_() for key, value in model.start(seeds).items()}
    batch = next(Sampler(data, model.rows(), seeds, model.settings.batch, True).epoch(0, CPU))
    model.begin_epoch(learned, epoch)
    return model, learned, batch


def trained(name: str, data: TrainingData, seeds: tuple[int, ...] = (1, 2), **changes: object) -> tuple:
    return fit(methods.get(name), settings(name, **changes), clip(), NAMES, data, seeds, device="cpu")


def standardised(data: TrainingData, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the features a method reads, over the training images."""
    values = {
        "pooled": data.train.global_nopos.float(),
        "cells": data.train.local.float(),
        "largest": data.train.local.float().amax(1),
    }[what].reshape(-1, DIM)
    return values.double().mean(0), values.double().std(0, correction=0)


def known(labels: Tensor) -> list[tuple[int, int]]:
    return [(r, c) for r in range(labels.shape[0]) for c in range(C) if labels[r, c] != -1]


@METHODS
def test_publication_and_settings(name: str) -> None:
    method = methods.get(name)
    assert method.uses == {TRAIN}
    assert method.own_schedule
    assert method.in_paper
    assert "CVPR" in method.source or "ICCV" in method.source or "AAAI" in method.source
    assert method.Settings().epochs == 20


def test_partial_bce_is_that_of_the_equations() -> None:
    data = partial()
    model, learned, batch = made("partial_bce", data, (1, 2))
    mean, deviation = standardised(data, "pooled")
    found, branch = model.loss(learned, batch), batch[TRAIN]
    own = {key: value.detach().double() for key, value in learned.items()}
    for s in range(2):
        costs = []
        for r in range(8):
            x = (branch.pooled[s, r].double() - mean) / deviation
            labels = [int(value) for value in branch.labels[s, r]]
            logits = [float(own["classifier"][s, c] @ x + own["classifier_bias"][s, c]) for c in range(C)]
            terms = [entropy(z, y) for z, y in zip(logits, labels, strict=True) if y != -1]
            costs.append((-4.45 * len(terms) / C + 5.45) / C * sum(terms))
        assert float(found["loss"][s].detach()) == pytest.approx(sum(costs) / 8, rel=1e-4)


def test_gcn_ml_is_that_of_the_equations() -> None:
    data = partial()
    model, learned, batch = made("gcn_ml", data, (1, 2), threshold=0.1)
    mean, deviation = standardised(data, "largest")
    graph = gcn_adjacency(cooccurrence(data.train_labels), 0.1, 0.25)
    assert ((graph > 0) & (graph < 1)).any(), "no edge to test"
    found, branch = model.loss(learned, batch), batch[TRAIN]
    for s in range(2):
        first = graph @ model.words @ learned["layer_1"][s].detach()
        classifiers = graph @ first.where(first > 0, 0.2 * first) @ learned["layer_2"][s].detach()
        costs = []
        for r in range(8):
            x = (branch.local[s, r].max(0).values.double() - mean) / deviation
            logits = [float(classifiers[c].double() @ x) for c in range(C)]
            costs.append(
                sum(entropy(z, int(y)) for z, y in zip(logits, branch.labels[s, r], strict=True) if y != -1) / C
            )
        assert float(found["loss"][s].detach()) == pytest.approx(sum(costs) / 8, rel=1e-4)


def loop_features(model: Method, learned: Tensors, cells: Tensor, data: TrainingData, s: int) -> Tensor:
    """f [C, H] of one image of seed s from its raw cells [N, D]."""
    own = {key: value[s].detach().double() for key, value in learned.items()}
    mean, deviation = standardised(data, "cells")
    mapped = ((cells.double() - mean) / deviation) @ own["cell_map"] + own["cell_bias"]
    query = model.words.double() @ own["word_map"]
    return loop_decouple(mapped, own["image_map"], query, own["attention"])


def loop_logits(learned: Tensors, features: Tensor, data: TrainingData, s: int) -> list[float]:
    """The logits of one image of seed s from its class features [C, H]."""
    own = {key: value[s].detach().double() for key, value in learned.items()}
    states = loop_propagate(features, cooccurrence(data.train_labels).double(), own, 3)
    return loop_classify(states, features, own)


def test_ssgrl_is_that_of_the_equations() -> None:
    data = partial()
    model, learned, batch = made("ssgrl", data, (1, 2))
    found, branch = model.loss(learned, batch), batch[TRAIN]
    for s in range(2):
        costs = []
        for r in range(8):
            logits = loop_logits(learned, loop_features(model, learned, branch.local[s, r], data, s), data, s)
            costs += [entropy(z, int(y)) for z, y in zip(logits, branch.labels[s, r], strict=True) if y != -1]
        assert float(found["loss"][s].detach()) == pytest.approx(sum(costs) / len(costs), rel=1e-4)


def sarb_by_hand(model: Method, learned: Tensors, batch: Batch, data: TrainingData, epoch: int, ramp: float) -> list:
    """SARB's loss of each seed, image by image and class by class."""
    branch, totals = batch[TRAIN], []
    for s, seed in enumerate(model.seeds):
        draw = torch.Generator().manual_seed(seed_of("train", seed, "sarb", epoch))
        labels, rows = branch.labels[s], range(branch.labels.shape[1])
        f = torch.stack([loop_features(model, learned, branch.local[s, r], data, s) for r in rows], 1)  # [C, R, H]
        alpha, beta = (float(learned[share][s].detach()) for share in ("alpha", "beta"))

        def cost(features: Tensor, targets: dict[tuple[int, int], float], s: int = s, rows: range = rows) -> float:
            logits = [loop_logits(learned, features[:, r], data, s) for r in rows]
            return sum(entropy(logits[r][c], target) for (r, c), target in targets.items()) / len(targets)

        truth = {(r, c): float(labels[r, c]) for r, c in known(labels)}
        total = cost(f, truth) + 0.05 * ramp * loop_contrast(f, labels, draw)
        if epoch >= model.settings.blend_from:
            mixed, targets = f.clone(), dict(truth)
            for r in rows:
                partner = len(rows) - 1 - r
                for c in range(C):
                    if labels[r, c] == -1 and labels[partner, c] == 1:
                        mixed[c, r] = alpha * f[c, r] + (1 - alpha) * f[c, partner]
                        targets[r, c] = 1 - alpha
            assert len(targets) > len(truth), "nothing to blend"
            total += cost(mixed, targets)
            chance, which = torch.rand(2, len(rows), C, generator=draw)
            mixed, targets = f.clone(), dict(truth)
            for r in rows:
                unknown = [c for c in range(C) if labels[r, c] == -1 and model.counts[s, c]]
                if unknown:
                    c = max(unknown, key=lambda c, r=r: float(chance[r, c]))
                    centre = model.centres[s, c, int(which[r, c] * model.counts[s, c])]
                    mixed[c, r] = beta * f[c, r] + (1 - beta) * centre.double()
                    targets[r, c] = 1 - beta
            assert len(targets) > len(truth), "nothing to blend"
            total += cost(mixed, targets)
        totals.append(total)
    return totals


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_sarb_is_that_of_the_equations(epoch: int) -> None:
    data = partial()
    model, learned, batch = made("sarb", data, (1, 2), epoch, blend_from=2)
    with torch.no_grad():
        learned["alpha"].copy_(torch.tensor([0.3, 0.6]))
        learned["beta"].copy_(torch.tensor([0.9, 0.2]))
    # the contrastive loss is ramped up over epoch 0, whose first step has none of it
    expected = sarb_by_hand(model, learned, batch, data, epoch, float(epoch > 0))
    found = model.loss(learned, batch)["loss"]
    assert found.tolist() == pytest.approx(expected, rel=1e-4)
    found.sum().backward()
    for share in ("alpha", "beta"):
        assert (learned[share].grad is not None and (learned[share].grad != 0).all()) == (epoch == 2)


@pytest.mark.parametrize(("drop_last", "steps"), [(True, 5), (False, 6)])
def test_the_contrastive_loss_of_sarb_is_ramped_up_in_epoch_0(drop_last: bool, steps: int) -> None:
    data = toy(45)
    found = []
    for contrast in (0.0, 0.5):
        model, learned, batch = made("sarb", data, (1,), drop_last=drop_last, contrast=contrast)
        costs = []
        for _ in range(steps):
            # always the same draws, so that steps differ by the ramp alone
            model.draws = [torch.Generator().manual_seed(5)]
            costs.append(float(model.loss(learned, batch)["loss"].detach()))
        found.append(costs)
    assert Sampler(data, model.rows(), (1,), 8, drop_last).steps == steps
    features = model.class_features(
        model.fixed | learned, model.scaled(model.fixed, batch[TRAIN].pooled, batch[TRAIN].local)
    )
    full = 0.5 * float(contrastive(features, batch[TRAIN].labels, [torch.Generator().manual_seed(5)]).detach())
    gained = [b - a for a, b in zip(*found, strict=True)]
    assert gained == pytest.approx([full * step / steps for step in range(steps)], abs=1e-5)


def test_a_batch_larger_than_the_data_is_one_step_for_sarb() -> None:
    model, _, _ = made("sarb", toy(), (1,), batch=1000)
    assert model.steps == 1


@METHODS
def test_a_seed_does_not_depend_on_the_others(name: str) -> None:
    data = partial()
    together, history = trained(name, data, (1, 2))
    alone, single = trained(name, data, (1,))
    assert together.keys() == alone.keys()
    for key, value in alone.items():
        torch.testing.assert_close(together[key][0], value[0], atol=1e-5, rtol=1e-5)
    assert any(not torch.allclose(together[key][0], together[key][1], atol=1e-3) for key in together)
    assert [row["loss"] for row in history if row["seed"] == 1] == pytest.approx([row["loss"] for row in single])
    assert single[0]["loss_train"] == single[0]["loss"]


@METHODS
def test_unknown_labels_have_no_gradient(name: str) -> None:
    model, learned, batch = made(name, partial(), (1, 2))
    branch = batch[TRAIN]
    features = model.scaled(model.fixed, branch.pooled, branch.local)
    logits = model.logits(model.fixed | learned, features).detach().requires_grad_()
    model.cost(logits, branch).sum().backward()
    assert (logits.grad[branch.labels == -1] == 0).all()
    assert (logits.grad[branch.labels != -1] != 0).all()


@pytest.mark.parametrize("name", ["partial_bce", "ssgrl", "sarb"])
def test_a_class_of_which_nothing_is_known_learns_nothing(name: str) -> None:
    data = partial()
    data.train_labels[:, 2] = -1
    tensors, _ = trained(name, data, weight_decay=0.0)
    model = methods.get(name)(settings(name), NAMES)
    model.prepare(clip(), CPU)
    model.observe(data, (1, 2))
    start = model.start((1, 2))
    for key in ("classifier", "classifier_bias"):
        assert torch.equal(tensors[key][:, 2], start[key][:, 2])
        others = [0, 1, 3]
        assert (tensors[key][:, others] != start[key][:, others]).any(-1).all()


@METHODS
def test_an_image_of_which_nothing_is_known_teaches_nothing(name: str) -> None:
    data = partial()
    data.train_labels[7:] = -1
    model, learned, _ = made(name, data, (1,))
    batches = []
    for _ in range(2):
        batches.append(next(Sampler(data, model.rows(), (1,), 40, True).epoch(0, CPU)))
        nothing = (data.train_labels == -1).all(1)
        for value in (data.train.global_nopos, data.train.local):
            value[nothing] = value[nothing].flip(-1)
    losses = []
    for batch in batches:
        model.begin_epoch(learned, 0)
        losses.append(model.loss(learned, batch)["loss"])
    assert not torch.equal(batches[0][TRAIN].local, batches[1][TRAIN].local)
    torch.testing.assert_close(losses[0], losses[1])


@METHODS
def test_training_ranks_other_images_well_above_chance(name: str) -> None:
    data = toy(120)
    data.train_labels[torch.rand(120, C, generator=torch.Generator().manual_seed(3)) > 0.5] = -1
    whole = toy(120)
    test = images([f"t{row:03d}" for row in range(120)], whole.train.global_nopos.float(), 7)
    rate = {} if name == "gcn_ml" else {"lr": 0.01}
    tensors, history = trained(name, data, epochs=8, **rate)
    scores = methods.get(name)(settings(name), NAMES).scores(tensors, test)
    truth = whole.train_labels.numpy()
    chance = truth.mean()
    for s in range(2):
        mean = np.mean([average_precision_score(truth[:, c], scores[s, :, c].numpy()) for c in range(C)])
        assert mean > 0.9, f"seed {s + 1}: mAP {mean:.3f}, chance {chance:.3f}"
    last = [row["loss"] for row in history if row["seed"] == 1]
    if name != "sarb":  # whose loss has more terms later
        assert last[-1] < last[0]


@METHODS
def test_scores_need_only_what_finish_returned(name: str, tmp_path: Path) -> None:
    data = partial()
    tensors, _ = trained(name, data)
    model = methods.get(name)(settings(name), NAMES)  # neither prepared nor shown the data
    found = model.scores(tensors, data.train)
    assert found.shape == (2, 40, C)
    assert found.dtype == torch.float32
    torch.testing.assert_close(model.scores(tensors, data.train, chunk=7), found, atol=1e-5, rtol=1e-5)
    store.write_tensors(tmp_path / "model.safetensors", tensors)
    read, _ = store.read_tensors(tmp_path / "model.safetensors")
    assert read.keys() == tensors.keys()
    assert torch.equal(model.scores(read, data.train), found)
    twice = {key: torch.cat([value, value[:1]]) for key, value in read.items()}  # as `runs.joined` makes of levels
    torch.testing.assert_close(model.scores(twice, data.train), torch.cat([found, found[:1]]), atol=1e-5, rtol=1e-5)


@METHODS
def test_scores_are_the_logits_of_training(name: str) -> None:
    data = partial()
    model, learned, batch = made(name, data, (1, 2))
    branch = batch[TRAIN]
    expected = model.logits(model.fixed | learned, model.scaled(model.fixed, branch.pooled, branch.local))
    scores = model.scores(model.finish(learned), data.train)
    for s in range(2):
        for r in range(8):
            row = int((data.train.global_nopos.float() - branch.pooled[s, r]).abs().sum(-1).argmin())
            torch.testing.assert_close(scores[s, row], expected[s, r].detach(), atol=1e-5, rtol=1e-5)


def test_many_seeds_are_scored_few_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    data = partial()
    tensors, _ = trained("ssgrl", data)
    model = methods.get("ssgrl")(settings("ssgrl"), NAMES)
    whole = model.scores(tensors, data.train)
    monkeypatch.setattr(label_learning, "SCALED_AT_ONCE", 3 * 2 * 4 * DIM)
    sizes = [features.shape for features in model._chunks(tensors, data.train, 256)]
    assert sizes == [(2, 3, 4, DIM)] * 13 + [(2, 1, 4, DIM)]
    torch.testing.assert_close(model.scores(tensors, data.train), whole, atol=1e-5, rtol=1e-5)
    monkeypatch.setattr(label_learning, "SCALED_AT_ONCE", 1)
    assert model.scores(tensors, data.train).shape == whole.shape


@METHODS
def test_only_the_rows_to_train_on_are_read(name: str) -> None:
    data = partial()
    rows = torch.arange(0, 40, 2)
    data = dataclasses.replace(data, train_rows=rows)
    first, _ = trained(name, data)
    for value in (data.train.global_nopos, data.train.local):
        value[1::2] = math.nan
    data.train_labels[1::2] = 1
    second, _ = trained(name, data)
    assert all(torch.equal(first[key], second[key]) for key in first)


@METHODS
def test_a_dimension_that_never_changes_is_left_as_it_is(name: str) -> None:
    data = partial()
    data.train.global_nopos[:, 3] = 0.25
    data.train.local[:, :, 3] = 0.25
    tensors, _ = trained(name, data, epochs=1)
    assert tensors["feature_scale"][:, 3].tolist() == [1, 1]
    assert (tensors["feature_scale"][:, 4] > 1).all()


def test_features_may_stay_as_they_are() -> None:
    tensors, _ = trained("partial_bce", partial(), standardise=False)
    assert (tensors["feature_mean"] == 0).all()
    assert (tensors["feature_scale"] == 1).all()


def test_words_come_from_clip_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("dog 1 2\npotted 3 0\nplant 1 4\ncar -1 0\nboat 0 5\n")
    vectors = np.array([[1, 2], [2, 2], [-1, 0], [0, 5]])
    vectors = vectors - vectors.mean(0)
    model, _, _ = made("ssgrl", partial(), (1,), word_vectors=str(path))
    np.testing.assert_allclose(model.words, vectors / np.sqrt(np.square(vectors).mean()), rtol=1e-5)
    model, _, _ = made("ssgrl", partial(), (1,))
    assert model.words.shape == (C, DIM)
    assert float(model.words.square().mean()) == pytest.approx(1, rel=1e-5)
    with pytest.raises(UserError, match=r"none.txt: no such file of word vectors"):
        made("gcn_ml", partial(), (1,), word_vectors=str(tmp_path / "none.txt"))


@pytest.mark.parametrize("name", ["gcn_ml", "ssgrl", "sarb"])
def test_classes_that_are_never_positive_break_nothing(name: str) -> None:
    data = partial()
    data.train_labels[:, 1].clamp_(max=0)
    data.train_labels[:, 2:] = -1
    tensors, history = trained(name, data)
    assert all(value.isfinite().all() for value in tensors.values())
    assert all(math.isfinite(row["loss"]) for row in history)


def test_gcn_ml_keeps_its_classifiers_alone() -> None:
    tensors, _ = trained("gcn_ml", partial())
    assert tensors.keys() == {"feature_mean", "feature_scale", "classifier"}
    assert tensors["classifier"].shape == (2, C, DIM)


def test_blend_is_that_of_a_loop() -> None:
    draw = torch.Generator().manual_seed(0)
    features, others = torch.randn(2, 2, C, 5, 6, generator=draw)
    labels = torch.randint(-1, 2, (2, 5, C), generator=draw)
    where = (torch.rand(2, 5, C, generator=draw) < 0.5) & (labels == -1)
    share = torch.tensor([0.3, 1.0])
    found = blend(features, (labels == 1).float(), (labels >= 0).float(), where, others, share)
    for s in range(2):
        for c in range(C):
            for r in range(5):
                here, own = bool(where[s, r, c]), float(share[s])
                expected = own * features[s, c, r] + (1 - own) * others[s, c, r] if here else features[s, c, r]
                torch.testing.assert_close(found[0][s, c, r], expected)
                assert float(found[1][s, r, c]) == pytest.approx(1 - own if here else float(labels[s, r, c] == 1))
                assert float(found[2][s, r, c]) == float(here or labels[s, r, c] >= 0)


@pytest.mark.parametrize("share", ["alpha", "beta"])
def test_a_share_that_reached_its_bound_can_come_back(share: str) -> None:
    data = partial()
    for outside, bound in ((1.2, 1.0), (-0.2, 0.0)):
        model, learned, batch = made("sarb", data, (1,), epoch=1)
        with torch.no_grad():
            learned[share].fill_(outside)
        model.loss(learned, batch)["loss"].sum().backward()
        assert learned[share].tolist() == [bound]
        assert float(learned[share].grad) != 0


def test_shares_stay_in_bounds_in_training() -> None:
    seen = []
    method = methods.get("sarb")

    class Watched(method):
        def loss(self, learned: Tensors, batch: Batch) -> Tensors:
            found = super().loss(learned, batch)
            seen.extend(torch.cat([learned["alpha"], learned["beta"]]).tolist())
            return found

    fit(Watched, settings("sarb", lr=0.3, epochs=4), clip(), NAMES, partial(), (1, 2), device="cpu")
    assert 0 <= min(seen) < max(seen) <= 1
    assert {0.0, 1.0} & set(seen), "a rate at which no share reaches a bound tests nothing"


def test_prototypes_come_from_known_positives_alone() -> None:
    data = partial()
    c = 1
    positive = data.train_labels[:, c] == 1
    assert 3 < int(positive.sum()) < 40
    first, _, _ = made("sarb", data, (1, 2), epoch=1, standardise=False)
    data.train.local[~positive] = data.train.local[~positive].flip(-1)
    data.train_labels[~positive & (data.train_labels[:, c] == 0), c] = -1  # unknown or absent is all the same
    second, _, _ = made("sarb", data, (1, 2), epoch=1, standardise=False)
    torch.testing.assert_close(first.centres[:, c], second.centres[:, c])
    assert not torch.allclose(first.centres[:, 0], second.centres[:, 0])


def test_prototypes_of_few_positives_are_the_positives() -> None:
    data = partial()
    data.train_labels[:] = -1
    data.train_labels[[4, 11], 2] = 1
    model, learned, _ = made("sarb", data, (1, 2), epoch=1)
    assert model.centres.shape == (2, C, 3, DIM // 2)
    assert model.counts.tolist() == [[0, 0, 2, 0]] * 2
    for s in range(2):
        expected = [loop_features(model, learned, data.train.local[row], data, s)[2] for row in (4, 11)]
        found = sorted(model.centres[s, 2, :2].tolist())
        for one, other in zip(found, sorted(value.tolist() for value in expected), strict=True):
            assert one == pytest.approx(other, abs=1e-5)
    assert (model.centres[:, [0, 1, 3]] == 0).all()


def test_only_the_features_of_positives_are_kept() -> None:
    data = partial()
    model, learned, _ = made("sarb", data, (1, 2))
    found = model._positives(learned)
    assert [points.shape for points in found] == [
        (2, int((data.train_labels[:, c] == 1).sum()), DIM // 2) for c in range(C)
    ]
    row = int((data.train_labels[:, 3] == 1).nonzero()[-1])
    expected = loop_features(model, learned, data.train.local[row], data, 1)[3]
    assert found[3][1, -1].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_kmeans_finds_the_clusters() -> None:
    draw = np.random.default_rng(0)
    middles = np.array([[0, 0], [10, 0], [0, 10]])
    points = (middles[draw.integers(3, size=90)] + 0.1 * draw.standard_normal((90, 2))).astype(np.float32)
    found = kmeans(points, 3, 2**62 + 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[np.lexsort(found.T)], [[0, 0], [10, 0], [0, 10]], atol=0.15)
    assert np.array_equal(found, kmeans(points, 3, 2**62 + 1))


def test_a_class_without_positives_is_never_blended() -> None:
    data = partial(0.3)
    data.train_labels[:, 3] = -1
    model, learned, batch = made("sarb", data, (1, 2), epoch=1)
    branch = batch[TRAIN]
    features = model.class_features(
        model.fixed | learned, model.scaled(model.fixed, branch.pooled, branch.local)
    ).detach()
    assert not model._partners(features, branch.labels, learned["alpha"])[0][..., 3].any()
    times = torch.zeros(2, 8, C)
    for _ in range(50):
        where, others, _ = model._drawn_centres(features, branch.labels, learned["beta"])
        assert (where.sum(-1) <= 1).all()
        assert not (where & (branch.labels != -1)).any()
        times += where
        for s, r, c in where.nonzero().tolist():
            own = model.centres[s, c, : int(model.counts[s, c])]
            assert (own == others[s, c, r]).all(-1).any()
    assert (times[..., 3] == 0).all()
    possible = (branch.labels == -1) & (torch.arange(C) != 3)
    assert torch.equal(times > 0, possible), "each unknown class with a prototype has its turn"
    assert torch.equal(times.sum(-1) == 50, possible.any(-1))


def test_nothing_is_blended_where_all_is_known() -> None:
    model, learned, batch = made("sarb", toy(), (1,), epoch=1, contrast=0.0)
    blended = float(model.loss(learned, batch)["loss"].detach())
    model.begin_epoch(learned, 0)
    assert blended == pytest.approx(3 * float(model.loss(learned, batch)["loss"].detach()), rel=1e-5)


def test_partners_are_the_batch_in_reverse() -> None:
    model, learned, _ = made("sarb", partial(), (1,))
    labels = torch.tensor([[[-1, 1, -1, 0], [-1, -1, 1, -1], [1, -1, -1, 1]]])  # the row in the middle meets itself
    features = torch.arange(12.0).view(1, C, 3, 1)
    where, others, share = model._partners(features, labels, learned["alpha"])
    assert where[0].int().tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert others[0, 0, :, 0].tolist() == [2, 1, 0]
    assert share is learned["alpha"]


def test_blending_and_prototypes_follow_the_epochs() -> None:
    model, learned, batch = made("sarb", partial(), (1, 2), blend_from=2, refresh=3)
    made_in, before = [], None
    for epoch in range(9):
        model.begin_epoch(learned, epoch)
        model.loss(learned, batch)
        centres = getattr(model, "centres", None)
        if centres is not before:
            made_in.append(epoch)
        before = centres
    assert made_in == [2, 5, 8]


def test_sarb_without_blending_and_contrast_is_ssgrl() -> None:
    data = partial()
    same = {"weight_decay": 0.0}
    plain, _ = trained("ssgrl", data, **same)
    sarb, _ = trained("sarb", data, blend_from=99, contrast=0.0, **same)
    assert plain.keys() == sarb.keys()
    assert all(torch.equal(plain[key], sarb[key]) for key in plain)
