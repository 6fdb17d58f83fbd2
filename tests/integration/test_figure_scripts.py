"""The scripts of figures: from files and a `params.spec` to pictures."""

import csv
import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from t2ipal.errors import UserError
from t2ipal.features.cache import image_schema, load_image_features, text_schema
from t2ipal.figures import plot_levels
from t2ipal.metrics.modality_gap import modality_gap
from t2ipal.plan.specs import CellSpec, DatasetSpec, GapSpec, LevelsSpec, MethodSpec, RowSpec, SweepSpec
from t2ipal.store import write_parquet, write_tensors
from t2ipal.tables.paper import quoted, read_paper

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT / "resources" / "paper_results.csv"
DIM = 8


def run_script(name: str, job: SimpleNamespace) -> None:
    """Call the script's `main` as Snakemake does."""
    runpy.run_path(str(ROOT / "workflow_scripts" / f"{name}.py"))["main"](job)


class Files(dict[str, Any]):
    """What Snakemake's inputs are: by name, and by `get`."""

    __getattr__ = dict.__getitem__


def record(method: str, seed: int, mean_ap: float, level: int = 0) -> dict[str, Any]:
    named = {"dataset": "micro", "method": method, "variant": "base", "level": level, "seed": seed}
    return (
        named
        | {"mAP": mean_ap, "ap": [mean_ap] * 2, "bootstrap": [mean_ap - 1, mean_ap + 1], "settings": "{}"}
        | dict.fromkeys(("own_metric", "own"))
    )


def write_metrics(path: Path, rows: list[dict[str, Any]]) -> str:
    write_parquet(pa.Table.from_pylist(rows), path)
    return str(path)


def output(folder: Path, *suffixes: str) -> SimpleNamespace:
    return SimpleNamespace(**{suffix: str(folder / f"figure.{suffix}") for suffix in suffixes})


def cell(name: str, level: int, paper: tuple[str, ...] | None) -> CellSpec:
    return CellSpec(run=("micro", name, "base"), level=level, paper=paper)


def test_the_levels_script_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shots = (1, 2, 4)
    rows = {name: [record(name, s, 70 + n + s, n) for n in shots for s in (1, 2)] for name in ("coop", "coop+t2i_pal")}
    rows["t2i_pal"] = [record("t2i_pal", 1, 75.0, 0)]
    metrics = [write_metrics(tmp_path / f"{name}.parquet", found) for name, found in rows.items()]
    titles = {"coop": "CoOp", "coop+t2i_pal": "CoOp+T2I-PAL"}
    block = [
        RowSpec(
            key=name,
            title=title,
            cells={str(n): cell(name, n, ("T4", "VOC2007", title, f"{n}-shot")) for n in shots},
        )
        for name, title in titles.items()
    ]
    none = cell("t2i_pal", 0, ("T4", "VOC2007", "T2I-PAL", "0-shot"))
    block.append(RowSpec(key="t2i_pal", title="T2I-PAL", cells={"0": none}))
    data = DatasetSpec(name="micro", title="micro world", paper="VOC2007")
    spec = LevelsSpec(dataset=data, title="Few shots", axis="shots", rows=block)
    plotted = []

    def plot_and_keep(*values: Any) -> Any:
        plotted.append(plot_levels(*values))
        return plotted[0]

    monkeypatch.setattr("t2ipal.figures.plot_levels", plot_and_keep)
    job = SimpleNamespace(
        params=SimpleNamespace(spec=json.loads(json.dumps(spec.plain()))),
        input=SimpleNamespace(metrics=metrics, paper=str(PAPER)),
        output=output(tmp_path, "png", "svg"),
    )
    run_script("levels", job)
    ours, paper = plotted[0].axes
    assert ours.lines[0].get_xydata().tolist() == [[1, 72.5], [2, 73.5], [4, 75.5]]
    assert paper.lines[0].get_xydata().tolist() == [[1, 79.3], [2, 83.2], [4, 83.8]]
    assert ours.get_title("left") == "Ours, micro world"
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert (tmp_path / "figure.svg").stat().st_size > 10_000
    more = block[0].model_copy(update={"cells": {**block[0].cells, "8": cell("coop", 8, None)}})
    job.params.spec = spec.model_copy(update={"rows": (more, *block[1:])}).plain()
    with pytest.raises(UserError, match="Few shots: no metrics of run micro/coop/base at level 8"):
        run_script("levels", job)


def unit(draw: np.random.Generator, rows: int, shift: float) -> np.ndarray:
    values = draw.normal(shift, 1, (rows, DIM))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def halves(values: np.ndarray) -> list[list[np.float16]]:
    return [list(row) for row in values.astype(np.float16)]


