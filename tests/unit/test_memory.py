"""Files of a training are read with what belongs to them; memory, a scratch file or a device: the same numbers."""

import dataclasses
import errno
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pretended_gpu import pretended_gpu
from training_toy import NAMES, clip, settings, toy

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.features import cache
from t2ipal.features.cache import (
    image_schema,
    load_global_features,
    load_image_features,
    load_text_features,
    text_schema,
)
from t2ipal.features.memory import DEVICE_SHARE, MEMORY_SHARE, MemoryBudget
from t2ipal.rows import CAPTIONS, SYNTHETIC
from t2ipal.rows.base import SHOTS, TRAIN, RowRequest
from t2ipal.rows.data import TrainingFiles, read_training_data
from t2ipal.rows.sampler import Sampler, ahead
from t2ipal.store import parquet_writer, write_parquet
from t2ipal.training.train import fit

BOTH = frozenset({CAPTIONS, SYNTHETIC})
DIM, CELLS, COUNT = 8, 4, 50
FACTS = {"clip_sha256": "0", "clip_name": "made", "dim": str(DIM), "grid": "2,2"}


def fixed(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def write_images(path: Path, ids: list[str], seed: int, rows: int = 7) -> None:
    draw = np.random.default_rng(seed)
    schema = image_schema(DIM, CELLS, False, {**FACTS, "kind": "image"})
    with parquet_writer(path, schema) as writer:
        for start in range(0, len(ids), rows):
            part = ids[start : start + rows]
            vectors = [draw.standard_normal((len(part), n)).astype(np.float16) for n in (DIM, DIM, CELLS * DIM)]
            writer.write_table(pa.Table.from_arrays([pa.array(part), *map(fixed, vectors)], schema=schema))


def write_texts(path: Path, ids: list[str], seed: int = 0) -> None:
    draw = np.random.default_rng(seed)
    schema = text_schema(DIM, {**FACTS, "kind": "text", "grid": ""})
    lengths = draw.integers(2, 9, len(ids))
    starts = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    local = draw.standard_normal(starts[-1] * DIM).astype(np.float16)
    columns = [
        pa.array(ids),
        fixed(draw.standard_normal((len(ids), DIM)).astype(np.float16)),
        pa.ListArray.from_arrays(pa.array(starts * np.int32(DIM)), pa.array(local)),
        pa.ListArray.from_arrays(pa.array(starts), pa.array(np.arange(starts[-1], dtype=np.int32))),
    ]
    write_parquet(pa.Table.from_arrays(columns, schema=schema), path, row_group_size=9)


@pytest.fixture
def files(tmp_path: Path) -> TrainingFiles:
    """Captions with two samples of images, each in three shards whose ids lie between each other."""
    ids = [f"c{row:03d}" for row in range(COUNT)]
    samples = []
    for sample in range(2):
        samples.append([str(tmp_path / f"{sample}-{shard}.parquet") for shard in range(3)])
        for shard, path in enumerate(samples[-1]):
            write_images(Path(path), ids[shard::3], 10 * sample + shard)
    write_texts(tmp_path / "captions.parquet", ids)
    labels = {"caption_id": ids, "positive": [[row % 3] for row in range(COUNT)], "unknown": [[]] * COUNT}
    schema = pa.schema(
        [("caption_id", pa.string()), ("positive", pa.list_(pa.int32())), ("unknown", pa.list_(pa.int32()))]
    )
    write_parquet(pa.table(labels, schema), tmp_path / "labelled.parquet")
    paths = {name: str(tmp_path / f"{name}.parquet") for name in ("labelled", "captions")}
    return TrainingFiles({**paths, "images": [path for shards in samples for path in shards]}, 3)


def batches(data: object) -> list[torch.Tensor]:
    sampler = Sampler(data, RowRequest(BOTH, image_sampling="one"), (1, 2), 8, False)
    found = [batch for epoch in range(2) for batch in sampler.epoch(epoch, torch.device("cpu"))]
    return [value for batch in found for branch in batch.values() for value in (branch.pooled, branch.local)]


@pytest.mark.parametrize("part", [cache.PART, 300])
def test_a_scratch_file_gives_the_same_batches_as_memory(
    files: TrainingFiles, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    plain = read_training_data(files, BOTH, 3)
    monkeypatch.setattr(cache, "PART", part)
    budget = MemoryBudget(memory=0)
    mapped = read_training_data(files, BOTH, 3, budget)
    assert mapped.mapped
    assert not plain.mapped
    text = int(mapped[CAPTIONS].features.local.numel()) + COUNT * DIM
    assert budget.mapped == 2 * (text + 2 * COUNT * DIM * (2 + CELLS))
    assert all(map(torch.equal, batches(plain), batches(mapped)))


@pytest.mark.parametrize("kind", [TRAIN, SHOTS])
def test_labelled_images_are_read_with_their_labels(tmp_path: Path, kind: str) -> None:
    ids = ["x", "y", "z"]
    labels = {"x": [1, 0], "y": [0, 1], "z": [1, 1]}
    write_images(tmp_path / "train.parquet", ids, 0)
    rows = pa.table({"image_id": ids[::-1], "labels": [labels[name] for name in ids[::-1]]})
    write_parquet(rows, tmp_path / "labels.parquet")
    paths = {"train": tmp_path / "train.parquet", "train_images": tmp_path / "labels.parquet"}
    read = read_training_data(TrainingFiles(paths), frozenset({kind}), 2)[TRAIN]
    assert tuple(read.images.ids) == tuple(ids)
    assert read.labels.tolist() == list(labels.values())


def test_only_the_fields_that_a_method_reads_are_read(files: TrainingFiles) -> None:
    few = dataclasses.replace(files, fields=("global_pos",))
    for sample in read_training_data(few, BOTH, 3)[SYNTHETIC].samples:
        for name in ("global_nopos", "local"):
            with pytest.raises(UserError, match=f"no {name}"):
                getattr(sample, name)
        assert sample.global_pos.shape == (COUNT, DIM)


def test_a_caption_without_features_is_named(files: TrainingFiles, tmp_path: Path) -> None:
    write_texts(tmp_path / "captions.parquet", [f"c{row:03d}" for row in range(1, COUNT)])
    with pytest.raises(UserError, match=r"^caption features: no row 'c000'; 1 of the 50 expected ids"):
        read_training_data(files, BOTH, 3)


def test_shards_that_lie_between_each_other_are_sorted_by_id(files: TrainingFiles) -> None:
    found = load_image_features(files.samples("images")[0], MemoryBudget(memory=0))
    assert list(found.ids) == sorted(found.ids)
    for shard, path in enumerate(files.samples("images")[0]):
        alone = load_image_features(path)
        assert torch.equal(found.local[shard::3], alone.local)
        assert torch.equal(found.global_pos[shard::3], alone.global_pos)
    assert torch.equal(load_global_features(files.samples("images")[0], "global_nopos"), found.global_nopos)


def test_texts_out_of_order_in_a_scratch_file(tmp_path: Path) -> None:
    ids = [f"t{row:02d}" for row in np.random.default_rng(1).permutation(30)]
    write_texts(tmp_path / "texts.parquet", ids)
    memory, mapped = (
        load_text_features(tmp_path / "texts.parquet", budget) for budget in (None, MemoryBudget(memory=0))
    )
    assert list(memory.ids) == sorted(ids)
    assert torch.equal(memory.local, mapped.local)
    assert torch.equal(memory.offsets, mapped.offsets)
    first = ids.index("t00")  # tokens count up through the file
    assert memory.tokens[0] == sum(np.random.default_rng(0).integers(2, 9, 30)[:first])


def test_room_shrinks_and_leaves_no_file(tmp_path: Path) -> None:
    budget = MemoryBudget(memory=1000, folder=str(tmp_path))
    small, large = budget.take((400,)), budget.take((2, 300))
    assert budget.memory == 200
    assert budget.mapped == 1200
    large.fill_(2)
    small.fill_(1)
    assert large.sum() == 1200
    assert list(tmp_path.iterdir()) == []
    assert budget.take((0, 5)).shape == (0, 5)


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such file or directory: 0.0 GB of features fit neither"):
        MemoryBudget(memory=0, folder=str(tmp_path / "nowhere")).take((4,))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "as a full disk says")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"no space left on device: .* larger mem_mb, or a TMPDIR with free space"):
        MemoryBudget(memory=0, folder=str(tmp_path)).take((4,))
    assert list(tmp_path.iterdir()) == []


