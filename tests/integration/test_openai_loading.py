"""Loading CLIP from every kind of file, and refusing what is none."""

import os
import subprocess
import sys
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_clip import DIM, SIDE, tiny_clip

from t2ipal.backbones import load_backbone
from t2ipal.backbones.openai.checkpoint import clip_tensors
from t2ipal.backbones.openai.encoder import OpenAIEncoder
from t2ipal.backbones.openai.tokens import END_ID, lengths_of, tokenize
from t2ipal.errors import UserError
from t2ipal.store import sha256_file, write_json, write_tensors

TINY = {vision: tiny_clip(vision=vision) for vision in ("resnet", "vit")}


def state(vision: str = "resnet") -> dict[str, torch.Tensor]:
    return dict(TINY[vision].model.state_dict())


def assert_same(loaded: OpenAIEncoder, vision: str = "resnet") -> None:
    expected = state(vision)
    for key, value in loaded.model.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64)
        assert torch.equal(value, expected[key]), key
    assert (loaded.dim, loaded.image_size) == (DIM, SIDE)
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())


@pytest.mark.parametrize("vision", ["resnet", "vit"])
def test_safetensors_and_state_dict(tmp_path: Path, vision: str) -> None:
    write_tensors(tmp_path / "clip.safetensors", state(vision))
    loaded = load_backbone(tmp_path / "clip.safetensors")
    assert_same(loaded, vision)
    assert loaded.name == "clip.safetensors"
    assert loaded.sha256 == sha256_file(tmp_path / "clip.safetensors")
    torch.save(state(vision), tmp_path / "clip.pt")
    assert_same(load_backbone(tmp_path / "clip.pt"), vision)


