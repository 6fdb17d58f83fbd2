"""CoOp: its losses against loops, its few-shot rows, its novel classes."""

import dataclasses
import math

import pytest
import torch
from loss_loops import loop_asymmetric, loop_rank
from torch import Tensor
from training_toy import CPU, NAMES, changed, clip, images, toy

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.methods.coop import CoOp, Settings
from t2ipal.rows import SHOTS, TRAIN
from t2ipal.rows.data import TrainingData
from t2ipal.rows.sampler import Sampler
from t2ipal.rows.shots import ShotRows
from t2ipal.training.train import fit


def few(**changes: object) -> TrainingData:
    """Twelve labelled images for each of three seeds; class 0 is unknown in every fifth image of the pool."""
    data = toy()
    labels = data[TRAIN].labels.clone()
    labels[::5, 0] = -1
    draws = tuple(torch.randperm(40, generator=torch.Generator().manual_seed(seed))[:12] for seed in (1, 2, 3))
    return TrainingData().with_rows(
        ShotRows(**{"images": data[TRAIN].images, "labels": labels, "chosen": draws} | changes)
    )


def settings(**changes: object) -> Settings:
    return Settings(**{"epochs": 3, "batch": 8} | changes)


def fitted(data: TrainingData, seeds: tuple[int, ...] = (1, 2, 3), **changes: object) -> dict[str, Tensor]:
    return fit(CoOp, settings(**changes), clip(), NAMES, data, seeds, device="cpu")[0]


def prepared(data: TrainingData, **changes: object) -> CoOp:
    model = CoOp(settings(**changes), NAMES)
    model.prepare(clip(), CPU)
    model.observe(data, (1, 2, 3))
    return model


def test_it_learns_from_shots_by_its_own_schedule() -> None:
    assert methods.get("coop") is CoOp
    assert CoOp.kinds(Settings()) == {SHOTS}
    assert CoOp.own_schedule
    assert (Settings().epochs, Settings().batch, Settings().lr) == (50, 32, 2e-3)
    with pytest.raises(UserError, match="no shots rows"):
        fitted(toy())


@pytest.mark.parametrize("loss", ["rank", "asl", "bce"])
@pytest.mark.parametrize("global_feature", ["pos", "nopos"])
def test_loss_is_that_of_the_equations(loss: str, global_feature: str) -> None:
    data = few()
    model = prepared(data, loss=loss, global_feature=global_feature, eta=0.5, gamma_neg=4.0, clip=0.1)
    learned = model.start((1, 2, 3))
    branch = next(Sampler(data, model.rows(), (1, 2, 3), 8, True).epoch(0, CPU))[SHOTS]
    assert (branch.labels == -1).any()
    found = model.loss(learned, {SHOTS: branch})["loss"]
    embeddings = model.embed(learned)["class_global"]
    pool = getattr(data[SHOTS].images, f"global_{global_feature}").float()
    for s in range(3):
        total = 0.0
        for x, labels in zip(branch.pooled[s], branch.labels[s], strict=True):
            assert (pool == x).all(-1).any()
            z = [4.0 * float(x @ embedding) for embedding in embeddings[s]]
            if loss == "rank":
                total += loop_rank(z, labels, 0.5)
            elif loss == "asl":
                total += loop_asymmetric(z, labels.tolist(), 4.0, 1.0, 0.1)
            else:
                total += loop_asymmetric(z, labels.tolist(), 0.0, 0.0, 0.0) / len(NAMES)
        assert float(found[s]) == pytest.approx(total / 8, rel=1e-4)


@pytest.mark.parametrize(("changes", "cost"), [({}, 33.42068), ({"floor": 1e-6}, 27.63102), ({"floor": 0.0}, 34.0)])
def test_a_hopeless_positive_costs_as_much_as_in_tai_dpts_code(changes: dict, cost: float) -> None:
    model = CoOp(settings(loss="asl", **changes), NAMES)
    costs = model._costs(torch.tensor([[-15.0, -19.0]]), torch.tensor([[1, 1]]))
    assert costs.tolist() == pytest.approx([cost], abs=1e-4)


@pytest.mark.parametrize("loss", ["rank", "asl", "bce"])
def test_unknown_labels_change_nothing(loss: str) -> None:
    """An image that tells nothing of class 0 moves the context of no other class, nor that of class 0."""
    labels = few()[SHOTS].labels.clone()
    labels[:, 0] = -1
    model = prepared(few(labels=labels), loss=loss, class_specific=True)
    learned = {name: value.requires_grad_() for name, value in model.start((1, 2, 3)).items()}
    batch = next(Sampler(few(labels=labels), model.rows(), (1, 2, 3), 8, True).epoch(0, CPU))
    model.loss(learned, batch)["loss"].sum().backward()
    assert (learned["context_global"].grad[:, 0] == 0).all()
    assert (learned["context_global"].grad[:, 1:].abs().amax((-1, -2)) > 0).all()


@pytest.mark.parametrize("loss", ["rank", "asl", "bce"])
@pytest.mark.slow
def test_training_on_a_few_images_beats_the_start(loss: str) -> None:
    data = few()
    test = images([f"t{row:02d}" for row in range(40)], data[SHOTS].images.global_pos.float(), 7)
    right = toy()[TRAIN].labels == 1

    def correct(epochs: int) -> float:
        chosen = settings(loss=loss, epochs=epochs, lr=5e-3, warmup_epochs=0, optimizer="adamw")
        tensors, history = fit(CoOp, chosen, clip(), NAMES, data, (1, 2, 3), device="cpu")
        assert history[-1]["loss_train"] == history[-1]["loss"]
        scores = CoOp(chosen, NAMES).scores(tensors, test)
        return float(right.expand_as(scores).gather(-1, scores.argmax(-1, keepdim=True)).float().mean())

    first, last = correct(1), correct(30)
    assert last > max(first, 0.5), f"{last:.2f} of the images right after 30 epochs, {first:.2f} after one"


def test_a_seed_does_not_depend_on_the_others() -> None:
    data = few()
    together, alone = fitted(data), fitted(changed(data, SHOTS, chosen=data[SHOTS].chosen[1:2]), (2,))
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1], value[0], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(together[name][0], value[0], atol=1e-5), name


def test_scores_are_the_scaled_cosines() -> None:
    data = few()
    tensors = fitted(data, lr=0.02)
    assert (tensors["log_scale"] != math.log(4)).all()  # the factor is learned
    found = CoOp(settings(), NAMES).scores(tensors, data[SHOTS].images)
    assert found.shape == (3, 40, 4)
    for s, n, c in ((0, 0, 1), (2, 39, 3)):
        cosine = float(data[SHOTS].images.global_nopos[n].float() @ tensors["class_global"][s, c])
        assert float(found[s, n, c]) == pytest.approx(math.exp(float(tensors["log_scale"][s])) * cosine, abs=1e-5)


def test_novel_classes_are_learned_and_scored_alone() -> None:
    data = few()
    some = fitted(dataclasses.replace(data, novel=(3, 1)))
    only = changed(data, SHOTS, labels=data[SHOTS].labels[:, [3, 1]])
    names = (NAMES[3], NAMES[1])
    expected, _ = fit(CoOp, settings(), clip(), names, only, (1, 2, 3), device="cpu")
    assert CoOp(settings(), NAMES).scores(some, data[SHOTS].images).shape == (3, 40, 2)
    for name, value in expected.items():
        torch.testing.assert_close(some[name], value)
