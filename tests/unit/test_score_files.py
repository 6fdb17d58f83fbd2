"""Files of scores: what is written is read, and what is not whole is refused."""

from pathlib import Path
from typing import Any

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


def test_columns_and_their_types(tmp_path: Path) -> None:
    path, scores = tmp_path / "scores.parquet", made(((10, 1), (10, 2)))
    as_double = {part: values.astype(np.float64) for part, values in scores.values.items()}
    write_scores(path, Scores(scores.members, scores.classes, scores.ids, as_double))
    table = store.read_parquet(path)
    assert {field.name: str(field.type) for field in table.schema} == {
        **{"part": "string", "level": "int64", "seed": "int64", "image_id": "string"},
        "scores": "fixed_size_list<element: float>[2]",
    }
    assert table.schema.metadata == {b"classes": b"cat\ndog"}
    rows = table.to_pylist()
    assert [(row["part"], row["level"], row["seed"], row["image_id"]) for row in rows] == [
        (part, level, seed, name) for part in scores.ids for level, seed in scores.members for name in scores.ids[part]
    ]
    found = read_scores(path)
    assert found.values["test"].dtype == np.float32
    assert all(type(number) is int for member in found.members for number in member)


def test_scores_of_another_shape_are_not_written(tmp_path: Path) -> None:
    scores, path = made(), tmp_path / "scores.parquet"
    short = {**scores.values, "validation": scores.values["validation"][:, :1]}
    with pytest.raises(AssertionError) as caught:
        write_scores(path, Scores(scores.members, scores.classes, scores.ids, short))
    assert str(caught.value) == f"{path}: scores (4, 1, 2) of validation images"
    assert not path.exists()


def test_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    write_scores(path, made())
    table = store.read_parquet(path)

    def line_of(changed: pa.Table) -> str:
        store.write_parquet(changed, path)
        with pytest.raises(UserError) as caught:
            read_scores(path)
        return str(caught.value)

    names = {"classes": "cat\ndog\nfox"}
    expected = f"{path}: 2 scores a row; expected one for each of 3 classes"
    assert line_of(table.replace_schema_metadata(names)) == expected
    unnamed = f"{path}: 2 scores a row; expected one for each of 1 classes"
    assert line_of(table.replace_schema_metadata(None)) == unnamed
    assert line_of(table.replace_schema_metadata({"other": "cat"})) == unnamed
    parts = f"{path}: its parts hold different models; expected scores of the test images for each"
    assert line_of(table.slice(12)) == parts  # validation images alone
    assert line_of(table.slice(0, 14)) == parts
    images = f"{path}: the test images of two models differ; expected the same"
    assert line_of(pa.concat_tables([table.slice(0, 5), table.slice(6)])) == images


def test_seeds_by_level() -> None:
    scores = made(((10, 1), (20, 3), (10, 2)))
    assert [scores.of(level) for level in (10, 20, 30)] == [(1, 2), (3,), ()]


def test_one_seed_of_a_level_stands_for_the_seeds_of_that_level() -> None:
    scores = made(((0, 1), (10, 7), (20, 1), (20, 2)))
    found = align(scores, ((10, 1), (10, 2), (20, 2), (0, 4)), "fusion")
    assert found.members == ((10, 1), (10, 2), (20, 2), (0, 4))
    assert (found.classes, found.ids) == (scores.classes, scores.ids)
    for part, values in scores.values.items():
        assert np.array_equal(found.values[part], values[[1, 1, 3, 0]])
    with pytest.raises(UserError) as caught:
        align(scores, ((20, 3),), "fusion")
    assert str(caught.value) == ("fusion: no scores for seed 3 at level 20; expected the same seeds in both runs")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda table: table.slice(0, 0), "no scores; expected rows of the test images"),
        (lambda table: pa.concat_tables([table, table]), "a test image is there twice; expected each once"),
        (
            lambda table: table.set_column(4, "scores", pa.array([[1.0], [1.0, 2.0, 3.0]], pa.list_(pa.float32()))),
            "1 scores a row; expected one for each of 2 classes",
        ),
        (
            lambda table: table.set_column(1, "level", pa.array(["a", "b"])),
            "no scores; expected rows of the test images",
        ),
    ],
)
def test_scores_of_another_form_are_one_line(tmp_path: Path, change: Any, line: str) -> None:
    """Lists of one and three scores are as long together as two of two."""
    path = tmp_path / "scores.parquet"
    write_scores(path, Scores(((0, 1),), ("a", "b"), {"test": ("x", "y")}, {"test": np.zeros((1, 2, 2), np.float32)}))
    store.write_parquet(change(store.read_parquet(path)), path)
    with pytest.raises(UserError, match=f"^{path}: {line}"):
        read_scores(path)
