"""The plan of costs: its arithmetic, its counts, and what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import process_time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from configs import default, merged, shipped

from t2ipal.config import Config, load_config
from t2ipal.costs.counts import kept_of
from t2ipal.costs.estimate import Machine, estimate, seconds_of, total, used_costs
from t2ipal.costs.page import bytes_text, cost_page, hours_text, time_text
from t2ipal.costs.units import AMX, CPU, Cost, Units, load_units
from t2ipal.costs.workload import STAGES, Work, Workload, vision_of
from t2ipal.errors import UserError
from t2ipal.plan.make import make_plan

ROOT = Path(__file__).resolve().parents[2]
UNITS = load_units()


def cost(work: str, hardware: str, seconds: float) -> Cost:
    return Cost(work, hardware, seconds, "measured", "a test", "2026-11")


@pytest.fixture
def units() -> Units:
    """A CPU that draws in 100 s and reads in 2 s, a GPU that draws in 1 s; images are encoded 50 times faster there."""
    costs = {
        "draw": {CPU: cost("draw", CPU, 100), "G": cost("draw", "G", 1)},
        "read": {CPU: cost("read", CPU, 2)},
        "learn": {CPU: cost("learn", CPU, 500)},
        "clip_gflop": {CPU: cost("clip_gflop", CPU, 5), "G": cost("clip_gflop", "G", 0.1)},
    }
    return Units({CPU: "a core", "G": "a GPU"}, dict.fromkeys(costs, "an item"), costs, {"png": 10.0})


def test_seconds_of_a_job_are_those_of_its_items(units: Units) -> None:
    work = Work(STAGES[1], "draw", 1, {"draw": 30}, {"read": 5}, gpu=True)
    assert seconds_of(work, units, Machine("G", 1, 2)) == 30 * 1 + 5 * 2
    assert seconds_of(work, units, Machine(None, 1, 2)) == 30 * 100 + 5 * 2


def test_what_nobody_published_follows_from_the_cpu(units: Units) -> None:
    found = units.of("learn", "G")
    assert found.seconds == pytest.approx(500 / 50)
    assert found.kind == "derived"
    assert "ratio" in found.source
    assert units.of("learn", CPU).kind == "measured"


def test_stages_are_added_and_share_the_machine(units: Units) -> None:
    works = [
        Work(STAGES[1], "draw", 8, {"draw": 3600}, size=1e9, gpu=True),
        Work(STAGES[1], "list", 4, {}, {"read": 900}, size=1e6),
        Work(STAGES[3], "one long job", 1, {"draw": 7200}, gpu=True),
    ]
    stages = {stage.stage: stage for stage in estimate(works, units, Machine("G", 4, 2))}
    images = stages[STAGES[1]]
    assert (images.jobs, images.gpu_hours, images.core_hours) == (12, 8, 8 + 4 * 0.5)
    assert images.disk == 8e9 + 4e6
    assert images.wall == 2  # 8 GPU-hours on 4 GPUs; 2 core-hours on 2 cores beside
    assert stages[STAGES[3]].wall == 2  # one job cannot be split
    assert total(list(stages.values())).wall == 4
    alone = {stage.stage: stage for stage in estimate(works, units, Machine(None, 4, 2))}
    assert alone[STAGES[1]].gpu_hours == 0
    assert alone[STAGES[1]].wall == (8 * 100 + 4 * 0.5) / 2


def test_hours_of_unit_costs_add_up_to_those_of_the_stages(units: Units) -> None:
    works = [
        Work(STAGES[1], "draw", 8, {"draw": 3600}, {"read": 100}, gpu=True),
        Work(STAGES[3], "x", 2, {"learn": 9}, gpu=True),
    ]
    for machine in (Machine("G", 4, 2), Machine(None, 1, 2)):
        stages = estimate(works, units, machine)
        assert sum(hours for _, hours in used_costs(works, units, machine)) == pytest.approx(total(stages).core_hours)


def test_an_unknown_gpu_is_named(units: Units) -> None:
    with pytest.raises(UserError, match=r"config: machine.gpu: unknown GPU 'T4' \(expected one of: G\)"):
        estimate([], units, Machine("T4", 1, 1))


def test_numbers_have_the_unit_that_suits_them() -> None:
    assert [time_text(hours) for hours in (0.001, 0.5, 5, 72)] == ["4 s", "30 min", "5.0 h", "3.0 days"]
    assert [bytes_text(size) for size in (5e3, 5e6, 5e9, 5e12)] == ["5 kB", "5 MB", "5 GB", "5 TB"]
    assert [hours_text(hours) for hours in (0, 0.001, 0.5, 1234.5)] == ["0", "<0.01", "0.5", "1,234"]


def test_every_row_of_the_table_says_where_it_is_from() -> None:
    assert {"A100", "H100", "V100"} <= set(UNITS.gpus)
    for known in UNITS.costs.values():
        for row in known.values():
            assert row.seconds > 0 or row.kind == "quoted"
            assert len(row.source) > 5
            assert row.date[:2] == "20"
            assert row.hardware in (CPU, AMX) or row.kind != "measured"
    for gpu in UNITS.gpus:
        assert gpu in UNITS.costs["unet_pass"]
        assert gpu in UNITS.costs["clip_gflop"]


def test_a_table_with_an_error_is_named(tmp_path: Path) -> None:
    path = tmp_path / "units.yaml"
    data = yaml.safe_load((ROOT / "resources/unit_costs.yaml").read_text(encoding="utf-8"))
    data["works"]["start"]["on"] = {"A100": data["works"]["start"]["on"]["CPU"]}
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(UserError, match=r"units.yaml: works.start.on: no CPU"):
        load_units(path)
    data["works"]["start"]["on"] = {"CPU": {"seconds": 2.0, "kind": "measured", "source": "a test", "date": "2026-11"}}
    data["works"]["start"]["on"][AMX] = {"times": 0.25, "kind": "derived", "source": "a test", "date": "2026-11"}
    path.write_text(yaml.safe_dump(data))
    assert load_units(path).of("start", AMX).seconds == 0.5
    path.write_text("works: {}")
    with pytest.raises(UserError, match=r"units.yaml: 'sizes'"):
        load_units(path)
    with pytest.raises(UserError, match="no readable table"):
        load_units(tmp_path / "none.yaml")


def paper() -> Config:
    return load_config(merged(default(), shipped("config/paper.yaml")))


def workload(config: Config, results: Path = Path("nowhere")) -> Workload:
    return Workload(config, make_plan(config), UNITS.sizes, results, 20)


def test_the_papers_images_are_counted() -> None:
    config = paper()
    work = workload(config)
    generated = {
        part.what: part for part in work.all() if part.what.startswith("generate ") and "unet_pass" in part.items
    }
    coco, nuswide = generated["generate coco with sd15"], generated["generate openimages with sd15"]
    # Figure 4 goes to eight images per caption on VOC2007, which shares COCO's captions
    assert (coco.jobs, nuswide.jobs) == (8 * 24, 6 * 24)
    captions = round(118_287 * 0.843)
    assert coco.items["unet_pass"] * coco.jobs == pytest.approx(8 * captions * 50 * 2)
    assert nuswide.items["unet_pass"] * nuswide.jobs == pytest.approx(6 * 81_000 * 50 * 2)
    assert any("at most 1,000 captions for each class of nuswide" in text for text in work.assumed)
    # a shard is 10 to 60 minutes of an A100
    assert 10 <= seconds_of(coco, UNITS, Machine("A100", 1, 1)) / 60 <= 60


def test_features_of_the_paper_have_their_size() -> None:
    works = {part.what: part for part in workload(paper()).all()}
    train = works["train images of coco2014 by rn101-448"]
    # a global feature and 14 x 14 cells; 8 bits, and a scale of 16 for 32 numbers
    assert train.size == 82_783 * (14 * 14 + 1) * (512 + 16 * 2)
    assert vision_of("RN50", 224).dim == 1024
    assert vision_of("models/RN101.pt", 448).gflops == pytest.approx(4 * vision_of("RN101", 224).gflops)
    assert vision_of("ViT-L/14", 224).cells == 256


def test_seeds_of_runs_are_counted() -> None:
    work = workload(load_config(default()))
    assert work.trained == "55 runs, 183 run-seeds (a run trained with one seed)"
    assert f"Trained: {work.trained}." in cost_page(
        "x", work.all(), [], UNITS, Machine(None, 1, 2), notes=[f"Trained: {work.trained}."]
    )


def test_training_is_counted_by_prompts() -> None:
    config = paper()
    runs = {part.what: part for part in workload(config).all() if part.stage == "training"}
    rows = round(118_287 * 0.555) + 89 * 20
    steps = 40 * -(-rows // 64)
    assert runs["tai_dpt on voc2007"].items["prompt"] == steps * 3 * 2 * 20
    assert "own_prompt" in runs["dualcoop on nuswide"].items


def test_what_is_there_is_counted_and_not_assumed(tmp_path: Path) -> None:
    config = load_config(default())
    work = workload(config)
    work.all()
    assert any(text.startswith("micro:") for text in work.assumed)
    (tmp_path / "captions/micro/voc2007-default").mkdir(parents=True)
    for name, rows in (("captions", 900), ("voc2007-default/labelled", 700)):
        pq.write_table(pa.table({"caption_id": ["x"] * rows}), tmp_path / f"captions/micro/{name}.parquet")
    work = workload(config, tmp_path)
    generated = next(part for part in work.all() if part.what == "generate micro with micro")
    assert generated.items["micro_pass"] == 700 * 6  # without guidance: a pass a step
    assert not any(text.startswith("micro:") for text in work.assumed)


def test_own_captions_and_photographs_are_counted(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("a cat\n\na dog\na horse\n")
    (tmp_path / "photos").mkdir()
    for name in "ab":
        (tmp_path / f"photos/{name}.jpg").write_bytes(b"x")
    data = merged(default(), {
        "name": "own", "data_dir": str(tmp_path),
        "pools": {"micro": None, "drop-20": None, "drop-40": None, "mine": {"source": "text", "path": "captions.txt"}},
        "datasets": {"micro": None, "mine": {"title": "mine", "classes": "voc2007", "pool": "mine",
                                             "test": {"source": "folder", "path": "photos", "labels": "labels.csv"}}},
        "ablations": {"supplement": None}, "methods": ["zsclip", "tai_dpt", "t2i_pal"],
    })  # fmt: skip
    works = {part.what: part for part in workload(load_config(data)).all()}
    assert works["read mine"].on_cpu["read_caption"] == 3
    assert works["list test images of mine"].on_cpu["list_image"] == 2


@pytest.mark.parametrize(
    "name", ["config.yaml", "paper.yaml", "voc2007.yaml", "coco2014.yaml", "nuswide.yaml", "coco_mini.yaml"]
)
def test_every_config_has_a_page(name: str) -> None:
    over = {} if name == "config.yaml" else shipped(f"config/{name}")
    config = load_config(merged(default(), over))
    work = workload(config)
    for machine in (Machine(None, 1, 2), Machine("H100", 8, 64)):
        page = cost_page(config.name, work.all(), work.assumed, UNITS, machine)
        assert f"results/{config.name}/" in page
        for stage in STAGES:
            assert stage in page
        large = any("unet_pass" in part.items for part in work.all())
        assert ("quoted, " in page) == (machine.gpu is not None and large)
        assert "measured" in page
        assert max(map(len, page.splitlines())) <= 110


@pytest.mark.slow
def test_the_plan_imports_nothing_heavy() -> None:
    code = "import sys, t2ipal.costs.page, t2ipal.costs.workload, t2ipal.costs.units\n"
    code += "assert not {'torch', 'pandas', 'pyarrow', 'numpy', 'rich'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_cap_counts_for_every_source() -> None:
    config = load_config(merged(default(), {"datasets": {"micro": {"cap": 3}}}))
    kept = kept_of(config, "micro", "micro", "none", Path("nowhere"))
    assert (kept.items, kept.how) == (60, "micro: at most 3 captions for each class of voc2007")
    free = kept_of(load_config(default()), "micro", "micro", "none", Path("nowhere"))
    assert free.items == round(config.pools["micro"].size * 0.958)
    assert free.how == "micro: 95.8% name a class, as in the default run"


def own_overlay(folder: Path, classes: int = 2) -> Config:
    """config/own_data.yaml with a class list and two photos in a folder."""
    (folder / "classes.txt").write_text("".join(f"thing {number}\n" for number in range(classes)))
    (folder / "photos").mkdir()
    for name in "ab":
        (folder / f"photos/{name}.jpg").write_bytes(b"x")
    data = merged(default(), shipped("config/own_data.yaml"))
    mine = data["datasets"]["mine"]
    mine["classes"], mine["photos"]["path"] = str(folder / "classes.txt"), str(folder / "photos")
    return load_config(data)


def test_own_photos_without_labels_have_a_page(tmp_path: Path) -> None:
    """No test images: nothing is evaluated, and the photos are predicted."""
    config = own_overlay(tmp_path)
    work = workload(config)
    works = {part.what: part for part in work.all()}
    assert works["predict photos of mine by t2i_pal"].on_cpu["read_photograph"] == 2
    assert "test images of mine" not in " ".join(works)
    assert not any(part.what == "t2i_pal on mine" for part in work.all() if part.stage == "evaluation")
    page = cost_page(config.name, work.all(), work.assumed, UNITS, Machine(None, 1, 2))
    assert "evaluation" in page


def test_2000_classes_are_planned_in_seconds(tmp_path: Path) -> None:
    config = own_overlay(tmp_path, 2000)
    started = process_time()
    work = workload(config)
    cost_page(config.name, work.all(), work.assumed, UNITS, Machine("H100", 1, 8))
    assert process_time() - started < 2
