"""Files of scores: what is written is read, and what is not whole is refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from t2ipal import store
from t2ipal.errors import UserError
from t2ipal.metrics.score_files import Scores, align, read_scores, write_scores


def made(members: tuple[tuple[int, int], ...] = ((10, 1), (10, 2), (90, 1), (90, 2))) -> Scores:
    draw = np.random.default_rng(0)
    ids = {"test": ("a", "b", "c"), "validation": ("x", "y")}
    values = {part: draw.normal(size=(len(members), len(named), 2)).astype(np.float32) for part, named in ids.items()}
    return Scores(members, ("cat", "dog"), ids, values)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    scores = made()
    write_scores(tmp_path / "scores.parquet", scores)
    found = read_scores(tmp_path / "scores.parquet")
    assert (found.members, found.classes, found.ids) == (scores.members, scores.classes, scores.ids)
    assert all(np.array_equal(found.values[part], scores.values[part]) for part in scores.values)


def test_a_file_that_lacks_a_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    write_scores(path, made())
    table = store.read_parquet(path)
    store.write_parquet(table.slice(0, table.num_rows - 2), path)
    with pytest.raises(UserError, match="its parts hold different models"):
        read_scores(path)
    store.write_parquet(pa.concat_tables([table.slice(0, 3), table.slice(4)]), path)
    with pytest.raises(UserError, match="the test images of two models differ"):
        read_scores(path)


def test_a_model_without_labels_or_draws_stands_for_all() -> None:
    scores = made(((0, 1), (0, 2)))
    found = align(scores, ((10, 1), (10, 2), (90, 1)), "fusion")
    assert np.array_equal(found.values["test"], scores.values["test"][[0, 1, 0]])
    one = made(((0, 7),))
    assert np.array_equal(align(one, ((10, 1), (10, 2)), "fusion").values["test"], one.values["test"][[0, 0]])
    with pytest.raises(UserError, match="no scores for seed 3 at level 10"):
        align(scores, ((10, 3),), "fusion")


def test_a_run_is_measured_by_its_own_metric_too_and_what_is_difficult_is_left_out() -> None:
    from t2ipal.metrics import measure
    from t2ipal.metrics.evaluate import average_precision
    from t2ipal.metrics.original import voc2012_average_precision

    draw = np.random.default_rng(1)
    labels = {part: (draw.random((40, 3)) < 0.4).astype(np.int8) for part in ("test", "validation")}
    labels["test"][5:9, 1] = -1
    ids = {part: tuple(f"{row:02d}" for row in range(40)) for part in labels}
    values = {part: draw.normal(size=(2, 40, 2)).astype(np.float32) for part in labels}
    scores = Scores(((10, 1), (20, 1)), ("a", "c"), ids, values)  # class b is not scored
    found = measure.measure(scores, labels, ["a", "b", "c"], 100, 0, "voc2012")
    assert [(row["level"], row["seed"]) for row in found] == [(10, 1), (20, 1)]
    truth = labels["test"][:, [0, 2]]
    assert found[1]["ap"] == average_precision(values["test"][1], truth, "ignore").tolist()
    assert found[1]["own"] == pytest.approx(voc2012_average_precision(values["test"][1], truth).mean())
    assert len(found[0]["bootstrap"]) == 100
    assert found[0]["threshold"] is not None
    plain = measure.measure(scores, {"test": labels["test"]}, ["a", "b", "c"], 100, 0)
    assert plain[0]["bootstrap"] == found[0]["bootstrap"]
    assert "own" not in plain[0]
