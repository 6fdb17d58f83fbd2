"""Class vectors: loss and scores against loops, and noise that depends on the seed alone."""

import math

import pytest
import torch
from loss_loops import loop_rank
from torch.nn.functional import normalize
from training_toy import CPU, NAMES, clip, settings, toy

from t2ipal import methods
from t2ipal.methods.prompt_learning import encode_names
from t2ipal.rows import CAPTIONS, TRAIN
from t2ipal.rows.sampler import Sampler
from t2ipal.training.train import fit

METHOD = methods.get("class_vectors")


def loop_local(cells: torch.Tensor, vector: torch.Tensor, tau: float) -> float:
    cosines = [float(cell @ vector) for cell in cells]
    weights = [math.exp(cosine / tau) for cosine in cosines]
    return sum(w * cosine for w, cosine in zip(weights, cosines, strict=True)) / sum(weights)


def test_loss_is_that_of_the_loops() -> None:
    model = METHOD(settings("class_vectors", noise=0.0, local_weight=0.3), NAMES)
    model.prepare(clip(), CPU)
    learned = model.start((1, 2))
    torch.testing.assert_close(learned["vector_local"][1], encode_names(clip(), NAMES, "a photo of a {}."))
    learned["vector_local"] = learned["vector_local"].flip(1) * 2  # the length does not matter
    model.begin_epoch(learned, 0)
    branch = next(Sampler(toy(), model.rows(), (1, 2), 6, True).epoch(0, CPU))[CAPTIONS]
    found = model.loss(learned, {CAPTIONS: branch})["loss"]
    for s in range(2):
        total = 0.0
        for r in range(6):
            far = 4 * normalize(branch.pooled[s, r], dim=0) @ learned["vector_global"][s].T
            cells = normalize(branch.local[s, r][branch.mask[s, r]], dim=-1)
            near = [4 * loop_local(cells, vector, 1 / 40) for vector in normalize(learned["vector_local"][s], dim=-1)]
            total += loop_rank(far.tolist(), branch.labels[s, r], 1.0) + 0.3 * loop_rank(near, branch.labels[s, r], 1.0)
        assert float(found[s]) == pytest.approx(total / 6, rel=1e-4)


def test_scores_add_both_parts_with_the_global_feature_as_a_cell() -> None:
    data, chosen = toy(), settings("class_vectors")
    tensors, history = fit(METHOD, chosen, clip(), NAMES, data, (1, 2), device="cpu")
    assert len(history) == 6
    found = METHOD(chosen, NAMES).scores(tensors, data[TRAIN].images, chunk=7)
    for s, n in ((0, 0), (1, 39)):
        pooled, local = data[TRAIN].images.global_nopos[n].float(), data[TRAIN].images.local[n].float()
        cells = torch.cat([local, pooled[None]])
        for c in range(len(NAMES)):
            near = loop_local(cells, tensors["class_local"][s, c], 1 / 50)
            expected = 4 * (float(pooled @ tensors["class_global"][s, c]) + near)
            assert float(found[s, n, c]) == pytest.approx(expected, abs=1e-4)


def test_noise_is_a_seeds_own_and_does_not_depend_on_the_longest_text() -> None:
    model = METHOD(settings("class_vectors"), NAMES)
    model.prepare(clip(), CPU)
    pooled, local = normalize(torch.ones(2, 6, 16), dim=-1), normalize(torch.ones(2, 6, 5, 16), dim=-1)
    model.start((1, 2))
    model.begin_epoch({}, 3)
    both = model.noised(pooled, local)
    assert not torch.equal(both[0][0], both[0][1])
    assert float((both[0] - pooled).std()) == pytest.approx(0.04, rel=0.2)
    torch.testing.assert_close(both[1].norm(dim=-1), torch.ones(2, 6, 5))
    model.start((2,))
    model.begin_epoch({}, 3)
    one = model.noised(pooled[1:], local[1:, :, :4])  # the longest text of this seed is shorter
    assert torch.equal(one[0][0], both[0][1])
    assert torch.equal(one[1][0], both[1][1, :, :4])


def test_it_learns_and_the_paper_has_no_such_row() -> None:
    data = toy()
    _, history = fit(METHOD, settings("class_vectors", lr=0.1), clip(), NAMES, data, (1,), device="cpu")
    assert history[-1]["loss"] < history[0]["loss"]
    assert not METHOD.in_paper
