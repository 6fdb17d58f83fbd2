"""The losses on partial labels, against loops over their equations and against torch's own."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits, multilabel_soft_margin_loss

from t2ipal.models.label_losses import known_share_weight, masked_bce, masked_soft_margin, partial_bce, targets_of

ROWS = st.lists(
    st.lists(st.tuples(st.floats(-8, 8), st.sampled_from([1, 0, -1])), min_size=4, max_size=4), min_size=1, max_size=5
)


def loop_partial(scores: list[float], labels: list[int], a: float, b: float, power: float) -> float:
    """Durand et al., eqs. 2 and 3, for one row; their label -1 is 0 here, their 0 is -1."""
    known = sum(label != -1 for label in labels) / len(labels)
    total = 0.0
    for x, label in zip(scores, labels, strict=True):
        if label == 1:
            total += math.log(1 / (1 + math.exp(-x)))
        if label == 0:
            total += math.log(math.exp(-x) / (1 + math.exp(-x)))
    return -(a * known**power + b) / len(labels) * total


def split(rows: list) -> tuple[torch.Tensor, torch.Tensor]:
    logits = torch.tensor([[score for score, _ in row] for row in rows], dtype=torch.float64)
    return logits, torch.tensor([[label for _, label in row] for row in rows], dtype=torch.int8)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, power=st.floats(0.5, 2), at_none=st.floats(0.1, 9))
def test_partial_bce_is_a_loop_over_known_labels(rows: list, power: float, at_none: float) -> None:
    logits, labels = split(rows)
    expected = [loop_partial(*zip(*row, strict=True), 1 - at_none, at_none, power) for row in rows]
    assert partial_bce(logits, labels, at_none, power).tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_weight_has_the_papers_numbers() -> None:
    share = torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64)
    assert known_share_weight(share).tolist() == pytest.approx([5.45, 5.005, 3.225, 1.0])


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_masked_bce_is_the_mean_over_all_known_labels(rows: list) -> None:
    logits, labels = split(rows)
    terms = []
    for row in rows:
        for x, label in row:
            if label != -1:
                p = 1 / (1 + math.exp(-x))
                terms.append(-math.log(p if label == 1 else 1 - p))
    expected = sum(terms) / len(terms) if terms else 0.0
    assert float(masked_bce(logits, *targets_of(labels))) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_masked_soft_margin_is_a_loop_over_known_labels(rows: list) -> None:
    logits, labels = split(rows)
    expected = [loop_partial(*zip(*row, strict=True), 0, 1, 1) for row in rows]
    assert masked_soft_margin(logits, labels).tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_with_all_labels_known_they_are_torchs() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 5, generator=draw)
    labels = torch.randint(0, 2, (6, 5), generator=draw)
    plain = binary_cross_entropy_with_logits(logits, labels.float())
    assert float(masked_bce(logits, *targets_of(labels))) == pytest.approx(float(plain))
    assert float(partial_bce(logits, labels).mean()) == pytest.approx(float(plain))
    margin = multilabel_soft_margin_loss(logits, labels.float(), reduction="none")
    assert torch.allclose(masked_soft_margin(logits, labels), margin)


@pytest.mark.parametrize("name", ["masked_bce", "partial_bce", "masked_soft_margin"])
def test_unknown_labels_get_no_gradient(name: str) -> None:
    logits = (3 * torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))).requires_grad_()
    labels = torch.tensor([1, 0, -1, 0, -1]).expand(3, 4, 5)
    losses = {"masked_bce": lambda x, y: masked_bce(x, *targets_of(y)), "partial_bce": partial_bce}
    losses.get(name, masked_soft_margin)(logits, labels).sum().backward()
    assert (logits.grad[..., [2, 4]] == 0).all()
    assert (logits.grad[..., [0, 1, 3]] != 0).all()


def test_rows_without_known_labels_cost_nothing() -> None:
    logits, labels = torch.full((2, 3, 4), 50.0), -torch.ones(2, 3, 4)
    assert masked_bce(logits, *targets_of(labels)).tolist() == [0, 0]
    assert partial_bce(logits, labels).sum() == 0
    assert masked_soft_margin(logits, labels).sum() == 0


def test_a_soft_target_is_between_its_neighbours_and_has_a_gradient() -> None:
    logits, target = torch.tensor([[2.0]]), torch.tensor([[0.3]], requires_grad=True)
    known = torch.ones(1, 1)
    loss = masked_bce(logits, target, known)
    ends = [float(masked_bce(logits, torch.full((1, 1), end), known)) for end in (0.0, 1.0)]
    assert float(loss.detach()) == pytest.approx(0.7 * ends[0] + 0.3 * ends[1])
    loss.backward()
    assert float(target.grad) == pytest.approx(ends[1] - ends[0])
