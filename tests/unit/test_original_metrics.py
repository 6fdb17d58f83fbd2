"""The published metrics of LaSO, ML-FSL and SARB against loops written from their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from metric_loops import loop_ap, random_scores

from t2ipal.errors import UserError
from t2ipal.metrics.evaluate import average_precision
from t2ipal.metrics.original import (
    PUBLISHED,
    class_balanced_rows,
    label_ranking_precision,
    laso_average_precision,
    voc2012_average_precision,
)


def loop_rows(labels: list[list[int]], draws: int, firsts: list[int]) -> list[int]:
    """LaSO's draw, image by image; `firsts` are the random first choices of a class."""
    classes = len(labels[0])
    counts, found = [0] * classes, []
    for n in range(draws):
        chosen = firsts[n]
        for c in range(classes):
            if counts[c] < counts[chosen]:
                chosen = c
        holding = [row for row, image in enumerate(labels) if image[chosen] == 1]
        found.append(holding[n % len(holding)])
        for c in range(classes):
            counts[c] += labels[found[-1]][c] == 1
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_class_balanced_draw_is_that_of_the_loop(seed: int) -> None:
    _, labels = random_scores(rows=50, classes=4, seed=seed)
    firsts = np.random.RandomState(seed).randint(4, size=200).tolist()
    found = class_balanced_rows(labels, 200, seed)
    assert found.tolist() == loop_rows(labels.tolist(), 200, firsts)
    assert len(class_balanced_rows(labels)) == 50


def test_rare_classes_are_drawn_as_often_as_frequent_ones() -> None:
    labels = np.zeros((400, 3), dtype=np.int8)
    labels[:4, 0] = labels[4:40, 1] = labels[40:300, 2] = 1  # the last hundred images have none of them
    rows = class_balanced_rows(labels, 300)
    assert labels[rows].sum(0).tolist() == [100, 100, 100]
    assert rows.max() < 300


def test_a_class_without_image_ends_the_draw() -> None:
    with pytest.raises(UserError, match="class 1 has no image"):
        class_balanced_rows(np.array([[1, 0], [1, 0]]))


def test_lasos_precision_is_that_of_its_draws() -> None:
    scores, labels = random_scores(rows=80, classes=3, seed=4)
    rows = class_balanced_rows(labels, 120, 5)
    found = laso_average_precision(scores, labels, 120, 5)
    expected = [loop_ap(scores[rows, c].tolist(), labels[rows, c].tolist()) for c in range(3)]
    assert found.tolist() == pytest.approx(expected)
    # among images of the classes alone, positives are more frequent, so precision is higher
    sparse = np.concatenate([labels, np.zeros_like(labels)]), np.concatenate([scores, scores - 1])
    assert laso_average_precision(sparse[1], sparse[0]).mean() > average_precision(sparse[1], sparse[0]).mean()


def test_label_ranking_precision_is_that_of_the_loop() -> None:
    scores, labels = random_scores(rows=30, classes=6, seed=1, levels=2)
    images = [(s, y) for s, y in zip(scores.tolist(), labels.tolist(), strict=True) if any(y)]
    assert len(images) < 30  # the second image of a draw has no label
    assert label_ranking_precision(scores, labels) == pytest.approx(np.mean([loop_ap(s, y) for s, y in images]))
    with pytest.raises(UserError, match="none of the images has a label"):
        label_ranking_precision(scores[:2], np.zeros((2, 6)))


def test_the_ranking_of_an_image_does_not_depend_on_its_scale() -> None:
    scores, labels = random_scores(rows=30, classes=6, seed=1)
    factors = np.random.default_rng(0).uniform(0.1, 10, (30, 1))
    found = label_ranking_precision(scores * factors, labels)
    assert found == pytest.approx(label_ranking_precision(scores, labels))
    assert abs(average_precision(scores * factors, labels).mean() - average_precision(scores, labels).mean()) > 0.1


def loop_voc2012(scores: list[float], labels: list[int]) -> float:
    """The devkit's rule: at each rise of recall, the best precision from there on."""
    order = sorted(range(len(scores)), key=lambda row: (-scores[row], row))
    hits = [labels[row] == 1 for row in order]
    precision = [sum(hits[: n + 1]) / (n + 1) for n in range(len(hits))]
    recall = [sum(hits[: n + 1]) / sum(hits) for n in range(len(hits))]
    area, before = 0.0, 0.0
    for n in range(len(hits)):
        area += (recall[n] - before) * max(precision[n:])
        before = recall[n]
    return 100 * area


@settings(max_examples=60, deadline=None)
@given(
    scores=hnp.arrays(np.float32, 15, elements=st.integers(-4, 4).map(float)),
    labels=hnp.arrays(np.int8, 15, elements=st.sampled_from([-1, 0, 1])),
)
def test_voc2012_precision_is_that_of_the_loop(scores: np.ndarray, labels: np.ndarray) -> None:
    labels[7] = 1
    found = voc2012_average_precision(scores[:, None], labels[:, None])[0]
    assert found == pytest.approx(loop_voc2012(scores.tolist(), labels.tolist()))


def test_interpolation_only_raises_precision() -> None:
    scores, labels = random_scores(rows=300, classes=5, seed=0)
    plain, raised = average_precision(scores, labels), voc2012_average_precision(scores, labels)
    assert (raised >= plain - 1e-9).all()
    assert 0 < raised.mean() - plain.mean() < 3
    perfect = labels.astype(float)
    assert voc2012_average_precision(perfect, labels).tolist() == [100] * 5
    with pytest.raises(UserError, match="class 1 has no positive"):
        voc2012_average_precision(np.zeros((2, 2)), np.array([[1, 0], [1, -1]]))


def test_defaults_and_lines() -> None:
    scores, labels = random_scores(rows=50, classes=4, seed=3)
    assert class_balanced_rows(labels).tolist() == class_balanced_rows(labels, 50, 0).tolist()
    assert class_balanced_rows(labels).tolist() != class_balanced_rows(labels, 50, 1).tolist()
    default = laso_average_precision(scores, labels).tolist()
    assert default == laso_average_precision(scores, labels, 50, 0).tolist()
    assert default != laso_average_precision(scores, labels, 50, 1).tolist()
    absent = np.array([[1, 0], [1, 0]])
    for call, line in (
        (
            lambda: class_balanced_rows(absent),
            "class-balanced sample: class 1 has no image; expected one of each class",
        ),
        (
            lambda: label_ranking_precision(np.zeros((2, 2)), np.zeros((2, 2))),
            "label-ranking precision: none of the images has a label; expected one at least",
        ),
        (lambda: voc2012_average_precision(np.zeros((2, 2)), absent), "average precision: class 1 has no positive"),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert str(caught.value) == line


def test_each_published_metric_is_a_mean_in_percent() -> None:
    scores, labels = random_scores(rows=50, classes=4, seed=3)
    found = {name: metric(scores, labels) for name, (_, metric) in PUBLISHED.items()}
    assert found == pytest.approx(
        {
            "laso": np.mean(laso_average_precision(scores, labels)),
            "label_ranking": label_ranking_precision(scores, labels),
            "voc2012": np.mean(voc2012_average_precision(scores, labels)),
        }
    )
    assert all(type(value) is float and 30 < value < 100 for value in found.values())


def test_voc2012_ranks_the_earlier_of_equal_scores_first() -> None:
    labels = np.zeros((60, 1), dtype=int)
    labels[[3, 40]] = 1
    assert voc2012_average_precision(np.zeros((60, 1)), labels)[0] == pytest.approx(100 * (1 / 4 + 2 / 41) / 2)
