"""Drawing: the same image whatever batch, shard or restart draws it; bad images are found; errors are one line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_pipeline
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from warm import run_python

from t2ipal.errors import UserError
from t2ipal.images.encode import decode
from t2ipal.images.generate import generate, generate_shard, image_seed, read_shard, shard_of
from t2ipal.images.pipeline import ImageGenerator, compiles, load_pipeline
from t2ipal.images.settings import GenerationSettings
from t2ipal.store import content_hash

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers.*"),
    pytest.mark.filterwarnings("ignore::UserWarning:huggingface_hub.*"),
]

CAPTIONS = [(f"c{index:03d}", text) for index, text in enumerate(["a red bus", "two dogs", "a cat on a sofa"] * 4)][:11]
TEXTS = pa.schema([("caption_id", pa.string()), ("text", pa.string())])
LEVELS = 2
"""Rounding may move a pixel by this many of 255 levels, no more."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny random pipeline."""
    return tiny_pipeline.build(tmp_path_factory.mktemp("zoo") / "tiny", manifest=True)


@pytest.fixture(scope="module")
def settings(model: Path) -> GenerationSettings:
    """Few steps, with guidance, in float32."""
    return GenerationSettings(model=str(model), steps=3, guidance=3.0, solver="dpm++", dtype="float32", batch=4)


@pytest.fixture(scope="module")
def generator(settings: GenerationSettings) -> ImageGenerator:
    """The tiny pipeline, loaded."""
    return load_pipeline(settings, "cpu")


def pixels(
    generator: ImageGenerator, captions: list[tuple[str, str]] = CAPTIONS, sample: int = 0
) -> dict[str, np.ndarray]:
    """Image of each caption as signed integers."""
    return {row.caption_id: np.asarray(decode(row.image), int) for row in generate(generator, captions, sample, 0)}


