"""A recogniser as one ONNX graph: the scores of PyTorch, in any batch, and without torch."""

from __future__ import annotations

import ast
import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_toy import CLIP, MEASURED, NAMES, write_photos, write_run
from PIL import Image
from tiny_clip import tiny_clip

from t2ipal import backbones
from t2ipal.cli import main
from t2ipal.errors import UserError
from t2ipal.export import onnx_decisions, onnx_graph
from t2ipal.features.cache import ImageFeatures
from t2ipal.prediction.calibrate import mean_scores
from t2ipal.prediction.predict import Recogniser
from t2ipal.prediction.recogniser import load_recogniser, write_recogniser
from t2ipal.store import write_tensors

onnxruntime = pytest.importorskip("onnxruntime")
EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/onnx_without_torch.py"
METHODS = ("zsclip", "clip_dpt", "t2i_pal", "comc")
"""A method with global features alone, two with local ones too, of several seeds, and one of another form."""


def recogniser(
    folder: Path, model: str, method: str = "t2i_pal", measured: dict[str, Any] | None = None, **clip: object
) -> Path:
    run = write_run(folder / "run.safetensors", model, method=method)
    measured, rule = dict(measured or {"threshold": 0.5}), clip.pop("rule", None)
    write_recogniser(folder / "m.safetensors", run, {"model": str(model), **CLIP, **clip}, measured, "0", rule)
    return folder / "m.safetensors"


def calibrated(path: Path, photos: list[Path]) -> dict[str, Any]:
    """Measured so that each class is there in some of the photos: two by thresholds of their own, one by the shared."""
    scores = np.stack([photo.scores for photo in Recogniser.load(path, device="cpu").predict(photos)])
    middle, spread = np.sort(scores, 0)[2:4].mean(0, dtype=np.float64), scores.std(0, dtype=np.float64)
    fit = MEASURED["calibration"] | {"a": (1 / spread).tolist(), "b": (-middle / spread).tolist(), "threshold": 0.5}
    return {**MEASURED, "thresholds": [middle[0], None, middle[2]], "calibration": fit}


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
    found, labels = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        wanted = onnx_graph._module(loaded)(images)[0].numpy()
    assert np.abs(found - wanted).max() < 1e-4
    assert found.shape == (260, 3)
    assert found.std(0).min() > 0
    assert (labels == (found >= 0.5)).all()
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == list(NAMES)
    assert json.loads(about["header"])["threshold"] == 0.5
    assert json.loads(about["header"])["clip"]["name"] == f"{vision}.safetensors"  # nobody's folders
    assert not {str(tmp_path), str(clips[vision].parent)} & set(re.findall(r"/[^\s\"']+(?=/)", str(about)))


