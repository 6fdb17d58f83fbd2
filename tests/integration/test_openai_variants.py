"""OpenAI's models told apart by their sizes, without a byte of their weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from clip.model import CLIP
from tiny_clip import tiny_clip

from t2ipal.backbones import load_backbone
from t2ipal.backbones.base import check_size
from t2ipal.backbones.openai import variants
from t2ipal.backbones.openai.encoder import OpenAIEncoder
from t2ipal.backbones.openai.loading import build
from t2ipal.backbones.openai.variants import GFLOPS, SHA256, VARIANTS, Sizes
from t2ipal.errors import UserError
from t2ipal.store import sha256_file, write_tensors

SMALL = ["RN50", "RN101", "RN50x4", "ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px"]


@cache
def model(name: str) -> CLIP:
    """A model at its real sizes, on no device: no memory for its weights."""
    with torch.device("meta"):
        return variants.build_sizes(VARIANTS[name]).eval()


def meta(name: str) -> dict[str, torch.Tensor]:
    return dict(model(name).state_dict())


def test_addresses_and_hashes_are_those_of_openais_package() -> None:
    from clip.clip import _MODELS

    assert {name: variants.address(name) for name in VARIANTS} == _MODELS
    assert set(SHA256) == set(VARIANTS)


@pytest.mark.parametrize("name", SMALL)
def test_a_state_dict_is_recognised_by_its_shapes(name: str) -> None:
    state = meta(name)
    assert variants.recognise(variants.sizes_of({key: tuple(value.shape) for key, value in state.items()})) == name
    variants.check_sizes(state, name, "file")


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("RN50", (1024, 224, 0, (3, 4, 6, 3), 512)),
        ("RN101", (512, 224, 0, (3, 4, 23, 3), 512)),
        ("RN50x4", (640, 288, 0, (4, 6, 10, 6), 640)),
        ("ViT-B/32", (512, 224, 32, 12, 512)),
        ("ViT-B/16", (512, 224, 16, 12, 512)),
        ("ViT-L/14", (768, 224, 14, 24, 768)),
    ],
)
def test_what_the_model_cards_say(name: str, facts: tuple) -> None:
    """Joint space, pixels, patch, layers and text width as published: no other test would see a table that is wrong."""
    sizes = VARIANTS[name]
    assert (sizes.dim, sizes.resolution, sizes.patch, sizes.layers, sizes.text_width) == facts


@pytest.mark.parametrize(("asked", "is_", "part"), [
    ("RN50", "RN101", "dim is 512, expected 1024 of CLIP RN50; its sizes are those of RN101"),
    ("ViT-B/16", "ViT-B/32", "patch is 32, expected 16"),
    ("ViT-L/14", "ViT-L/14@336px", "resolution is 336, expected 224"),
])  # fmt: skip
def test_the_wrong_model_is_named(asked: str, is_: str, part: str) -> None:
    with pytest.raises(UserError, match=r"^clip\.pt: ") as caught:
        variants.check_sizes(meta(is_), asked, "clip.pt")
    line = str(caught.value)
    assert part in line or "resolution is" in line
    assert f"those of {is_}" in line


def test_a_state_dict_of_something_else_names_the_tensor() -> None:
    state = meta("RN50")
    del state["ln_final.weight"]
    with pytest.raises(UserError, match=r"clip.pt: no tensor 'ln_final.weight'"):
        variants.check_sizes(state, "RN50", "clip.pt")


def test_operations_are_counted() -> None:
    for name in ("RN50", "RN101", "ViT-B/32"):
        assert variants.count_gflops(name) == pytest.approx(GFLOPS[name], abs=0.06)


@pytest.mark.parametrize("name", ["RN50", "RN101", "RN50x4", "ViT-B/32", "ViT-B/16", "ViT-L/14"])
@pytest.mark.parametrize("side", [224, 448])
def test_dense_features_of_every_variant_at_both_sizes(name: str, side: int) -> None:
    """Shapes at real sizes on no device: pooled [B, D] twice, and a local map of one vector per cell."""
    sizes = VARIANTS[name]
    clip = OpenAIEncoder(model(name), name)
    with torch.device("meta"), torch.no_grad():
        found = clip.image_dense(torch.zeros(2, 3, side, side))
    rows, columns = clip.grid(side)
    assert rows == columns == side // (sizes.patch or 32)
    assert [tuple(value.shape) for value in found] == [(2, sizes.dim), (2, sizes.dim), (2, rows * columns, sizes.dim)]


def tiny(vision: str) -> tuple[Sizes, dict[str, torch.Tensor]]:
    state = dict(tiny_clip(vision=vision).model.state_dict())
    return variants.sizes_of({key: tuple(value.shape) for key, value in state.items()}), state


@pytest.mark.parametrize("vision", ["resnet", "vit"])
def test_a_name_is_checked_against_the_file_that_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vision: str
) -> None:
    """A file with the hash of the name, as OpenAI's are, but of other sizes: the table is what is compared."""
    sizes, state = tiny(vision)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".cache/clip/RN101.pt"
    path.parent.mkdir(parents=True)
    torch.save(state, path)
    monkeypatch.setitem(SHA256, "RN101", sha256_file(path))
    with pytest.raises(UserError, match=r"RN101.pt: \w+ is \S+, expected \S+ of CLIP RN101"):
        load_backbone("RN101")
    monkeypatch.setitem(VARIANTS, "RN101", sizes)
    loaded = load_backbone("RN101")
    assert (loaded.name, loaded.variant, loaded.dim, loaded.image_size) == ("RN101", "RN101", 24, 64)
    # a copy elsewhere, under another name, is known by its content
    path.rename(tmp_path / "mine.pt")
    assert load_backbone(tmp_path / "mine.pt").variant == "RN101"