def far(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> int:
    """Largest difference in levels between two drawings of the same captions."""
    assert left.keys() == right.keys()
    return max(int(abs(left[key] - right[key]).max()) for key in left)


@pytest.fixture(scope="module")
def images(generator: ImageGenerator) -> dict[str, np.ndarray]:
    """Image of each caption in batches of 4."""
    return pixels(generator)


def test_captions_and_samples_make_different_images(generator: ImageGenerator, images: dict[str, np.ndarray]) -> None:
    assert far({"x": images["c000"]}, {"x": images["c003"]}) > 20  # one text, two ids
    assert far(images, pixels(generator, sample=1)) > 20
    same_noise = [generator.generate([text], [7])[0][0].numpy() for text in ("a red bus", "zzz qqq")]
    assert abs(same_noise[0] - same_noise[1]).max() > 1e-3  # the text matters


@pytest.mark.parametrize("batch", [1, 3, 11, 16])
def test_batch_size_does_not_matter(settings: GenerationSettings, images: dict[str, np.ndarray], batch: int) -> None:
    assert far(images, pixels(load_pipeline(settings.model_copy(update={"batch": batch}), "cpu"))) <= LEVELS


def test_order_and_company_do_not_matter(generator: ImageGenerator, images: dict[str, np.ndarray]) -> None:
    assert far(images, pixels(generator, CAPTIONS[::-1])) <= LEVELS
    assert far({"c007": images["c007"]}, pixels(generator, [CAPTIONS[7]])) <= LEVELS


def test_shards_together_are_the_whole(
    generator: ImageGenerator, images: dict[str, np.ndarray], tmp_path: Path
) -> None:
    pool = tmp_path / "selected.parquet"
    pq.write_table(pa.table({"caption_id": [c for c, _ in CAPTIONS], "text": [t for _, t in CAPTIONS]}), pool)
    together: dict[str, np.ndarray] = {}
    for shard in range(3):
        captions = read_shard(pool, shard, 3)
        counts = generate_shard(generator, captions, tmp_path / f"{shard}.parquet", sample=0, seed=0)
        table = pq.read_table(tmp_path / f"{shard}.parquet")
        assert counts.rows == table.num_rows == len(captions)
        assert table["caption_id"].to_pylist() == sorted(key for key, _ in captions)
        together |= {row["caption_id"]: np.asarray(decode(row["image"]["bytes"]), int) for row in table.to_pylist()}
    assert far(images, together) <= LEVELS


def test_shard_file(generator: ImageGenerator, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    long = [*CAPTIONS[:5], ("zlong", "a very long caption about nothing that the model cannot read to its end")]
    counts = generate_shard(
        generator, long, tmp_path / "a.parquet", sample=2, seed=9, on_progress=lambda *x: done.append(x)
    )
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert done == [(4, 6), (6, 6)]
    assert counts.cut_prompts == sum(len(text.replace(" ", "")) > 14 for _, text in long)
    assert counts.flags == {}
    assert {(row["width"], row["height"], row["flag"], row["sample"]) for row in rows} == {(32, 32, "", 2)}
    assert [row["seed"] for row in rows] == [image_seed(9, key, 2) for key, _ in long]
    generate_shard(generator, [], tmp_path / "empty.parquet", sample=0, seed=0)
    assert pq.read_table(tmp_path / "empty.parquet").schema.equals(pq.read_table(tmp_path / "a.parquet").schema)


def test_killed_shard_leaves_nothing_and_draws_the_same_again(
    generator: ImageGenerator, model: Path, tmp_path: Path
) -> None:
    code = f"""
import os, signal, sys
from t2ipal.images.generate import generate_shard
from t2ipal.images.pipeline import load_pipeline
from t2ipal.images.settings import GenerationSettings
settings = GenerationSettings(model={str(model)!r}, steps=3, guidance=3.0, solver="dpm++", dtype="float32", batch=4)
generator = load_pipeline(settings)
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
generate_shard(generator, {CAPTIONS!r}, sys.argv[1], sample=0, seed=0, on_progress=kill)
"""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    job = run_python(["-c", code, str(tmp_path / "killed.parquet")], Path(__file__).parents[2], environment)
    assert job.returncode == -signal.SIGKILL, job.stderr
    assert not (tmp_path / "killed.parquet").exists()
    for name in ("killed", "whole"):
        generate_shard(generator, CAPTIONS, tmp_path / f"{name}.parquet", sample=0, seed=0)
    assert content_hash(tmp_path / "killed.parquet") == content_hash(tmp_path / "whole.parquet")


@given(st.integers(0, 2**40), st.text(max_size=20), st.integers(0, 99))
def test_image_seeds(seed: int, caption_id: str, sample: int) -> None:
    seeds = [image_seed(seed, caption_id, sample + more, retry) for more in range(3) for retry in range(3)]
    assert len(set(seeds)) == 9
    assert all(0 <= value < 2**63 for value in seeds)
    assert seeds[0] == image_seed(seed, caption_id, sample) != image_seed(seed + 1, caption_id, sample)


@examples(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=20), unique=True, max_size=30), st.integers(1, 6))
def test_every_caption_is_in_one_shard_and_others_do_not_move_it(ids: list[str], shards: int) -> None:
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:

        def shard_rows(listed: list[str]) -> list[list[tuple[str, str]]]:
            pq.write_table(
                pa.table({"caption_id": listed, "text": [f"text {key}" for key in listed]}, TEXTS), file.name
            )
            return [read_shard(file.name, shard, shards) for shard in range(shards)]

        every, half = shard_rows(ids), shard_rows(ids[::-2])
    assert sorted(row for rows in every for row in rows) == sorted((key, f"text {key}") for key in ids)
    assert half == [[row for row in rows if row[0] in ids[::-2]] for rows in every]
    assert all(rows == sorted(rows) for rows in every)


def test_shards_of_today_are_those_of_tomorrow() -> None:
    """Results that exist are joined by shard: another hash, or one that depends on the process, would mix them up."""
    assert [shard_of(key, 10) for key in ("0", "1", "c000", "été")] == [0, 5, 7, 5]


def test_shards_are_even() -> None:
    sizes = np.bincount([shard_of(f"c{index}", 4) for index in range(4000)])
    assert sizes.min() > 900
    assert sizes.max() < 1100


def test_whole_call_draws_what_the_split_one_draws(generator: ImageGenerator) -> None:
    import torch

    texts, seeds = ["a red bus", "two dogs", "a dog", "a"], [1, 2, 3, 4]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    whole, _ = generator._generate_whole(texts, generators)
    split, _ = generator.generate(texts, seeds)
    assert (split.clamp(0, 1) - whole).abs().max() <= LEVELS / 255


@pytest.mark.parametrize("solver", ["default", "ddim", "dpm++", "unipc", "euler", "euler_a", "HeunDiscreteScheduler"])
def test_solvers(settings: GenerationSettings, solver: str) -> None:
    generator = load_pipeline(settings.model_copy(update={"solver": solver, "guidance": 1.0}), "cpu")
    first, second = (generator.generate(["a dog", "a cat"], [3, 4])[0].numpy() for _ in range(2))
    assert first.shape == (2, 32, 32, 3)
    assert np.isfinite(first).all()
    assert first.std() > 0.01
    assert np.array_equal(first, second)
    swapped = generator.generate(["a cat", "a dog"], [4, 3])[0].numpy()[::-1]
    assert abs(first - swapped).max() <= LEVELS / 255  # also where the solver itself draws noise


