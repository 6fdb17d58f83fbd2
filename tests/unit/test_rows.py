"""Kinds of rows: what a job reads, their epochs, what a protocol reveals; and what a history says of a training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from training_toy import CPU, NAMES, changed, clip, settings, toy

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.methods.base import Method, Tensors, TrainingSettings
from t2ipal.protocols import FEW_SHOT, NOVEL, PARTIAL
from t2ipal.protocols.few_shot import sample_few_shot, write_few_shot
from t2ipal.protocols.known import KnownLabels
from t2ipal.protocols.partial import sample_known, write_partial
from t2ipal.rows import CAPTIONS, KINDS, SHOTS, SYNTHETIC, TRAIN, inputs_of
from t2ipal.rows.base import Batch, Branch, RowKind, RowRequest, RowSource
from t2ipal.rows.data import TrainingData, TrainingFiles
from t2ipal.rows.join import read_image_labels
from t2ipal.rows.randomness import EpochRandom
from t2ipal.rows.sampler import Sampler
from t2ipal.rows.synthetic import without_low_scores
from t2ipal.store import write_parquet
from t2ipal.training.history import LOSSES, history_table, training_cost
from t2ipal.training.train import fit


def rows_of(sampler: Sampler, kind: str, epoch: int) -> Tensor:
    """Global features of a kind's rows in the order of an epoch: [S, rows, D]."""
    return torch.cat([batch[kind].pooled for batch in sampler.epoch(epoch, CPU)], 1)


def test_inputs_follow_kinds_and_settings() -> None:
    assert inputs_of({CAPTIONS}, {}) == {"labelled", "captions", "templates"}
    assert inputs_of({CAPTIONS}, {"templates": 0}) == {"labelled", "captions"}
    assert inputs_of({SYNTHETIC}, {}) == {"labelled", "images", "flagged"}
    assert inputs_of({TRAIN}, {}) == inputs_of({SHOTS}, {}) == {"train", "train_images"}
    assert inputs_of((), {}) == frozenset()
    assert LOSSES == ("loss", "loss_text", "loss_image", "loss_train", "loss_shots")


def test_a_method_that_samples_by_itself_gets_empty_batches() -> None:
    data, kinds = toy(), frozenset({CAPTIONS})
    some, none = (Sampler(data, RowRequest(kinds, batches=batches), (1, 2), 4, True) for batches in (True, False))
    assert list(none.epoch(0, CPU)) == [{}] * some.steps
    assert len(list(some.epoch(0, CPU))) == some.steps > 1


def test_files_are_lists_by_name_and_samples_of_shards() -> None:
    files = TrainingFiles({"one": "a.parquet", "path": Path("b.parquet"), "images": ["0-0", "0-1", "1-0", "1-1"]}, 2)
    assert (files["one"], files["path"], files["none"]) == (["a.parquet"], ["b.parquet"], [])
    assert files.samples("images") == [["0-0", "0-1"], ["1-0", "1-1"]]


def test_images_of_a_low_score_and_captions_with_no_other_are_left_out() -> None:
    data = toy()
    rows, texts = data[SYNTHETIC], normalize(data[CAPTIONS].pooled.float(), dim=-1)
    scores = torch.stack(
        [
            (normalize(images.global_nopos[rows.index[:, k]].float(), dim=-1) * texts).sum(-1)
            for k, images in enumerate(rows.samples)
        ],
        1,
    )
    cut = torch.quantile(scores, 0.4)
    found = without_low_scores(data, 0.4, "nopos")
    kept = (scores >= cut).any(1)
    assert 0 < kept.sum() < len(kept)
    assert found[CAPTIONS].ids == [name for name, keep in zip(data[CAPTIONS].ids, kept.tolist(), strict=True) if keep]
    assert torch.equal(found[SYNTHETIC].index, rows.index.where(scores >= cut, -1)[kept])
    assert torch.equal(found[SYNTHETIC].labels, rows.labels[kept])
    assert found.dropped["images of a low CLIP score"] == int((scores < cut).sum())
    assert found.dropped["captions with such images alone"] == int((~kept).sum())
    with pytest.raises(ValueError, match="which gamma 1 does not read"):
        settings("t2i_pal", gamma=1.0, min_score_quantile=0.1)


