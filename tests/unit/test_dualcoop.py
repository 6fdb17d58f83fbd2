"""DualCoOp: logits and losses of both variants against loops, unknown labels, seeds."""

import math

import pytest
import torch
from loss_loops import loop_asymmetric
from tiny_clip import DIM
from torch import Tensor
from training_toy import CPU, NAMES, clip, images, toy

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.methods.dualcoop import DualCoOp, Settings
from t2ipal.rows import TRAIN
from t2ipal.rows.base import Branch
from t2ipal.rows.data import TrainingData
from t2ipal.rows.sampler import Sampler
from t2ipal.rows.train import TrainRows
from t2ipal.training.train import fit

FACTORS = {"tai": (math.exp(3.91), math.exp(3.0)), "official": (100.0, 20.0)}


def partial(share: float = 0.5) -> TrainingData:
    """Labelled images of which a share of the labels is known."""
    data = toy()
    known = torch.rand(data[TRAIN].labels.shape, generator=torch.Generator().manual_seed(0)) < share
    labels = torch.where(known, data[TRAIN].labels, -1).to(torch.int8)
    return TrainingData().with_rows(TrainRows(data[TRAIN].images, labels))


def settings(**changes: object) -> Settings:
    return Settings(**{"epochs": 3, "batch": 8} | changes)


def prepared(**changes: object) -> DualCoOp:
    model = DualCoOp(settings(**changes), NAMES)
    model.prepare(clip(), CPU)
    return model


def first_batch(data: TrainingData, model: DualCoOp) -> dict[str, Branch]:
    return next(Sampler(data, model.rows(), (1, 2), 8, True).epoch(0, CPU))


def loop_pair(local: Tensor, positive: Tensor, negative: Tensor, scale: float, spatial: float) -> tuple[float, float]:
    """The pooled logits (for, against) of one class on one image's cells."""
    near = [float(cell @ positive) for cell in local]
    far = [float(cell @ negative) for cell in local]
    top = max(near)
    weights = [math.exp(spatial * (cosine - top)) for cosine in near]
    pooled = [sum(w * c for w, c in zip(weights, side, strict=True)) / sum(weights) for side in (near, far)]
    return scale * pooled[0], scale * pooled[1]


def test_it_learns_from_known_labels_by_its_own_schedule() -> None:
    assert methods.get("dualcoop") is DualCoOp
    assert DualCoOp.kinds(Settings()) == {TRAIN}
    assert DualCoOp.own_schedule
    assert Settings().class_specific
    with pytest.raises(UserError, match="no train rows"):
        fit(DualCoOp, settings(), clip(), NAMES, TrainingData(), (1,), device="cpu")


@pytest.mark.parametrize("variant", ["tai", "official"])
@pytest.mark.parametrize("class_specific", [True, False])
def test_loss_is_that_of_the_equations(variant: str, class_specific: bool) -> None:
    model = prepared(variant=variant, class_specific=class_specific, loss_weight=0.2)
    learned = model.start((1, 2))
    batch = first_batch(partial(), model)
    branch, found = batch[TRAIN], model.loss(learned, batch)["loss"]
    logits = model.logits(learned | model.embed(learned), branch.local)
    embeddings = model.embed(learned)
    assert (branch.labels == -1).any()
    for s in range(2):
        total = 0.0
        for r in range(8):
            pairs = [
                loop_pair(branch.local[s, r], positive, negative, *FACTORS[variant])
                for positive, negative in zip(*(embeddings[f"class_{part}"][s] for part in model.parts), strict=True)
            ]
            z = [for_it - against for for_it, against in pairs]
            assert logits[s, r].tolist() == pytest.approx(z, abs=5e-4)
            for value, (for_it, against) in zip(logits[s, r].tolist(), pairs, strict=True):
                # the official code's softmax over the pair
                both = torch.tensor([against, for_it], dtype=torch.float64).softmax(0)
                assert 1 / (1 + math.exp(-value)) == pytest.approx(float(both[1]), abs=1e-4)
            total += loop_asymmetric(z, branch.labels[s, r].tolist(), 2.0, 1.0, 0.05)
        expected = total / 8 if variant == "tai" else 0.2 * total
        assert float(found[s]) == pytest.approx(expected, rel=5e-4)


