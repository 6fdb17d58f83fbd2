"""A rehearsal on random weights in the files of the real models: an archive of RN50, from photographs to a score."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from training_toy import with_images

from t2ipal import methods
from t2ipal.backbones import load_backbone
from t2ipal.backbones.openai.archive import write_archive
from t2ipal.backbones.openai.variants import VARIANTS, Sizes
from t2ipal.features.cache import load_image_features, load_text_features
from t2ipal.features.extract import extract_images, extract_texts
from t2ipal.methods.model_files import write_model
from t2ipal.metrics import measure
from t2ipal.rehearsal import stable_diffusion as sd
from t2ipal.rehearsal.overlay import make_overlay, write_overlay
from t2ipal.rows.captions import CaptionRows
from t2ipal.rows.data import TrainingData
from t2ipal.store import write_parquet
from t2ipal.training.train import fit

CLASSES = ("cat", "dog", "horse")


def photographs(path: Path, ids: list[str], column: str) -> Path:
    """A parquet of small drawn pictures, each of its own colour and stripes."""
    rows = []
    for number, identity in enumerate(ids):
        pixels = np.zeros((240, 320, 3), np.uint8)
        pixels[:, :, number % 3] = 200
        pixels[:: 4 + number] = 255
        file = path.parent / f"{identity}.png"
        Image.fromarray(pixels).save(file)
        rows.append({column: identity, "image": {"bytes": file.read_bytes(), "path": None}})
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    write_parquet(pa.Table.from_pylist(rows, pa.schema([(column, pa.string()), ("image", image)])), path)
    return path


def test_rn50_from_the_archive_to_a_score(tmp_path: Path) -> None:
    """RN50 at its real size and 224 pixels: archive, features of images and captions, training, scores, mAP."""
    archive = write_archive(tmp_path / "random-RN50.pt", VARIANTS["RN50"])
    # the published archive of RN50 has 244 MiB
    assert round(archive.stat().st_size / 2**20) == 244
    clip = load_backbone(archive)
    assert (clip.variant, clip.dim, clip.image_size) == ("RN50", 1024, 224)
    captions = [("a", "a cat on a chair"), ("b", "two dogs"), ("c", "a horse and a dog"), ("d", "a cat")]
    labels = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0]], dtype=torch.int8)
    drawn = photographs(tmp_path / "drawn.parquet", [key for key, _ in captions], "caption_id")
    tests = photographs(tmp_path / "test.parquet", ["x", "y", "z"], "image_id")
    for source in (drawn, tests):
        extract_images(source, tmp_path / f"features-{source.name}", clip, image_size=224, batch=4)
    extract_texts(captions, tmp_path / "texts.parquet", clip)
    images = load_image_features(tmp_path / "features-drawn.parquet")
    assert (images.grid, tuple(images.local.shape)) == ((7, 7), (4, 49, 1024))
    texts = load_text_features(tmp_path / "texts.parquet")
    data = TrainingData().with_rows(CaptionRows.of([key for key, _ in captions], labels, texts))
    data = with_images(data, [images])
    kind = methods.get("t2i_pal")
    settings = kind.Settings(epochs=2, batch=2, templates=0)
    learned, history = fit(kind, settings, clip, CLASSES, data, (1, 2), device="cpu")
    assert len(history) == 2 * 2
    assert all(np.isfinite(row["loss"]) for row in history)
    about = {"seeds": [1, 2], "levels": [0], "classes": list(CLASSES), "clip": clip.name, "clip_sha256": clip.sha256}
    write_model(tmp_path / "model.safetensors", learned, "t2i_pal", settings.model_dump(), **about)
    features = {"test": load_image_features(tmp_path / "features-test.parquet")}
    scores, _ = measure.score(tmp_path / "model.safetensors", features)
    truth = {"test": np.eye(3, dtype=np.int8)}
    found = measure.measure(scores, truth, CLASSES, 100, 0)
    assert [row["seed"] for row in found] == [1, 2]
    assert all(0 < row["mAP"] <= 100 for row in found)


@pytest.mark.parametrize(("part", "count"), [("unet", 859_520_964), ("vae", 83_653_863), ("text_encoder", 123_060_480)])
def test_the_pipeline_has_the_parameters_of_stable_diffusion_15(part: str, count: int) -> None:
    with torch.device("meta"):
        assert sum(value.numel() for value in getattr(sd, part)().parameters()) == count


def test_the_tokenizer_is_clips(tmp_path: Path) -> None:
    from t2ipal.backbones.openai.tokens import tokenize

    found = sd.tokenizer(tmp_path / "tokenizer")
    texts = ["a photo of a dog.", "Two cats, it's 3 o'clock!", "potted plants", "word " * 100]
    ids = torch.tensor(found(texts, padding="max_length", truncation=True)["input_ids"])
    for row, other, length in zip(ids, *tokenize(texts), strict=True):
        assert torch.equal(row[:length], other[:length])
        assert set(row[length:].tolist()) <= {49_407}  # Stable Diffusion pads with the end mark


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_an_archive_is_torchscript_in_half_precision(tmp_path: Path) -> None:
    sizes = Sizes(24, 64, (1, 1, 1, 1), 8, 0, 4, 128, 2, 1)
    path = write_archive(tmp_path / "random.pt", sizes, seed=3)
    assert any("/code/" in name for name in zipfile.ZipFile(path).namelist())
    state = torch.jit.load(path).state_dict()
    assert state["visual.conv1.weight"].dtype == state["text_projection"].dtype == torch.float16
    assert [int(state[name]) for name in ("input_resolution", "context_length", "vocab_size")] == [64, 77, 49_408]
    one, same, other = (load_backbone(write_archive(tmp_path / f"{k}.pt", sizes, seed=k)) for k in (3, 3, 4))
    assert torch.equal(one.model.text_projection, same.model.text_projection)
    assert not torch.equal(one.model.text_projection, other.model.text_projection)


def test_the_overlay_is_a_config(tmp_path: Path) -> None:
    import yaml
    from configs import default, merged

    from t2ipal.config import load_config
    from t2ipal.plan.make import make_plan

    names = [tmp_path / name for name in ("random-RN101.pt", "sd", "coco", "captions.txt", "classes.txt")]
    names[-1].write_text("cat\ndog\n")
    write_overlay(tmp_path / "rehearsal.yaml", make_overlay(*names, steps=2))
    text = (tmp_path / "rehearsal.yaml").read_text()
    config = load_config(merged(default(), yaml.safe_load(text)))
    plan = make_plan(config)
    assert {key[1:] for key in plan.runs} == {(name, "base") for name in ("zsclip", "tai_dpt", "t2i_pal")}
    t2i = config.text_to_image["sd15"]
    assert (t2i.width, t2i.height, t2i.steps, t2i.guidance, t2i.encoding) == (512, 512, 2, 7.5, "webp")
    assert json.dumps(config.clip["rn101"].model_dump()["image_size"]) == "224"
