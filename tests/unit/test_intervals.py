"""The interval of tables against SciPy, and the kinds of intervals that its study compares."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from t2ipal.metrics.bootstrap import bootstrap_map, resample_counts
from t2ipal.metrics.evaluate import mean_average_precision
from t2ipal.metrics.interval import centred_interval

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "intervals.py"
SEED, RESAMPLES = 3, 400


@pytest.fixture(scope="module")
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("intervals", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).exponential(size=40)


@pytest.fixture(scope="module")
def resamples(values: np.ndarray) -> np.ndarray:
    """Means of resamples, weighted by their counts as mAP is."""
    return resample_counts(len(values), RESAMPLES, SEED) @ values / len(values)


def of_scipy(values: np.ndarray, resamples: np.ndarray, method: str) -> tuple[float, float]:
    """SciPy's interval of a mean, from resamples that are made already."""
    made = SimpleNamespace(bootstrap_distribution=resamples)
    found = stats.bootstrap((values,), np.mean, n_resamples=0, method=method, bootstrap_result=made, vectorized=True)
    return tuple(found.confidence_interval)


@pytest.mark.parametrize(("kind", "method"), [("percentile", "percentile"), ("basic", "basic"), ("BCa", "BCa")])
def test_kinds_of_intervals_are_those_of_scipy(
    study: ModuleType, values: np.ndarray, resamples: np.ndarray, kind: str, method: str
) -> None:
    acceleration = study.acceleration_of(values - values.mean())
    found = study.KINDS[kind](values.mean(), resamples, acceleration)
    assert found == pytest.approx(of_scipy(values, resamples, method), rel=1e-3)
    if kind == "BCa":
        assert acceleration > 0.02
        assert abs(found[0] - study.KINDS["BC"](values.mean(), resamples, acceleration)[0]) > 1e-3


def test_the_interval_is_scipys_percentiles_around_the_estimate(values: np.ndarray, resamples: np.ndarray) -> None:
    low, high = of_scipy(values, resamples, "percentile")
    shift = values.mean() - resamples.mean()
    assert centred_interval(values.mean(), resamples) == pytest.approx((low + shift, high + shift), abs=1e-9)
    # a bias of the resamples does not matter
    assert centred_interval(values.mean(), resamples + 5) == pytest.approx((low + shift, high + shift), abs=1e-9)
    assert centred_interval(0.0, np.arange(1001.0)) == pytest.approx((-475.0, 475.0))
    assert all(type(end) is float for end in centred_interval(values.mean(), resamples.astype(np.float32)))


@pytest.mark.slow
def test_resampled_map_spreads_as_scipys() -> None:
    random = np.random.default_rng(1)
    labels = (random.random((60, 3)) < 0.3).astype(np.int8)
    scores = random.standard_normal((60, 3)) + labels
    ours = bootstrap_map(scores, labels, resample_counts(60, 2000, SEED)).astype(float)

    def of_rows(rows: np.ndarray) -> float:
        return mean_average_precision(scores[rows.astype(int)], labels[rows.astype(int)])

    theirs = stats.bootstrap((np.arange(60),), of_rows, n_resamples=2000, method="percentile", rng=0)
    assert ours.std(ddof=1) == pytest.approx(theirs.standard_error, rel=0.1)
    assert tuple(np.percentile(ours, [2.5, 97.5])) == pytest.approx(tuple(theirs.confidence_interval), rel=0.04)


def test_influence_is_the_derivative_of_map(study: ModuleType) -> None:
    labels, systems = study.simulated(0, 50, classes=3)(np.random.default_rng(1), 50)
    found = study.influence_on_map(systems[0], labels)
    assert found.sum() == pytest.approx(0, abs=1e-9)
    # leaving one image out moves mAP by minus its influence, but for terms of second order
    without = bootstrap_map(systems[0], labels, (1 - np.eye(50)).astype(np.int32)).astype(float)
    change = mean_average_precision(systems[0], labels) - without
    assert (labels == 1).sum(0).min() > 5
    assert np.corrcoef(change, found)[0, 1] > 0.98


def lines_of(study: ModuleType, capsys: pytest.CaptureFixture, *arguments: str) -> list[str]:
    study.EXPECTED, study.INFINITE, study.RESAMPLES = 1, 500, 100
    study.main(["--repeats", "2", *arguments])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert len({line.count("|") for line in lines}) == 1
    return lines


def test_the_study_prints_a_row_per_statistic(study: ModuleType, capsys: pytest.CaptureFixture) -> None:
    assert "difference, better" in lines_of(study, capsys, "--images", "40")[-1]


def test_the_study_takes_real_images(study: ModuleType, capsys: pytest.CaptureFixture, real_data) -> None:
    features = str(real_data("clip_vitb16_coco250.npz"))
    assert "mean minus images" in lines_of(study, capsys, "--images", "100", "--features", features)[-1]
