"""A recogniser as one ONNX graph: the scores of PyTorch, in any batch, and without torch."""

from __future__ import annotations

import ast
import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from own_toy import CLIP, NAMES, write_photos, write_run
from tiny_clip import tiny_clip

from t2ipal import backbones
from t2ipal.cli import main
from t2ipal.errors import UserError
from t2ipal.export import onnx_graph
from t2ipal.prediction.predict import Recogniser
from t2ipal.prediction.recogniser import load_recogniser, write_recogniser
from t2ipal.store import write_tensors

onnxruntime = pytest.importorskip("onnxruntime")
EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/onnx_without_torch.py"
METHODS = ("zsclip", "clip_dpt", "t2i_pal", "comc")
"""A method with global features alone, two with local ones too, of several seeds, and one of another form."""


def recogniser(folder: Path, model: str, method: str = "t2i_pal", **clip: object) -> Path:
    run = write_run(folder / "run.safetensors", model, method=method)
    write_recogniser(folder / "m.safetensors", run, {"model": str(model), **CLIP, **clip}, {"threshold": 0.5}, "0")
    return folder / "m.safetensors"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A CLIP of each tower."""
    folder = tmp_path_factory.mktemp("clips")
    for vision in ("resnet", "vit"):
        write_tensors(folder / f"{vision}.safetensors", tiny_clip(vision=vision).model.state_dict())
    return {path.stem: path for path in folder.iterdir()}


@pytest.mark.parametrize(("vision", "method"), [("resnet", "t2i_pal"), *(("vit", method) for method in METHODS)])
def test_scores_are_those_of_pytorch(clips: dict[str, Path], vision: str, method: str, tmp_path: Path) -> None:
    loaded = load_recogniser(recogniser(tmp_path, clips[vision], method), device="cpu")
    assert onnx_graph.export_onnx(loaded, tmp_path / "m.onnx") < 2e-5
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["batch", 3, 64, 64]
    images = torch.randn(260, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    (found,) = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        wanted = onnx_graph._module(loaded)(images).numpy()
    assert np.abs(found - wanted).max() < 1e-4
    assert found.shape == (260, 3)
    assert found.std(0).min() > 0
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == list(NAMES)
    assert json.loads(about["header"])["threshold"] == 0.5
    assert str(tmp_path) not in str(about)


@pytest.mark.parametrize(("vision", "crop"), [("resnet", "center"), ("vit", "squash")])
def test_the_example_needs_no_torch(
    clips: dict[str, Path],
    vision: str,
    crop: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its labels and scores are those of `predict` up to the rounding of features to float16."""
    path = recogniser(tmp_path, clips[vision], crop=crop)
    photos = write_photos(tmp_path / "photos", 5)
    assert main(["export", "onnx", "--model", str(path), "--to", str(tmp_path / "m.onnx")]) == 0
    assert re.search(r"m\.onnx; its scores differ by at most \de-0[5-9] from PyTorch's", capsys.readouterr().out)
    monkeypatch.setattr(sys, "argv", ["example", str(tmp_path / "m.onnx"), *map(str, photos)])
    runpy.run_path(str(EXAMPLE))
    lines = capsys.readouterr().out.splitlines()
    for line, photo in zip(lines, Recogniser.load(path, device="cpu").predict(photos), strict=True):
        shown = {name: float(score) for name, score in re.findall(r" ([\w ]+) (-?\d+\.\d+)", line)}
        wanted = dict(zip(NAMES, photo.scores, strict=True))
        assert line.startswith(f"{photo.path}: ")
        assert shown.keys() == wanted.keys()
        assert max(abs(shown[name] - wanted[name]) for name in NAMES) < 3e-3
    text = EXAMPLE.read_text(encoding="utf-8")
    modules = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert modules == {"json", "sys", "numpy", "onnxruntime", "PIL"}
    code = [line for line in text.splitlines()[1:] if line.strip() and not re.match(r"(from|import) ", line)]
    assert len(code) <= 20


def test_what_cannot_be_exported_is_one_line(
    clips: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_recogniser(recogniser(tmp_path, clips["vit"], "zsclip"), device="cpu")
    kind = type(loaded.method)
    with monkeypatch.context() as patch:
        patch.setattr(kind, "scores", lambda self, tensors, images, chunk=1: images.global_pos.logcumsumexp(1)[None])
        with pytest.raises(UserError, match=r"export onnx: method zsclip: .*logcumsumexp.*\(expected operators"):
            onnx_graph.export_onnx(loaded, tmp_path / "m.onnx")
        fixed = torch.zeros(1, onnx_graph.TRACED, 3)
        patch.setattr(kind, "scores", lambda self, tensors, images, chunk=1: images.global_pos[None, :, :3] + fixed)
        with pytest.raises((UserError, RuntimeError), match=r"m\.onnx|size"):
            onnx_graph.export_onnx(loaded, tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"expected the extra onnx: pip install 't2ipal\[onnx\]'"):
        onnx_graph.export_onnx(loaded, tmp_path / "m.onnx")
    assert not list(tmp_path.glob("*.onnx"))


def test_a_file_of_open_clip_keeps_its_architecture() -> None:
    assert backbones.named("open_clip", "/a/w.pt", "open_clip:ViT-B-16/old/w.pt") == "open_clip:ViT-B-16//a/w.pt"
    assert backbones.named("transformers", "/a/b", "transformers:old") == "transformers:/a/b"
    assert backbones.named("openai", "/a/b.pt", "old.pt") == "/a/b.pt"
