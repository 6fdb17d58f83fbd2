"""What users get wrong, and disks: one line that names it, an exit code, and nothing half-written."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from project import Project, copy_project, one_error

Broken = Callable[..., str]


@pytest.fixture(scope="module")
def kept(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy in which nothing but the config changes: runs end before they do anything."""
    with copy_project(finished, tmp_path_factory.mktemp("kept") / "project").with_modules() as project:
        yield project


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"seedz": [1]}, ["config: top level: unknown key 'seedz'"]),
        ({"pools": {"micro": {"size": "many"}}}, ["config: pools.micro.size: 'many'", "whole number"]),
        ({"settings": {"t2i_pal": {"gamma": 1.5}}}, ["config: settings.t2i_pal.gamma: 1.5 is not <= 1"]),
        ({"methods": ["t2i_pall"]}, ["config: methods.0: unknown method 't2i_pall'", "t2i_pal"]),
        ({"datasets": {"micro": {"classes": "voc2008"}}}, ["config: datasets.micro.classes", "voc2008"]),
        (
            {"pools": {"micro": {"source": "text", "path": "none.txt", "size": None}}},
            ["config: pools.micro", "unknown key 'size'"],
        ),
    ],
)
def test_a_bad_config_ends_at_once(kept: Project, change: dict[str, Any], parts: list[str]) -> None:
    kept.configure(change)
    one_error(kept.run(), *parts)


def test_a_missing_caption_file_names_the_key(kept: Project) -> None:
    pool = {"source": "text", "path": "none.txt"}
    kept.configure({"pools": {"mine": pool}, "datasets": {"micro": {"pool": "mine"}}})
    one_error(kept.run("captions"), "config: pools.mine.path: data/none.txt: no such file")


def test_a_missing_data_set_is_no_matter_to_those_who_do_not_use_it(kept: Project) -> None:
    kept.configure({"pools": {"mine": {"source": "text", "path": "none.txt"}}})
    assert kept.planned() == {}


def test_a_missing_model_names_the_key(project: Project, broken: Broken) -> None:
    project.configure({"clip": {"micro": {"model": "models/none.safetensors"}}})
    (project.path / "models/manifest.json").unlink()
    broken(project.run("features"), "config: clip.micro.model: models/none.safetensors: no such file")


def corrupt(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_a_corrupt_shard_is_named_and_nothing_half_written(project: Project, broken: Broken) -> None:
    shard, features = "images/micro/micro/sample0/shard-0.parquet", "features/micro/images/micro/micro/sample0"
    corrupt(project.file(shard))
    result = project.run(f"results/tiny/{features}/shard-0.parquet")
    broken(result, shard, "parquet")
    assert not list(project.file(features).glob("**/*"))


def test_a_checkpoint_with_a_wrong_hash_is_named(project: Project, broken: Broken) -> None:
    model = project.path / "models/clip.safetensors"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(bytes(content))
    target = project.file("features/micro/captions/micro.parquet")
    target.unlink()
    broken(project.run(str(target.relative_to(project.path))), "models/clip.safetensors", "sha256")
    assert not target.exists()


def test_an_image_model_with_a_wrong_hash_is_named(project: Project, broken: Broken) -> None:
    model = project.path / "models/text-to-image/unet/diffusion_pytorch_model.safetensors"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(bytes(content))
    target = project.file("images/micro/micro/sample0/shard-0.parquet")
    target.unlink()
    broken(project.run(str(target.relative_to(project.path))), "models/text-to-image/unet", "sha256")


def test_a_full_disk_is_named_and_nothing_half_written(project: Project, broken: Broken) -> None:
    folder = project.file("images/micro/micro")
    shutil.rmtree(folder / "sample0")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a full disk needs the right to mount a tmpfs: {mounted.stderr.strip()}")
    try:
        target = folder.relative_to(project.path) / "sample0/shard-0.parquet"
        broken(project.run(str(target)), "shard-0.parquet", "no space left")
        assert not list(folder.glob("**/*.*"))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_check_data_lists_all_problems_at_once(project: Project, broken: Broken) -> None:
    assert project.run("check_data").returncode == 0
    (project.path / "models/clip.safetensors").unlink()
    pool = {"source": "text", "path": "none.txt"}
    project.configure({"pools": {"mine": pool}, "datasets": {"micro": {"pool": "mine"}}})
    broken(project.run("check_data"), "clip.micro.model: models/clip.safetensors", "pools.mine.path: data/none.txt")
