"""SARB's contrastive loss against a loop over pairs."""

import pytest
import torch
from torch import Tensor

from t2ipal.models.contrast import contrastive

C, R, H = 3, 7, 5


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def drawn(seed: int = 0, seeds: int = 2) -> tuple[Tensor, Tensor]:
    """Features [S, C, R, H] and labels [S, R, C]."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, 2, (seeds, R, C), generator=draw, dtype=torch.int8)
    return torch.randn(seeds, C, R, H, generator=draw), labels


def pair_costs(features: Tensor, labels: Tensor) -> dict[int, list[float]]:
    """The costs of all pairs of one seed by their number of positives, in the order of classes and pairs."""
    found: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for c in range(features.shape[0]):
        for a in range(features.shape[1]):
            for b in range(a + 1, features.shape[1]):
                both = int(labels[a, c]), int(labels[b, c])
                if -1 not in both:
                    cosine = float(torch.cosine_similarity(features[c, a], features[c, b], dim=0))
                    found[sum(both)].append(1 - cosine if sum(both) == 2 else 1 + cosine)
    return found


def loop(features: Tensor, labels: Tensor, generator: torch.Generator) -> float:
    costs = pair_costs(features, labels)
    near = costs[2]
    if not near:
        return 0.0
    chosen = list(near)
    for count in (1, 0):
        order = torch.randperm(len(costs[count]), generator=generator).tolist()
        chosen += [costs[count][place] for place in order[: 2 * len(near)]]
        chosen += sorted(costs[count], reverse=True)[: len(near)]
    return sum(chosen) / len(chosen)


@pytest.mark.parametrize("seed", range(5))
def test_loss_is_that_of_a_loop(seed: int) -> None:
    features, labels = drawn(seed)
    found = contrastive(features, labels, generators(1, 2))
    expected = [loop(features[s], labels[s], generator) for s, generator in enumerate(generators(1, 2))]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_twice_as_many_are_drawn_as_there_are_near_pairs_and_the_hardest_are_added() -> None:
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(1, 1, 12, H, generator=draw)
    labels = torch.zeros(1, 12, 1, dtype=torch.int8)
    labels[0, :2] = 1
    costs = pair_costs(features[0], labels[0])
    assert [len(costs[count]) for count in (2, 1, 0)] == [1, 20, 45]
    seen = set()
    for seed in range(20):
        total = 7 * float(contrastive(features, labels, generators(seed)))  # 1 + (2 + 1) + (2 + 1) pairs
        rest = total - costs[2][0] - max(costs[1]) - max(costs[0])
        assert 4 * min(costs[1] + costs[0]) <= rest <= 4 * max(costs[1] + costs[0])
        seen.add(round(rest, 4))
    assert len(seen) > 10


@pytest.mark.parametrize(
    "column",
    [[1, 0, 0, 0], [0, 0, 0, 0], [-1, -1, -1, -1], [1, -1, -1, -1]],
    ids=["one positive", "absent", "unknown", "one known"],
)
def test_without_a_pair_of_positives_nothing_is_paid(column: list[int]) -> None:
    features = torch.randn(1, 1, 4, H, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = contrastive(features, torch.tensor(column).view(1, 4, 1), generators(1))
    found.sum().backward()
    assert found.tolist() == [0]
    assert (features.grad == 0).all()


def test_positives_alone_are_pulled_together() -> None:
    features = torch.randn(1, 1, 3, H, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = contrastive(features, torch.ones(1, 3, 1), generators(1))
    costs = pair_costs(features[0].detach(), torch.ones(3, 1))
    assert float(found.detach()) == pytest.approx(sum(costs[2]) / 3, rel=1e-5)
    (gradient,) = torch.autograd.grad(found.sum(), features)
    after = contrastive(features.detach() - 0.1 * gradient, torch.ones(1, 3, 1), generators(1))
    assert float(after) < float(found.detach())


def test_unknown_images_get_no_gradient() -> None:
    features, labels = drawn(3)
    labels[:, 2] = -1
    labels[:, :2] = 1
    features.requires_grad_()
    contrastive(features, labels, generators(1, 2)).sum().backward()
    assert (features.grad[:, :, 2] == 0).all()
    assert (features.grad[:, :, :2] != 0).any(-1).all()


def test_one_image_has_no_pair() -> None:
    found = contrastive(torch.randn(2, C, 1, H), torch.ones(2, 1, C), generators(1, 2))
    assert found.tolist() == [0, 0]


def test_a_feature_of_zeros_has_a_finite_gradient() -> None:
    features = torch.zeros(1, 1, 3, H).requires_grad_()
    contrastive(features, torch.tensor([1, 1, 0]).view(1, 3, 1), generators(1)).sum().backward()
    assert features.grad.isfinite().all()


def test_a_seeds_draws_do_not_depend_on_the_others() -> None:
    features, labels = drawn(4)
    together = contrastive(features, labels, generators(1, 2))
    alone = contrastive(features[1:], labels[1:], generators(2))
    torch.testing.assert_close(together[1:], alone)
