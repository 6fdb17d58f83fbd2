"""Eq. 7 against a loop over pairs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from t2ipal.models.losses import ranking_loss


def loop(scores: list[float], labels: list[int], eta: float, form: str) -> float:
    total = 0.0
    for i, positive in enumerate(labels):
        for j, other in enumerate(labels):
            if positive == 1 and other == 0:
                difference = scores[i] - scores[j]
                total += max(0.0, eta - (difference if form == "signed" else abs(difference)))
    return total


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.tuples(st.floats(-3, 3), st.sampled_from([1, 0, -1])), min_size=4, max_size=4),
        min_size=1,
        max_size=5,
    ),
    eta=st.floats(0, 2),
    form=st.sampled_from(["signed", "paper_abs"]),
)
def test_loop_over_pairs(rows: list, eta: float, form: str) -> None:
    logits = torch.tensor([[score for score, _ in row] for row in rows], dtype=torch.float64)
    labels = torch.tensor([[label for _, label in row] for row in rows], dtype=torch.int8)
    found = ranking_loss(logits, labels, eta, form)
    expected = [loop(*zip(*row, strict=True), eta, form) for row in rows]
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


def test_unknown_labels_get_no_gradient() -> None:
    logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([[1, 0, -1, 0, -1]] * 3)
    ranking_loss(logits, labels, 10.0).sum().backward()
    assert (logits.grad[:, [2, 4]] == 0).all()
    assert (logits.grad[:, [0, 1, 3]] != 0).all()


def test_a_row_of_one_kind_costs_nothing() -> None:
    assert ranking_loss(torch.randn(2, 4), torch.tensor([[1] * 4, [0] * 4])).tolist() == [0, 0]


def test_signed_and_printed_form_differ_where_an_absent_class_wins() -> None:
    logits, labels = torch.tensor([0.0, 5.0]), torch.tensor([1, 0])
    assert ranking_loss(logits, labels, 1.0).item() == 6.0
    assert ranking_loss(logits, labels, 1.0, "paper_abs").item() == 0.0


def test_leading_dimensions_are_independent() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 4, 6, generator=generator)
    labels = torch.randint(-1, 2, (3, 4, 6), generator=generator)
    together = ranking_loss(logits, labels)
    assert together.shape == (3, 4)
    for s in range(3):
        torch.testing.assert_close(together[s], ranking_loss(logits[s], labels[s]))


def test_unknown_form() -> None:
    with pytest.raises(ValueError, match="paper_abs"):
        ranking_loss(torch.zeros(2), torch.zeros(2), form="other")
