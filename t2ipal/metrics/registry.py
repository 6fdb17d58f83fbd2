"""The metrics that every run is measured by. Tables and figures show the one that the config's `metric` names.

A further metric is one file with a `t2ipal.metrics.base.Metric` and one line in METRICS.
"""

from __future__ import annotations

from collections.abc import Mapping

from t2ipal.metrics.base import Metric
from t2ipal.metrics.calibration_error import BRIER, BRIER_FLOOR, ECE, ECE_FLOOR
from t2ipal.metrics.f1 import CF1, CF1_TOP3, OF1, OF1_TOP3
from t2ipal.metrics.mean_average_precision import MeanAveragePrecision

DEFAULT = "mAP"
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        MeanAveragePrecision(),
        CF1,
        OF1,
        CF1_TOP3,
        OF1_TOP3,
        ECE,
        ECE_FLOOR,
        BRIER,
        BRIER_FLOOR,
    )
}
"""By name, in the order of their columns in metrics.parquet."""
