"""Joining rows, drawing batches, and the training loop."""

import math

import pytest
import torch
from tiny_clip import DIM
from training_toy import CPU, NAMES, changed, clip, images, settings, texts, toy, with_images, without

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.rows import CAPTIONS, SYNTHETIC, TRAIN
from t2ipal.rows.base import RowRequest
from t2ipal.rows.captions import CaptionRows
from t2ipal.rows.data import TrainingData
from t2ipal.rows.join import join_rows, label_matrix
from t2ipal.rows.randomness import pick_valid
from t2ipal.rows.sampler import Sampler
from t2ipal.rows.train import TrainRows
from t2ipal.training.train import fit, learning_rate


def test_join_rows_finds_each_id_once() -> None:
    assert join_rows(["a", "c"], ["c", "b", "a"], "features").tolist() == [2, 0]
    with pytest.raises(UserError, match=r"features: no row 'd'"):
        join_rows(["a", "d"], ["a", "b"], "features")
    with pytest.raises(UserError, match="features: 2 rows of 1 ids"):
        join_rows(["a"], ["a", "a"], "features")
    with pytest.raises(UserError, match="labelled captions: 2 rows of 1 ids"):
        join_rows(["a", "a"], ["a", "b"], "features")


def test_label_matrix_has_three_values() -> None:
    assert label_matrix([[0, 2], []], [[1], [2]], 3).tolist() == [[1, -1, 1], [0, 0, -1]]


def test_flagged_images_and_captions_without_any_are_left_out_and_counted() -> None:
    directions = torch.eye(3, DIM)
    ids = ["b", "a", "c"]
    labels = torch.tensor([[0, 1], [1, 0], [1, 1]], dtype=torch.int8)
    samples = [images(["a", "c"], directions[:2]), images(["a", "b", "c"], directions)]
    captions = TrainingData().with_rows(CaptionRows.of(ids, labels, texts(ids, directions)))
    data = with_images(captions, samples, frozenset({("b", 0), ("b", 1), ("c", 1)}))
    assert data.dropped == {"flagged images": 3, "captions without an image": 1}
    assert data[CAPTIONS].labels.tolist() == [[1, 0], [1, 1]]  # of a and c: rows are in the order of their ids
    assert data[CAPTIONS].index.tolist() == [1, 2]
    assert data[SYNTHETIC].index.tolist() == [[0, 0], [1, -1]]
    with pytest.raises(UserError, match="sample 0: no row 'b'"):
        with_images(captions, samples)


def test_pick_valid_takes_each_valid_sample_equally_often() -> None:
    valid = torch.tensor([True, False, True, True]).expand(3000, 4)
    drawn = pick_valid(valid, torch.arange(3000) / 3000)
    assert drawn.bincount(minlength=4).tolist() == [1000, 0, 1000, 1000]


def test_a_batch_pairs_captions_with_their_image_and_masks_templates() -> None:
    data = toy()
    sampler = Sampler(data, RowRequest(frozenset({CAPTIONS, SYNTHETIC}), templates=3), (1, 2), 8, True)
    assert sampler.steps == (40 + 12) // 8
    seen = 0
    for batch in sampler.epoch(0, CPU):
        text, image = batch[CAPTIONS], batch[SYNTHETIC]
        has_image = image.weight == 1
        assert torch.equal(text.labels[has_image], image.labels[has_image])
        assert torch.equal(text.mask.sum(-1) >= 3, torch.ones_like(has_image))
        assert (text.labels[~has_image] == 1).sum() == (~has_image).sum()  # a template has one class
        seen += int(has_image.sum())
    assert seen < 2 * 40


def test_every_row_comes_once_in_an_epoch() -> None:
    data = toy()
    sampler = Sampler(data, RowRequest(frozenset({CAPTIONS}), templates=3), (1,), 8, False)
    drawn = torch.cat([batch[CAPTIONS].pooled[0] for batch in sampler.epoch(0, CPU)])
    expected = torch.cat([data[CAPTIONS].pooled, data[CAPTIONS].templates.pooled]).float()
    assert torch.equal(drawn.sort(0).values, expected.sort(0).values)


