"""A shard drawn by several processes is the file that one would have drawn."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tiny_pipeline
import torch
from hypothesis import given
from hypothesis import strategies as st

from t2ipal.errors import UserError
from t2ipal.images.generate import generate_shard
from t2ipal.images.pipeline import load_pipeline
from t2ipal.images.settings import GenerationSettings
from t2ipal.images.several import generate_on_several, share
from t2ipal.store import content_hash, sha256_file

CAPTIONS = [(f"c{index:03d}", text) for index, text in enumerate(["a red bus", "two dogs", "a cat on a sofa"] * 4)][:11]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> GenerationSettings:
    model = tiny_pipeline.build(tmp_path_factory.mktemp("zoo") / "tiny")
    return GenerationSettings(model=str(model), steps=2, guidance=3.0, solver="dpm++", dtype="float32", batch=3)


@given(st.integers(0, 60), st.integers(1, 9), st.integers(1, 5))
def test_shares_are_whole_batches_in_order(count: int, batch: int, processes: int) -> None:
    captions = [(f"{row:03d}", "x") for row in range(count)]
    shares = [share(captions[::-1], batch, rank, processes) for rank in range(processes)]
    assert [row for part in shares for row in part] == captions
    sizes = [-(-len(part) // batch) for part in shares]
    assert max(sizes) - min(sizes) <= 1
    filled = [part for part in shares if part]
    assert all(len(part) % batch == 0 for part in filled[:-1])


def test_two_processes_write_the_file_of_one(settings: GenerationSettings, tmp_path: Path, forks: None) -> None:
    captions, seen = CAPTIONS, []
    one = generate_shard(load_pipeline(settings, "cpu"), captions, tmp_path / "one.parquet", sample=1, seed=5)
    two = generate_on_several(
        settings, captions[::-1], tmp_path / "two.parquet", processes=2, sample=1, seed=5, cpu=True,
        on_progress=lambda *done: seen.append(done),
    )  # fmt: skip
    assert one == two
    assert content_hash(tmp_path / "one.parquet") == content_hash(tmp_path / "two.parquet")
    assert sha256_file(tmp_path / "one.parquet") == sha256_file(tmp_path / "two.parquet")
    assert seen[-1] == (11, 11)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.parquet", "two.parquet"]


def test_a_mistake_in_a_process_is_one_line_and_leaves_nothing(
    settings: GenerationSettings, tmp_path: Path, forks: None
) -> None:
    wrong = settings.model_copy(update={"solver": "no such solver"})
    with pytest.raises(UserError, match=r"text_to_image.solver: 'no such solver'"):
        generate_on_several(wrong, CAPTIONS, tmp_path / "a.parquet", processes=2, sample=0, seed=0, cpu=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two GPUs here: processes share the CPU above")
def test_two_gpus_write_the_file_of_one(settings: GenerationSettings, tmp_path: Path) -> None:
    generate_shard(load_pipeline(settings, "cuda"), CAPTIONS, tmp_path / "one.parquet", sample=0, seed=0)
    generate_on_several(settings, CAPTIONS, tmp_path / "two.parquet", processes=2, sample=0, seed=0)
    one, two = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("one", "two"))
    assert one.equals(two)
