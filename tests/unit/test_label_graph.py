"""Co-occurrence of known labels, and ML-GCN's graph of it, against loops."""

import math

import pytest
import torch

from t2ipal.models.label_graph import cooccurrence, gcn_adjacency


def labels_of(seed: int = 0) -> torch.Tensor:
    """30 rows of 5 classes, the last one never known to be positive."""
    labels = torch.randint(-1, 2, (30, 5), generator=torch.Generator().manual_seed(seed), dtype=torch.int8)
    labels[:, 4].clamp_(max=0)
    return labels


def test_cooccurrence_counts_known_positives() -> None:
    rows = labels_of().tolist()
    found = cooccurrence(labels_of())
    assert found.dtype == torch.float32
    for i in range(4):
        having = [row for row in rows if row[i] == 1]
        expected = [sum(row[j] == 1 for row in having) / len(having) for j in range(5)]
        assert found[i].tolist() == pytest.approx(expected)


def test_a_class_without_positives_has_zeros_and_no_nan() -> None:
    found = cooccurrence(labels_of())
    assert found.isfinite().all()
    assert (found[4] == 0).all()
    assert (found[:, 4] == 0).all()
    assert cooccurrence(torch.full((3, 4), -1)).tolist() == [[0] * 4] * 4
    assert gcn_adjacency(cooccurrence(torch.full((3, 4), -1))).tolist() == torch.eye(4).tolist()


def test_absent_and_unknown_labels_count_alike() -> None:
    labels = labels_of()
    assert torch.equal(cooccurrence(labels), cooccurrence(labels.clamp(min=0)))


def test_counts_are_exact_for_many_rows() -> None:
    labels = torch.ones(3, 2).repeat(2**23 // 2, 1)  # more rows than half precision or int16 counts
    labels[0, 1] = 0
    assert float(cooccurrence(labels)[0, 1]) == pytest.approx(1 - 1 / len(labels), abs=1e-7)


@pytest.mark.parametrize(("threshold", "share"), [(0.4, 0.25), (0.3, 0.5), (1.0, 0.25)])
def test_adjacency_is_that_of_a_loop(threshold: float, share: float) -> None:
    conditional = torch.rand(6, 6, generator=torch.Generator().manual_seed(2))
    conditional.fill_diagonal_(1)
    conditional[1, 2] = 1.0  # an edge even at the greatest threshold
    edges = [[float(i != j and conditional[i, j] >= threshold) for j in range(6)] for i in range(6)]
    weights = [
        [edges[i][j] * share / (sum(edges[k][j] for k in range(6)) + 1e-6) + (i == j) for j in range(6)]
        for i in range(6)
    ]
    degree = [sum(row) for row in weights]
    expected = [[weights[j][i] / math.sqrt(degree[i] * degree[j]) for j in range(6)] for i in range(6)]
    found = gcn_adjacency(conditional, threshold, share)
    assert found.flatten().tolist() == pytest.approx([value for row in expected for value in row], rel=1e-5)


def test_the_graph_leaves_the_statistics_as_they_are() -> None:
    conditional = torch.ones(3, 3)
    gcn_adjacency(conditional)
    assert (conditional == 1).all()