@pytest.mark.parametrize("solver", ["euler", "dpm++", "unipc", "UniPCMultistepScheduler"])
def test_the_time_steps_of_a_list_are_those_where_the_model_looks(settings: GenerationSettings, solver: str) -> None:
    settings = settings.model_copy(update={"solver": solver, "guidance": 1.0})
    even, listed, placed = (
        load_pipeline(settings.model_copy(update={"steps": steps}), "cpu")
        for steps in (4, [999, 749, 499, 249], [999, 900, 700, 100])
    )
    seen: list[float] = []
    placed.pipe.unet.register_forward_pre_hook(lambda _, args: seen.append(float(args[1])))
    texts, seeds = ["a dog", "a cat"], [3, 4]
    images = [generator.generate(texts, seeds)[0] for generator in (even, listed, placed)]
    assert abs(images[0] - images[1]).max() <= LEVELS / 255
    assert abs(images[0] - images[2]).max() > LEVELS / 255
    assert seen == [999, 900, 700, 100]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"solver": "DEISMultistepScheduler"}, "DEISMultistepScheduler of .* takes no list"),
        ({"solver": "euler", "steps": [1000, 500]}, "1000 is above 999"),
    ],
)
def test_time_steps_that_a_model_or_solver_does_not_take(
    settings: GenerationSettings, change: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError, match=f"text_to_image.steps: {said}"):
        load_pipeline(settings.model_copy(update={"steps": [999, 500]} | change), "cpu")


def test_time_steps_beside_other_rules_for_them(settings: GenerationSettings, tmp_path: Path) -> None:
    folder = tmp_path / "karras"
    shutil.copytree(settings.model, folder)
    rules = folder / "scheduler/scheduler_config.json"
    rules.write_text(json.dumps(json.loads(rules.read_text()) | {"use_karras_sigmas": True}))
    changed = {"model": str(folder), "steps": [999, 500], "solver": "euler"}
    with pytest.raises(UserError, match=r"text_to_image.steps: EulerDiscreteScheduler: .*karras"):
        load_pipeline(settings.model_copy(update=changed), "cpu")


def test_bfloat16_is_close(settings: GenerationSettings, images: dict[str, np.ndarray]) -> None:
    rounded = load_pipeline(settings.model_copy(update={"dtype": "bfloat16"}), "cpu")
    half = pixels(rounded)
    assert far(half, pixels(rounded, CAPTIONS[::-1])) <= LEVELS  # order and company do not matter here either
    rounding = np.mean([abs(half[key] - images[key]).mean() for key in half])
    between = np.mean([abs(images["c000"] - images[key]).mean() for key in half if key != "c000"])
    assert rounding < between / 8  # the same image, rounded; this random model amplifies it


def test_stored_size(settings: GenerationSettings, images: dict[str, np.ndarray], tmp_path: Path) -> None:
    small = load_pipeline(settings.model_copy(update={"store_size": 16}), "cpu")
    generate_shard(small, CAPTIONS[:5], tmp_path / "a.parquet", sample=0, seed=0)
    for row in pq.read_table(tmp_path / "a.parquet").to_pylist():
        image = np.asarray(decode(row["image"]["bytes"]), int)
        assert image.shape == (row["height"], row["width"], 3) == (16, 16, 3)
        blocks = images[row["caption_id"]].reshape(16, 2, 16, 2, 3).mean((1, 3))
        assert abs(image - blocks).mean() < 8


def test_compilation_is_for_gpus_unless_asked_for(
    settings: GenerationSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    assert [compiles(name, torch.device("cpu")) for name in ("auto", "on", "off")] == [False, True, False]
    assert [compiles(name, torch.device("cuda")) for name in ("auto", "on", "off")] == [True, True, False]
    assert settings.deciding() == settings.model_copy(update={"compile": "on", "batch": 1}).deciding()
    # Graphs are captured as for a GPU, and run as they are: to compile them for a CPU takes minutes of a C++ compiler.
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **how: compile_module(self, **how, backend="aot_eager")
    )
    # Of few levels, since capturing takes its time for each layer.
    small = tiny_pipeline.build(tmp_path / "small", unet_widths=(32,), vae_widths=(8, 8))
    settings = settings.model_copy(update={"model": str(small)})
    images = pixels(load_pipeline(settings, "cpu"), CAPTIONS[:5])
    counters = torch._dynamo.utils.counters["stats"]
    counters.clear()
    compiled = load_pipeline(settings.model_copy(update={"compile": "on"}), "cpu")
    assert far(images, pixels(compiled, CAPTIONS[:5])) <= LEVELS  # of a second batch, too, which is filled up
    assert counters["unique_graphs"] == 2  # the denoiser, and the decoder


