"""The losses on partial labels against loops over the known ones."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from t2ipal.models.label_losses import (
    cross_entropy,
    known_share_weight,
    masked_bce,
    masked_soft_margin,
    partial_bce,
    targets_of,
)

ROWS = st.lists(
    st.lists(st.tuples(st.floats(-4, 4), st.sampled_from([1, 0, -1])), min_size=4, max_size=4), min_size=1, max_size=5
)


def entropy(logit: float, target: float) -> float:
    chance = 1 / (1 + math.exp(-logit))
    return -(target * math.log(chance) + (1 - target) * math.log(1 - chance))


def split(rows: list) -> tuple[Tensor, Tensor]:
    """Logits and labels [R, 4] of rows of (logit, label)."""
    logits = torch.tensor([[logit for logit, _ in row] for row in rows], dtype=torch.float64)
    return logits, torch.tensor([[label for _, label in row] for row in rows], dtype=torch.int8)


def known_costs(row: list) -> list[float]:
    return [entropy(logit, label) for logit, label in row if label != -1]


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, at_none=st.floats(0.5, 6), power=st.floats(0.5, 2))
def test_partial_bce_is_a_loop_over_known_labels(rows: list, at_none: float, power: float) -> None:
    expected = []
    for row in rows:
        costs = known_costs(row)
        weight = (1 - at_none) * (len(costs) / 4) ** power + at_none
        expected.append(weight / 4 * sum(costs))
    assert partial_bce(*split(rows), at_none, power).tolist() == pytest.approx(expected, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_soft_margin_is_a_loop_over_known_labels(rows: list) -> None:
    expected = [sum(known_costs(row)) / 4 for row in rows]
    assert masked_soft_margin(*split(rows)).tolist() == pytest.approx(expected, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_masked_bce_is_the_mean_over_all_known_labels(rows: list) -> None:
    logits, labels = split(rows)
    costs = [cost for row in rows for cost in known_costs(row)]
    expected = sum(costs) / len(costs) if costs else 0
    assert float(masked_bce(logits, *targets_of(labels))) == pytest.approx(expected, rel=1e-6)


def test_soft_margin_of_full_labels_is_torchs() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 7, generator=draw)
    labels = torch.randint(2, (5, 7), generator=draw)
    expected = torch.nn.functional.multilabel_soft_margin_loss(logits, labels.float(), reduction="none")
    torch.testing.assert_close(masked_soft_margin(logits, labels), expected)


def test_masked_bce_of_full_labels_is_torchs() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 7, generator=draw)
    labels = torch.randint(2, (5, 7), generator=draw)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.float())
    torch.testing.assert_close(masked_bce(logits, *targets_of(labels)), expected)


def test_weight_of_the_known_share() -> None:
    found = known_share_weight(torch.tensor([1.0, 0.1, 0.0], dtype=torch.float64))
    assert found.tolist() == pytest.approx([1, 5.005, 5.45])
    assert float(known_share_weight(torch.tensor(0.5), 5.0, 2.0)) == pytest.approx(4.0)


def _masked(logits: Tensor, labels: Tensor) -> Tensor:
    return masked_bce(logits, *targets_of(labels))


LOSSES = pytest.mark.parametrize("loss", [partial_bce, masked_soft_margin, _masked])


@LOSSES
def test_unknown_labels_get_no_gradient(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss(logits, torch.tensor([[1, 0, -1, 0, -1]] * 3, dtype=torch.int8)).sum().backward()
    assert (logits.grad[:, [2, 4]] == 0).all()
    assert (logits.grad[:, [0, 1, 3]] != 0).all()


@LOSSES
def test_rows_without_a_known_label_cost_nothing(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    logits = torch.randn(2, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = loss(logits, torch.full((2, 5), -1, dtype=torch.int8))
    found.sum().backward()
    assert (found == 0).all()
    assert (logits.grad == 0).all()


@LOSSES
def test_seeds_are_independent(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    draw = torch.Generator().manual_seed(1)
    logits, labels = torch.randn(3, 4, 6, generator=draw), torch.randint(-1, 2, (3, 4, 6), generator=draw)
    together = loss(logits, labels)
    for s in range(3):
        torch.testing.assert_close(together[s], loss(logits[s], labels[s]))


@LOSSES
def test_great_logits_stay_finite(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    logits = torch.tensor([[1e4, -1e4]]).requires_grad_()
    found = loss(logits, torch.tensor([[0, 1]]))
    found.sum().backward()
    assert float(found.detach().sum()) == pytest.approx(1e4)
    assert logits.grad.tolist() == [[0.5, -0.5]]


def test_a_target_may_be_learned() -> None:
    logit, share = torch.tensor(0.7), torch.tensor(0.25).requires_grad_()
    cross_entropy(logit, 1 - share).backward()
    assert float(share.grad) == pytest.approx(0.7)  # d/dt of -(t log s(x) + (1 - t) log s(-x)) is -x
