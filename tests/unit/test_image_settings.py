"""Settings of a text-to-image model, and the file that stands for it."""

from pathlib import Path

from t2ipal.images.settings import model_files


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
