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
