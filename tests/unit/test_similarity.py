"""Eqs. 2-6 against loops written from the equations, one number at a time."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from t2ipal.models.adapter import affinity, attended_affinity, joint_logits
from t2ipal.models.similarity import global_logits, local_logits

TAU, BETA, ALPHA = 0.1, 3.5, 0.7


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def loop_local(local: list, embedding: list, keep: list[bool], tau: float) -> tuple[float, list[float]]:
    """s' and h of one row and one class."""
    cosines = [dot(f, embedding) for f in local]
    weights = [math.exp(s / tau) if k else 0.0 for s, k in zip(cosines, keep, strict=True)]
    heat = [w / sum(weights) for w in weights]
    return dot(heat, cosines), heat


def test_global_logits_are_eq_2() -> None:
    pooled, embeddings = unit(4, 6, seed=1), unit(3, 6, seed=2)
    found = global_logits(pooled, embeddings)
    for b in range(4):
        for c in range(3):
            assert found[b, c].item() == pytest.approx(dot(pooled[b].tolist(), embeddings[c].tolist()), abs=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_local_logits_are_eqs_3_and_4(masked: bool) -> None:
    local, embeddings = unit(4, 5, 6, seed=3), unit(3, 6, seed=4)
    lengths = [5, 1, 3, 4]
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    found = local_logits(local, embeddings, TAU, mask if masked else None)
    for b in range(4):
        for c in range(3):
            keep = mask[b].tolist() if masked else [True] * 5
            logit, heat = loop_local(local[b].tolist(), embeddings[c].tolist(), keep, TAU)
            assert found.logits[b, c].item() == pytest.approx(logit, abs=1e-12)
            assert found.heat[b, c].tolist() == pytest.approx(heat, abs=1e-12)


def test_adapter_is_eqs_5_and_6() -> None:
    query, prototypes, logits = unit(4, 3, 6, seed=5), unit(3, 6, seed=6), unit(4, 3, seed=7)
    q = affinity(query, prototypes, BETA)
    joint = joint_logits(logits, q, ALPHA)
    for b in range(4):
        # eq. 5 as printed: the diagonal of a C x C matrix
        full = [[math.exp(-BETA * (1 - dot(h, a))) for a in prototypes.tolist()] for h in query[b].tolist()]
        for c in range(3):
            assert q[b, c].item() == pytest.approx(full[c][c], abs=1e-12)
            assert joint[b, c].item() == pytest.approx(ALPHA * full[c][c] + logits[b, c].item(), abs=1e-12)


def test_one_query_for_all_classes() -> None:
    pooled, prototypes = unit(2, 4, 6, seed=8), unit(2, 3, 6, seed=9)
    repeated = affinity(pooled[..., None, :].expand(2, 4, 3, 6), prototypes, BETA)
    torch.testing.assert_close(affinity(pooled[..., None, :], prototypes, BETA), repeated)


def test_affinity_takes_queries_as_of_length_1() -> None:
    query, prototypes = unit(4, 3, 6, seed=1), unit(3, 6, seed=2)
    longer = (query * torch.linspace(0.1, 5, 12).view(4, 3, 1)).requires_grad_()
    q = affinity(longer, prototypes, BETA, normalise=True)
    torch.testing.assert_close(q, affinity(query, prototypes, BETA))
    q.sum().backward()
    assert float((longer.grad * query).sum(-1).abs().max()) < 1e-6  # length changes nothing
    assert float(longer.grad.abs().max()) > 0.01


def test_affinity_of_unit_vectors_is_bounded() -> None:
    q = affinity(unit(9, 3, 6, seed=1), unit(3, 6, seed=2), BETA)
    assert q.min() >= math.exp(-2 * BETA)
    assert q.max() <= 1


@pytest.mark.parametrize("normalise", [False, True])
def test_affinity_of_attended_features(normalise: bool) -> None:
    """Without making H as with it, and so are the gradients."""
    local, prototypes = unit(2, 4, 5, 6, seed=1), unit(2, 3, 6, seed=2).requires_grad_()
    heat = torch.rand(2, 4, 3, 5, generator=torch.Generator().manual_seed(3)).double().softmax(-1).requires_grad_()
    found = attended_affinity(local, heat, prototypes, BETA, normalise)
    expected = affinity(heat @ local, prototypes, BETA, normalise)
    torch.testing.assert_close(found, expected)
    weight = unit(2, 4, 3, seed=4)
    gradients = [torch.autograd.grad((q * weight).sum(), (heat, prototypes)) for q in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_a_row_without_positions_is_no_nan() -> None:
    found = local_logits(torch.zeros(1, 3, 4), unit(2, 4).float(), TAU, torch.zeros(1, 3, dtype=torch.bool))
    assert found.logits.isfinite().all()
    assert found.heat.isfinite().all()


@settings(max_examples=20, deadline=None)
@given(
    seeds=st.integers(1, 4),
    rows=st.integers(1, 4),
    positions=st.integers(1, 5),
    classes=st.integers(1, 4),
    draw=st.integers(0, 99),
)
def test_leading_dimensions_are_independent(seeds: int, rows: int, positions: int, classes: int, draw: int) -> None:
    local, pooled = unit(seeds, rows, positions, 6, seed=draw), unit(seeds, rows, 6, seed=draw + 1)
    embeddings, prototypes = unit(seeds, classes, 6, seed=draw + 2), unit(seeds, classes, 6, seed=draw + 3)
    mask = unit(seeds, rows, positions, seed=draw + 4) > -0.5
    mask[..., 0] = True
    together = local_logits(local, embeddings, TAU, mask)
    q = attended_affinity(local, together.heat, prototypes, BETA, True)
    for s in range(seeds):
        alone = local_logits(local[s], embeddings[s], TAU, mask[s])
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[s], b)
        torch.testing.assert_close(q[s], attended_affinity(local[s], alone.heat, prototypes[s], BETA, True))
        torch.testing.assert_close(global_logits(pooled, embeddings)[s], global_logits(pooled[s], embeddings[s]))
    # features that all seeds share
    torch.testing.assert_close(
        local_logits(local[:1], embeddings, TAU).logits[-1], local_logits(local[0], embeddings[-1], TAU).logits
    )