@pytest.mark.parametrize(("vision", "crop", "has"), [("resnet", "center", False), ("vit", "squash", True)])
def test_the_example_needs_no_torch(
    clips: dict[str, Path],
    vision: str,
    crop: str,
    has: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its labels, probabilities and scores are those of `predict`, numbers up to the rounding of features."""
    photos = write_photos(tmp_path / "photos", 6)
    Image.open(photos[1]).convert("RGBA").save(photos[1])
    clear = Image.open(photos[5]).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    clear.save(photos[5])
    path = recogniser(tmp_path, clips[vision], crop=crop)
    if has:
        path = recogniser(tmp_path, clips[vision], measured=calibrated(path, photos), crop=crop)
    assert main(["export", "onnx", "--model", str(path), "--to", str(tmp_path / "m.onnx")]) == 0
    outputs = "scores, probabilities, labels" if has else "scores, labels"
    told = rf"m\.onnx \({outputs}\); its scores differ by at most \de-0[5-9] from PyTorch's"
    assert re.search(told, capsys.readouterr().out)
    monkeypatch.setattr(sys, "argv", ["example", str(tmp_path / "m.onnx"), *map(str, photos)])
    runpy.run_path(str(EXAMPLE))
    lines = capsys.readouterr().out.splitlines()
    numbers = re.compile(r" -?\d+\.\d+")
    counted = set()
    for line, photo in zip(lines, Recogniser.load(path, device="cpu").predict(photos), strict=True):
        theirs, ours = line.partition("; "), photo.line().partition("; ")
        assert theirs[2] == ours[2]
        counted.add(theirs[2])
        shown = {name: float(score) for name, score in re.findall(r" ([a-z ]+) (-?\d+\.\d+)", theirs[0])}
        wanted = dict(zip(NAMES, photo.values, strict=True))
        assert shown.keys() == wanted.keys()
        assert max(abs(shown[name] - wanted[name]) for name in NAMES) < (0.02 if has else 3e-3)
        assert numbers.sub("", theirs[0]) == numbers.sub("", ours[0]) or not has
    assert len(counted) > 2 or not has
    Image.new("I;16", (9, 9)).save(tmp_path / "deep.png")
    monkeypatch.setattr(sys, "argv", ["example", str(tmp_path / "m.onnx"), str(tmp_path / "deep.png")])
    with pytest.raises(SystemExit, match=r"deep\.png: mode I;16; expected 8 bits"):
        runpy.run_path(str(EXAMPLE))
    text = EXAMPLE.read_text(encoding="utf-8")
    modules = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert modules == {"json", "sys", "numpy", "onnxruntime", "PIL"}
    code = [line for line in text.splitlines()[1:] if line.strip() and not re.match(r"(from|import) ", line)]
    assert len(code) <= 26


@pytest.mark.parametrize(("kind", "k"), [("own", None), ("mean", None), ("softmax", [3.0, 40.0])])
@pytest.mark.parametrize("classes", [1, 4])
def test_score_rules_are_those_of_predict(kind: str, k: list[float] | None, classes: int) -> None:
    values, rule = torch.randn(2, 6, classes, generator=torch.Generator().manual_seed(1)), {"kind": kind, "k": k}
    found = onnx_decisions.ruled(values, rule).mean(0).numpy()
    assert found == pytest.approx(mean_scores(values.numpy(), rule), abs=1e-6)


def test_a_score_rule_is_in_the_graph(clips: dict[str, Path], tmp_path: Path) -> None:
    rule = {"kind": "softmax", "k": [3.0], "classes": list(NAMES)}
    loaded = load_recogniser(recogniser(tmp_path, clips["vit"], "zsclip", rule=rule), device="cpu")
    onnx_graph.export_onnx(loaded, tmp_path / "m.onnx")
    images = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        features = ImageFeatures(tuple("abcde"), *loaded.backbone.image_dense(images), loaded.backbone.grid(64), "", "")
        values = loaded.method.scores(loaded.tensors, features).numpy()
    found = session.run(["scores"], {"images": images.numpy()})[0]
    assert np.abs(found - mean_scores(values, rule)).max() < 1e-4
    assert np.abs(found - mean_scores(values)).max() > 1e-3


def test_thresholds_are_exact_in_float32() -> None:
    """A score next to a threshold falls on the same side as in float64, for thresholds between two scores too."""
    scores = np.float32(0.3) + np.spacing(np.float32(0.3)) * np.arange(-3, 4, dtype=np.float32)
    thresholds = [*scores.astype(np.float64), *(scores[:-1] / 2 + scores[1:].astype(np.float64) / 2), 0.3, -0.1]
    for threshold in thresholds:
        header = {"calibration": None, "threshold": threshold}
        (found,) = onnx_decisions.decided(torch.tensor(scores)[:, None], header)
        assert (found.numpy()[:, 0] == (scores >= threshold)).all()


def test_no_other_file_is_overwritten(clips: dict[str, Path], tmp_path: Path) -> None:
    path = recogniser(tmp_path, clips["vit"], "zsclip")
    before = path.read_bytes()
    assert main(["export", "onnx", "--model", str(path), "--to", str(path)]) == 1
    assert path.read_bytes() == before
    (tmp_path / "notes.onnx").write_text("mine")
    with pytest.raises(UserError, match=r"notes\.onnx: no graph of this project, and would be overwritten"):
        onnx_graph.check_target(tmp_path / "notes.onnx")
    for place in (tmp_path, Path("/dev/null")):
        with pytest.raises(UserError, match=r"not a file \(expected one"):
            onnx_graph.check_target(place)
    onnx_graph.check_target(tmp_path / "new/m.onnx")


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
