"""Partial labels, few-shot draws and novel classes: their rules, their files, and the published draws."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2ipal.classes import load_classes
from t2ipal.errors import UserError
from t2ipal.protocols.few_shot import read_few_shot, sample_few_shot, write_few_shot
from t2ipal.protocols.novel import sample_novel_classes
from t2ipal.protocols.partial import read_partial, sample_known, write_partial
from t2ipal.sources import voc
from t2ipal.store import content_hash, read_parquet

LEVELS = tuple(range(10, 100, 10))
# fmt: off
VOC_TEST = [204, 239, 282, 172, 212, 174, 721, 322, 417, 127, 190, 418, 274, 222, 2007, 224, 97, 223, 259, 229]
# fmt: on


def draw_labels(rows: int = 200, classes: int = 6, seed: int = 0, share: float = 0.25) -> np.ndarray:
    return (np.random.default_rng(seed).random((rows, classes)) < share).astype(np.int8)


def ids_of(rows: int) -> list[str]:
    return [f"{row:06d}" for row in range(rows)]


def voc_labels(folder: Path, split: str) -> tuple[list[str], np.ndarray]:
    """Ids in list order and labels (1, 0, -1 for only difficult objects) of the official class lists."""
    ids = (folder / f"{split}.txt").read_text("utf-8").split()
    codes = {"1": 1, "-1": 0, "0": -1}
    columns = []
    for name in voc.NAMES:
        words = (folder / f"{name}_{split}.txt").read_text("utf-8").split()
        assert words[::2] == ids
        columns.append([codes[word] for word in words[1::2]])
    return ids, np.array(columns, dtype=np.int8).T


def test_the_mask_is_the_rule_of_tai_dpt() -> None:
    for level in LEVELS:
        np.random.seed(0)
        expected = np.random.random((5011, 20)) < level / 100
        assert np.array_equal(sample_known(5011, 20, level / 100), expected)
    # the head of that stream, as numpy documents it for seed 0
    assert sample_known(1, 4, 0.6).tolist() == [[True, False, False, True]]  # 0.549, 0.715, 0.603, 0.545


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    rows=st.integers(1, 40),
    classes=st.integers(1, 9),
)
def test_masks_are_nested(seed: int, shares: tuple[float, float], rows: int, classes: int) -> None:
    small, large = (sample_known(rows, classes, share, seed) for share in sorted(shares))
    assert not (small & ~large).any()
    assert sample_known(rows, classes, 1.0, seed).all()
    assert not sample_known(rows, classes, 0.0, seed).any()


def test_each_class_keeps_its_share_and_seeds_differ() -> None:
    for level in LEVELS:
        kept = sample_known(5011, 20, level / 100).mean(0)
        # 5 standard deviations of the share of 5,011 draws
        assert abs(kept - level / 100).max() < 5 * (0.25 / 5011) ** 0.5
    agree = (sample_known(5011, 20, 0.5, 0) == sample_known(5011, 20, 0.5, 1)).mean()
    assert agree == pytest.approx(0.5, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shots=st.integers(1, 6),
    rows=st.integers(1, 60),
    share=st.floats(0.02, 0.9),
    chosen=st.sets(st.integers(0, 4), min_size=1),
)
def test_every_class_reaches_its_count(seed: int, shots: int, rows: int, share: float, chosen: set[int]) -> None:
    labels, classes = draw_labels(rows, 5, seed, share), sorted(chosen)
    found = sample_few_shot(labels, shots, seed, classes)
    available, counts = labels.sum(0), labels[found.rows].sum(0)
    assert all(counts[c] >= min(shots, available[c]) for c in classes)
    assert found.short == {c: available[c] for c in classes if available[c] < shots}
    assert all(counts[c] == available[c] for c in found.short)
    assert len(set(found.rows)) == len(found.rows) <= shots * len(classes)
    assert list(found.rows) == sorted(found.rows)
    assert (labels[found.rows][:, classes] == 1).any(1).all()
    # the rarest count is the number of shots itself: the last image was drawn for a class that it just filled
    if not found.short:
        assert min(counts[c] for c in classes) == shots


def test_no_image_is_drawn_that_no_class_asked_for() -> None:
    labels = draw_labels(60, 5, 3)
    for seed in range(20):
        first = sample_few_shot(labels, 2, seed, [0])
        assert len(first.rows) == 2
        both = sample_few_shot(labels, 2, seed, [0, 1])
        # classes are walked in order: the images of the first do not depend on those that follow
        assert set(first.rows) <= set(both.rows)
        added = set(both.rows) - set(first.rows)
        assert len(added) == max(0, 2 - labels[first.rows, 1].sum())
        assert all(labels[row, 1] == 1 for row in added)


def test_a_draw_depends_on_its_seed_and_shots_alone() -> None:
    labels = draw_labels()
    draws = {(seed, shots): tuple(sample_few_shot(labels, shots, seed).rows) for seed in (1, 2, 3) for shots in (1, 5)}
    assert len(set(draws.values())) == 6
    assert draws[2, 5] == tuple(sample_few_shot(labels, 5, 2).rows)


def test_every_image_is_as_likely() -> None:
    labels = np.ones((5, 1), dtype=np.int8)
    counts = np.bincount([sample_few_shot(labels, 1, seed).rows[0] for seed in range(2000)], minlength=5)
    assert counts.min() > 330
    assert counts.max() < 470


def test_a_class_of_difficult_objects_is_no_shot() -> None:
    labels = np.array([[-1, 1], [1, 0], [-1, 0]], dtype=np.int8)
    found = sample_few_shot(labels, 2, 0)
    assert found.rows.tolist() == [0, 1]
    assert found.short == {0: 1, 1: 1}


def test_the_novel_classes_are_those_of_laso() -> None:
    assert sample_novel_classes(80, 16) == (1, 8, 11, 14, 24, 29, 31, 37, 41, 42, 44, 50, 56, 66, 68, 75)
    names = [load_classes("coco").names[c] for c in sample_novel_classes(80, 16)]
    assert names == [
        "bicycle", "boat", "stop sign", "bird", "backpack", "frisbee", "snowboard", "surfboard",
        "cup", "fork", "spoon", "broccoli", "chair", "keyboard", "microwave", "vase",
    ]  # fmt: skip
    assert sample_novel_classes(20, 4) == (10, 14, 16, 18)
    assert sample_novel_classes(20, 4, seed=1) != sample_novel_classes(20, 4)
    for novel in (0, 20):
        with pytest.raises(UserError, match=f"novel classes: {novel} of 20; expected at least 1 and fewer than 20"):
            sample_novel_classes(20, novel)


def test_partial_labels_come_back_for_any_order_of_images(tmp_path: Path) -> None:
    ids, path = ids_of(30), tmp_path / "partial.parquet"
    shuffled = list(np.random.default_rng(0).permutation(ids))
    write_partial(shuffled, 7, [90, 10], 3, path)
    table = read_parquet(path)
    assert table["level"].to_pylist() == [10] * 30 + [90] * 30
    assert table["image_id"].to_pylist() == ids * 2
    assert table.schema.field("known").type == pa.list_(pa.int16())
    for level in (10, 90):
        expected = sample_known(30, 7, level / 100, 3)
        assert np.array_equal(read_partial(path, level, ids, 7), expected)
        some = read_partial(path, level, [ids[9], ids[2]], 7)
        assert np.array_equal(some, expected[[9, 2]])
    other = tmp_path / "other.parquet"
    write_partial(ids, 7, [10, 90], 3, other)
    assert content_hash(path) == content_hash(other)


def test_wrong_partial_labels_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "partial.parquet"
    write_partial(["a", "b"], 3, [60, 50], 0, path)
    with pytest.raises(UserError, match=r"partial.parquet: no rows of level 40; it has 50, 60$"):
        read_partial(path, 40, ["a"], 3)
    with pytest.raises(UserError, match=r"partial.parquet: no row 'c'"):
        read_partial(path, 50, ["a", "c"], 3)
    with pytest.raises(UserError, match=r"class 1 is known; expected class ids below 1"):
        read_partial(path, 50, ["a"], 1)
    with pytest.raises(UserError, match=r"level 101; expected a percentage"):
        write_partial(["a"], 3, [101], 0, tmp_path / "more.parquet")
    with pytest.raises(UserError, match=r"2 rows of 1 ids"):
        write_partial(["a", "a"], 3, [50], 0, tmp_path / "more.parquet")
    assert not (tmp_path / "more.parquet").exists()


def test_few_shot_draws_come_back_as_rows(tmp_path: Path) -> None:
    ids, labels, path = ids_of(80), draw_labels(80), tmp_path / "shots.parquet"
    short = write_few_shot(ids, labels, [5, 1], [2, 1], [0, 3], path)
    assert short == []
    table = read_parquet(path)
    keys = list(zip(*(table[name].to_pylist() for name in ("level", "seed", "image_id")), strict=True))
    assert keys == sorted(keys)
    assert {key[:2] for key in keys} == {(1, 1), (1, 2), (5, 1), (5, 2)}
    found = read_few_shot(path, 5, (2, 1), ids)
    for rows, seed in zip(found, (2, 1), strict=True):
        assert np.array_equal(rows, sample_few_shot(labels, 5, seed, [0, 3]).rows)
        assert rows.dtype == np.int64
    backwards = ids[::-1]
    again = read_few_shot(path, 5, (2,), backwards)[0]
    assert [backwards[row] for row in again] == [ids[row] for row in found[0]]


def test_the_order_of_images_and_other_seeds_change_no_draw(tmp_path: Path) -> None:
    ids, labels = ids_of(80), draw_labels(80)
    order = np.random.default_rng(0).permutation(80)
    write_few_shot(ids, labels, [2], [1, 2, 3], None, tmp_path / "a.parquet")
    write_few_shot([ids[row] for row in order], labels[order], [2], [3], None, tmp_path / "b.parquet")
    first, second = (read_few_shot(tmp_path / name, 2, (3,), ids)[0] for name in ("a.parquet", "b.parquet"))
    assert np.array_equal(first, second)


def test_a_class_with_too_few_images_is_reported(tmp_path: Path) -> None:
    labels = np.array([[1, 0], [1, 1], [1, 0]], dtype=np.int8)
    short = write_few_shot(ids_of(3), labels, [1, 2], [1, 2], None, tmp_path / "shots.parquet")
    assert short == ["2 shots: class 1 has 1 images, all are taken"]


def test_wrong_few_shot_draws_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "shots.parquet"
    write_few_shot(["a", "b"], np.eye(2), [1], [1], None, path)
    with pytest.raises(UserError, match=r"shots.parquet: no rows of level 5; it has 1"):
        read_few_shot(path, 5, (1,), ["a", "b"])
    with pytest.raises(UserError, match=r"shots.parquet: no sample of seed 7; it has 1"):
        read_few_shot(path, 1, (1, 7), ["a", "b"])
    with pytest.raises(UserError, match=r"images of .*shots.parquet: no row 'b'"):
        read_few_shot(path, 1, (1,), ["a"])
    with pytest.raises(UserError, match="few-shot sample of 1 shots: no image with any of the classes"):
        write_few_shot(["a"], np.zeros((1, 2)), [1], [1], None, tmp_path / "more.parquet")


def test_the_official_lists_of_voc(real_data, tmp_path: Path) -> None:
    folder = real_data("VOCdevkit", "VOC2007", "ImageSets", "Main")
    ids, labels = voc_labels(folder, "trainval")
    assert labels.shape == (5011, 20)
    assert ids == sorted(ids)  # list order is ascending order, so the masks are those of TaI-DPT's files
    assert (voc_labels(folder, "test")[1] == 1).sum(0).tolist() == VOC_TEST
    path = tmp_path / "partial.parquet"
    write_partial(ids, 20, LEVELS, 0, path)
    positive, before = labels == 1, np.zeros(20)
    for level in LEVELS:
        np.random.seed(0)
        expected = np.random.random((5011, 20)) < level / 100
        mask = read_partial(path, level, ids, 20)
        assert np.array_equal(mask, expected)
        kept = (positive & mask).sum(0)
        assert (kept >= before).all()
        assert kept.sum() / positive.sum() == pytest.approx(level / 100, abs=0.02)
        before = kept
    for shots in (1, 2, 4, 8, 16):
        draws = [sample_few_shot(labels, shots, seed) for seed in (1, 2, 3)]
        assert all((labels[draw.rows] == 1).sum(0).min() == shots and not draw.short for draw in draws)
        assert len({tuple(draw.rows) for draw in draws}) == 3
        assert all(len(draw.rows) <= 20 * shots for draw in draws)
