"""The zoo: tokenizer and text encoder say what CLIP's do, training resumes, files are those of the manifest."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from diffusers import UniPCMultistepScheduler
from torch import nn
from zoo_line import Line

from t2ipal import store
from t2ipal.backbones import load_backbone
from t2ipal.config import load_config
from t2ipal.micro.grammar import captions_of
from t2ipal.micro.zoo import quality, text_to_image
from t2ipal.micro.zoo.autoencoder import AutoencoderStage, DecoderStage, sharpened
from t2ipal.micro.zoo.clip import ARCHITECTURES, LENGTH, export, micro_clip
from t2ipal.micro.zoo.loop import Recipe, Stage, train
from t2ipal.micro.zoo.text_to_image import (
    GUIDANCE,
    RESCALE,
    CuratedStage,
    Denoiser,
    SecondTeacherStage,
    TeacherStage,
    TextToImageStage,
    WebStage,
    coarse_unet,
    grow,
    micro_text_encoder,
    micro_unet,
    prompt_ids,
    scheduler,
)
from t2ipal.micro.zoo.text_to_image import LENGTH as PROMPT
from t2ipal.micro.zoo.tokens import Vocabulary, write_tokenizer
from t2ipal.micro.zoo.world import World

ZOO = Path(__file__).resolve().parents[2] / "resources/zoo"
TEXTS = [caption.text for i in range(200) for caption in captions_of("pretrain", i)]


def test_small_tokenizer_splits_as_the_full_one(tmp_path: Path):
    import clip
    from transformers import CLIPTokenizer

    ids = write_tokenizer(tmp_path, Vocabulary.of_grammar(), 77)
    small = CLIPTokenizer.from_pretrained(tmp_path)
    found = small(TEXTS, padding="max_length", truncation=True, max_length=77)["input_ids"]
    wanted = clip.tokenize(TEXTS).numpy()
    back = ids[np.array(found)]
    assert np.array_equal(np.where(wanted > 0, back, 0), wanted)
    assert len(small("a zebra quacks")["input_ids"]) > 5  # unknown words fall into letters


def test_compact_ids_refuse_an_unknown_word():
    with pytest.raises(ValueError, match="zebra"):
        Vocabulary.of_grammar().compact(["a dog", "a zebra"], LENGTH)


def test_prompt_ids_are_those_of_the_pipelines_tokenizer(tmp_path: Path):
    from transformers import CLIPTokenizer

    vocabulary = Vocabulary.of_grammar()
    write_tokenizer(tmp_path, vocabulary, PROMPT)
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    texts = [*TEXTS, "", " ".join(["dog"] * 60)]
    wanted = tokenizer(texts, padding="max_length", max_length=PROMPT, truncation=True)["input_ids"]
    assert np.array_equal(prompt_ids(vocabulary.compact(texts, LENGTH)), np.array(wanted))


def test_the_text_encoder_starts_with_the_hidden_states_of_clip():
    torch.manual_seed(0)
    vocabulary = Vocabulary.of_grammar()
    clip = micro_clip(len(vocabulary.ids)).eval()
    state = export(clip, vocabulary)
    rounded = {key: state[key].float() for key in clip.state_dict() if key in state}
    rounded["token_embedding.weight"] = state["token_embedding.rows"].float()
    rounded["positional_embedding"] = rounded["positional_embedding"][:LENGTH]
    clip.load_state_dict(rounded)
    tokens = vocabulary.compact(TEXTS[:20], LENGTH)
    with torch.inference_mode():
        hidden = micro_text_encoder(state).eval()(torch.from_numpy(prompt_ids(tokens))).last_hidden_state
        x = clip.token_embedding(torch.from_numpy(tokens)) + clip.positional_embedding
        wanted = clip.ln_final(clip.transformer(x.permute(1, 0, 2)).permute(1, 0, 2))
    for row, line in enumerate(tokens):
        length = min(int((line > 0).sum()), PROMPT - 1)  # after the end mark the two pad differently
        torch.testing.assert_close(hidden[row, :length], wanted[row, :length], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_exported_clip_loads_with_the_sizes_of_its_architecture(tmp_path: Path, architecture: str):
    torch.manual_seed(0)
    vocabulary = Vocabulary.of_grammar()
    model = micro_clip(len(vocabulary.ids), architecture=architecture).eval()
    path = tmp_path / "clip.safetensors"
    state = export(model, vocabulary)
    store.write_tensors(path, state)
    half = {key: state[key].float() for key in model.state_dict() if key in state and state[key].is_floating_point()}
    half["token_embedding.weight"] = state["token_embedding.rows"].float()
    half["positional_embedding"] = half["positional_embedding"][:LENGTH]
    model.load_state_dict(half, strict=False)
    clip, of = load_backbone(path), ARCHITECTURES[architecture]
    assert (clip.dim, clip.image_size) == (of.embed, 96)
    assert clip.model.visual.layer1[0].conv1.out_channels == of.width
    assert (clip.model.transformer.width, clip.model.transformer.layers) == (of.text_width, of.text_layers)
    # what is loaded is what was exported, in both towers
    images = torch.randn(2, 3, 96, 96)
    wanted = nn.functional.normalize(model.encode_image(images), dim=-1)
    torch.testing.assert_close(clip.image_dense(images)[0], wanted, atol=1e-5, rtol=1e-4)
    tokens = torch.from_numpy(vocabulary.compact(TEXTS[:4], LENGTH))
    wanted = nn.functional.normalize(model.encode_text(tokens), dim=-1)
    torch.testing.assert_close(clip.text_dense(*clip.tokenize(TEXTS[:4]))[0], wanted, atol=1e-5, rtol=1e-4)


def test_small_clip_is_smaller_in_both_towers_and_shipped():
    small, big = (load_backbone(ZOO / f"{name}.safetensors").model for name in ("clip-small", "clip"))
    for tower in ("visual", "transformer"):
        sizes = [sum(p.numel() for p in getattr(model, tower).parameters()) for model in (small, big)]
        assert 4 * sizes[0] < 3 * sizes[1], tower
    assert (ZOO / "clip-small.safetensors").stat().st_size <= 1.7e6


def coarse_and_fine() -> tuple[Denoiser, Denoiser]:
    torch.manual_seed(0)
    text = micro_text_encoder(export(micro_clip(len(Vocabulary.of_grammar().ids)), Vocabulary.of_grammar()))
    return Denoiser(coarse_unet(), text), Denoiser(micro_unet(), text)


def test_a_grown_model_keeps_what_the_coarse_one_learned():
    coarse, grown = coarse_and_fine()
    grow(grown, coarse.state_dict())
    fine, old = grown.unet, coarse.unet
    for ours, theirs in (
        (fine.down_blocks[2], old.down_blocks[1]),
        (fine.mid_block, old.mid_block),
        (fine.up_blocks[0], old.up_blocks[0]),
        (fine.up_blocks[1].resnets[0], old.up_blocks[1].resnets[0]),
        (fine.add_embedding, old.add_embedding),
    ):
        wanted = theirs.state_dict()
        assert set(ours.state_dict()) == set(wanted)
        assert all(torch.equal(value, wanted[name]) for name, value in ours.state_dict().items())


def test_a_grown_model_tells_the_time_as_the_coarse_one():
    coarse, grown = coarse_and_fine()
    state = coarse.state_dict()
    weights = state["unet.time_embedding.linear_1.weight"]  # the frequencies that the grown model has, alone
    weights[:, 1::2] = 0
    grow(grown, state)
    steps, sample = torch.tensor([0, 3, 400, 981]), torch.zeros(4)
    times = [unet.time_embedding(unet.get_time_embed(sample, steps)) for unet in (coarse.unet, grown.unet)]
    torch.testing.assert_close(times[1], times[0], atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with few scenes, and a CLIP that has learned nothing."""
    folder = tmp_path_factory.mktemp("zoo")
    torch.manual_seed(0)
    clip = export(micro_clip(len(Vocabulary.of_grammar().ids)), Vocabulary.of_grammar())
    store.write_tensors(folder / "clip.safetensors", clip)
    for stream, size in (("pretrain", 64), ("curated", 32)):
        World(folder, stream, size)
    return folder


