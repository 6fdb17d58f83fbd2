"""Paths as people write them: homes, and what comes with the project as seen from elsewhere."""

import os
from pathlib import Path
from typing import Any

import pytest
from configs import default, merged

from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.resource_files import resource
from t2ipal.user_paths import from_home, from_project

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = default()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pets.txt").write_text("dog\ncat\n")
    return tmp_path


def test_every_path_of_a_config_may_begin_at_home(home: Path) -> None:
    change: dict[str, Any] = {
        "data_dir": "~/data",
        "pools": {
            **dict.fromkeys(("micro", "drop-20", "drop-40")),
            "mine": {"source": "text", "path": "~/captions.txt"},
        },
        "datasets": {"micro": {
            "classes": "~/pets.txt", "pool": "mine", "paper": None,
            "test": {"source": "folder", "path": "~/photos", "labels": "~/labels.csv", "size": None},
            "photos": {"source": "folder", "path": "~/more"},
        }},
        "clip": {"micro": {"model": "openai:~/clip.pt"}},
        "text_to_image": {"micro": {"model": "~/sd"}},
        "ablations": {"supplement": None},
    }  # fmt: skip
    data = merged(DEFAULT, change)
    del data["datasets"]["micro"]["test"]["size"]
    config = load_config(data)
    dataset, at = config.datasets["micro"], str(home)
    assert config.data_dir == f"{at}/data"
    assert config.pools["mine"].path == f"{at}/captions.txt"
    assert dataset.classes == f"{at}/pets.txt"
    assert (dataset.test.path, dataset.test.labels) == (f"{at}/photos", f"{at}/labels.csv")
    assert dataset.photos.path == f"{at}/more"
    assert config.clip["micro"].model == f"openai:{at}/clip.pt"
    assert config.text_to_image["micro"].model == f"{at}/sd"


@pytest.mark.parametrize("text", ["", "  ", "https://example.org/x.tar", "s3://bucket/x"])
@pytest.mark.parametrize(
    "key",
    [
        *("data_dir", "pools.x.path", "pools.y.path", "pools.z.pairs", "pools.z.classes"),
        *("pools.l.cache", "pools.l.model", "pools.l.prompt", "text_to_image.e.path", "text_to_image.e.table"),
        *("clip.micro.model", "datasets.micro.classes"),
    ],
)
def test_an_empty_path_and_an_address_are_one_line(key: str, text: str) -> None:
    """An empty path would be the folder that it starts from, or as if the key were not there."""
    llm = {"source": "llm", "classes": "coco", "model": "m", "prompt": "p.txt", "cache": "c.parquet", "size": 3}
    names = {"source": "names", "classes": "coco", "size": 3}
    pools = {"x": {"source": "webdataset"}, "y": {"source": "huggingface"}, "z": names, "l": llm}
    change: dict[str, Any] = {"pools": pools, "text_to_image": {"e": {"source": "folder", "path": "i", "samples": 1}}}
    place = change
    *parts, last = key.split(".")
    for part in parts:
        place = place.setdefault(part, {})
    place[last] = text
    pools["x"].setdefault("path", "s")
    pools["y"].setdefault("path", "s")
    with pytest.raises(UserError, match=rf"^config: {key}: .*(empty|address|no backbone of kind)"):
        load_config(merged(DEFAULT, change))


def test_an_unknown_user_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^config: data_dir: '~nobody-here/x': no such user; expected ~ for"):
        load_config(merged(DEFAULT, {"data_dir": "~nobody-here/x"}))


def test_a_name_that_only_holds_a_tilde_stays() -> None:
    assert from_home("a~/b") == "a~/b"
    assert from_home("./~a") == "./~a"


def test_resources_are_the_projects_unless_the_folder_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert from_project("resources/zoo/clip.safetensors") == "resources/zoo/clip.safetensors"
    monkeypatch.chdir(tmp_path)
    seen = from_project("resources/zoo/clip.safetensors")
    assert os.path.samefile(seen, resource("zoo/clip.safetensors"))
    assert from_project("resources/mine.safetensors") == "resources/mine.safetensors"
    Path("resources/zoo").mkdir(parents=True)
    Path("resources/zoo/clip.safetensors").write_bytes(b"")
    assert from_project("resources/zoo/clip.safetensors") == "resources/zoo/clip.safetensors"


def test_the_default_config_is_valid_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(DEFAULT)
    assert os.path.samefile(config.clip["micro"].model, resource("zoo/clip.safetensors"))
    assert os.path.samefile(config.text_to_image["micro"].model, resource("zoo/text-to-image"))