@pytest.mark.parametrize(("draw", "rows"), [("one", 8), ("all", 8), ("mean_loss", 16), ("mean_feature", 8)])
def test_ways_to_use_several_images(draw: str, rows: int) -> None:
    data = toy(samples=2)
    index = data[SYNTHETIC].index.clone()
    index[3, 1] = -1
    data = changed(data, SYNTHETIC, index=index)
    sampler = Sampler(data, RowRequest(frozenset({CAPTIONS, SYNTHETIC}), image_sampling=draw), (1,), 8, False)
    assert sampler.size == (79 if draw == "all" else 40)
    batches = [batch[SYNTHETIC] for batch in sampler.epoch(0, CPU)]
    assert batches[0].pooled.shape == (1, rows, DIM)
    weight = torch.cat([batch.weight for batch in batches], 1)
    assert float(weight.sum()) == pytest.approx(79 if draw == "all" else 40)
    lengths = torch.cat([batch.local for batch in batches], 1).norm(dim=-1)
    assert torch.allclose(lengths[weight > 0], torch.ones(()), atol=1e-3)


def test_independent_pairing_keeps_labels_with_their_image() -> None:
    data = toy()
    rows = RowRequest(frozenset({CAPTIONS, SYNTHETIC}), pairing="independent")
    batch = next(Sampler(data, rows, (1,), 8, True).epoch(0, CPU))
    assert not torch.equal(batch[CAPTIONS].labels, batch[SYNTHETIC].labels)
    everything = torch.stack([sample.global_nopos for sample in data[SYNTHETIC].samples]).float()
    for pooled, labels in zip(batch[SYNTHETIC].pooled[0], batch[SYNTHETIC].labels[0], strict=True):
        row = int((everything - pooled).abs().sum(-1).min(0).values.argmin())
        assert torch.equal(labels, data[CAPTIONS].labels[row])


def test_labelled_images_beside_captions_fill_the_epoch() -> None:
    data = toy()
    data = data.with_rows(TrainRows(images(["x", "y", "z"], torch.eye(3, DIM)), data[CAPTIONS].labels[:3]))
    batches = list(Sampler(data, RowRequest(frozenset({CAPTIONS, TRAIN})), (1,), 8, True).epoch(0, CPU))
    assert len(batches) == 5
    assert all(batch[TRAIN].labels.shape == (1, 8, 4) for batch in batches)


def rates(**changes: object) -> list[float]:
    """The learning rates of all epochs."""
    chosen = settings("tai_dpt", **changes)
    return [learning_rate(chosen, epoch) for epoch in range(chosen.epochs)]


def test_warm_up_holds_the_cosine_back_as_in_the_official_code() -> None:
    official = rates(epochs=50, lr=2e-3)  # TaI-DPT's and DualCoOp's
    assert official[:3] == pytest.approx([1e-5, 2e-3, 1.99803e-3], rel=1e-5)
    assert official[-1] == pytest.approx(7.885e-6, rel=1e-4)
    # CoMC's checkpoint of 20 epochs holds the rate that would follow its last epoch
    comc = settings("comc", epochs=20, lr=1e-3)
    assert learning_rate(comc, 20) == pytest.approx(6.1558e-6, rel=1e-4)
    assert learning_rate(comc, 19) == pytest.approx(1e-3 * (1 + math.cos(0.9 * math.pi)) / 2)
    assert rates(epochs=6, warmup_epochs=3, lr=0.1) == pytest.approx(
        [1e-5] * 3 + [0.1 * (1 + math.cos(math.pi * epoch / 6)) / 2 for epoch in (0, 1, 2)]
    )


