"""Label statistics and ML-GCN's graph, against loops written from their definitions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from t2ipal.models.label_graph import cooccurrence, gcn_adjacency, log_odds

LABELS = st.lists(st.lists(st.sampled_from([1, 0, -1]), min_size=4, max_size=4), min_size=1, max_size=8)


def loop_cooccurrence(labels: list[list[int]]) -> list[list[float]]:
    """P_ij = n_ij / n_i over the positives."""
    classes = range(len(labels[0]))
    found = [[0.0 for _ in classes] for _ in classes]
    for i in classes:
        having = [row for row in labels if row[i] == 1]
        for j in classes:
            if having:
                found[i][j] = sum(row[j] == 1 for row in having) / len(having)
    return found


def loop_adjacency(conditional: list[list[float]], t: float, p: float) -> np.ndarray:
    """The steps of ML-GCN's util.py, number by number."""
    size = len(conditional)
    a = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            a[i, j] = float(i != j and conditional[i][j] >= t)
    for j in range(size):
        column = sum(a[i, j] for i in range(size))
        for i in range(size):
            a[i, j] = a[i, j] * p / (column + 1e-6)
    for i in range(size):
        a[i, i] = 1.0
    d = np.diag([1 / math.sqrt(a[i].sum()) for i in range(size)])
    return d @ a.T @ d


@settings(max_examples=60, deadline=None)
@given(labels=LABELS)
def test_cooccurrence_counts_known_positives(labels: list[list[int]]) -> None:
    found = cooccurrence(torch.tensor(labels, dtype=torch.int8))
    assert np.allclose(found, loop_cooccurrence(labels), atol=1e-6)


def test_a_class_that_is_never_positive_gives_zeros() -> None:
    labels = torch.tensor([[1, -1, 0], [1, -1, 1], [0, -1, 0]], dtype=torch.int8)
    found = cooccurrence(labels)
    assert found.tolist() == [[1, 0, 0.5], [0, 0, 0], [1, 0, 1]]
    assert torch.isfinite(gcn_adjacency(found)).all()
    assert cooccurrence(-torch.ones(3, 4)).tolist() == [[0] * 4] * 4


def test_cooccurrence_counts_beyond_what_int8_holds() -> None:
    found = cooccurrence(torch.tensor([[1, 1]] * 300 + [[1, 0]] * 100, dtype=torch.int8))
    assert found.tolist() == [[1, 0.75], [1, 1]]


@settings(max_examples=60, deadline=None)
@given(labels=LABELS, t=st.floats(0.05, 1), p=st.floats(0, 1))
def test_adjacency_is_that_of_the_original(labels: list[list[int]], t: float, p: float) -> None:
    conditional = cooccurrence(torch.tensor(labels)).double()
    assert np.allclose(gcn_adjacency(conditional, t, p), loop_adjacency(conditional.tolist(), t, p), atol=1e-9)


def test_without_edges_the_graph_is_the_identity() -> None:
    assert torch.equal(gcn_adjacency(torch.full((3, 3), 0.39)), torch.eye(3))


def test_log_odds_of_known_labels() -> None:
    labels = torch.tensor([[1, 0, -1], [0, 0, -1], [0, -1, -1], [0, 0, -1]], dtype=torch.int8)
    assert log_odds(labels).tolist() == pytest.approx([math.log(2 / 4), math.log(1 / 4), 0])
