"""CLIP of open_clip: equal to the library, and to OpenAI's module of the same weights."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from feature_files import NAMES, train_t2i_pal
from saved_models import save_clip
from tiny_clip import DIM, FACTS, SIDE, WIDTH, tiny_clip
from torch import Tensor

from t2ipal import backbones
from t2ipal.backbones import load_backbone
from t2ipal.backbones.open_clip import architectures
from t2ipal.errors import UserError
from t2ipal.metrics.evaluate import mean_average_precision
from t2ipal.models.prompts import PromptEncoder
from t2ipal.store import write_tensors

open_clip = pytest.importorskip("open_clip")
TEXTS = ["a dog", "two men and a potted plant.", "A photo of a car"]
VISION = {
    "vit": {"image_size": SIDE, "layers": 2, "width": WIDTH, "head_width": 64, "patch_size": 16},
    "resnet": {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 8, "head_width": 64},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """OpenAI's small CLIPs as files, and open_clip's architectures for them."""
    folder = tmp_path_factory.mktemp("open_clip")
    text = {"context_length": 77, "vocab_size": 49408, "width": WIDTH, "heads": 2, "layers": 3}
    for vision, sizes in VISION.items():
        for name, quick in ((f"tiny-{vision}-quickgelu", True), (f"tiny-{vision}", False)):
            config = {"embed_dim": DIM, "quick_gelu": quick, "vision_cfg": sizes, "text_cfg": text}
            (folder / f"{name}.json").write_text(json.dumps(config))
        write_tensors(folder / f"{vision}.safetensors", tiny_clip(vision=vision).model.state_dict())
    open_clip.add_model_config(folder)
    return {vision: f"open_clip:tiny-{vision}-quickgelu/{folder}/{vision}.safetensors" for vision in VISION}


def pictures(side: int) -> Tensor:
    return torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("vision", VISION)
def test_it_is_the_library_and_openais_module(vision: str, models: dict[str, str]) -> None:
    backbone, openai = load_backbone(models[vision]), tiny_clip(vision=vision)
    for name in (*FACTS, "mean", "std"):
        assert getattr(backbone, name) == getattr(openai, name), name
    ids, lengths = backbone.tokenize(TEXTS)
    with torch.no_grad():
        pooled, _ = backbone.text_from_embeddings(backbone.embed(ids), lengths)
        torch.testing.assert_close(pooled, backbone.model.encode_text(ids), atol=1e-5, rtol=1e-5)
        wanted = openai.text_dense(ids, lengths)
        cut = backbone.cut(ids, lengths)
        for part, size in ((ids, 77), (cut, int(lengths.max()))):
            found = backbone.text_dense(part, lengths)
            torch.testing.assert_close(found[0], wanted[0], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(found[1][:, :size], wanted[1][:, :size], atol=1e-5, rtol=1e-5)
        image = F.normalize(backbone.model.encode_image(pictures(SIDE)), dim=-1)
        torch.testing.assert_close(backbone.image_dense(pictures(SIDE))[0], image, atol=1e-5, rtol=1e-5)
        for side in (SIDE, 96):
            for mine, theirs in zip(
                backbone.image_dense(pictures(side)), openai.image_dense(pictures(side)), strict=True
            ):
                torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


def test_another_activation_gives_other_features_and_packs_as_well(models: dict[str, str]) -> None:
    quick = load_backbone(models["vit"])
    exact = load_backbone(models["vit"].replace("-quickgelu", ""))
    contexts = torch.randn(2, 4, WIDTH, generator=torch.Generator().manual_seed(0))
    embeddings = []
    for backbone in (quick, exact):
        assert backbone.can_share_prefix
        ids, lengths = backbone.tokenize(TEXTS)
        embeddings.append(backbone.text_dense(ids, lengths)[0])
        packed = PromptEncoder(backbone, NAMES, 4)(contexts)
        whole = [PromptEncoder(backbone, [name], 4)(contexts) for name in NAMES]
        torch.testing.assert_close(packed, torch.cat(whole, -2), atol=1e-5, rtol=1e-4)
    assert (embeddings[0] - embeddings[1]).abs().max() > 1e-3


def test_a_run_is_the_same_on_each_module(models: dict[str, str], tmp_path: Path) -> None:
    """One CLIP in OpenAI's file, in open_clip and in transformers: prompts learned on each, up to the mAP."""
    file = models["vit"].partition("/")[2]
    kinds = {"openai": file, "open_clip": models["vit"]}
    kinds["transformers"] = f"transformers:{save_clip(tmp_path / 'saved', tiny_clip(vision='vit').model.state_dict())}"
    truth = torch.eye(3, dtype=torch.int64).repeat(4, 1).numpy()
    scores, values = {}, {}
    for kind, model in kinds.items():
        scores[kind] = train_t2i_pal(load_backbone(model), tmp_path / kind, SIDE)
        values[kind] = [mean_average_precision(of_seed, truth) for of_seed in scores[kind]["drawn"].numpy()]
    for kind in ("open_clip", "transformers"):
        for part in ("drawn", "test"):  # features are stored in half precision
            torch.testing.assert_close(scores[kind][part], scores["openai"][part], atol=2e-3, rtol=2e-3)
        assert values[kind] == pytest.approx(values["openai"], abs=1e-4)
    assert all(40 < value < 100 for value in values["openai"])


def test_sizes_of_real_architectures_without_loading() -> None:
    about = backbones.describe("open_clip:ViT-L-14-336-quickgelu/openai")
    assert (about.dim, about.image_size, about.patch) == (768, 336, 14)
    assert backbones.describe("open_clip:RN101-quickgelu/openai").gflops == pytest.approx(19.0)
    assert backbones.describe("open_clip:ViT-B-16/laion2b_s34b_b88k").gflops == pytest.approx(35.1, rel=0.05)
    assert backbones.patch_of("open_clip:ViT-B-16/laion2b_s34b_b88k") == 16
    assert backbones.location("open_clip:ViT-B-16/laion2b_s34b_b88k") is None


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("ViT-B-16", r"expected ARCHITECTURE/WEIGHTS, such as ViT-B-16-quickgelu/openai"),
        ("ViT-B-61/openai", r"open_clip has no architecture 'ViT-B-61' \(expected one of its own, such as ViT-B-16"),
        ("ViT-B-16-SigLIP/webli", r"SigLIP of open_clip; expected the same weights as transformers:"),
        ("coca_ViT-B-32/laion2b_s13b_b90k", r"an architecture with "),
        ("roberta-ViT-B-32/laion2b_s12b_b32k", r"an architecture with text_cfg.hf_model_name"),
        ("ViT-B-16/openai", r"weights of another activation \(expected ViT-B-16-quickgelu/openai\)"),
        ("ViT-B-16-quickgelu/laion2b", r"no weights 'laion2b' \(expected one of .*or a file\)"),
        ("ViT-B-16/none.pt", r"none.pt: no such"),
    ],
)
def test_a_mistake_is_one_line(model: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        load_backbone(f"open_clip:{model}")
    assert "\n" not in str(error.value)


def test_weights_of_another_architecture_are_told(models: dict[str, str]) -> None:
    with pytest.raises(
        UserError, match=r"vit.safetensors: no tensor 'visual.layer1|of shape .*, expected .* of tiny-resnet"
    ):
        load_backbone(models["vit"].replace("tiny-vit", "tiny-resnet"))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "open_clip" else found(name))
    with pytest.raises(UserError, match=r"expected the extra open_clip: pip install 't2ipal\[open_clip\]'"):
        architectures.read("ViT-B-16")
    assert backbones.check("clip.x.model", "open_clip:ViT-B-16/openai").missing