def test_schedules_without_warm_up_or_with_nothing_else() -> None:
    cosine = [0.1 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(4)]
    assert rates(epochs=4, warmup_epochs=0, lr=0.1) == pytest.approx(cosine)
    assert rates(epochs=1) == [1e-5]
    assert rates(epochs=2, warmup_epochs=5, warmup_lr=1e-4) == [1e-4] * 2
    assert rates(epochs=3, schedule="constant", lr=0.1) == [1e-5, 0.1, 0.1]


@pytest.mark.parametrize("name", ["tai_dpt", "t2i_pal", "oracle"])
@pytest.mark.slow
def test_training_beats_chance_and_the_start(name: str) -> None:
    data = toy()
    test = images([f"t{row}" for row in range(40)], data[TRAIN].images.global_pos.float(), 7)
    labels = data[TRAIN].labels == 1

    def correct(epochs: int) -> float:
        chosen = settings(name, epochs=epochs, lr=0.02, warmup_epochs=0)
        tensors, _ = fit(methods.get(name), chosen, clip(), NAMES, data, (1, 2), device="cpu")
        scores = methods.get(name)(chosen, NAMES).scores(tensors, test)
        return float(labels.expand_as(scores).gather(-1, scores.argmax(-1, keepdim=True)).float().mean())

    first, last = correct(1), correct(10)
    assert last > max(first, 0.5), f"{last:.2f} of the images right after 10 epochs, {first:.2f} after one"


@pytest.mark.slow
def test_a_seed_does_not_depend_on_the_others() -> None:
    data, method = toy(), methods.get("t2i_pal")
    together, history = fit(method, settings("t2i_pal"), clip(), NAMES, data, (1, 2, 3), device="cpu")
    alone, single = fit(method, settings("t2i_pal"), clip(), NAMES, data, (2,), device="cpu")
    for name, value in alone.items():
        assert torch.allclose(together[name][1], value[0], atol=1e-5), name
        assert not torch.allclose(together[name][0], value[0], atol=1e-5), name
    assert [row["loss"] for row in history if row["seed"] == 2] == pytest.approx([row["loss"] for row in single])


@pytest.mark.slow
def test_the_order_of_the_files_changes_nothing() -> None:
    data, method = toy(), methods.get("t2i_pal")
    shuffled = list(range(39, -1, -1))
    captions = data[CAPTIONS]
    again = CaptionRows.of([captions.ids[row] for row in shuffled], captions.labels[shuffled], captions.features)
    again = with_images(TrainingData().with_rows(again.with_templates(captions.templates, 4)), data[SYNTHETIC].samples)
    first, second = (fit(method, settings("t2i_pal"), clip(), NAMES, d, (1,), device="cpu")[0] for d in (data, again))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_history_says_what_was_trained() -> None:
    calls: list[tuple[int, int]] = []
    _, history = fit(
        methods.get("tai_dpt"),
        settings("tai_dpt"),
        clip(),
        NAMES,
        toy(),
        (4, 5),
        on_epoch=lambda epoch, epochs, means: calls.append((epoch, epochs)),
        device="cpu",
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert [(row["seed"], row["epoch"]) for row in history] == [(s, e) for e in (1, 2, 3) for s in (4, 5)]
    assert history[0]["loss_text"] == history[0]["loss"]
    assert history[0]["loss_image"] is None
    assert history[0]["lr"] == 1e-5


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    data = toy()
    data[CAPTIONS].features.pooled[3] = math.nan
    with pytest.raises(UserError, match=r"training of tai_dpt, seed 7, epoch 1: the loss is nan"):
        fit(methods.get("tai_dpt"), settings("tai_dpt"), clip(), NAMES, data, (7,), device="cpu")


def test_missing_rows_are_named() -> None:
    with pytest.raises(UserError, match="no synthetic rows"):
        fit(methods.get("t2i_pal"), settings("t2i_pal"), clip(), NAMES, without(toy(), SYNTHETIC), (1,), device="cpu")