def test_half_precision_without_counters(tmp_path: Path) -> None:
    kept = {key: value for key, value in state().items() if not key.endswith("num_batches_tracked")}
    half = {key: value.half() if value.ndim > 1 else value for key, value in kept.items()}
    write_tensors(tmp_path / "clip.safetensors", half)
    found = load_backbone(tmp_path / "clip.safetensors").model.state_dict()
    for key, value in half.items():
        assert torch.equal(found[key], value.float()), key


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore::torch.jit.TracerWarning")
def test_torchscript_archive(tmp_path: Path) -> None:
    """OpenAI's files are traced modules; what counts is their state dict, which has three sizes among its weights."""

    class Archive(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            model = TINY["resnet"].model
            for name, child in model.named_children():
                self.add_module(name, child)
            for name, parameter in model.named_parameters(recurse=False):
                self.register_parameter(name, parameter)
            for name, size in (("input_resolution", SIDE), ("context_length", 77), ("vocab_size", 49408)):
                self.register_buffer(name, torch.tensor(size))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.visual(image)

    torch.jit.trace(Archive(), torch.zeros(1, 3, SIDE, SIDE)).save(tmp_path / "clip.pt")
    assert_same(load_backbone(tmp_path / "clip.pt"))


def test_compact_token_table(tmp_path: Path) -> None:
    ids = torch.tensor([0, 320, 1929, 49406, 49407], dtype=torch.int32)
    compact = state()
    table = compact.pop("token_embedding.weight")
    compact |= {"token_embedding.rows": table[ids.long()].half(), "token_embedding.ids": ids}
    write_tensors(tmp_path / "clip.safetensors", compact)
    found = load_backbone(tmp_path / "clip.safetensors").model.token_embedding.weight
    assert found.shape == (49408, 128)
    assert torch.equal(found[ids.long()], table[ids.long()].half().float())
    assert int((found != 0).any(1).sum()) == len(ids)
    write_tensors(tmp_path / "clip.safetensors", compact | {"token_embedding.ids": ids[:-1]})
    with pytest.raises(UserError, match=r"token_embedding.ids does not fit"):
        load_backbone(tmp_path / "clip.safetensors")


def test_wrong_hash(tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    write_tensors(path, state())
    with pytest.raises(UserError, match="expected 0000"):
        load_backbone(path, sha256="0" * 64)
    write_json(tmp_path / "manifest.json", {"files": {"clip.safetensors": {"sha256": "1" * 64}}})
    with pytest.raises(UserError, match=r"manifest.json has 1111"):
        load_backbone(path)
    write_json(tmp_path / "manifest.json", {"files": {"clip.safetensors": {"sha256": sha256_file(path)}}})
    assert_same(load_backbone(path, sha256=sha256_file(path)))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_damaged_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(b"no weights here")
    with pytest.raises(UserError, match="damaged"):
        load_backbone(path)
    torch.save(state(), tmp_path / "whole.pt")
    path.write_bytes((tmp_path / "whole.pt").read_bytes()[:-1000])
    with pytest.raises(UserError, match="damaged"):
        load_backbone(path)


def test_not_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    missing = state()
    del missing["ln_final.weight"]
    write_tensors(path, missing)
    with pytest.raises(UserError, match=r"clip.safetensors.*ln_final.weight"):
        load_backbone(path)
    write_tensors(path, {**state(), "ln_final.weight": state()["ln_final.weight"] * float("nan")})
    with pytest.raises(UserError, match=r"tensor 'ln_final.weight' contains NaN or infinity; expected finite numbers"):
        load_backbone(path)
    torch.save({"model": "x"}, tmp_path / "clip.pt")
    with pytest.raises(UserError, match="no state dict"):
        load_backbone(tmp_path / "clip.pt")


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    for name, message in (
        ("", "is a directory; expected a CLIP model"),
        ("pipe.pt", "is a pipe, a socket or a device"),
    ):
        with pytest.raises(UserError, match=message):
            load_backbone(tmp_path / name)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {f"model.clip.{key}": value for key, value in state.items()},
        lambda state: {f"{'' if key.startswith('visual.') else 'text.'}{key}": value for key, value in state.items()},
        lambda state: {"state_dict": state, "epoch": 3, "args": Namespace(lr=0.1), "optimizer": {"step": 1}},
        lambda state: {"model": {f"module.{key}": value for key, value in state.items()}, "name": "mine"},
        lambda state: {"model_state_dict": OrderedDict(state), "loss": 0.5},
        lambda state: {key: value.double() if value.is_floating_point() else value for key, value in state.items()},
        lambda state: {**{f"clip.{key}": value for key, value in state.items()}, "head.weight": torch.ones(2)},
    ],
    ids=["module", "model.clip", "text", "checkpoint", "model", "model_state_dict", "float64", "a head"],
)
def test_checkpoints_as_people_have_them(tmp_path: Path, wrap: Callable[[dict[str, torch.Tensor]], object]) -> None:
    torch.save(wrap(state("vit")), tmp_path / "clip.pt")
    assert_same(load_backbone(tmp_path / "clip.pt"), "vit")


class Harmful:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_files_that_are_refused_are_one_line(tmp_path: Path) -> None:
    path, made = tmp_path / "clip.pt", tmp_path / "made"
    whole, itself = state("vit"), {}
    itself["model"] = itself
    for content, message in (
        (TINY["vit"].model, r"contains objects of clip\.model\.CLIP, .* cannot be read without running code"),
        ({"state_dict": whole, "hook": Harmful(made)}, r"contains objects of posix\.mkdir, which cannot be read"),
        (itself, "no state dict, but dict; expected"),
        ([1, 2], "no state dict, but list; expected"),
        ({1: torch.ones(2), "x": 5}, "no state dict, but dict; expected"),
        (
            {"text_model.embeddings.token_embedding.weight": torch.ones(2)},
            "in the names of Hugging Face's transformers",
        ),
        ({**whole, "ln_final.weight": torch.ones(7)}, "tensors do not make a CLIP"),
        (
            {**whole, "ln_final.weight": torch.ones(128).to(torch.int8)},
            r"'ln_final.weight' is torch.int8; expected float",
        ),
        ({**whole, "logit_bias": torch.ones(1)}, r"Unexpected key\(s\) in state_dict: \"logit_bias\""),
    ):
        torch.save(content, path)
        with pytest.raises(UserError, match=message) as error:
            load_backbone(path)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)
        assert "x1b" not in ascii(error.value)
        assert not made.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_checkpoints_are_one_line(tmp_path: Path) -> None:
    """Bytes changed and cut in pickles of both kinds, by a fixed seed."""
    random = np.random.default_rng(15)
    for zipped in (True, False):
        torch.save({"state_dict": {"a": torch.ones(3)}, "args": Namespace(x=1)}, tmp_path / "whole.pt",
                   _use_new_zipfile_serialization=zipped)  # fmt: skip
        content = (tmp_path / "whole.pt").read_bytes()
        for number in range(60):
            damaged = bytearray(content[: random.integers(len(content))] if number % 3 == 0 else content)
            for place in random.integers(0, max(1, len(damaged)), 3):
                damaged[place : place + 1] = bytes([random.integers(256)])
            (tmp_path / "clip.pt").write_bytes(damaged)
            with pytest.raises(UserError) as error:
                load_backbone(tmp_path / "clip.pt")
            assert "\n" not in str(error.value)
            assert "x1b" not in ascii(error.value)