def test_rows_that_are_missing_are_named() -> None:
    with pytest.raises(UserError, match="no captions rows; it has none"):
        TrainingData()[CAPTIONS]
    with pytest.raises(UserError, match="no shots rows; it has captions, synthetic, train"):
        toy()[SHOTS]


def test_images_without_labels_or_twice_are_errors(tmp_path: Path) -> None:
    def write(ids: list[str], labels: list[list[int] | None]) -> Path:
        columns = {"image_id": ids, "labels": pa.array(labels, pa.list_(pa.int8()))}
        write_parquet(pa.table(columns), tmp_path / "images.parquet")
        return tmp_path / "images.parquet"

    assert read_image_labels(write(["a", "b"], [[1, 0], [0, -1]]), ["b", "a"]).tolist() == [[0, -1], [1, 0]]
    with pytest.raises(UserError, match=r"images.parquet: 3 rows of 2 ids; expected each id once"):
        read_image_labels(write(["a", "b", "a"], [[1, 0], [0, 1], [0, 1]]), ["a", "b"])
    with pytest.raises(UserError, match=r"images.parquet: 1 images without labels"):
        read_image_labels(write(["a", "b"], [[1, 0], None]), ["a", "b"])


@pytest.mark.parametrize("kind", [CAPTIONS, TRAIN])
def test_an_epoch_has_an_order_of_its_own_and_of_its_seed(kind: str) -> None:
    sampler = Sampler(toy(), RowRequest(frozenset({kind})), (1, 2), 8, False)
    first, second = rows_of(sampler, kind, 0), rows_of(sampler, kind, 1)
    assert torch.equal(first, rows_of(sampler, kind, 0))
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert all(torch.equal(a.sort(-2).values, b.sort(-2).values) for a, b in ((first, second), (first[0], first[1])))


def test_a_caption_has_all_its_images_over_the_epochs() -> None:
    data = toy(count=12, samples=3)
    sampler = Sampler(data, RowRequest(frozenset({SYNTHETIC})), (1,), 4, False)
    pool = torch.stack([sample.global_nopos for sample in data[SYNTHETIC].samples], 1).float()  # [N, K, D]
    seen = torch.zeros(pool.shape[:2], dtype=torch.bool)
    for epoch in range(20):
        for row in rows_of(sampler, SYNTHETIC, epoch)[0]:
            seen |= (pool == row).all(-1)
    assert seen.all()


def test_random_numbers_depend_on_seed_use_and_epoch_alone() -> None:
    both, alone, later = EpochRandom((1, 2), 0), EpochRandom((2,), 0), EpochRandom((2,), 1)
    numbers = both.uniform("image", 5)
    assert both.uniform("image", 5) is numbers
    assert numbers.shape == (2, 5)
    assert torch.equal(numbers[1], alone.uniform("image", 5)[0])
    assert not torch.equal(alone.uniform("image", 5), later.uniform("image", 5))
    assert not torch.equal(alone.uniform("image", 5), alone.uniform("other", 5))
    orders = both.permutations("rows", (3, 4), 7)
    assert [sorted(orders[0, :3].tolist()), sorted(orders[0, 3:6].tolist())] == [[0, 1, 2]] * 2
    assert sorted(orders[1, :4].tolist()) == [0, 1, 2, 3]
    assert orders.shape == (2, 7)


def shots_file(path: Path, classes: list[int] | None) -> Path:
    data = toy()
    write_few_shot(data[TRAIN].images.ids, data[TRAIN].labels.numpy(), [1, 3], [1, 2], classes, path)
    return path