def test_a_last_batch_is_not_filled_up_unless_compiled(generator: ImageGenerator) -> None:
    sizes = []
    hook = generator.pipe.unet.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    for padded in (False, True):
        pixels(replace(generator, padded=padded), CAPTIONS[:5])
    hook.remove()
    with_guidance, steps = 2, generator.settings.step_count
    assert sizes == [size * with_guidance for last in (1, 4) for size in (4, last) for _ in range(steps)]


@pytest.mark.parametrize("encoding", ["png", "webp", "jpeg"])
def test_encodings(settings: GenerationSettings, images: dict[str, np.ndarray], encoding: str) -> None:
    stored = pixels(load_pipeline(settings.model_copy(update={"encoding": encoding}), "cpu"), CAPTIONS[:1])
    assert abs(stored["c000"] - images["c000"]).mean() < (1 if encoding == "png" else 30)


@pytest.fixture
def broken(settings: GenerationSettings) -> ImageGenerator:
    """A generator whose decoder makes NaN of every image with a bright first latent: about half of them."""
    import torch

    generator = load_pipeline(settings, "cpu")

    def poison(_: object, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        bright = (args[0][:, 0, 0, 0] > 0)[:, None, None, None]
        return (torch.where(bright, torch.nan, args[0]),)

    generator.pipe.vae.post_quant_conv.register_forward_pre_hook(poison)
    return generator


def test_nan_images_are_drawn_again(broken: ImageGenerator, tmp_path: Path) -> None:
    captions = [(f"c{index:03d}", "a dog") for index in range(24)]
    counts = generate_shard(broken, captions, tmp_path / "a.parquet", sample=0, seed=0)
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    flagged = [row for row in rows if row["flag"] == "nan"]
    assert len(rows) == counts.rows == 24
    assert 4 < counts.retried < 20
    assert counts.flags.get("nan", 0) == len(flagged) < counts.retried  # kept, marked, black
    assert all(np.asarray(decode(row["image"]["bytes"])).max() == 0 for row in flagged)
    again = [row for row in rows if row["seed"] != image_seed(0, row["caption_id"], 0)]
    assert len(again) == counts.retried


def test_a_model_that_only_draws_nothing_is_an_error(settings: GenerationSettings, tmp_path: Path) -> None:
    import torch

    generator = load_pipeline(settings, "cpu")
    torch.nn.init.zeros_(generator.pipe.vae.decoder.conv_out.weight)
    with pytest.raises(UserError, match="one flat colour"):
        generate_shard(generator, CAPTIONS, tmp_path / "a.parquet", sample=0, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_bad_models_end_in_one_line(settings: GenerationSettings, model: Path, tmp_path: Path) -> None:
    def message(name: str | Path, **changes: str) -> str:
        with pytest.raises(UserError) as error:
            load_pipeline(settings.model_copy(update={"model": str(name), **changes}), "cpu")
        return str(error.value)

    assert "no folder" in message(tmp_path / "nothing")
    assert "no model_index.json" in message(tmp_path)
    assert "no folder resources/zoo/absent" in message("resources/zoo/absent")
    assert "solver" in message(model, solver="DPMSolver++")
    assert "solver" in message(model, solver="UNet2DModel")
    assert "safety checker" in message(model, safety="on")


def test_hub_name_without_network(
    settings: GenerationSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="neither a folder nor cached"):
        load_pipeline(settings.model_copy(update={"model": "nobody/no-such-model"}), "cpu")


def test_damaged_models(settings: GenerationSettings, tmp_path: Path) -> None:
    folder = tiny_pipeline.build(tmp_path / "tiny", manifest=True)
    changed = settings.model_copy(update={"model": str(folder)})
    load_pipeline(changed, "cpu")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-9] + b"damaged!!")
    with pytest.raises(UserError, match="sha256"):
        load_pipeline(changed, "cpu")
    weights.unlink()
    with pytest.raises(UserError, match="missing"):
        load_pipeline(changed, "cpu")
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(UserError, match="no readable diffusers pipeline"):
        load_pipeline(changed, "cpu")
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="no readable diffusers pipeline"):
        load_pipeline(changed, "cpu")


def test_repeated_caption_ids_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"caption_id": ["a", "a"], "text": ["x", "y"]}), tmp_path / "selected.parquet")
    with pytest.raises(UserError, match="more than once"):
        read_shard(tmp_path / "selected.parquet", 0, 1)
