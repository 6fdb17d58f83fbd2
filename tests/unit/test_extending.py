"""docs/extending.md, word by word: its files and lines go into a copy of the package, and each extension works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from code_copies import copy_code
from configs import default
from docs_pages import ROOT, blocks, section
from warm import run_python

from t2ipal.config import load_config
from t2ipal.plan.make import make_plan

PAGE = ROOT / "docs/extending.md"
LIMITS = {"a source": 2, "a backbone": 2, "a metric": 2, "a kind of training rows": 3}

USES = {
    "a source": """
        from t2ipal.sources.base import source_of
        from t2ipal.sources.registry import caption_source
        open("captions.txt", "w").write("A dog. ; A cat.")
        source = caption_source({"source": "semicolons", "path": "captions.txt"})
        assert [row.text for row in source_of(source.spec()).read(0)] == ["A dog.", "A cat."]
        assert source.count().items == 2
        assert not any(finding.missing for finding in source.check("pools.mine"))
    """,
    "a backbone": """
        import torch
        from t2ipal import backbones
        from t2ipal.models.prompts import PromptEncoder
        assert not backbones.check("k", "hashed:16").missing
        backbone = backbones.load_backbone("hashed:16")
        pooled, local = backbone.text_dense(*backbone.tokenize(["a dog", "a cat"]))
        assert (pooled.shape, local.shape) == ((2, 16), (2, 32, 16))
        assert backbone.image_dense(torch.zeros(2, 3, 32, 32))[2].shape == (2, 4, 16)
        prompts = PromptEncoder(backbone, ["dog", "cat"], 3)
        assert prompts(torch.zeros(3, 8)).shape == (2, 16)
    """,
    "a metric": """
        import numpy as np
        from t2ipal.metrics.registry import METRICS
        scores, labels = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[1, 0], [1, 0]])
        assert METRICS["P_top1"].of(scores, labels) == 50.0
        assert METRICS["P_top1"].bootstrap(scores, labels, np.array([[2, 0], [0, 2]])).tolist() == [100.0, 0.0]
    """,
    "a kind of training rows": """
        import torch
        from t2ipal.features.cache import ImageFeatures
        from t2ipal.rows import KINDS, inputs_of
        from t2ipal.rows.base import RowRequest
        from t2ipal.rows.data import TrainingData
        assert inputs_of({"flat"}, {}) == {"train", "train_images"}
        images = ImageFeatures(["x", "y"], torch.eye(2), torch.eye(2), torch.zeros(2, 9, 2), (3, 3), "0" * 64)
        rows = KINDS["flat"](images, torch.eye(2, dtype=torch.int8))
        source = rows.source(TrainingData(), RowRequest(frozenset({"flat"})), (1,))
        branch = source.branch(torch.tensor([[1, 0]]), None)
        assert branch.local.shape == (1, 2, 1, 2)
        assert torch.equal(branch.local[:, :, 0], branch.pooled)
    """,
}


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with all that the page adds."""
    copy = tmp_path_factory.mktemp("extended")
    copy_code(ROOT / "t2ipal", copy / "t2ipal")
    (copy / "resources").symlink_to(ROOT / "resources")
    for text in blocks(PAGE, "python"):
        if text.startswith("# t2ipal/"):
            path, _, code = text.removeprefix("# ").partition("\n")
            (copy / path).write_text(code, encoding="utf-8")
    for text in blocks(PAGE, "diff"):
        path, before, added = text.removeprefix("# ").splitlines()
        code = (copy / path).read_text(encoding="utf-8")
        assert code.count(f"{before[1:]}\n") == 1, before
        code = code.replace(f"{before[1:]}\n", f"{before[1:]}\n{added[1:]}\n")
        (copy / path).write_text(code, encoding="utf-8")
    return copy


@pytest.mark.parametrize("name", USES)
def test_an_extension_of_the_page_works(name: str, extended: Path) -> None:
    lines = [line[8:] for line in USES[name].splitlines()]
    used = run_python(["-c", "\n".join(lines)], extended)
    assert used.returncode == 0, used.stderr


@pytest.mark.parametrize("name", LIMITS)
def test_an_extension_touches_few_files(name: str) -> None:
    text = section(PAGE, name.capitalize())
    assert 1 < len(set(re.findall(r"^# (t2ipal/\S+)$", text, re.MULTILINE))) <= LIMITS[name]


def test_the_table_of_the_page_is_made_by_its_config() -> None:
    (overlay,) = [yaml.safe_load(text) for text in blocks(PAGE, "yaml") if "ablations" in text]
    config = default()
    config["ablations"] = overlay["ablations"]
    assert "contexts" in make_plan(load_config(config)).tables
