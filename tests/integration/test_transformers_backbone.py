"""CLIP and SigLIP of transformers: equal to the library, and to OpenAI's module of the same weights."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from feature_files import train_t2i_pal
from saved_models import SIGLIP_CONTEXT, save_clip, save_siglip
from tiny_clip import DIM, FACTS, SIDE, tiny_clip
from torch import Tensor

from t2ipal import backbones, methods
from t2ipal.backbones import load_backbone
from t2ipal.backbones.base import ImageTextEncoder
from t2ipal.backbones.transformers.encoder import _check_processor
from t2ipal.errors import UserError
from t2ipal.models.prompts import PromptEncoder

TEXTS = ["a dog", "two men and a potted plant.", "A photo of a car"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {"clip": save_clip(root / "clip"), "siglip": save_siglip(root / "siglip")}


@pytest.fixture(scope="module")
def clip(folders: dict[str, Path]) -> ImageTextEncoder:
    return load_backbone(f"transformers:{folders['clip']}")


@pytest.fixture(scope="module")
def siglip(folders: dict[str, Path]) -> ImageTextEncoder:
    return load_backbone(f"transformers:{folders['siglip']}")


def vector(output: object) -> Tensor:
    return getattr(output, "pooler_output", output)


def pictures(side: int) -> Tensor:
    return torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_global_features_are_the_librarys(family: str, request: pytest.FixtureRequest) -> None:
    backbone = request.getfixturevalue(family)
    ids, lengths = backbone.tokenize(TEXTS)
    with torch.no_grad():
        pooled, states = backbone.text_from_embeddings(backbone.embed(ids), lengths)
        torch.testing.assert_close(pooled, vector(backbone.model.get_text_features(ids)), atol=1e-5, rtol=1e-5)
        assert states.shape == (3, backbone.context, backbone.dim)
        images = pictures(backbone.image_size)
        wanted = F.normalize(vector(backbone.model.get_image_features(images)), dim=-1)
        first, second, local = backbone.image_dense(images)
        torch.testing.assert_close(first, wanted, atol=1e-5, rtol=1e-5)
        assert first is second
        assert local.shape == (3, (backbone.image_size // backbone.patch) ** 2, backbone.dim)
        # another size: positions are interpolated as the library does
        images = pictures(2 * backbone.image_size)
        wanted = F.normalize(vector(backbone.model.get_image_features(images, interpolate_pos_encoding=True)), dim=-1)
        torch.testing.assert_close(backbone.image_dense(images)[0], wanted, atol=1e-5, rtol=1e-5)


def test_scores_are_the_librarys(siglip: ImageTextEncoder) -> None:
    ids, lengths = siglip.tokenize(TEXTS)
    images = pictures(32)
    with torch.no_grad():
        wanted = siglip.model(input_ids=ids, pixel_values=images).logits_per_image
        cosines = siglip.image_dense(images)[0] @ siglip.text_dense(ids, lengths)[0].T
    torch.testing.assert_close(siglip.logit_scale * cosines + siglip.logit_bias, wanted, atol=1e-4, rtol=1e-4)
    assert siglip.link == "sigmoid"


def test_the_value_path_is_the_head_with_all_attention_on_one_patch(siglip: ImageTextEncoder) -> None:
    images = pictures(32)
    with torch.no_grad():
        patches = siglip.model.vision_model(images).last_hidden_state
        for cell in range(patches.shape[1]):
            alone = siglip.model.vision_model.head(patches[:, cell : cell + 1])
            torch.testing.assert_close(siglip.image_dense(images)[2][:, cell], F.normalize(alone, dim=-1))


def test_a_causal_text_is_cut_and_a_bidirectional_one_is_not(clip: ImageTextEncoder, siglip: ImageTextEncoder) -> None:
    ids, lengths = clip.tokenize(TEXTS)
    with torch.no_grad():
        whole = clip.text_dense(ids, lengths)[0]
        torch.testing.assert_close(clip.text_dense(clip.cut(ids, lengths), lengths)[0], whole, atol=1e-5, rtol=1e-5)
        ids, lengths = siglip.tokenize(TEXTS)
        assert torch.equal(siglip.cut(ids, lengths), ids)
        with pytest.raises(ValueError, match="this encoder is bidirectional"):
            siglip.text_dense(ids[:, :8], lengths)


def test_the_padding_matters_to_siglip_alone(
    clip: ImageTextEncoder, siglip: ImageTextEncoder, folders: dict[str, Path], tmp_path: Path
) -> None:
    for backbone, same in ((clip, True), (siglip, False)):
        ids, lengths = backbone.tokenize(TEXTS[:1])
        other = ids.clone()
        other[0, int(lengths[0]) :] = 5
        with torch.no_grad():
            vectors = [backbone.text_dense(rows, lengths)[0] for rows in (ids, other)]
        assert torch.allclose(*vectors, atol=1e-6) == same
    v1 = load_backbone(f"transformers:{save_siglip(tmp_path / 'v1', pad='</s>')}")
    ids, lengths = v1.tokenize(["a dog"])
    assert (v1.pad_id, v1.end_id, lengths.tolist()) == (1, 1, [3])
    assert ids[0, 2:].tolist() == [1] * (SIGLIP_CONTEXT - 2)


def test_it_is_openais_module_by_other_names(clip: ImageTextEncoder) -> None:
    openai = tiny_clip(vision="vit")
    assert [getattr(clip, name) for name in FACTS] == [getattr(openai, name) for name in FACTS]
    np.testing.assert_allclose([clip.mean, clip.std], [openai.mean, openai.std], atol=1e-6)
    assert clip.logit_scale == pytest.approx(openai.logit_scale)
    (ids, lengths), (theirs, their_lengths) = clip.tokenize(TEXTS), openai.tokenize(TEXTS)
    assert torch.equal(lengths, their_lengths)
    for row, length in enumerate(lengths.tolist()):
        assert torch.equal(ids[row, :length], theirs[row, :length])
    with torch.no_grad():
        found, wanted = clip.text_dense(ids, lengths), openai.text_dense(theirs, lengths)
        torch.testing.assert_close(found[0], wanted[0], atol=1e-5, rtol=1e-5)
        for mine, others in zip(clip.image_dense(pictures(SIDE)), openai.image_dense(pictures(SIDE)), strict=True):
            torch.testing.assert_close(mine, others, atol=1e-5, rtol=1e-5)


def test_prompts_are_learned_as_on_openais_module(clip: ImageTextEncoder) -> None:
    """Gradients through the packed encoder, whose weights come from either."""
    grads = []
    for backbone in (clip, tiny_clip(vision="vit")):
        encoder = PromptEncoder(backbone, ("dog", "potted plant"), 4)
        context = torch.randn(2, 4, 128, generator=torch.Generator().manual_seed(0)).requires_grad_()
        encoder(context)[..., 0].sum().backward()
        grads.append(context.grad)
    torch.testing.assert_close(*grads, atol=1e-5, rtol=1e-4)
    assert clip.can_share_prefix


def test_a_run_on_siglip_has_its_shapes(siglip: ImageTextEncoder, tmp_path: Path) -> None:
    scores = train_t2i_pal(siglip, tmp_path / "s", siglip.image_size)["test"]
    assert scores.shape == (2, 3, 3)
    assert scores.isfinite().all()


def test_prompts_of_siglip_are_whole_and_learn(siglip: ImageTextEncoder) -> None:
    encoder = PromptEncoder(siglip, ("dog", "potted plant"), 4)
    context = torch.randn(2, 4, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    embeddings = encoder(context)
    assert embeddings.shape == (2, 2, 32)
    embeddings[..., 0].sum().backward()
    assert (context.grad.abs().amax(-1) > 0).all()
    assert not siglip.can_share_prefix


def test_zero_shot_on_siglip_has_its_shapes(siglip: ImageTextEncoder) -> None:
    zsclip = methods.get("zsclip")
    model = zsclip(zsclip.Settings(), ("dog", "cat"))
    model.prepare(siglip, torch.device("cpu"))
    assert {name: tuple(value.shape) for name, value in model.finish({}).items()}["class_global"] == (1, 2, 32)


def test_what_is_known_without_loading(folders: dict[str, Path]) -> None:
    about = backbones.describe(f"transformers:{folders['clip']}")
    assert (about.dim, about.image_size, about.patch) == (DIM, SIDE, 16)
    assert backbones.describe(f"transformers:{folders['siglip']}").dim == 32
    assert backbones.patch_of(f"transformers:{folders['siglip']}") == 8
    assert backbones.describe("transformers:openai/clip-vit-base-patch16").patch == 16
    assert backbones.location("transformers:openai/clip-vit-base-patch16") is None
    assert backbones.check("clip.x.model", f"transformers:{folders['clip']}").missing is False


def test_operations_are_those_of_the_table() -> None:
    from t2ipal.backbones.openai.variants import GFLOPS
    from t2ipal.backbones.transformers.folder import describe

    b16 = {"model_type": "clip", "vision_config": {"patch_size": 16}}
    large = {"patch_size": 14, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24}
    assert describe(b16).gflops == pytest.approx(GFLOPS["ViT-B/16"], rel=0.05)
    found = describe({"model_type": "clip", "vision_config": large}).gflops
    assert found == pytest.approx(GFLOPS["ViT-L/14"], rel=0.05)


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def name_another(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "siglip2"}))


def take_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def take_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def take_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_config, r"config.json: not JSON"),
        (name_another, r"SigLIP 2 with images of any size"),
        (take_config, r"no config.json \(expected a folder that save_pretrained wrote\)"),
        (take_weights, r"no model.safetensors \(expected weights as safetensors; pickles are not read\)"),
        (take_tokenizer, r"cannot be loaded: "),
    ],
)
def test_a_damaged_folder_is_one_line(damage, message: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(folders["siglip"], folder)
    damage(folder)
    with pytest.raises(UserError, match=message) as error:
        load_backbone(f"transformers:{folder}")
    assert "\n" not in str(error.value)
    if damage is not take_tokenizer:
        assert backbones.check("clip.x.model", f"transformers:{folder}").missing


def test_another_model_in_its_place_is_told(folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r"sha256 \w{16}, expected 0{16}"):
        load_backbone(f"transformers:{folders['clip']}", sha256="0" * 64)


def test_a_tokenizer_without_end_marks_is_told(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "open"
    shutil.copytree(folders["siglip"], folder)
    table = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(table | {"post_processor": None}))
    with pytest.raises(UserError, match=r"its tokenizer makes \[\] of an empty text; expected the marks \[1\] alone"):
        load_backbone(f"transformers:{folder}")


def test_a_name_that_is_nowhere_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"nobody/nothing: not in the cache of the hub"):
        load_backbone("transformers:nobody/nothing")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"resample": 1}, r"resample is 1; expected 2 \(bilinear\) or 3 \(bicubic\)"),
        ({"do_normalize": False}, "do_normalize is false; expected true"),
        ({"do_rescale": False}, "do_rescale is false; expected true"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor is 0.0078.*; expected 1/255"),
        ({"image_mean": [0.5]}, r"image_mean is \[0\.5\]; expected 3 numbers"),
        ({"image_mean": [math.nan] * 3}, "image_mean is .*; expected 3 numbers"),
        ({"image_std": [0.5, 0.5, 0.0]}, "image_std is .*; expected 3 numbers above 0"),
        ({"image_std": None}, r"image_std is \[\]; expected 3 numbers above 0"),
    ],
)
def test_a_preprocessing_that_is_not_known_is_told(change: dict, line: str) -> None:
    """It would be another model's: features would be wrong without a word."""
    good = {"resample": 3, "rescale_factor": 1 / 255, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    _check_processor(SimpleNamespace(**good), "a")
    with pytest.raises(UserError, match=rf"^a: preprocessor_config\.json: {line}"):
        _check_processor(SimpleNamespace(**good | change), "a")