def test_a_file_that_is_named_as_one_of_openais_has_its_hash(tmp_path: Path) -> None:
    _, state = tiny("resnet")
    path = tmp_path / "ViT-B-32.pt"
    with pytest.raises(UserError, match=r"ViT-B-32.pt: no such CLIP model; fetch https://openaipublic\S+/ViT-B-32.pt"):
        load_backbone(path)
    torch.save(state, path)
    with pytest.raises(UserError, match=r"expected 40d365715913c9da \(OpenAI's ViT-B-32.pt\)"):
        load_backbone(path)
    path.rename(tmp_path / "own.pt")
    assert load_backbone(tmp_path / "own.pt").variant == ""


def test_another_activation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact GELU in place of QuickGELU loads without a word, and gives features that are a little off."""
    import clip.model

    _, state = tiny("vit")
    monkeypatch.setattr(clip.model, "QuickGELU", torch.nn.GELU)
    model = clip.model.build_model(dict(state))
    monkeypatch.undo()
    with pytest.raises(UserError, match="activation GELU, expected QuickGELU"):
        variants.check_activation(model, "clip.pt")
    build(state)


def test_safetensors_of_a_known_model_has_its_variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, state = tiny("vit")
    monkeypatch.setitem(VARIANTS, "tiny", sizes)
    write_tensors(tmp_path / "clip.safetensors", state)
    assert load_backbone(tmp_path / "clip.safetensors").variant == "tiny"


def test_images_are_whole_patches_of_the_model() -> None:
    patches = {name: OpenAIEncoder.patch_of(name) for name in VARIANTS}
    assert patches == {name: sizes.patch or 32 for name, sizes in VARIANTS.items()}
    assert OpenAIEncoder.patch_of("weights/ViT-L-14-336px.pt") == 14
    assert OpenAIEncoder.patch_of("weights/mine.pt") == 0  # only its tensors tell
    check_size(336, 14, "ViT-L/14@336px")
    with pytest.raises(
        UserError, match=r"^image_size: 340 is not a multiple of 14, .* \(expected such as 336 or 350\)"
    ):
        check_size(340, 14, "ViT-L/14@336px")
    with pytest.raises(UserError, match=r"expected such as 32\)"):
        check_size(16, 32, "RN101")