def test_the_room_of_a_job_follows_its_memory_and_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MemoryBudget.of_job(4000).memory == MEMORY_SHARE * 4e9
    assert MemoryBudget.of_job(None) == MemoryBudget.of_job(None, torch.device("cpu")) == MemoryBudget()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 2000))
    budget = MemoryBudget.of_job(4000, torch.device("cuda"))
    assert budget.device_memory == DEVICE_SHARE * 1000
    # what does not fit on the device, and what is not read in every step, is not put there
    assert budget.take((501,), torch.uint8, in_steps=True).device.type == budget.take((4,)).device.type == "cpu"
    budget.device = torch.device("meta")  # stands for a GPU: a tensor there is none of memory
    assert budget.take((250,), in_steps=True).device.type == "meta"
    assert budget.device_memory == 0


def test_features_on_a_gpu_give_the_same_batches(files: TrainingFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended_gpu(monkeypatch):
        there = read_training_data(files, BOTH, 3, MemoryBudget.of_job(4000, torch.device("cuda")))
        assert there[SYNTHETIC].samples[0].local.is_cuda
        found = zip(batches(read_training_data(files, BOTH, 3)), batches(there), strict=True)
        assert all(torch.equal(a, b.cpu()) for a, b in found)


def test_batches_gathered_ahead_are_the_same_and_errors_pass(files: TrainingFiles) -> None:
    sampler = Sampler(read_training_data(files, BOTH, 3), RowRequest(frozenset({SYNTHETIC})), (1,), 8, False)
    plain, early = (list(how(sampler.epoch(0, torch.device("cpu")))) for how in (iter, ahead))
    assert len(plain) == len(early) == sampler.steps
    assert all(torch.equal(a[SYNTHETIC].local, b[SYNTHETIC].local) for a, b in zip(plain, early, strict=True))

    def torn() -> object:
        yield plain[0]
        raise UserError("torn")

    with pytest.raises(UserError, match="torn"):
        list(ahead(torn()))


@pytest.mark.slow
def test_training_is_the_same_with_batches_gathered_ahead() -> None:
    data, method = toy(), methods.get("t2i_pal")
    first, second = (
        fit(method, settings("t2i_pal"), clip(), NAMES, dataclasses.replace(data, mapped=mapped), (1, 2), device="cpu")[
            0
        ]
        for mapped in (False, True)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