def test_unknown_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such CLIP model"):
        load_backbone(tmp_path / "none.pt")
    with pytest.raises(UserError, match="RN101"):
        load_backbone("RN1001")


def test_name_without_network_says_where_the_file_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(UserError, match=r"RN101.*place it at .*RN101\.pt"):
        load_backbone("RN101")
    assert not list(tmp_path.rglob("*.pt"))


def test_name_with_a_damaged_file_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".cache/clip/RN101.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a download")
    with pytest.raises(UserError, match=r"RN101.pt: sha256 .*, expected 8fa8567bab74a42d"):
        load_backbone("RN101")


def test_long_text_is_cut_with_its_end_mark() -> None:
    tokens, lengths = tokenize(["word " * 200, "dog"])
    assert tokens.shape == (2, 77)
    assert tokens[0, -1] == tokens[1, 2] == END_ID
    assert lengths.tolist() == [77, 3]
    assert (tokens[1, 3:] == 0).all()


def test_tokens_are_those_of_openais_package() -> None:
    import clip

    texts = ["a photo of a dog.", "", "Ünïcode & <b>html</b> &amp; co", "X " * 30 + "potted plant.", "word " * 100]
    ids, lengths = tokenize(texts)
    assert torch.equal(ids, clip.tokenize(texts, truncate=True).long())
    assert torch.equal(lengths, lengths_of(ids))
    assert torch.equal(tokenize(texts, context=20)[0], clip.tokenize(texts, 20, truncate=True).long())
    with pytest.raises(UserError, match="102 tokens; expected at most CLIP's 77"):
        tokenize(texts, truncate=False)


def test_training_does_not_import_torchvision() -> None:
    """It costs every job three seconds of start-up."""
    code = "import sys, t2ipal.training.train, t2ipal.rows.data, t2ipal.models.prompts\n"
    code += "from t2ipal.backbones.openai.tokens import tokenize\ntokenize(['a'])\n"
    code += "assert 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", ["sparse", "meta", "quantized", "four bits"])
@pytest.mark.filterwarnings("ignore")
def test_tensors_without_plain_values_are_one_line(kind: str) -> None:
    made = {
        "sparse": lambda: torch.ones(2).to_sparse(),
        "meta": lambda: torch.ones(2, device="meta"),
        "four bits": lambda: torch.zeros(2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
        "quantized": lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    }[kind]()
    with pytest.raises(UserError, match=r"a.pt: tensor 'x' is sparse, quantized or without values; expected the state"):
        clip_tensors({"state_dict": {"x": made}}, "a.pt")


@pytest.mark.parametrize("content", [b"<html>404</html>", b"version https://git-lfs.github.com/spec/v1", b'{"a": 1}'])
def test_what_is_no_checkpoint_is_not_to_be_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"clip.pt: damaged, or neither .*: no archive of PyTorch"):
        load_backbone(tmp_path / "clip.pt")
