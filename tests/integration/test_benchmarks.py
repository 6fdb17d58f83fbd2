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
from warm import python_command

from t2ipal.classes import load_classes
from t2ipal.store import write_tensors

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = {
    "bootstrap": "--images 50 --classes 3 --replicates 5",
    "check_gpu": "--tiny --out gpu.md --folder .",
    "clip_features": "--model clip.safetensors --side 40 --stored 32 --image-size 32 --images 3 --batch 2 --threads 1",
    "generation": "--model pipeline --images 2 --steps 1 --batch 2",
    "growth": "--captions 100 --times 1 --plot growth.png",
    "intervals": "--repeats 1 --images 100",
    "nltk_nouns": "--captions 30 --wordnet wordnet",
    "noun_filter": "captions.jsonl --terms 1 --timed 4 --long long.jsonl",
    "performance": "--tiny --out performance.md",
    "streaming": "--captions 200 --times 1 --wide --extract 1 --ways scratch --steps 2 --folder .",
    "training_step": "--width 64 --layers 1 --classes voc2007 --rounds 1 --repeats 1 --threads 1",
}
ROWS = {
    "bootstrap": "50 3 5",
    "check_gpu": "micro Table 1, t2i_pal: difference on the GPU",
    "clip_features": "jpeg 32",
    "generation": "ours, as the default: 6 steps, auto",
    "growth": "100 ",
    "intervals": "| 100 | mAP |",
    "nltk_nouns": "NLTK",
    "noun_filter": "loaded in",
    "performance": "mAP | torchmetrics in a loop",
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
    (path / "wordnet").mkdir()
    for kind, words in {"noun": ("dog", "bus"), "verb": ("run",), "adj": (), "adv": ()}.items():
        lines = (f"{word} {kind[0]} 1 0 1 0 {row:08d}\n" for row, word in enumerate(words))
        (path / f"wordnet/index.{kind}").write_text("".join(lines))
        for name in (f"data.{kind}", f"{kind}.exc", "cntlist.rev"):
            (path / "wordnet" / name).touch()
    (path / "long.jsonl").write_text(json.dumps({"text": "In this image there is a dog. " * 9}) + "\n")
    return path


@pytest.fixture
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in the folder; afterwards, environment, threads and random numbers are as before."""
    monkeypatch.chdir(folder)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # as the scripts do; undone afterwards
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    python = folder / "python"  # the processes that a script starts are forks
    python.write_text(f'#!/bin/sh\nexec {python_command()} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
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


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_check_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ROOT / "benchmarks/check_gpu.py"
    monkeypatch.setattr(sys, "argv", [str(path)])
    with pytest.raises(SystemExit, match="1"):
        runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().err == "error: no GPU that torch can use; expected one with 24 GB of memory or more\n"


def test_nltk_labels_by_the_original_rule(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import nltk_nouns

    texts = ["Two dogs, and buses.", "A hot dog runs.", "A teddy bear with a dog"]
    with nltk_nouns.loop(load_classes("coco"), texts, folder / "wordnet") as label:
        names = [{load_classes("coco").names[at] for at in found} for found in label(texts)]
    assert names == [{"dog", "bus"}, {"hot dog"}, {"teddy bear", "dog"}]
    with pytest.raises(LookupError, match="no files of WordNet"), nltk_nouns.loop(load_classes("coco"), texts, folder):
        pass


def test_a_broken_promise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import check_gpu
    import performance

    assert [check_gpu.Finding("x", value, "", least=1, most=2).kept for value in (0.9, 1, 2, 2.1)] == [
        False, True, True, False
    ]  # fmt: skip
    assert check_gpu.Finding("x", 3, "GB", most=2).cells() == ["x", "3 GB", "<= 2", "broken"]
    slow = performance.Comparison("a", "b", "c", [2.0, 6.0, 2.0], [1.0, 2.0, 2.0], "same", 3, [1.0, 0.5, 0.5])
    assert (slow.ratio, slow.kept) == (2, False)
    line = "| a | b | c | 2e+03 | 2e+03 | 2x | 1 to 3 | 4x | 3x | same |"
    assert performance.page([slow], 1, 60).count(line) == 1
    assert not performance.Comparison("a", "b", "c", [2.0], [1.0], "features to 1", right=False).kept
