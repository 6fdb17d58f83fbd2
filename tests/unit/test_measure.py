"""What is measured of scores: thresholds from validation images, seeded resamples, labels by image, combined scores."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn.functional import normalize

from t2ipal.errors import UserError
from t2ipal.methods.base import Method
from t2ipal.methods.model_files import write_model
from t2ipal.metrics import measure
from t2ipal.metrics.bootstrap import bootstrap_map, resample_counts
from t2ipal.metrics.calibration import errors, fit
from t2ipal.metrics.cell_scores import cell_scores
from t2ipal.metrics.combinations import Calibration, Fusion, ScoreRule, Selection
from t2ipal.metrics.evaluate import average_precision, best_threshold, f1_threshold, f1_top_k
from t2ipal.metrics.original import voc2012_average_precision
from t2ipal.metrics.registry import METRICS
from t2ipal.metrics.score_files import Scores
from t2ipal.metrics.score_fusion import fuse, standardise
from t2ipal.metrics.score_rules import apply, scale_of
from t2ipal.store import write_parquet

CLASSES = ("a", "b", "c", "d", "e")
IMAGES = {"test": 60, "validation": 40}


def labels(parts: tuple[str, ...] = ("test", "validation"), seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {part: (random.random((IMAGES[part], len(CLASSES))) < 0.3).astype(np.int8) for part in parts}


def scores(
    truth: dict[str, np.ndarray],
    members: tuple[tuple[int, int], ...] = ((10, 1), (10, 2), (20, 1)),
    classes: tuple[str, ...] = CLASSES,
    seed: int = 1,
) -> Scores:
    """Scores of `classes` that know something of the labels. Those of validation images are 1 higher."""
    random, columns = np.random.default_rng(seed), [CLASSES.index(name) for name in classes]
    values = {
        part: (random.normal(size=(len(members), len(rows), len(columns))) + rows[:, columns] + (part != "test"))
        for part, rows in truth.items()
    }
    ids = {part: tuple(f"{part}{row:02d}" for row in range(len(rows))) for part, rows in truth.items()}
    return Scores(members, classes, ids, {part: value.astype(np.float32) for part, value in values.items()})


def test_each_member_has_its_own_numbers() -> None:
    truth = labels()
    found = measure.measure(made := scores(truth), truth, CLASSES, 20, 7)
    assert [(row["level"], row["seed"]) for row in found] == [(10, 1), (10, 2), (20, 1)]
    for member, row in enumerate(found):
        test = made.values["test"][member]
        assert row["ap"] == average_precision(test, truth["test"]).tolist()
        assert row["mAP"] == pytest.approx(np.mean(row["ap"]))
        assert row["CF1_top3"] == f1_top_k(test, truth["test"], 3).CF1
        assert row["OF1_top3"] == f1_top_k(test, truth["test"], 3).OF1
        assert row["OF1_top3"] != f1_top_k(test, truth["test"], 2).OF1
        assert "own" not in row
        assert "own_metric" not in row


def test_the_threshold_is_that_of_validation_images() -> None:
    truth = labels()
    made = scores(truth)
    for member, row in enumerate(measure.measure(made, truth, CLASSES, 20, 7)):
        test = made.values["test"][member]
        threshold = best_threshold(made.values["validation"][member], truth["validation"])
        assert row["threshold"] == threshold
        assert abs(threshold - best_threshold(test, truth["test"])) > 0.4
        held_out = average_precision(made.values["validation"][member], truth["validation"])
        assert row["validation_mAP"] == pytest.approx(held_out.mean())
        at_validation, at_test = (
            f1_threshold(test, truth["test"], value) for value in (threshold, best_threshold(test, truth["test"]))
        )
        assert (row["CF1"], row["OF1"]) == (at_validation.CF1, at_validation.OF1)
        assert at_test.OF1 > at_validation.OF1 + 1


def test_without_validation_images_there_is_no_threshold() -> None:
    truth = labels()
    with_both, test_alone = (
        measure.measure(scores(part), part, CLASSES, 20, 7)[0] for part in (truth, {"test": truth["test"]})
    )
    of_probabilities = [metric for metric in METRICS.values() if metric.needs_probabilities]
    missing = {"threshold", "validation_mAP", "CF1", "OF1", "bootstrap_CF1", "bootstrap_OF1"}
    missing |= {name for metric in of_probabilities for name in (metric.name, metric.bootstrap_column)}
    assert {name for name, value in test_alone.items() if value is None} == missing
    assert {name: with_both[name] for name in with_both if name not in missing} == {
        name: test_alone[name] for name in test_alone if name not in missing
    }


def test_the_resamples_are_those_of_the_seed() -> None:
    truth = labels()
    made = scores(truth)
    first, again, other = (measure.measure(made, truth, CLASSES, 30, seed)[1] for seed in (7, 7, 8))
    counts = resample_counts(60, 30, 7)
    assert first["bootstrap"] == bootstrap_map(made.values["test"][1], truth["test"], counts).tolist()
    for metric in METRICS.values():
        if metric.needs_probabilities:
            continue
        name = metric.bootstrap_column
        expected = metric.bootstrap(made.values["test"][1], truth["test"], counts, first["threshold"])
        assert first[name] == again[name] == expected.tolist()
        assert len(first[name]) == 30
        assert first[name] != other[name]


def test_scores_meet_the_labels_of_their_classes() -> None:
    truth = labels()
    made = scores(truth, classes=("d", "b"))
    truth["test"][5:25, 1] = -1
    row = measure.measure(made, truth, CLASSES, 20, 0, "voc2012")[2]
    columns, test = truth["test"][:, [3, 1]], made.values["test"][2]
    assert row["ap"] == average_precision(test, columns, "ignore").tolist()
    assert row["ap"] != average_precision(test, columns, "negative").tolist()
    assert row["own_metric"] == "interpolated AP of VOC2012"
    assert row["own"] == pytest.approx(voc2012_average_precision(test, columns).mean())
    truth["test"][:, 3] = 0
    with pytest.raises(UserError, match="1 of 2 classes have no positive: d"):
        measure.measure(made, truth, CLASSES, 20, 0)


def test_validation_images_may_lack_a_class() -> None:
    truth = labels()
    truth["validation"][:, 2] = 0
    made = scores(truth)
    kept, columns = [0, 1, 3, 4], truth["validation"][:, [0, 1, 3, 4]]
    held_out = average_precision(made.values["validation"][0][:, kept], columns)
    assert measure.measure(made, truth, CLASSES, 20, 0)[0]["validation_mAP"] == pytest.approx(held_out.mean())


@pytest.mark.parametrize("as_list", [True, False])
def test_labels_are_found_by_image(tmp_path: Path, as_list: bool) -> None:
    truth = labels()
    made = scores(truth)
    paths: dict[str, Any] = {"train": []}
    for part, ids in made.ids.items():
        order = np.random.default_rng(0).permutation(len(ids))
        rows = [{"image_id": ids[row], "labels": truth[part][row].tolist()} for row in order]
        path = tmp_path / f"{part}.parquet"
        write_parquet(pa.Table.from_pylist(rows), path)
        paths[part] = [path] if as_list else (str(path) if part == "test" else path)
    found = measure.labels_by_part(made, paths)
    assert found.keys() == {"test", "validation"}
    assert all(np.array_equal(found[part], truth[part]) for part in truth)


def test_novel_classes_are_a_choice_of_columns() -> None:
    made = scores(labels())
    found = measure.combined([made], Selection(("d", "a")))
    assert (found.members, found.ids, found.classes) == (made.members, made.ids, ("d", "a"))
    assert all(np.array_equal(found.values[part], made.values[part][:, :, [3, 0]]) for part in made.values)


def test_a_calibrated_run_is_one_model_of_probabilities() -> None:
    """From the mean over the seeds, fitted to the validation images alone; only it has calibration errors."""
    truth = labels()
    made = scores(truth, ((0, 1), (0, 2), (0, 3)))
    found = measure.combined([made], Calibration((1, 2, 9)), truth)
    assert found.members == ((0, 1),)
    means = {part: values[:2].mean(0, dtype=np.float32) for part, values in made.values.items()}
    expected = fit(means["validation"], truth["validation"]).probabilities(means["test"])
    assert found.values["test"][0] == pytest.approx(expected, abs=1e-7)
    (row,) = measure.measure(found, truth, CLASSES, 20, 7, probabilities=True)
    assert row["ECE"] == pytest.approx(errors(found.values["test"][0], truth["test"]).class_wise)
    assert row["ECE_floor"] > 0
    assert row["bootstrap_ECE"] == []
    assert row["mAP"] == pytest.approx(average_precision(means["test"], truth["test"]).mean())
    assert measure.measure(made, truth, CLASSES, 20, 7)[0]["ECE"] is None


def test_sparc_standardises_each_part() -> None:
    made = scores(labels())
    found = measure.combined([made], ScoreRule("sparc"))
    assert (found.members, found.ids, found.classes) == (made.members, made.ids, made.classes)
    assert all(np.array_equal(found.values[part], standardise(made.values[part])) for part in made.values)


@pytest.mark.parametrize("scale", [None, 3.0])
def test_the_scale_of_a_softmax_is_that_of_validation_images(scale: float | None) -> None:
    made, how = scores(labels()), ScoreRule("softmax", scale)
    k = scale_of(made.values["validation"]) if scale is None else np.full(3, scale)
    found = measure.combined([made], how)
    np.testing.assert_array_equal(measure.scales(made, how), k)
    assert all(np.array_equal(found.values[part], apply("softmax", made.values[part], k)) for part in made.values)
    test_alone = Scores(made.members, made.classes, {"test": made.ids["test"]}, {"test": made.values["test"]})
    expected = scale_of(made.values["test"]) if scale is None else k
    np.testing.assert_array_equal(measure.scales(test_alone, how), expected)


def test_a_rule_is_over_all_classes_of_training_before_novel_ones_are_chosen() -> None:
    made = scores(labels())
    whole = measure.combined([made], ScoreRule("softmax"))
    chosen = measure.combined([whole], Selection(("d", "a")))
    alone = measure.combined([measure.combined([made], Selection(("d", "a")))], ScoreRule("softmax"))
    np.testing.assert_array_equal(chosen.values["test"], whole.values["test"][..., [3, 0]])
    assert not np.allclose(chosen.values["test"], alone.values["test"])


class WithCells(Method):
    """A method whose class embeddings the rule `cells` may use."""

    name = title = source = "with_cells"
    has_cells = True

    def prepare(self, backbone, device):
        raise AssertionError("scoring needs no CLIP")

    def finish(self, learned):
        raise AssertionError("scoring finishes no training")

    def scores(self, tensors, images, chunk=256):
        raise AssertionError("the rule needs no scores of the method")


@pytest.mark.parametrize("parts", [("test", "validation"), ("test",)])
@pytest.mark.parametrize("own_local", [True, False])
def test_cells_compare_class_embeddings_with_global_and_local_features(parts: tuple[str], own_local: bool) -> None:
    random = torch.Generator().manual_seed(0)
    names = ("class_global", "class_local") if own_local else ("class_global",)
    tensors = {name: normalize(torch.randn(2, 4, 8, generator=random), dim=-1) for name in names}
    images = {
        part: SimpleNamespace(
            global_nopos=normalize(torch.randn(size, 8, generator=random), dim=-1).half(),
            local=normalize(torch.randn(size, 6, 8, generator=random), dim=-1).half(),
        )
        for part, size in zip(parts, (300, 70), strict=False)
    }
    found, k = cell_scores(WithCells(SimpleNamespace(global_feature="nopos"), "abcd"), tensors, images)
    of_global, of_local = (tensors[name].double().numpy() for name in (names[0], names[-1]))
    cosines = {part: np.einsum("nd,scd->snc", each.global_nopos.double(), of_global) for part, each in images.items()}
    np.testing.assert_allclose(k, scale_of(cosines[parts[-1]]), rtol=1e-5)
    for part, each in images.items():
        local = np.einsum("njd,scd->snjc", each.local.double(), of_local)
        np.testing.assert_allclose(found[part], apply("cells", cosines[part], k, local), atol=1e-4)
    fixed, scale = cell_scores(WithCells(SimpleNamespace(global_feature="nopos"), "abcd"), tensors, images, 7.0)
    local = np.einsum("njd,scd->snjc", images["test"].local.double(), of_local)
    np.testing.assert_allclose(fixed["test"], apply("cells", cosines["test"], 7.0, local), atol=1e-4)
    assert scale.tolist() == [7.0, 7.0]


@pytest.mark.parametrize("weight", [0.2, 0.9])
def test_a_fusion_weighs_the_first_run(weight: float) -> None:
    truth = labels()
    base, partner = scores(truth), scores(truth, ((0, 1),), seed=2)
    found = measure.combined([base, partner], Fusion(weight, "zscore"))
    assert (found.members, found.ids, found.classes) == (base.members, base.ids, base.classes)
    for part in truth:
        repeated = partner.values[part][[0, 0, 0]]
        np.testing.assert_array_equal(found.values[part], fuse(repeated, base.values[part], weight, "zscore"))
    turned = measure.combined([partner, base], Fusion(weight, "zscore"))
    assert turned.members == base.members  # those of the run that has more


@pytest.mark.parametrize("change", ["classes", "ids"])
def test_runs_on_other_images_or_classes_are_not_fused(change: str) -> None:
    truth = labels()
    base, partner = scores(truth), scores(truth, classes=CLASSES[::-1])
    if change == "ids":
        partner = Scores(base.members, CLASSES, {part: ids[::-1] for part, ids in base.ids.items()}, base.values)
    with pytest.raises(UserError, match=r"^fusion: the two runs differ in images or classes; expected scores of the"):
        measure.combined([base, partner], Fusion(0.5, "zscore"))


class Marked(Method):
    """Scores are the images' features times a learned factor."""

    name = "marked"
    title = "Marked"
    source = "this test"
    uses = frozenset()

    def prepare(self, clip, device):
        raise AssertionError("scoring needs no CLIP")

    def observe(self, data, seeds):
        raise AssertionError("scoring needs no training data")

    def finish(self, learned):
        raise AssertionError("scoring finishes no training")

    def scores(self, tensors, images, chunk=256):
        return images.pooled[None] * tensors["factor"][:, None, None]


