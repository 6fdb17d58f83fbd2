"""The registry of metrics: each metric's value and its bootstrap, and one more metric in all files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from t2ipal.metrics import records, registry
from t2ipal.metrics.base import Metric
from t2ipal.metrics.bootstrap import resample_counts
from t2ipal.metrics.calibration import errors, floors
from t2ipal.metrics.evaluate import f1_threshold, f1_top_k, mean_average_precision
from t2ipal.metrics.f1 import CF1
from t2ipal.metrics.measure import measure
from t2ipal.metrics.registry import DEFAULT, METRICS
from t2ipal.metrics.score_files import Scores
from t2ipal.store import read_parquet

THRESHOLD = 0.4


def sample(rows: int = 80, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, classes)) < 0.3).astype(np.int8)
    labels[:2] = 1
    return (rng.standard_normal((rows, classes)) + labels).astype(np.float32), labels


def test_the_metrics_and_their_columns() -> None:
    assert {name: metric.title for name, metric in METRICS.items()} == {
        "mAP": "mAP",
        "CF1": "CF1",
        "OF1": "OF1",
        "CF1_top3": "CF1 of the top 3",
        "OF1_top3": "OF1 of the top 3",
        "ECE": "class-wise ECE",
        "ECE_floor": "its floor",
        "Brier": "Brier score",
        "Brier_floor": "its floor",
    }
    assert DEFAULT == "mAP"
    assert [metric.bootstrap_column for metric in METRICS.values()] == [
        *("bootstrap", "bootstrap_CF1", "bootstrap_OF1", "bootstrap_CF1_top3", "bootstrap_OF1_top3"),
        *("bootstrap_ECE", "bootstrap_ECE_floor", "bootstrap_Brier", "bootstrap_Brier_floor"),
    ]
    assert [name for name, metric in METRICS.items() if metric.needs_threshold] == ["CF1", "OF1"]
    assert all(metric.unit == "%" for metric in METRICS.values())
    assert [name for name, metric in METRICS.items() if metric.higher_is_better is not True] == [
        *("ECE", "ECE_floor", "Brier", "Brier_floor")
    ]


def test_each_metric_is_its_function_of_scores_and_labels() -> None:
    scores, labels = sample()
    labels[5:20, 1] = -1
    assert METRICS["mAP"].of(scores, labels) == mean_average_precision(scores, labels, "ignore")
    by_threshold, top = f1_threshold(scores, labels, THRESHOLD), f1_top_k(scores, labels, 3)
    values = {name: METRICS[name].of(scores, labels, THRESHOLD) for name in ("CF1", "OF1", "CF1_top3", "OF1_top3")}
    assert values == {"CF1": by_threshold.CF1, "OF1": by_threshold.OF1, "CF1_top3": top.CF1, "OF1_top3": top.OF1}
    assert len(set(values.values())) == 4
    p = expit(scores)
    found, floor = errors(p, labels), floors(p, labels)
    values = {name: METRICS[name].of(p, labels) for name in ("ECE", "ECE_floor", "Brier", "Brier_floor")}
    assert list(values.values()) == [found.class_wise, floor.class_wise, found.brier, floor.brier]
    with pytest.raises(ValueError, match="CF1: no threshold; expected one from validation images"):
        CF1.of(scores, labels)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if not metric.needs_probabilities])
def test_a_bootstrap_is_the_metric_on_repeated_rows(name: str) -> None:
    scores, labels = sample()
    labels[5:20, 1] = -1
    counts = resample_counts(len(scores), 20, 1)
    assert ((counts @ (labels == 1)) > 0).all()  # no class loses all its positives
    metric = METRICS[name]
    resampled = metric.bootstrap(scores, labels, counts, THRESHOLD)
    assert resampled.dtype == np.float32
    # the method of the base class calls `of` once per resample
    expected = Metric.bootstrap(metric, scores, labels, counts, THRESHOLD)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(resampled, expected, atol=1e-4)
    assert len(set(resampled.tolist())) > 15


def test_a_class_without_positives_in_a_resample_is_left_out_of_its_cf1() -> None:
    scores = np.array([[0.9, 0.1, 0.9], [0.2, 0.8, 0.9], [0.8, 0.2, 0.9], [0.1, 0.1, 0.9]])
    labels = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]])
    counts = np.array([[1, 1, 1, 1], [2, 0, 1, 1]])
    # The third class has no positive in the data: its precision and recall stay 0, as in the estimate.
    precision, recall = (1 / 2 + 1 + 0) / 3, (1 / 2 + 1 + 0) / 3
    whole = 2 * precision * recall / (precision + recall)
    assert CF1.of(scores, labels, 0.5) == pytest.approx(100 * whole)
    # Resample 2: of the first class two hits among three predictions and three positives; the second class is left out.
    precision, recall = (2 / 3 + 0) / 2, (2 / 3 + 0) / 2
    missing = 2 * precision * recall / (precision + recall)
    assert CF1.bootstrap(scores, labels, counts, 0.5).tolist() == pytest.approx([100 * whole, 100 * missing], rel=1e-6)


def test_no_prediction_at_all_is_an_f1_of_0() -> None:
    scores, labels = sample()
    counts = resample_counts(len(scores), 3, 1)
    for name in ("CF1", "OF1"):
        assert METRICS[name].of(scores, labels, 99.0) == 0
        assert METRICS[name].bootstrap(scores, labels, counts, 99.0).tolist() == [0, 0, 0]


class HammingLoss(Metric):
    """The share of wrong decisions: a metric as another project would add it."""

    name = "hamming"
    title = "Hamming loss"
    higher_is_better = False
    needs_threshold = True

    def of(self, scores, labels, threshold=None):
        return 100 * float(((scores >= threshold) != (labels == 1)).mean())


def test_one_more_metric_is_measured_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hamming = HammingLoss()
    more = {**METRICS, hamming.name: hamming}
    monkeypatch.setattr(registry, "METRICS", more)
    monkeypatch.setattr(records, "METRICS", more)
    labels = {"test": sample()[1], "validation": sample(seed=1)[1]}
    values = {"test": sample()[0][None], "validation": sample(seed=1)[0][None]}
    ids = {part: tuple(f"{row:02d}" for row in range(80)) for part in labels}
    scores = Scores(((0, 1),), tuple("abcde"), ids, values)
    measured = measure(scores, labels, "abcde", 100, 0)
    records.write_records(tmp_path / "metrics.parquet", ("micro", "coop", "base"), measured, {}, {})
    row = read_parquet(tmp_path / "metrics.parquet").to_pylist()[0]
    wrong = (values["test"][0] >= row["threshold"]) != (labels["test"] == 1)
    assert row["hamming"] == 100 * wrong.mean()
    counts = resample_counts(80, 100, 0)
    np.testing.assert_allclose(row["bootstrap_hamming"], 100 * counts @ wrong.mean(1) / 80, rtol=1e-5)
    (read,) = records.read_records([tmp_path / "metrics.parquet"], ["hamming"])
    assert (read["hamming"], read["bootstrap_hamming"]) == (row["hamming"], row["bootstrap_hamming"])
    assert "mAP" not in read


def test_the_registry_imports_no_numpy() -> None:
    code = "import sys, t2ipal.metrics.registry; sys.exit(bool({'numpy', 'torch', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