def lesson(stage: type[Stage], work: Path, seed: int = 0) -> Stage:
    return stage(work, 64, work / "clip.safetensors", Recipe(steps=1, batch=3, lr=1e-3, warmup=1, ema=0.9, seed=seed))


def test_each_lesson_goes_on_where_the_one_before_ended(work: Path, monkeypatch: pytest.MonkeyPatch):
    narrow, unet = {64: 16, 128: 32, 144: 48}, text_to_image._unet
    monkeypatch.setattr(text_to_image, "_unet", lambda *size: unet(*size[:2], tuple(narrow[w] for w in size[2])))
    for stage, after in (
        (WebStage, None),
        (CuratedStage, None),
        (TeacherStage, CuratedStage),
        (SecondTeacherStage, TeacherStage),
        (TextToImageStage, SecondTeacherStage),
    ):
        taught = lesson(stage, work)
        if after:
            left = store.read_tensors(work / f"{after.name}.safetensors")[0]
            state = taught.build().state_dict()
            assert all(torch.equal(state[name], value.float()) for name, value in left.items())
        model = train(taught, work, 1).model
        store.write_tensors(work / f"{stage.name}.safetensors", model.state_dict())


def test_the_student_learns_what_its_teacher_gives_under_guidance(work: Path):
    stage = lesson(TextToImageStage, work, seed=1)  # not the one above, whose teacher is remembered
    torch.manual_seed(0)
    teacher = Denoiser(micro_unet(), stage.text_encoder()).eval()
    store.write_tensors(work / f"{SecondTeacherStage.name}.safetensors", teacher.state_dict())
    ids = torch.from_numpy(prompt_ids(Vocabulary.of_grammar().compact(["a red bus", "two dogs"], PROMPT + 8)))
    empty = torch.from_numpy(prompt_ids(Vocabulary.of_grammar().compact([""] * 2, PROMPT + 8)))
    noisy, step = torch.randn(2, 8, 16, 16), torch.tensor([999, 300])
    with torch.no_grad():
        told, untold = teacher(noisy, step, ids), teacher(noisy, step, empty)
    target = stage.target(torch.zeros_like(noisy), noisy, step, ids)
    guided = untold + GUIDANCE * (told - untold)
    spread = told.std((1, 2, 3), keepdim=True) / guided.std((1, 2, 3), keepdim=True)
    torch.testing.assert_close(target, guided * (RESCALE * spread + 1 - RESCALE), atol=1e-4, rtol=1e-4)
    assert (told - untold).abs().max() > 1e-3