def test_few_shots_fill_an_epoch_of_shots_times_classes(tmp_path: Path) -> None:
    data = toy()
    known = KnownLabels.of_job(FEW_SHOT, [shots_file(tmp_path / "shots.parquet", None)], NAMES, [])
    revealed = known.reveal(data, 3, (1, 2))
    expected = [sample_few_shot(data[TRAIN].labels.numpy(), 3, seed).rows for seed in (1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(revealed[SHOTS].chosen, expected, strict=True))
    assert torch.equal(revealed[SHOTS].labels, data[TRAIN].labels)
    assert revealed.novel is None
    sampler = Sampler(revealed, RowRequest(frozenset({SHOTS})), (1, 2), 8, False)
    assert (sampler.size, sampler.steps) == (3 * len(NAMES), 2)
    assert rows_of(sampler, SHOTS, 0).shape[1] == 12


def test_novel_classes_are_told_by_shots_alone(tmp_path: Path) -> None:
    data = toy()
    known = KnownLabels.of_job(NOVEL, [shots_file(tmp_path / "shots.parquet", [1, 3])], NAMES, [NAMES[1], NAMES[3]])
    revealed = known.reveal(data, 3, (1, 2))
    labels = data[TRAIN].labels
    assert revealed.novel == (1, 3)
    assert (revealed[TRAIN].labels[:, [1, 3]] == -1).all()
    assert torch.equal(revealed[TRAIN].labels[:, [0, 2]], labels[:, [0, 2]])
    assert (revealed[SHOTS].labels[:, [0, 2]] == -1).all()
    assert torch.equal(revealed[SHOTS].labels[:, [1, 3]], labels[:, [1, 3]])
    assert revealed[TRAIN].chosen.tolist() == [row for row in range(40) if (labels[row, [0, 2]] == 1).any()]
    assert revealed[SHOTS].per_epoch == 3 * 2
    expected = [sample_few_shot(labels.numpy(), 3, seed, [1, 3]).rows for seed in (1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(revealed[SHOTS].chosen, expected, strict=True))


def test_partial_labels_hide_what_is_not_known(tmp_path: Path) -> None:
    data = toy()
    write_partial(data[TRAIN].images.ids, len(NAMES), [30], 0, tmp_path / "partial.parquet")
    revealed = KnownLabels.of_job(PARTIAL, [tmp_path / "partial.parquet"], NAMES, []).reveal(data, 30, (1,))
    mask = torch.from_numpy(sample_known(40, len(NAMES), 0.3))
    assert torch.equal(revealed[TRAIN].labels, data[TRAIN].labels.masked_fill(~mask, -1))
    everything = KnownLabels.of_job("", [], NAMES, [])
    assert everything.reveal(data, 0, (1,)) is data
    assert everything.reveal(TrainingData(), 0, (1,)).rows == {}


def test_scores_are_at_the_temperature_of_images() -> None:
    draw = torch.Generator().manual_seed(0)
    tensors = {
        f"class_{part}": normalize(torch.randn(1, 4, 24, generator=draw), dim=-1) for part in ("global", "local")
    }
    data = toy()[TRAIN].images

    def scores(**changes: float) -> Tensor:
        return methods.get("tai_dpt")(settings("tai_dpt", **changes), NAMES).scores(tensors, data)

    assert torch.equal(scores(tau_text=0.02, tau_image=0.1), scores(tau_text=0.5, tau_image=0.1))
    assert not torch.allclose(scores(tau_image=0.1), scores(tau_image=0.5), atol=1e-3)


class Counted(Method):
    """Its loss is the number of the step in its epoch, from 1, times the seed's number."""

    name = "counted"
    title = "Counted"
    source = "this test"
    uses = frozenset({TRAIN})
    Settings = TrainingSettings

    def prepare(self, backbone: object, device: torch.device) -> None:
        pass

    def begin_epoch(self, learned: Tensors, epoch: int) -> None:
        self.step = 0

    def start(self, seeds: tuple[int, ...]) -> Tensors:
        self.factors = torch.tensor(seeds, dtype=torch.float32)
        return {"weight": torch.zeros(len(seeds))}

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        self.step += 1
        value = self.step * self.factors
        return {"loss": value + 0 * learned["weight"], "loss_train": value}

    def finish(self, learned: Tensors) -> Tensors:
        return learned

    def scores(self, tensors: Tensors, images: object, chunk: int = 256) -> Tensor:
        raise NotImplementedError


def test_a_history_has_the_mean_over_the_steps() -> None:
    told: list[dict[str, float]] = []
    chosen = TrainingSettings(epochs=2, batch=10)
    _, history = fit(Counted, chosen, clip(), NAMES, toy(), (1, 3), lambda *told_: told.append(told_[2]), device="cpu")
    assert [(row["seed"], row["epoch"], row["loss"], row["loss_train"]) for row in history] == [
        (1, 1, 2.5, 2.5),  # the mean of 1, 2, 3 and 4
        (3, 1, 7.5, 7.5),
        (1, 2, 2.5, 2.5),
        (3, 2, 7.5, 7.5),
    ]
    assert [means["loss"] for means in told] == [5.0, 5.0]
    assert all(row["loss_text"] is None and row["peak_mb"] > 0 and row["seconds"] > 0 for row in history)


def test_the_cost_of_a_training_counts_an_epoch_once_and_takes_the_greatest_peak() -> None:
    rows = [
        {"level": level, "seed": seed, "epoch": epoch, "loss": 1.0, "seconds": seconds, "peak_mb": peak}
        for level, epoch, seconds, peak in ((1, 1, 2.0, 50.0), (1, 2, 3.0, 90.0), (1, 3, 4.0, 70.0), (5, 1, 8.0, 60.0))
        for seed in (1, 2)
    ]
    assert training_cost(history_table(rows)) == {1: (9.0, 90.0), 5: (8.0, 60.0)}
    assert training_cost(history_table([])) == {}


@dataclass(frozen=True)
class MirroredRows(RowKind):
    """A kind of rows that no file of the package knows: the labelled images with features of the other sign."""

    name: ClassVar[str] = "mirrored"
    loss: ClassVar[str] = "loss_mirrored"
    title: ClassVar[str] = "Mirrored images"

    of: Any

    @classmethod
    def inputs(cls, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return ("mirrored",)

    @classmethod
    def read(cls, files: TrainingFiles, data: TrainingData, classes: int, budget: object) -> TrainingData:
        return data.with_rows(cls(data[TRAIN]))

    def source(self, data: TrainingData, request: RowRequest, seeds: tuple[int, ...]) -> RowSource:
        def branch(rows: Tensor, random: EpochRandom) -> Branch:
            pooled, local = self.of.images.global_nopos[rows].float(), self.of.images.local[rows].float()
            return Branch(-pooled, -local, None, self.of.labels[rows], torch.ones(rows.shape))

        size = len(self.of.labels)
        return RowSource([size] * len(seeds), branch, size)


def test_another_kind_of_rows_is_a_class_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, MirroredRows.name, MirroredRows)
    oracle = methods.get("oracle")

    class Mirrored(oracle):
        name = "mirrored_oracle"
        uses = frozenset({TRAIN, MirroredRows.name})

        @classmethod
        def weights(cls, settings: object) -> Mapping[str, float]:
            return {TRAIN: 0.5, MirroredRows.name: 0.5}

    assert inputs_of(Mirrored.uses, {}) == {"train", "train_images", "mirrored"}
    data = MirroredRows.read(TrainingFiles({}), toy(), len(NAMES), None)
    batch = next(Sampler(data, Mirrored(settings("oracle"), NAMES).rows(), (1, 2), 8, True).epoch(0, CPU))
    assert list(batch) == [TRAIN, MirroredRows.name]
    assert not torch.equal(batch[TRAIN].pooled, -batch[MirroredRows.name].pooled)  # each kind has its own order
    learned, _ = fit(Mirrored, settings("oracle", epochs=1), clip(), NAMES, data, (1,), device="cpu")
    alone, _ = fit(oracle, settings("oracle", epochs=1), clip(), NAMES, toy(), (1,), device="cpu")
    assert any(not torch.equal(learned[name], alone[name]) for name in alone)


def test_the_greatest_sample_fills_an_epoch_where_nothing_else_is_said() -> None:
    from t2ipal.rows.shots import ShotRows

    data = toy()
    chosen = (torch.tensor([3, 5]), torch.tensor([1, 2, 4, 6, 8]))
    data = data.with_rows(ShotRows(data[TRAIN].images, data[TRAIN].labels, chosen))
    sampler = Sampler(data, RowRequest(frozenset({SHOTS})), (1, 2), 8, False)
    assert (sampler.size, sampler.batch) == (5, 5)
    (batch,) = sampler.epoch(0, CPU)
    pool = data[TRAIN].images.global_nopos.float()
    rows = [[int((pool == row).all(-1).nonzero()) for row in own] for own in batch[SHOTS].pooled]
    assert [set(own) for own in rows] == [{3, 5}, {1, 2, 4, 6, 8}]
    assert torch.equal(batch[SHOTS].labels, data[TRAIN].labels[torch.tensor(rows)])
    longer = Sampler(changed(data, SHOTS, per_epoch=9), RowRequest(frozenset({SHOTS})), (1, 2), 8, True)
    assert (longer.size, longer.steps) == (9, 1)
