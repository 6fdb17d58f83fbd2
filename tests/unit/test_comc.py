"""CoMC: noise, loss and mapped images against loops."""

import math

import pytest
import torch
from loss_loops import loop_rank
from pydantic import ValidationError
from tiny_clip import DIM
from torch import Tensor
from torch.nn.functional import normalize
from training_toy import CPU, NAMES, changed, clip, images, toy

from t2ipal import methods
from t2ipal.methods.comc import CoMC, Settings
from t2ipal.methods.prompt_learning import encode_names
from t2ipal.rows import CAPTIONS, TRAIN
from t2ipal.rows.sampler import Sampler
from t2ipal.training.train import fit


def settings(**changes: object) -> Settings:
    return Settings(**{"epochs": 3, "batch": 16} | changes)


def prepared(**changes: object) -> CoMC:
    model = CoMC(settings(**changes), NAMES)
    model.prepare(clip(), CPU)
    return model


def test_it_learns_from_captions_alone_and_is_no_row_of_the_paper() -> None:
    assert methods.get("comc") is CoMC
    assert CoMC.kinds(Settings()) == {CAPTIONS}
    assert CoMC.own_schedule
    assert not CoMC.in_paper
    assert prepared().rows().templates == 89
    with pytest.raises(ValidationError, match=r"expected one \{\}"):
        Settings(template="a photo")


@pytest.mark.parametrize("renormalise", [False, True])
def test_loss_ranks_noised_captions(renormalise: bool) -> None:
    model = prepared(renormalise=renormalise, eta=0.7)
    learned = model.start((1, 2))
    batch = next(Sampler(toy(), model.rows(), (1, 2), 16, True).epoch(0, CPU))
    branch = batch[CAPTIONS]
    model.begin_epoch(learned, 0)
    noise = torch.stack([torch.randn(16, DIM, generator=one) for one in model.generators])
    model.begin_epoch(learned, 0)
    found = model.loss(learned, batch)["loss"]
    for s in range(2):
        total = 0.0
        for x, extra, labels in zip(branch.pooled[s], noise[s], branch.labels[s], strict=True):
            feature = x + 0.1 * extra
            feature = normalize(feature, dim=0) if renormalise else feature
            total += loop_rank([float(row @ feature) for row in learned["weight"][s]], labels, 0.7)
        assert float(found[s]) == pytest.approx(total / 16, rel=1e-5)


def test_noise_is_new_for_each_step_epoch_and_seed() -> None:
    model = prepared(noise=0.5)
    learned = model.start((1, 2))
    batch = next(Sampler(toy(), model.rows(), (1, 2), 16, True).epoch(0, CPU))
    losses = []
    for epoch in (0, 0, 1):
        model.begin_epoch(learned, epoch)
        losses.append(torch.stack([model.loss(learned, batch)["loss"] for _ in range(2)]))
    assert torch.equal(losses[0], losses[1])
    assert (losses[0] != losses[2]).all()
    assert (losses[0][0] != losses[0][1]).all()
    draws = [torch.randn(9, generator=one) for one in model.generators]
    assert not torch.equal(*draws)


def test_a_seed_does_not_depend_on_the_others() -> None:
    together, _ = fit(CoMC, settings(), clip(), NAMES, toy(), (1, 2, 3), device="cpu")
    alone, _ = fit(CoMC, settings(), clip(), NAMES, toy(), (2,), device="cpu")
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1], value[0], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together["weight"][0], together["weight"][1], atol=1e-3)


def loop_mapped(x: Tensor, texts: Tensor, tau: float, mix: float) -> Tensor:
    cosines = [float(x @ text) for text in texts]
    weights = [math.exp((cosine - max(cosines)) / tau) for cosine in cosines]
    mean = sum(w * text for w, text in zip(weights, texts, strict=True))
    return (1 - mix) * x + mix * mean / mean.norm()


def test_scores_are_those_of_the_formula() -> None:
    data, chosen = toy(), settings(mix=0.4, merge=0.3, tau=0.05)
    tensors, _ = fit(CoMC, chosen, clip(), NAMES, data, (1, 2), device="cpu")
    model = CoMC(chosen, NAMES)
    found = model.scores(tensors, data[TRAIN].images, chunk=7)
    assert found.shape == (2, 40, 4)
    assert torch.allclose(found, model.scores(tensors, data[TRAIN].images), atol=1e-6)
    texts = encode_names(clip(), NAMES, "a photo of a {}.")
    for s, n in ((0, 0), (1, 39)):
        far = loop_mapped(data[TRAIN].images.global_nopos[n].float(), texts, 0.05, 0.4)
        cells = [loop_mapped(cell.float(), texts, 0.05, 0.4) for cell in data[TRAIN].images.local[n]]
        for c, weight in enumerate(tensors["weight"][s]):
            expected = 0.3 * float(weight @ far) + 0.7 * max(float(weight @ cell) for cell in cells)
            assert float(found[s, n, c]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_training_on_captions_beats_the_start() -> None:
    data = toy()
    test = images([f"t{row:02d}" for row in range(40)], data[TRAIN].images.global_pos.float(), 7)
    right = data[TRAIN].labels == 1

    def correct(epochs: int) -> float:
        chosen = settings(epochs=epochs, lr=0.02, warmup_epochs=0)
        tensors, history = fit(CoMC, chosen, clip(), NAMES, data, (1, 2), device="cpu")
        assert history[-1]["loss_text"] == history[-1]["loss"]
        scores = CoMC(chosen, NAMES).scores(tensors, test)
        return float(right.expand_as(scores).gather(-1, scores.argmax(-1, keepdim=True)).float().mean())

    first, last = correct(1), correct(15)
    assert last > max(first, 0.8), f"{last:.2f} of the images right after 15 epochs, {first:.2f} after one"


def test_unknown_labels_change_nothing() -> None:
    data = toy()
    labels = data[CAPTIONS].labels.clone()
    labels[:, 2] = -1
    data = changed(data, CAPTIONS, labels=labels, template_labels=None)
    chosen = settings(templates=0, weight_decay=0.0)
    tensors, _ = fit(CoMC, chosen, clip(), NAMES, data, (1,), device="cpu")
    start = prepared().start((1,))["weight"]
    assert torch.equal(tensors["weight"][:, 2], start[:, 2])
    assert (tensors["weight"][:, [0, 1, 3]] != start[:, [0, 1, 3]]).any(-1).all()
