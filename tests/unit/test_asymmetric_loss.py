"""The asymmetric loss against its formula, number by number."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_loops import loop_asymmetric, sigmoid

from t2ipal.models.asymmetric_loss import asymmetric_loss


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.tuples(st.floats(-25, 25), st.sampled_from([1, 0, -1])), min_size=3, max_size=3),
        min_size=1,
        max_size=4,
    ),
    gamma_neg=st.sampled_from([0.0, 1.0, 2.0, 4.0]),
    gamma_pos=st.sampled_from([0.0, 1.0, 2.0]),
    clip=st.sampled_from([0.0, 0.05, 0.2]),
    floor=st.sampled_from([1e-8, 1e-6, 1e-3]),
)
def test_loop_over_classes(rows: list, gamma_neg: float, gamma_pos: float, clip: float, floor: float) -> None:
    logits = torch.tensor([[z for z, _ in row] for row in rows], dtype=torch.float64)
    labels = torch.tensor([[y for _, y in row] for row in rows], dtype=torch.int8)
    found = asymmetric_loss(logits, labels, gamma_neg, gamma_pos, clip, floor)
    expected = [loop_asymmetric(*zip(*row, strict=True), gamma_neg, gamma_pos, clip, floor) for row in rows]
    assert found.tolist() == pytest.approx(expected, abs=1e-7)


def test_unknown_labels_get_no_gradient() -> None:
    logits = torch.tensor([[0.3, -0.2, 4.0, 1.0, -30.0]], requires_grad=True)
    asymmetric_loss(logits, torch.tensor([[1, 0, -1, 0, -1]])).sum().backward()
    assert (logits.grad[0, [2, 4]] == 0).all()
    assert (logits.grad[0, [0, 1, 3]] != 0).all()


def test_focal_factors_carry_no_gradient() -> None:
    logits = torch.tensor([0.4, -0.7], dtype=torch.float64, requires_grad=True)
    asymmetric_loss(logits, torch.tensor([1, 0])).backward()
    p, other = sigmoid(0.4), sigmoid(-0.7)
    q = 1 - other + 0.05
    # derivatives of -log p and -log q, times the factors as they stand
    expected = [-(1 - p) * (1 - p), (1 - q) ** 2 * other * (1 - other) / q]
    assert logits.grad.tolist() == pytest.approx(expected)


def test_an_absent_class_of_low_probability_costs_nothing() -> None:
    logits = torch.tensor([-3.0, -2.9], requires_grad=True)  # probabilities 0.047 and 0.052
    asymmetric_loss(logits, torch.tensor([0, 0])).backward()
    assert logits.grad[0] == 0
    assert logits.grad[1] > 0


def test_without_focus_and_clip_it_is_binary_cross_entropy() -> None:
    logits = 40 * torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 2, (5, 7), generator=torch.Generator().manual_seed(1))
    expected = F.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none").sum(-1)
    torch.testing.assert_close(asymmetric_loss(logits, labels, 0, 0, 0, 0), expected)


@pytest.mark.parametrize(
    ("floor", "value", "gradient"),
    [(0, 34.0, [-1.0, -1.0]), (1e-8, 33.42068, [-1.0, 0.0]), (1e-6, 27.63102, [0.0, 0.0])],
    ids=["none", "TaI-DPT", "DualCoOp"],
)
def test_a_hopeless_positive_costs_a_constant(floor: float, value: float, gradient: list[float]) -> None:
    """Values and gradients of the official code."""
    logits = torch.tensor([[-15.0, -19.0]], requires_grad=True)
    loss = asymmetric_loss(logits, torch.tensor([[1, 1]]), floor=floor)
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([value], abs=1e-4)
    assert logits.grad[0].tolist() == pytest.approx(gradient, abs=1e-5)


def test_the_floor_holds_for_absent_classes_too() -> None:
    logits = torch.tensor([[15.0, 19.0]], requires_grad=True)
    loss = asymmetric_loss(logits, torch.tensor([[0, 0]]), clip=0, floor=1e-8)
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([33.42068], abs=1e-4)
    assert logits.grad[0].tolist() == pytest.approx([1.0, 0.0], abs=1e-5)


@pytest.mark.parametrize("floor", [0, 1e-8])
def test_extreme_logits_stay_finite(floor: float) -> None:
    logits = torch.tensor([[-200.0, 200.0], [200.0, -200.0]], requires_grad=True)
    loss = asymmetric_loss(logits, torch.tensor([[1, 0], [1, 0]]), floor=floor)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()
    assert loss[0] > (20 if floor else 200)
    assert loss[1] == 0
