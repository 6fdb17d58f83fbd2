"""SARB's blendings, prototypes and contrastive loss, against loops written from its code's rules."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from t2ipal.models.blending import Prototypes, blend_instances, blend_prototypes, cluster, contrastive
from t2ipal.models.k_means import k_means, means

S, R, C, H = 2, 5, 4, 3


def example(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Class features [S, C, R, H] and labels [S, R, C]."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(S, C, R, H, generator=generator, dtype=torch.float64)
    return features, torch.randint(-1, 2, (S, R, C), generator=generator, dtype=torch.int8)


def test_instances_borrow_from_the_other_end_of_the_batch() -> None:
    features, labels = example()
    alpha = torch.tensor([0.3, 0.8], dtype=torch.float64)
    found = blend_instances(features, labels, alpha)
    blends = 0
    for s in range(S):
        for r in range(R):
            other = R - 1 - r
            for c in range(C):
                own, target, known = features[s, c, r], float(labels[s, r, c] == 1), float(labels[s, r, c] >= 0)
                if labels[s, r, c] == -1 and labels[s, other, c] == 1:
                    own = alpha[s] * own + (1 - alpha[s]) * features[s, c, other]
                    target, known, blends = 1 - float(alpha[s]), 1.0, blends + 1
                assert torch.allclose(found.features[s, c, r], own)
                assert float(found.targets[s, r, c]) == pytest.approx(target)
                assert float(found.known[s, r, c]) == known
    assert blends > 3


def prototypes(counts: list[list[int]]) -> Prototypes:
    centres = torch.arange(S * C * 4 * H, dtype=torch.float64).view(S, C, 4, H)
    return Prototypes(centres, torch.tensor(counts))


def test_one_unknown_class_of_a_row_borrows_from_a_prototype() -> None:
    features, labels = example(1)
    labels[0, 0] = 1  # nothing unknown in this row
    stock = prototypes([[4, 2, 0, 1], [1, 1, 3, 4]])
    beta = torch.tensor([0.25, 0.6], dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    draws, centre_draws = torch.rand(S, R, C, generator=generator), torch.rand(S, R, generator=generator)
    found = blend_prototypes(features, labels, beta, stock, draws, centre_draws)
    for s in range(S):
        for r in range(R):
            able = [c for c in range(C) if labels[s, r, c] == -1 and stock.counts[s, c] > 0]
            chosen = max(able, key=lambda c: float(draws[s, r, c])) if able else None
            for c in range(C):
                own, target, known = features[s, c, r], float(labels[s, r, c] == 1), float(labels[s, r, c] >= 0)
                if c == chosen:
                    place = int(float(centre_draws[s, r]) * int(stock.counts[s, c]))
                    own = beta[s] * own + (1 - beta[s]) * stock.centres[s, c, place]
                    target, known = 1 - float(beta[s]), 1.0
                assert torch.allclose(found.features[s, c, r], own)
                assert float(found.targets[s, r, c]) == pytest.approx(target)
                assert float(found.known[s, r, c]) == known


def test_every_unknown_class_and_every_centre_is_drawn_equally_often() -> None:
    rows = 4000
    generator = torch.Generator().manual_seed(3)
    labels = torch.tensor([-1, 0, -1, -1]).expand(1, rows, C)
    stock = Prototypes(torch.ones(1, C, 2, 1) * torch.tensor([1.0, 2.0])[:, None], torch.tensor([[2, 2, 2, 0]]))
    draws, centre_draws = torch.rand(1, rows, C, generator=generator), torch.rand(1, rows, generator=generator)
    features = blend_prototypes(torch.zeros(1, C, rows, 1), labels, torch.zeros(1), stock, draws, centre_draws).features
    shares = [(features[0, c, :, 0] == value).float().mean().item() for c in (0, 2) for value in (1, 2)]
    assert shares == pytest.approx([0.25] * 4, abs=0.03)
    assert (features[0, [1, 3]] == 0).all()
    last = blend_prototypes(
        torch.zeros(1, C, 1, 1), labels[:, :1], torch.zeros(1), stock, draws[:, :1], torch.ones(1, 1)
    )
    assert last.features.max() == 2  # a draw that rounds up to 1 is the last centre, not beyond it


@pytest.mark.parametrize("kind", ["instances", "prototypes"])
def test_a_share_of_one_borrows_nothing(kind: str) -> None:
    features, labels = example()
    if kind == "instances":
        found = blend_instances(features, labels, torch.ones(S).double())
    else:
        draws = (torch.rand(S, R, C), torch.rand(S, R))
        found = blend_prototypes(features, labels, torch.ones(S).double(), prototypes([[1] * C] * S), *draws)
    assert torch.equal(found.features, features)
    assert torch.equal(found.known, (labels >= 0).float())


def test_the_shares_have_gradients_through_features_and_targets() -> None:
    features, labels = example()
    alpha = torch.full((S,), 0.5, dtype=torch.float64, requires_grad=True)
    found = blend_instances(features, labels, alpha)
    blends = ((labels == -1) & (labels.flip(1) == 1)).sum((1, 2))
    found.targets.sum().backward(retain_graph=True)
    assert torch.equal(alpha.grad, -blends.double())
    alpha.grad = None
    found.features.sum().backward()
    assert (alpha.grad != 0).all()


def test_centres_are_those_of_the_clusters() -> None:
    generator = torch.Generator().manual_seed(0)
    corners = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    values = torch.cat(
        [corners.repeat(20, 1) + 0.01 * torch.randn(60, 2, generator=generator), torch.tensor([[5.0, 5.0]])]
    )
    classes = torch.tensor([0] * 60 + [2])
    found = cluster(values[None], classes, 3, [[1, 2, 3]])
    centres, counts = found.centres[0], found.counts[0]
    assert counts.tolist() == [3, 0, 1]
    assert sorted(centres[0].round().abs().tolist()) == sorted(corners.tolist())
    assert centres[2].tolist() == [[5, 5], [0, 0], [0, 0]]
    assert centres[1].abs().sum() == 0
    both = cluster(torch.stack([values + 1, values]), classes, 3, [[4, 5, 6], [1, 2, 3]])
    assert torch.allclose(both.centres[1], centres, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 10])
def test_clusters_are_those_of_scikit_learn(count: int) -> None:
    """The same random numbers, the same steps, the same end; each seed on values of its own."""
    generator = np.random.default_rng(count)
    values = generator.standard_normal((3, 60, 5)).astype(np.float32) + 3
    seeds = [7, 8, 2**32 - 1]
    found = k_means(torch.from_numpy(values), count, seeds)
    for seed, own, centres in zip(seeds, values, found.numpy(), strict=True):
        expected = KMeans(count, n_init=1, random_state=seed).fit(own).cluster_centers_
        np.testing.assert_allclose(centres, expected, atol=1e-5)


def test_a_centre_without_values_takes_the_farthest_one() -> None:
    x = torch.tensor([[[0.0], [1.0], [9.0]]])
    centres = torch.tensor([[[0.0], [50.0]]])
    assert means(x, torch.tensor([[0, 0, 0]]), centres).tolist() == [[[0.5], [9.0]]]


def test_blended_rows_alone() -> None:
    features, labels = example()
    labels[:, [0, 3]] = 1  # nothing to borrow for
    labels[1, 1:3] = 0
    found = blend_instances(features, labels, torch.full((S,), 0.5, dtype=torch.float64))
    part, rows = found.compact()
    assert part.shape[2] == rows.shape[1] == int(found.rows.sum(1).max()) < R
    for s in range(S):
        assert set(found.rows[s].nonzero()[:, 0].tolist()) <= set(rows[s].tolist())
        assert torch.equal(part[s], found.features[s][:, rows[s]])
    changed = (found.features != features).any(-1).any(1)
    assert torch.equal(changed, found.rows)


def loop_contrastive(features: np.ndarray, labels: np.ndarray) -> float:
    """loss/SARB.py for one seed: features [C, R, H], labels [R, C]; the random draws by their mean."""
    pulled, mixed, absent = [], [], []
    classes, rows, _ = features.shape
    for a in range(rows):
        for b in range(a + 1, rows):
            for c in range(classes):
                x, y = features[c, a], features[c, b]
                cosine = float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
                pair = (labels[a, c], labels[b, c])
                if -1 in pair:
                    continue
                if pair == (1, 1):
                    pulled.append(1 - cosine)
                else:
                    (absent if pair == (0, 0) else mixed).append(1 + cosine)
    n, total, count = len(pulled), sum(pulled), len(pulled)
    for values in (mixed, absent):
        if values and n:
            hardest = sorted(values, reverse=True)[:n]
            drawn = min(2 * n, len(values))
            total += drawn * sum(values) / len(values) + sum(hardest)
            count += drawn + len(hardest)
        else:
            total, count = total + sum(values), count + len(values)
    return total / count if count else 0.0


@pytest.mark.parametrize("seed", range(6))
def test_the_contrastive_loss_is_a_loop_over_pairs(seed: int) -> None:
    features, labels = example(seed)
    if seed == 1:
        labels[0] = labels[0].clamp(max=0)  # no pair of positives
    if seed == 2:
        labels[1] = -1  # nothing known
    expected = [loop_contrastive(features[s].numpy(), labels[s].numpy()) for s in range(S)]
    assert contrastive(features, labels).tolist() == pytest.approx(expected)


def test_the_contrastive_loss_pulls_positives_together() -> None:
    features = torch.randn(1, 1, 6, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([1, 1, 1, 0, 0, -1]).view(1, 6, 1)
    optimizer = torch.optim.Adam([features], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        contrastive(features, labels).sum().backward()
        assert features.grad[0, 0, 5].abs().sum() == 0
        optimizer.step()
    unit = torch.nn.functional.normalize(features.detach()[0, 0], dim=-1)
    cosine = unit @ unit.T
    assert cosine[:3, :3].min() > 0.9
    assert cosine[:3, 3:5].max() < -0.4