def test_half_of_the_students_time_steps_are_those_of_generation(work: Path):
    steps = lesson(TextToImageStage, work).time_steps(np.random.default_rng(0), 10_000)
    schedule = scheduler()
    schedule.set_timesteps(text_to_image.STEPS)
    assert 0.48 < np.isin(steps, schedule.timesteps.numpy()).mean() < 0.53
    assert steps.min() == 0
    assert steps.max() == 999


def test_a_third_of_the_students_places_are_on_its_own_course(work: Path):
    stage, ids = lesson(TextToImageStage, work), torch.zeros(9, PROMPT, dtype=torch.int64)
    noisy, step = torch.randn(9, 8, 16, 16), torch.full((9,), 5)

    def student(noisy: torch.Tensor, step: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return 0.1 * noisy - step.view(-1, 1, 1, 1) / 1000

    torch.manual_seed(0)
    places, steps = stage.places(student, noisy, step, ids)
    solver = UniPCMultistepScheduler.from_config(scheduler().config)
    solver.set_timesteps(text_to_image.STEPS)
    torch.manual_seed(0)
    x = torch.randn(3, 8, 16, 16)
    for row in range(3):  # each a step further than the one before
        now = solver.timesteps[row]
        x = solver.step(student(x, now.expand(3), ids), now, x).prev_sample
        torch.testing.assert_close(places[row], x[row])
        assert steps[row] == solver.timesteps[row + 1]
    assert torch.equal(places[3:], noisy[3:])
    assert steps[3:].tolist() == [5] * 6


def test_the_decoder_is_taught_alone_from_where_the_autoencoder_ended(work: Path, monkeypatch: pytest.MonkeyPatch):
    recipe = Recipe(steps=1, batch=2, lr=1e-3, warmup=1)
    monkeypatch.setattr(AutoencoderStage, "validate", Stage.validate)  # which draws 2,000 scenes
    first = train(AutoencoderStage(work, 64, recipe), work, 1).model.state_dict()
    store.write_tensors(work / "autoencoder.safetensors", first)
    second = train(DecoderStage(work, 64, recipe), work, 1).model.state_dict()
    changed = {name.split(".")[0] for name, value in second.items() if not torch.equal(value, first[name])}
    assert changed == {"decoder", "post_quant_conv"}


def test_sharpening_marks_edges_and_leaves_plains():
    x = torch.zeros(1, 3, 8, 8)
    x[..., 4:] = 1
    edge = sharpened(x, 1.0)[0, 0, 4]
    torch.testing.assert_close(edge, torch.tensor([0, 0, 0, -0.25, 1.25, 1, 1, 1]))


def test_interrupted_training_gives_the_same_weights(tmp_path: Path):
    recipe = Recipe(steps=60, batch=16, lr=0.1, warmup=5, tail=0.5, ema=0.9)
    whole = train(Line(recipe), tmp_path / "whole", 1)
    # the constant part of the schedule is that of the longer recipe: an interruption at step 20
    train(Line(Recipe(steps=20, batch=16, lr=0.1, warmup=5, tail=0.0, ema=0.9)), tmp_path / "parts", 1)
    again = train(Line(recipe), tmp_path / "parts", 1)
    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    assert abs(float(whole.model.weight.detach()) - 3) < 0.2


def test_two_processes_learn_the_same_line(tmp_path: Path):  # started anew: autograd does not survive a fork
    result = train(Line(Recipe(steps=60, batch=16, lr=0.1, warmup=5)), tmp_path / "two", 2)
    assert abs(float(result.model.weight.detach()) - 3) < 0.3
    assert result.record["processes"] == 2


def test_shipped_files_are_those_of_the_manifest():
    manifest = store.read_json(ZOO / "manifest.json")
    found = {p.relative_to(ZOO).as_posix() for p in ZOO.rglob("*") if p.is_file()} - {"manifest.json"}
    assert found == set(manifest["files"])
    for name, facts in manifest["files"].items():
        assert store.sha256_file(ZOO / name) == facts["sha256"], name
    assert sum(facts["bytes"] for facts in manifest["files"].values()) < 25e6


def test_quality_is_measured_with_the_generation_settings_of_the_default_config():
    config = load_config(yaml.safe_load((ZOO.parents[1] / "config.yaml").read_text(encoding="utf-8")))
    generation = config.text_to_image["micro"].model_dump()
    assert {key: generation[key] for key in dict(quality.DEFAULT)} == {
        **dict(quality.DEFAULT),
        "model": generation["model"],
    }


def test_manifest_says_how_the_models_were_made_and_how_good_they_are():
    models = store.read_json(ZOO / "manifest.json")["models"]
    assert 60 <= models["clip"]["figures"]["zero_shot_mAP"] <= 85
    assert 50 <= models["clip-small"]["figures"]["zero_shot_mAP"] < models["clip"]["figures"]["zero_shot_mAP"]
    assert models["judge"]["figures"]["validation_mAP"] > 95
    figures = models["text-to-image"]["figures"]
    assert figures["judge_ratio"] == pytest.approx(figures["judge_mAP_generated"] / figures["judge_mAP_real"])
    for record in models.values():
        assert min(record["samples"], record["seconds"]) > 0


def test_diversity_is_the_variance_of_all_draws_of_a_class():
    rng, classes = np.random.default_rng(0), np.repeat([3, 7], 40)
    real = rng.normal(size=(80, 5))
    spread = np.where(classes == 3, 0.5, 2.0)[:, None]
    drawn = np.concatenate([rng.normal(size=(80, 5)) * spread for _ in range(50)])
    found = quality.diversity(drawn, real, classes)
    variances = [real[classes == c].var(0).sum() / 5 for c in (3, 7)]
    assert found["variance_ratio_least"] == pytest.approx(0.25 / variances[0], rel=0.05)
    assert found["variance_ratio"] == pytest.approx((0.25 / variances[0] + 4 / variances[1]) / 2, rel=0.05)
