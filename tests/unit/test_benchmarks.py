"""Every benchmark script starts and prints its table, on sizes that take seconds."""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_clip import tiny_clip
from tiny_pipeline import build

from t2ipal.store import write_tensors

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = {
    "bootstrap": "--images 50 --classes 3 --replicates 5",
    "clip_features": "--model clip.safetensors --side 40 --stored 32 --image-size 32 --images 3 --batch 2 --threads 1",
    "generation": "--model pipeline --images 2 --steps 1 --batch 2",
    "growth": "--captions 100 --times 1 --plot growth.png",
    "intervals": "--repeats 1 --images 100",
    "noun_filter": "captions.jsonl --terms 1 --timed 4 --long long.jsonl",
    "streaming": "--captions 200 --times 1 --wide --extract 1 --ways scratch --steps 2 --folder .",
    "training_step": "--width 64 --layers 1 --classes voc2007 --rounds 1 --repeats 1 --threads 1",
}
ROWS = {
    "bootstrap": "50 3 5",
    "clip_features": "jpeg 32",
    "generation": "ours, as the default: 8 steps, auto",
    "growth": "100 ",
    "intervals": "| 100 | mAP |",
    "noun_filter": "loaded in",
    "streaming": "extraction 1,200",
    "training_step": "20 ",
}
"""How a row of each table begins, blanks counted once."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the scripts read: a CLIP and a pipeline of random weights, captions with labels."""
    path = tmp_path_factory.mktemp("benchmarks")
    write_tensors(path / "clip.safetensors", tiny_clip().model.state_dict())
    build(path / "pipeline")
    texts = ("A dog beside a bus.", "Two cats", "A man on a horse.", "a hot dog on a plate")
    rows = [{"image_id": str(row), "caption": text, "labels": ["dog", "bus"]} for row, text in enumerate(texts)]
    (path / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (path / "long.jsonl").write_text(json.dumps({"text": "In this image there is a dog. " * 9}) + "\n")
    return path


@pytest.fixture
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in the folder; afterwards, environment, threads and random numbers are as before."""
    monkeypatch.chdir(folder)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # as the scripts do; undone afterwards
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("script", sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py")))
def test_the_script_prints_its_table(
    script: str, place: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ROOT / f"benchmarks/{script}.py"
    monkeypatch.setattr(sys, "argv", [str(path), *ARGUMENTS[script].split()])
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    assert any(" ".join(line.split()).startswith(ROWS[script]) for line in printed.splitlines()), printed