def write_features(folder: Path) -> dict[str, str]:
    draw = np.random.default_rng(0)
    marks = {"clip_sha256": "ab" * 32, "clip_name": "tiny", "dim": str(DIM), "grid": "1,1"}
    paths = {}
    for name, shift in (("synthetic", 0.3), ("test", 0.5)):
        values = halves(unit(draw, 40, shift))
        columns = {"id": [f"{n:03d}" for n in range(40)], "global_pos": values, "global_nopos": values, "local": values}
        schema = image_schema(DIM, 1, False, marks | {"kind": "image"})
        paths[name] = str(folder / f"{name}.parquet")
        write_parquet(pa.Table.from_pydict(columns, schema), paths[name])
    values = halves(unit(draw, 40, -0.5))
    columns = {"id": [f"{n:03d}" for n in range(40)], "global": values, "local": values, "tokens": [[1]] * 40}
    paths["captions"] = str(folder / "captions.parquet")
    write_parquet(pa.Table.from_pydict(columns, text_schema(DIM, marks | {"kind": "text"})), paths["captions"])
    return paths


@pytest.mark.parametrize("with_models", [True, False])
def test_the_gap_script_writes_what_it_draws(with_models: bool, tmp_path: Path) -> None:
    paths = write_features(tmp_path)
    prompts = torch.randn(2, 3, DIM, generator=torch.Generator().manual_seed(0))
    tensors = {"zsclip": {"class_global": prompts[:1]}, "t2i_pal": {"class_global": prompts}, "ssgrl": {"w": prompts}}
    names = list(tensors) if with_models else []
    for name in names:
        write_tensors(tmp_path / f"{name}.safetensors", tensors[name], {"method": name})
    methods = {
        "zsclip": MethodSpec(name="zsclip", title="ZSCLIP", deterministic=True),
        "t2i_pal": MethodSpec(name="t2i_pal", title="T2I-PAL"),
        "ssgrl": MethodSpec(name="ssgrl", title="SSGRL"),
    }
    files = Files(paths | {"synthetic": [paths["synthetic"]]})
    files["metrics"] = [write_metrics(tmp_path / "metrics.parquet", [record("t2i_pal", s, 70 + s) for s in (1, 2)])]
    data = DatasetSpec(name="micro", title="micro world")
    spec = GapSpec(dataset=data, methods=[methods["t2i_pal"]], prompts=[methods[name] for name in names])
    files["models"] = [str(tmp_path / f"{name}.safetensors") for name in names]
    where = output(tmp_path, "png", "svg", "csv")
    run_script("modality_gap", SimpleNamespace(params=SimpleNamespace(spec=spec.plain()), input=files, output=where))
    with open(where.csv, newline="", encoding="utf-8") as file:
        found = {row["pair"]: float(row["distance"]) for row in csv.DictReader(file)}
    test = load_image_features(paths["test"]).global_nopos.float().numpy()
    expected = {}
    if with_models:
        expected = {
            "class prompts of ZSCLIP (before training) to test images": modality_gap(test, prompts[0]),
            "class prompts of T2I-PAL (after training) to test images": np.mean(
                [modality_gap(test, seed) for seed in prompts]
            ),
        }
    images = load_image_features(paths["synthetic"]).global_nopos.float().numpy()
    expected["synthetic images to test images"] = modality_gap(images, test)
    assert expected.keys() <= found.keys()
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert len(found) == 3 + 2 * with_models
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_the_papers_quotes_of_a_sweep() -> None:
    paper = read_paper(PAPER)

    def spec(name: str, key: str, dataset: str | None) -> SweepSpec:
        data, method = DatasetSpec(name="a", title="a", paper=dataset), MethodSpec(name="t2i_pal", title="T2I-PAL")
        return SweepSpec(name=name, key=key, points=(), dataset=data, method=method)

    assert quoted(paper, spec("fig3a", "gamma", "VOC2007")) == {0.2: 91.1, 1.0: 90.4}
    assert quoted(paper, spec("fig3b", "alpha", "COCO2014")) == {1.0: 71.03}
    assert quoted(paper, spec("fig4", "samples", "VOC2007")) == {1.0: 91.1}
    assert quoted(paper, spec("fig4", "images_per_caption", "VOC2007")) == {1.0: 91.1}
    assert quoted(paper, spec("fig3a", "eta", "VOC2007")) == {}
    assert quoted(paper, spec("fig3a", "gamma", None)) == {}