def features(rows: int, part: str, clip: str = "c" * 64, encoder: str = "openai") -> SimpleNamespace:
    pooled = torch.arange(2.0 * rows).reshape(rows, 2).double()
    return SimpleNamespace(
        ids=tuple(f"{part}{row}" for row in range(rows)), clip_sha256=clip, encoder=encoder, pooled=pooled
    )


def test_a_saved_model_scores_each_part(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tensors = {"factor": torch.tensor([1.0, 2.0, 3.0, 4.0])}
    header = {"classes": ["a", "b"], "levels": [10, 20], "seeds": [1, 2], "clip_sha256": "c" * 64}
    write_model(path, tensors, "test_measure.Marked", {}, **header)
    images = {"test": features(3, "t"), "validation": features(2, "v")}
    found, read = measure.score(path, images)
    assert {name: read[name] for name in header} == header
    assert found.members == ((10, 1), (10, 2), (20, 1), (20, 2))
    assert found.classes == ("a", "b")
    assert found.ids == {"test": ("t0", "t1", "t2"), "validation": ("v0", "v1")}
    for part, rows in images.items():
        expected = np.multiply.outer([1, 2, 3, 4], rows.pooled.numpy()).astype(np.float32)
        assert found.values[part].dtype == np.float32
        np.testing.assert_array_equal(found.values[part], expected)
    images["validation"] = features(2, "v", "0123456789abcdef")
    with pytest.raises(UserError) as caught:
        measure.score(path, images)
    assert str(caught.value) == (
        f"{path}: trained with CLIP cccccccccccc, but the validation images' features are of 0123456789ab"
    )
    images["validation"] = features(2, "v", encoder="siglip")
    with pytest.raises(UserError) as caught:
        measure.score(path, images)
    assert str(caught.value) == (
        f"{path}: trained with a backbone of kind openai, but the validation images' features are of kind siglip"
    )


def test_scoring_takes_the_device_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    header = {"classes": ["a"], "levels": [0], "seeds": [1], "clip_sha256": "c" * 64}
    write_model(path, {"factor": torch.ones(1)}, "test_measure.Marked", {}, **header)
    with pytest.raises(UserError, match="no-device"):
        measure.score(path, {}, "no-device")
    assert measure.score(path, {}, "cpu")[0].members == ((0, 1),)
