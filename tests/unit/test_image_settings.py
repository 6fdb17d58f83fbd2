"""Settings of a text-to-image model, and the file that stands for it."""

import inspect
from pathlib import Path

import diffusers
import pytest

from t2ipal.errors import UserError
from t2ipal.images.settings import COUNTING, SOLVERS, GenerationSettings, model_files
from t2ipal.images.unipc import PlacedUniPC
from t2ipal.validation import validated


def read(**keys: object) -> GenerationSettings:
    """Settings as the config's entry `micro` has them."""
    return validated(GenerationSettings, {"model": "resources/zoo/text-to-image", **keys}, "text_to_image.micro")


@pytest.mark.parametrize(("steps", "count"), [(8, 8), ([999], 1), ([999, 874, 624, 0], 4)])
def test_steps_are_a_number_or_the_time_steps_themselves(steps: object, count: int) -> None:
    settings = read(steps=steps, solver="euler")
    assert settings.steps == steps
    assert settings.step_count == count
    assert settings.deciding()["steps"] == steps


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"steps": 0}, "steps: 0 is not >= 1"),
        ({"steps": "8"}, "steps: '8' is not a whole number .*, or a list of the time steps"),
        ({"steps": []}, "steps: .*do not fall"),
        ({"steps": [874, 999]}, "steps: .*do not fall"),
        ({"steps": [999, 999, 1]}, "steps: .*do not fall"),
        ({"steps": [999, -1]}, "steps: .*do not fall from 999 or less to 0 or more"),
        ({"steps": [1000, 1]}, "steps: .*do not fall from 999 or less"),
        ({"steps": [999.5, 1]}, "steps: .*whole number"),
        ({"steps": [999, 1], "solver": "ddim"}, "solver: .*needs steps as a number.*dpm\\+\\+, unipc, euler, ddpm"),
    ],
)
def test_steps_that_are_neither(keys: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=f"config: text_to_image.micro.{said}"):
        read(**keys)


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_that_take_a_number_of_steps_alone(name: str) -> None:
    solver = PlacedUniPC if name == "unipc" else getattr(diffusers, SOLVERS[name])
    counting = "timesteps" not in inspect.signature(solver.set_timesteps).parameters
    assert counting == (name in COUNTING)


def test_a_manifest_stands_for_a_model_else_its_own_file(tmp_path: Path) -> None:
    folder = tmp_path / "models/pipeline"
    folder.mkdir(parents=True)
    assert model_files(str(folder)) == (folder / "model_index.json",)
    (folder.parent / "manifest.json").write_text("{}")
    assert model_files(str(folder)) == (folder.parent / "manifest.json",)


def test_a_path_without_a_file_is_missing_and_a_name_on_the_hub_has_none(tmp_path: Path) -> None:
    gone = tmp_path / "no/such/model"
    assert model_files(str(gone)) == (gone,)
    assert model_files("model.safetensors") == (Path("model.safetensors"),)
    assert model_files("stabilityai/sd-turbo") == ()
