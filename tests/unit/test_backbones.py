"""Backbones behind one interface: another kind is one class and one line, and nothing else knows a model's layers."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F
from configs import default, merged
from feature_files import NAMES, write_features
from PIL import Image
from tiny_clip import SIDE, tiny_clip
from torch import Tensor
from torchvision.transforms import v2

from t2ipal import backbones, methods
from t2ipal.backbones import load_backbone
from t2ipal.backbones.base import Description, ImageTextEncoder
from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.features.cache import load_image_features, load_text_features
from t2ipal.methods.model_files import write_model
from t2ipal.metrics import measure
from t2ipal.models.prompts import PromptEncoder, encode_plain
from t2ipal.rows.data import TrainingData, TrainingFiles, read_training_data
from t2ipal.store import open_parquet, read_parquet, write_parquet, write_tensors
from t2ipal.training.train import fit

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


class LetterEncoder(ImageTextEncoder):
    """Bidirectional, padding pooled, no start mark, squashed images, sigmoid: all that CLIP is not."""

    kind = "letters"
    dim, width, context, patch, image_size = 6, 8, 40, 16, 32
    causal, pool, end_id, pad_id = False, "last", 1, 2
    logit_scale, logit_bias, link = 10.0, -5.0, "sigmoid"
    mean, std, resize, device = (0.5,) * 3, (0.5,) * 3, "squash", CPU

    def __init__(self, name: str, sha256: str) -> None:
        self.name, self.sha256 = name, sha256
        draw = torch.Generator().manual_seed(len(name))
        sizes = {"table": (200, 8), "positions": (40, 8), "mix": (40, 40), "text": (8, 6), "image": (3 * 16 * 16, 6)}
        self.weights = {key: torch.randn(*size, generator=draw) for key, size in sizes.items()}

    @classmethod
    def location(cls, model: str) -> Path | None:
        return Path(model) if model.endswith(".letters") else None

    @classmethod
    def describe(cls, model: str) -> Description:
        return Description(cls.dim, cls.image_size, cls.patch, 0.5)

    @classmethod
    def load(cls, model: str, device: str | torch.device = "cpu", sha256: str | None = None) -> LetterEncoder:
        return cls(model, sha256 or "5" * 64)

    def tokenize(self, texts: Sequence[str], truncate: bool = True) -> tuple[Tensor, Tensor]:
        ids, lengths = torch.full((len(texts), self.context), self.pad_id), torch.zeros(len(texts), dtype=torch.int64)
        for row, text in enumerate(texts):
            letters = [3 + ord(letter) % 190 for letter in text]
            if len(letters) >= self.context and not truncate:
                raise UserError(f"text {text[:60]!r}: {len(letters) + 1} tokens; expected at most {self.context}")
            letters = [*letters[: self.context - 1], self.end_id]
            ids[row, : len(letters)] = torch.tensor(letters)
            lengths[row] = len(letters)
        return ids, lengths

    def embed(self, ids: Tensor) -> Tensor:
        return self.weights["table"][ids]

    def text_states(self, embeddings: Tensor) -> Tensor:
        x = embeddings + self.weights["positions"]
        return torch.tanh(x + self.weights["mix"].softmax(1) @ x) @ self.weights["text"]

    def image_dense(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cells = F.unfold(images, self.patch, stride=self.patch).mT @ self.weights["image"]
        pooled = F.normalize(cells.mean(1), dim=-1)
        return pooled, pooled, F.normalize(cells, dim=-1)


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> ImageTextEncoder:
    monkeypatch.setitem(backbones.KINDS, "letters", f"{__name__}.LetterEncoder")
    return load_backbone("letters:a")


@pytest.mark.parametrize("name", ["zsclip", "tai_dpt", "t2i_pal", "dualcoop"])
def test_another_kind_is_extracted_trained_and_scored(name: str, letters: ImageTextEncoder, tmp_path: Path) -> None:
    files = write_features(tmp_path, letters)
    if name == "dualcoop":  # a context per class, on labelled images
        files = TrainingFiles({"train": tmp_path / "f-test.parquet", "train_images": tmp_path / "labels.parquet"})
        table = {"image_id": ["x", "y", "z"], "labels": np.eye(3, dtype=np.int8).tolist()}
        write_parquet(pa.table(table), tmp_path / "labels.parquet")
    kind = methods.get(name)
    small = {"epochs": 3, "batch": 3, "n_ctx": 4, "templates": 2, "lr": 0.01}
    settings = kind.Settings(**{key: value for key, value in small.items() if key in kind.Settings.model_fields})
    data = read_training_data(files, kind.kinds(settings), len(NAMES))
    learned, history = fit(kind, settings, letters, NAMES, data, (1, 2), device="cpu")
    losses = [row["loss"] for row in history if row["seed"] == 1]
    assert len(losses) == (0 if name == "zsclip" else 3)
    assert losses == sorted(losses, reverse=True)
    about = {"seeds": [1, 2][: 1 if name == "zsclip" else 2], "levels": [0], "classes": list(NAMES)}
    about |= {"clip": letters.name, "clip_sha256": letters.sha256, "encoder": letters.kind}
    write_model(tmp_path / "model.safetensors", learned, name, settings.model_dump(), **about)
    scores, _ = measure.score(
        tmp_path / "model.safetensors", {"test": load_image_features(tmp_path / "f-test.parquet")}
    )
    assert scores.values["test"].shape[1:] == (3, 3)
    assert np.isfinite(scores.values["test"]).all()


def test_features_of_another_kind_keep_true_lengths(letters: ImageTextEncoder, tmp_path: Path) -> None:
    write_features(tmp_path, letters)
    texts = read_parquet(tmp_path / "captions.parquet")["text"].to_pylist()
    features = load_text_features(tmp_path / "f-captions.parquet")
    assert features.offsets.diff().tolist() == [len(text) + 1 for text in texts]
    ids, lengths = letters.tokenize(texts)
    pooled, local = letters.text_dense(ids, lengths)
    torch.testing.assert_close(features.pooled.float(), pooled, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(features.pooled.float(), local[:, -1], atol=1e-3, rtol=1e-3)
    text, _, found = features.positions(torch.arange(12))
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(found[text == row].float(), local[row, :length], atol=1e-3, rtol=1e-3)
    images = load_image_features(tmp_path / "f-test.parquet")
    assert (images.grid, tuple(images.local.shape)) == ((2, 2), (3, 4, 6))


@pytest.mark.parametrize("class_specific", [False, True])
def test_prompts_of_a_bidirectional_encoder_are_whole(letters: ImageTextEncoder, class_specific: bool) -> None:
    encoder = PromptEncoder(letters, NAMES, 4, class_specific)
    shape = (2, 3, 3, 4, 8) if class_specific else (2, 3, 4, 8)
    context = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = encoder(context)
    assert found.shape == (2, 3, 3, 6)
    ids, _ = letters.tokenize([f"{name}." for name in NAMES])
    for part in range(2):
        for seed in range(3):
            own = context[part, seed] if class_specific else context[part, seed].expand(3, -1, -1)
            whole = torch.cat([own, letters.embed(ids)[:, : letters.context - 4]], 1)
            wanted = F.normalize(letters.text_states(whole)[:, -1], dim=-1)
            torch.testing.assert_close(found[part, seed], wanted)
            torch.testing.assert_close(encode_plain(letters, NAMES, context[part, seed]), wanted)
    (found * torch.randn(found.shape)).sum().backward()
    assert (context.grad.abs().amax((-1, -2)) > 0).all()


def test_bfloat16_of_a_bidirectional_encoder_is_for_gradients(letters: ImageTextEncoder) -> None:
    exact, rounded = (PromptEncoder(letters, NAMES, 4, dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    context = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(rounded(context), exact(context))
    found = rounded(context)
    assert found.dtype == torch.float32
    assert 0 < float((found - exact(context)).abs().max()) < 0.1


def test_a_bidirectional_text_is_not_cut(letters: ImageTextEncoder) -> None:
    ids, lengths = letters.tokenize(["a dog"])
    assert torch.equal(letters.cut(ids, lengths), ids)
    assert not letters.can_share_prefix
    with pytest.raises(ValueError, match="texts of 6 positions; expected 40: this encoder is bidirectional"):
        letters.text_dense(ids[:, :6], lengths)
    with pytest.raises(NotImplementedError, match="kind letters have no text tower"):
        letters.text_tower()


CLIPS = [tiny_clip(), tiny_clip(vision="vit")]


@pytest.mark.parametrize("clip", CLIPS, ids=["resnet", "vit"])
def test_text_from_embeddings_is_the_librarys(clip: ImageTextEncoder) -> None:
    ids, lengths = clip.tokenize(["a dog", "two men riding a motor bike", ""])
    embeddings = clip.embed(ids).clone().requires_grad_()
    pooled, states = clip.text_from_embeddings(embeddings, lengths)
    torch.testing.assert_close(pooled, clip.model.encode_text(ids), atol=1e-5, rtol=1e-5)
    assert states.shape == (3, 77, clip.dim)
    cut, _ = clip.text_from_embeddings(embeddings[:, : int(lengths.max())], lengths)
    torch.testing.assert_close(cut, pooled, atol=1e-5, rtol=1e-5)
    pooled.sum().backward()
    assert (embeddings.grad[1, : int(lengths[1])].abs().sum(-1) > 0).all()
    assert (embeddings.grad[1, int(lengths[1]) :] == 0).all()
    with pytest.raises(ValueError, match="texts of 78 positions; expected at most 77"):
        clip.text_from_embeddings(torch.zeros(1, 78, clip.width), torch.tensor([3]))
    with pytest.raises(ValueError, match="a text of length 8 in 6 positions"):
        clip.text_from_embeddings(embeddings[:, :6], lengths)


def test_what_openais_clip_says_of_itself() -> None:
    clip = CLIPS[1]
    assert (clip.kind, clip.causal, clip.pool, clip.start_ids, clip.end_id, clip.pad_id) == (
        "openai", True, "end", (49_406,), 49_407, 0,
    )  # fmt: skip
    assert (clip.width, clip.context, clip.image_size, clip.patch) == (128, 77, SIDE, 16)
    assert CLIPS[0].patch == 32
    assert clip.logit_scale == pytest.approx(float(clip.model.logit_scale.exp()))
    assert (clip.logit_bias, clip.link, clip.resize, clip.interpolation) == (0, "softmax", "shortest_crop", "bicubic")
    assert re.fullmatch("[0-9a-f]{64}", clip.tokenizer_sha256)


def test_prompt_ids_are_those_of_the_text(letters: ImageTextEncoder) -> None:
    for backbone, placeholder in ((CLIPS[0], "X "), (letters, "X")):
        prompts = backbone.prompt(["tv_monitor", "dog"], 4)
        ids, lengths = backbone.tokenize([f"{placeholder * 4}{name}." for name in ("tv monitor", "dog")])
        assert torch.equal(prompts.lengths, lengths)
        assert torch.equal(prompts.suffix, ids[:, prompts.slot.stop :])
        assert prompts.prefix.tolist() == list(backbone.start_ids)
        assert prompts.slot == slice(len(backbone.start_ids), len(backbone.start_ids) + 4)
        longest = backbone.context - len(backbone.start_ids) - 1
    name = "d" * (longest - 5)
    assert int(letters.prompt([name], 4).lengths) == letters.context
    with pytest.raises(UserError, match=r"is too long with 5 context vectors: 41 tokens; expected at most 40"):
        letters.prompt(["dog", name], 5)
    with pytest.raises(UserError, match=r"a class name is too long: text 'd+\.': 61 tokens; expected at most 40"):
        letters.prompt(["d" * 59], 5)


def test_resizing_is_the_models_own_or_the_configs(letters: ImageTextEncoder) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))
    own, centre = letters.preprocess(32)(image), letters.preprocess(32, "center")(image)
    assert torch.equal(own, letters.preprocess(32, "squash")(image))
    assert own.shape == centre.shape == (3, 32, 32)
    assert not torch.equal(own, centre)
    assert torch.equal(CLIPS[0].preprocess(32)(image), CLIPS[0].preprocess(32, "center")(image))
    pixels = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC), np.float32) / 127.5 - 1
    np.testing.assert_allclose(own.permute(1, 2, 0).numpy(), pixels, atol=1e-5)
    with pytest.raises(ValueError, match="crop is 'middle'; expected one of center, squash"):
        letters.preprocess(32, "middle")


@pytest.mark.parametrize("size", [(64, 64), (41, 60), (97, 33)])
@pytest.mark.parametrize("crop", ["center", "squash"])
def test_input_equals_that_of_torchvisions_transforms(size: tuple[int, int], crop: str) -> None:
    clip = CLIPS[0]
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8))
    shape = (48, 48) if crop == "squash" else 48
    resize = v2.Resize(shape, v2.InterpolationMode.BICUBIC, antialias=True)
    to_float = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(clip.mean, clip.std)]
    expected = v2.Compose([resize, v2.CenterCrop(48), *to_float])(image)
    assert torch.equal(clip.preprocess(48, crop)(image), expected)


def test_metadata_names_what_made_the_features(letters: ImageTextEncoder, tmp_path: Path) -> None:
    write_features(tmp_path, letters)
    wanted = {"captions": ("letters", "2", ""), "test": ("letters", "2", "squash")}
    for name, values in wanted.items():
        with open_parquet(tmp_path / f"f-{name}.parquet") as file:
            header = file.schema_arrow.metadata
        assert tuple(header[key].decode() for key in (b"encoder", b"pad_id", b"resize")) == values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "other"}, "encoder is other, expected letters as in"),
        ({"resize": "shortest_crop"}, "resize is shortest_crop, expected squash as in"),
        ({"pad_id": "0"}, "pad_id is 0, expected 2 as in"),
    ],
)
def test_features_of_different_makers_are_not_mixed(
    changes: dict[str, str], message: str, letters: ImageTextEncoder, tmp_path: Path
) -> None:
    write_features(tmp_path, letters)
    table = read_parquet(tmp_path / "f-test.parquet")
    header = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    table = table.set_column(0, "id", pa.array(["u", "v", "w"]))
    write_parquet(table.replace_schema_metadata(header), tmp_path / "same.parquet")
    write_parquet(table.replace_schema_metadata(header | changes), tmp_path / "other.parquet")
    assert len(load_image_features([tmp_path / "f-test.parquet", tmp_path / "same.parquet"]).ids) == 6
    with pytest.raises(UserError, match=message):
        load_image_features([tmp_path / "f-test.parquet", tmp_path / "other.parquet"])


def test_older_feature_files_are_of_openais_clip(letters: ImageTextEncoder, tmp_path: Path) -> None:
    write_features(tmp_path, letters)
    table = read_parquet(tmp_path / "f-test.parquet")
    header = {
        key: value for key, value in table.schema.metadata.items() if key not in (b"encoder", b"pad_id", b"resize")
    }
    older = table.set_column(0, "id", pa.array(["u", "v", "w"])).replace_schema_metadata(header)
    write_parquet(older, tmp_path / "older.parquet")
    assert load_image_features(tmp_path / "older.parquet").ids == ("u", "v", "w")
    with pytest.raises(UserError, match="encoder is openai, expected letters"):
        load_image_features([tmp_path / "f-test.parquet", tmp_path / "older.parquet"])


def test_scores_are_of_the_backbone_that_trained(letters: ImageTextEncoder, tmp_path: Path) -> None:
    """The same file of weights, read by two kinds of backbone, is two models."""
    write_features(tmp_path, letters)
    images = load_image_features(tmp_path / "f-test.parquet")
    kind = methods.get("zsclip")
    learned, _ = fit(kind, kind.Settings(), letters, NAMES, TrainingData(), (1,), device="cpu")
    about = {"seeds": [1], "levels": [0], "classes": list(NAMES), "clip": "a", "clip_sha256": letters.sha256}
    write_model(tmp_path / "model.safetensors", learned, "zsclip", {}, **about)
    with pytest.raises(UserError, match=r"trained with a backbone of kind openai, .* test images' .* of kind letters"):
        measure.score(tmp_path / "model.safetensors", {"test": images})


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("siglop:a", "model 'siglop:a': no backbone of kind 'siglop'"),
        ("Transformers:a/b", "model 'Transformers:a/b': kinds are written small; expected transformers:a/b"),
    ],
)
def test_an_unknown_kind_is_an_error_of_the_config(model: str, line: str) -> None:
    with pytest.raises(UserError, match=f"config: clip.micro.model: {line}"):
        load_config(merged(default(), {"clip": {"micro": {"model": model}}}))


@pytest.mark.slow
def test_a_model_is_named_by_kind(letters: ImageTextEncoder, tmp_path: Path) -> None:
    assert (letters.name, letters.kind) == ("a", "letters")
    path = tmp_path / "clip.safetensors"
    write_tensors(path, CLIPS[0].model.state_dict())
    for model in (path, f"openai:{path}"):
        assert load_backbone(model).kind == "openai"
    colon = tmp_path / "my:clip.safetensors"
    path.rename(colon)
    assert load_backbone(colon).name == "my:clip.safetensors"
    with pytest.raises(
        UserError, match=r"model 'siglop:a': no backbone of kind 'siglop'; expected one of openai, .*letters"
    ):
        load_backbone("siglop:a")


def test_what_is_known_without_loading(letters: ImageTextEncoder, tmp_path: Path) -> None:
    path = tmp_path / "m.letters"
    assert backbones.location("letters:a") is None
    assert backbones.location(f"letters:{path}") == path
    assert backbones.files("letters:a") == ()
    assert backbones.files(f"letters:{path}") == (path,)
    assert backbones.check("k", f"letters:{path}").missing
    path.write_text("")
    assert backbones.check("k", f"letters:{path}").text == f"{path}: there"
    (tmp_path / "manifest.json").write_text('{"files": {"m.letters": {"sha256": "0"}}}')
    assert backbones.files(f"letters:{path}") == (tmp_path / "manifest.json",)
    assert "sha256" in backbones.check("k", f"letters:{path}").text
    assert not backbones.check("k", "letters:a").missing
    about = backbones.describe("letters:a")
    assert (about.gflops_at(64), about.cells_at(64)) == (2.0, 16)
    assert backbones.module_of("letters:a") == __name__
    assert backbones.module_of("RN101") == "t2ipal.backbones.openai.encoder"
    assert backbones.named("openai", "a.pt") == "a.pt"
    assert backbones.named("letters", "a.pt") == "letters:a.pt"
    assert [backbones.location(name) for name in ("RN101", "ViT-L/14@336px", "RN1001")] == [None] * 3
    assert backbones.check("k", "RN1001").missing
    assert backbones.files("a/b/c") == (Path("a/b/c"),)


def test_questions_about_a_model_do_not_import_torch() -> None:
    code = (
        "import sys\nfrom t2ipal import backbones\nbackbones.check('key', 'RN101')\n"
        "for ask in (backbones.describe, backbones.files):\n"
    )
    code += "    ask('RN101')\nassert not {'torch', 'torchvision', 'pyarrow', 'pandas'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


LAYERS = re.compile(
    r"\.(visual|transformer|resblocks|token_embedding|positional_embedding|ln_final|text_projection|attnpool)\b"
)


def test_nothing_else_knows_the_layers_of_a_model() -> None:
    """No import of OpenAI's package, and no attribute of its modules, outside the package of backbones."""
    for folder in ("t2ipal", "workflow_scripts", "benchmarks", "rules"):
        for path in sorted((ROOT / folder).rglob("*.*")):
            if path.suffix not in (".py", ".smk") or path.is_relative_to(ROOT / "t2ipal/backbones"):
                continue
            text = path.read_text(encoding="utf-8")
            assert not LAYERS.search(text), path
            assert not re.search(r"^\s*(from|import) clip\b", text, re.MULTILINE), path


def test_kinds_import_torch_in_functions_alone() -> None:
    """A cost plan or a dry run asks a kind about its models, and shall not wait for torch."""
    for kind in backbones.KINDS.values():
        path = ROOT / (kind.rpartition(".")[0].replace(".", "/") + ".py")
        tops = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not [node for node in tops if "torch" in ast.unparse(node)], path