@pytest.mark.parametrize(
    ("changes", "cost"),
    [({}, 33.42068), ({"variant": "official", "loss_weight": 1.0}, 27.63102), ({"floor": 0.0}, 34.0)],
    ids=["tai", "official", "none"],
)
def test_a_hopeless_positive_costs_as_much_as_in_the_code_of_the_variant(
    changes: dict, cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = prepared(**changes)
    monkeypatch.setattr(model, "logits", lambda tensors, local: torch.tensor([[[-15.0, -19.0, 0.0, 0.0]]]))
    row = Branch(
        torch.zeros(1, 1, DIM), torch.zeros(1, 1, 4, DIM), None, torch.tensor([[[1, 1, -1, -1]]]), torch.ones(1, 1)
    )
    assert float(model.loss(model.start((1,)), {TRAIN: row})["loss"]) == pytest.approx(cost, abs=1e-4)


@pytest.mark.parametrize("variant", ["tai", "official"])
def test_unknown_labels_have_no_gradient(variant: str) -> None:
    data = partial(1.0)
    data[TRAIN].labels[:, 2] = -1
    model = prepared(variant=variant)
    learned = {name: value.requires_grad_() for name, value in model.start((1, 2)).items()}
    model.loss(learned, first_batch(data, model))["loss"].sum().backward()
    for part in model.parts:
        size = learned[f"context_{part}"].grad.abs().amax((-1, -2))
        assert (size[:, 2] == 0).all()
        assert (size[:, [0, 1, 3]] > 0).all()


def test_without_any_known_label_nothing_is_learned() -> None:
    chosen = settings(weight_decay=0.0)
    tensors, history = fit(DualCoOp, chosen, clip(), NAMES, partial(0.0), (1,), device="cpu")
    assert all(row["loss"] == 0 for row in history)
    for name, value in prepared().start((1,)).items():
        assert torch.equal(tensors[name], value)


@pytest.mark.slow
@pytest.mark.parametrize("class_specific", [True, False])
def test_a_seed_does_not_depend_on_the_others(class_specific: bool) -> None:
    chosen, data = settings(class_specific=class_specific), partial()
    together, _ = fit(DualCoOp, chosen, clip(), NAMES, data, (1, 2, 3), device="cpu")
    alone, _ = fit(DualCoOp, chosen, clip(), NAMES, data, (2,), device="cpu")
    shape = (3, len(NAMES), 16, 128) if class_specific else (3, 16, 128)
    assert together["context_negative"].shape == shape
    assert together["class_positive"].shape == (3, len(NAMES), DIM)
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1], value[0], atol=1e-4, rtol=1e-3)
        assert not torch.allclose(together[name][0], value[0], atol=1e-4), name


@pytest.mark.parametrize("variant", ["tai", "official"])
@pytest.mark.parametrize("class_specific", [True, False])
@pytest.mark.slow
def test_training_on_half_of_the_labels_beats_the_start(variant: str, class_specific: bool) -> None:
    data = partial()
    test = images([f"t{row:02d}" for row in range(40)], data[TRAIN].images.global_pos.float(), 7)
    right = toy()[TRAIN].labels == 1

    def correct(epochs: int) -> float:
        # many positives of a random CLIP are hopeless at the start, and the official floor leaves those alone
        chosen = settings(variant=variant, class_specific=class_specific, epochs=epochs, lr=5e-3, warmup_epochs=0,
                          optimizer="adamw", loss_weight=0.1, floor=0.0)  # fmt: skip
        tensors, _ = fit(DualCoOp, chosen, clip(), NAMES, data, (1, 2), device="cpu")
        scores = DualCoOp(chosen, NAMES).scores(tensors, test)
        return float(right.expand_as(scores).gather(-1, scores.argmax(-1, keepdim=True)).float().mean())

    first, last = correct(1), correct(12)
    assert last > max(first, 0.5), f"{last:.2f} of the images right after 12 epochs, {first:.2f} after one"


@pytest.mark.slow
def test_the_factors_are_learned_in_tai_dpts_variant_only() -> None:
    tensors, _ = fit(DualCoOp, settings(), clip(), NAMES, partial(), (1, 2), device="cpu")
    assert (tensors["log_scale"] != 3.91).all()
    assert (tensors["log_spatial"] != 3.0).all()
    official, _ = fit(DualCoOp, settings(variant="official"), clip(), NAMES, partial(), (1, 2), device="cpu")
    assert not official.keys() & {"log_scale", "log_spatial"}


def test_scores_are_the_logits_whatever_the_chunk() -> None:
    data = partial()
    tensors, _ = fit(DualCoOp, settings(), clip(), NAMES, data, (1, 2), device="cpu")
    model = DualCoOp(settings(), NAMES)
    found = model.scores(tensors, data[TRAIN].images, chunk=7)
    assert found.shape == (2, 40, 4)
    torch.testing.assert_close(found, model.scores(tensors, data[TRAIN].images), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        found, model.logits(tensors, data[TRAIN].images.local[None].float()), atol=1e-4, rtol=1e-4
    )
