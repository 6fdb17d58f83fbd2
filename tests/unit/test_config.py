"""The config's schema: what passes, and the one line for what does not."""

import json
from copy import deepcopy
from pathlib import Path

import configs
import pytest
import yaml
from configs import merged
from docs_pages import rules

from t2ipal.captions.templates import load_patterns
from t2ipal.config import load_config
from t2ipal.config.command_line import with_entries
from t2ipal.config.json_schema import json_schema
from t2ipal.config.plausible import RULES, unused_pools
from t2ipal.errors import UserError
from t2ipal.methods.base import Method
from t2ipal.plan import queries
from t2ipal.plan.make import make_plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def default() -> dict:
    return configs.default()


class Half(Method):
    """A method of one's own that is not finished."""

    name, title, source = "half", "Half", "this test"


def changed(data: dict, path: str, value: object) -> dict:
    data = deepcopy(data)
    *parents, last = path.split(".")
    place = data
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return data


def error_of(data: dict) -> str:
    with pytest.raises(UserError) as caught:
        make_plan(load_config(data))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_embedded_default_is_valid(default: dict) -> None:
    config = load_config(default)
    assert config.name == "micro"
    assert make_plan(config).runs


@pytest.mark.parametrize(
    ("path", "value", "parts"),
    [
        ("settings.t2i_pal.gamma", 1.5, ["config: settings.t2i_pal.gamma: 1.5 is not <= 1", "expected"]),
        ("settings.t2i_pal.gama", 0.5, ["settings.t2i_pal: unknown key 'gama'", "did you mean 'gamma'?"]),
        ("pools.micro.sise", 5, ["config: pools.micro: unknown key 'sise'", "did you mean 'size'?"]),
        ("pools.micro.size", "many", ["config: pools.micro.size: 'many' is not a whole number", ">= 1"]),
        ("pools.micro.size", 0, ["config: pools.micro.size: 0 is not >= 1"]),
        ("pools.micro.size", None, ["config: pools.micro.size: None is not a whole number"]),
        ("pools.micro.source", "flickr", ["config: pools.micro.source: unknown source 'flickr'", "'micro'", "'coco'"]),
        ("pools.micro", {"size": 5}, ["config: pools.micro.source: missing", "'micro'"]),
        ("pools.micro", 7, ["config: pools.micro: 7 is not a mapping"]),
        ("pools.test", {"source": "micro", "size": 5}, ["config: pools.test"]),
        ("methodz", ["zsclip"], ["config: top level: unknown key 'methodz'", "did you mean 'methods'?"]),
        ("seeds", [], ["config: seeds"]),
        ("seeds", [1, 1], ["config: seeds: [1, 1] holds one twice"]),
        ("seeds", 3, ["config: seeds: 3 is not a list"]),
        ("seeds", [2**63], ["config: seeds.0: 9223372036854775808 is not <= 9.22337e+18"]),
        ("variation_seeds", 0, ["config: variation_seeds: 0 is not >= 1"]),
        ("variation_seeds", [1, 2], ["config: variation_seeds: "]),
        ("seeds", [-1], ["config: seeds.0: -1 is not >= 0"]),
        ("seed", 2**64, ["config: seed: 18446744073709551616 is not <= 9.22337e+18", "2**63 - 1"]),
        ("search_seeds", [7, 7], ["config: search_seeds: [7, 7] holds one twice"]),
        ("pools.a b", {"source": "micro", "size": 5}, ["config: pools.a b", "letters, digits"]),
        ("datasets.a/b", {}, ["config: datasets.a/b", "letters, digits"]),
        ("ablations", [1], ["config: ablations: [1] is not a mapping"]),
        (
            "text_to_image.micro.solver",
            "dmp++",
            ["config: text_to_image.micro.solver: 'dmp++': no such solver", "dpm++"],
        ),
        ("text_to_image.micro.solver", "SchedulerMixin.x", ["no such solver"]),
        ("text_to_image.micro.steps", 5000, ["config: text_to_image.micro.steps: 5000 is not <= 1000"]),
        ("text_to_image.micro.guidance", float("inf"), ["config: text_to_image.micro.guidance: inf"]),
        ("text_to_image.micro.guidance", float("nan"), ["config: text_to_image.micro.guidance: nan"]),
        ("text_to_image.micro.guidance", 750.0, ["config: text_to_image.micro.guidance: 750.0 is not <= 100"]),
        ("text_to_image.micro.width", 80_000, ["config: text_to_image.micro.width: 80000 is not <= 4096"]),
        (
            "text_to_image.micro",
            {"model": "m", "samples": 1, "width": 64, "height": 64, "store_size": 96},
            ["config: text_to_image.micro.store_size: 96 is more than the images' shorter side"],
        ),
        ("clip.micro.image_size", 100, ["config: clip.micro.image_size: 100 is not a multiple of 32", "96 or 128"]),
        ("clip.micro.image_size", 6400, ["config: clip.micro.image_size: 6400 is not <= 2048"]),
        ("training.templates", 90, ["config: training.templates: 90 is not <= 89"]),
        ("settings.t2i_pal.templates", 90, ["config: settings.t2i_pal.templates: 90 is not <= 89"]),
        (
            "novel.classes",
            [],
            ["config: novel.classes: [] is not a whole number (expected the novel classes by name, or how many"],
        ),
        ("novel.classes", ["dog", "dog"], ["config: novel.classes: ['dog', 'dog'] holds one twice"]),
        (
            "ablations.table5.rows.full.use",
            {"samples": 9},
            ["config: ablations.table5.rows.full.use.samples: 9 is more than text_to_image.micro.samples, 6"],
        ),
        ("partial.use", {"text_to_image": "steps-2", "samples": 2}, ["config: partial.use.samples: 2 is more than"]),
        ("sweeps.all", {"method": "t2i_pal", "key": "gamma", "values": [0, 1]}, ["config: sweeps.all", "a rule"]),
        ("sweeps.table1", {"method": "t2i_pal", "key": "gamma", "values": [0, 1]}, ["config: sweeps.table1", "table"]),
        ("ablations.Train", {"title": "T", "rows": {"a": {"method": "zsclip"}}}, ["config: ablations.Train", "a rule"]),
        (
            "ablations.Table5",
            {"title": "T", "rows": {"a": {"method": "zsclip"}}},
            ["config: ablations: 'table5' and 'Table5' are one name"],
        ),
        (
            "datasets.micro.test",
            {"source": "folder", "path": "photos"},
            ["config: datasets.micro.test.labels: missing", "go into `photos`"],
        ),
        (
            "datasets.micro.train",
            {"source": "folder", "path": "photos"},
            ["config: datasets.micro.train.labels: missing"],
        ),
        ("name", "a/b", ["config: name: 'a/b'"]),
        ("name", "zoo", ["config: name: 'zoo'"]),
        ("datasets.micro.classes", "voc2008", ["config: datasets.micro.classes", "voc2008"]),
        ("datasets.micro.pool", "mirco", ["config: datasets.micro.pool: unknown caption pool 'mirco'", "'micro'"]),
        ("datasets.micro.filter", "strict", ["config: datasets.micro.filter: 'strict' is not 'default' or 'tai_dpt'"]),
        ("datasets.micro.test.size", -1, ["config: datasets.micro.test.size: -1 is not >= 1"]),
        ("datasets.micro.train", None, ["config: datasets.micro.train: missing", "oracle"]),
        ("datasets.micro.words", 0, ["config: datasets.micro.words: 0 is not >= 1"]),
        ("datasets.micro.cap", "few", ["config: datasets.micro.cap: 'few' is not a whole number"]),
        (
            "datasets.micro.test",
            {"source": "voc", "root": "VOC2007", "difficult": "maybe"},
            ["config: datasets.micro.test.difficult: 'maybe' is not 'negative' or 'ignore'"],
        ),
        (
            "datasets.micro.test",
            {"source": "nuswide", "root": "NUSWIDE", "missing": -1},
            ["config: datasets.micro.test.missing: -1 is not >= 0"],
        ),
        (
            "datasets.micro.test",
            {"source": "nuswide", "root": "NUSWIDE", "images": "some"},
            ["config: datasets.micro.test.images: 'some' is not 'all' or 'labelled'"],
        ),
        (
            "pools.micro",
            {"source": "openimages", "path": "OpenImages", "split": "val"},
            ["config: pools.micro.split: 'val' is not 'train', 'validation' or 'test'"],
        ),
        ("pools.micro", {"source": "coco", "root": "COCO", "id": "x.pkl"}, ["pools.micro: unknown key 'id'", "'ids'"]),
        ("use.clip", "big", ["config: use.clip: unknown CLIP model 'big'", "micro"]),
        ("use.text_to_image", "sd", ["config: use.text_to_image: unknown text-to-image model 'sd'"]),
        ("text_to_image.micro.width", 65, ["config: text_to_image.micro.width: 65", "multiple of 8"]),
        ("text_to_image.micro.store_size", 100, ["config: text_to_image.micro.store_size: 100", "multiple of 8"]),
        (
            "text_to_image.micro.compile",
            "yes",
            ["config: text_to_image.micro.compile: 'yes' is not 'auto', 'on' or 'off'"],
        ),
        ("results_dir", "a/{b}", ["config: results_dir: 'a/{b}'", "without braces"]),
        ("clip.micro.crop", "left", ["config: clip.micro.crop: 'left' is not 'center' or 'squash'"]),
        ("methods", ["zsclip", "t2i_pall"], ["config: methods.1: unknown method 't2i_pall'", "'t2i_pal'"]),
        ("methods", ["nowhere.Method"], ["config: methods.0", "nowhere"]),
        ("training.epochs", 0, ["config: training.epochs: 0 is not >= 1"]),
        ("training.epoch", 3, ["config: training: unknown key 'epoch'", "'epochs'"]),
        ("settings.t2ipal", {"gamma": 1}, ["config: settings: unknown method 't2ipal'", "'t2i_pal'"]),
        ("sweeps.fig3a.method", "coop", ["config: sweeps.fig3a.method: unknown method 'coop'"]),
        ("sweeps.fig3a.key", "gama", ["config: sweeps.fig3a.key: unknown setting of t2i_pal 'gama'", "'gamma'"]),
        ("sweeps.fig3a.values", [0.2, 7], ["config: sweeps.fig3a.values", "7 is not <= 1"]),
        ("sweeps.fig3a.values", [0.2], ["config: sweeps.fig3a.values"]),
        ("sweeps.fig4.values", [1, 2.5], ["config: sweeps.fig4.values: 2.5 is not a whole number"]),
        ("sweeps.fig4.above", [[1, "tai_dtp"]], ["config: sweeps.fig4.above: unknown method 'tai_dtp'", "'tai_dpt'"]),
        (
            "extra.odd",
            {"method": "zsclip", "against": ["tai"]},
            ["config: extra.odd.against: unknown row", "'tai_dpt'"],
        ),
        (
            "ablations.supplement.rows.steps_2.against",
            ["tai_dpt_drop_0"],
            ["config: ablations.supplement.rows.steps_2.against: unknown row of this group", "steps_6"],
        ),
        ("extra.odd", {"method": "zsclp"}, ["config: extra.odd.method", "zsclp"]),
        ("extra.odd", {"method": "t2i_pal", "set": {"gama": 1}}, ["config: extra.odd: unknown setting", "'gamma'"]),
        ("extra.odd", {"method": "t2i_pal", "use": {"clip": "smal"}}, ["config: extra.odd.use.clip", "'small'"]),
        ("partial.levels", [10, 101], ["config: partial.levels.1: 101 is not <= 100"]),
        ("partial.levels", [10, 10], ["config: partial.levels: [10, 10] holds one twice"]),
        ("partial.masks", "mine", ["config: partial.masks: 'mine' is not 'sarb' or 'tai_dpt'"]),
        ("partial.methods", ["tai_dpt"], ["config: partial.methods.0: tai_dpt does not learn from train rows"]),
        ("partial.fuse.base", "ssgl", ["config: partial.fuse.base: unknown method of this table 'ssgl'", "'ssgrl'"]),
        ("partial.fuse.partners", ["coop"], ["config: partial.fuse.partners: unknown method of Table 1 'coop'"]),
        ("partial.fuse.weight", 2, ["config: partial.fuse.weight: 2"]),
        ("few_shot.methods", ["ssgrl"], ["config: few_shot.methods.0: ssgrl does not learn from shots rows"]),
        ("methods", ["coop"], ["config: methods.0: coop learns from few-shot samples"]),
        ("novel.classes", ["dgo"], ["config: novel.classes: unknown class of datasets.micro 'dgo'", "'dog'"]),
        ("ablations.table1", {"title": "T", "rows": {"a": {"method": "zsclip"}}}, ["config: ablations.table1"]),
        ("search.zsclip", {"grid": {"global_feature": ["pos"]}}, ["config: search: unknown method that learns"]),
        ("search.tai_dpt", {"level": 1, "grid": {"lr": [1.0]}}, ["config: search.tai_dpt.level: 1 (expected none: "]),
        ("search.coop", {"level": None, "grid": {"lr": [1.0]}}, ["config: search.coop.level: missing (expected the"]),
        ("search_seeds", [1], ["config: search_seeds: 1 is one of seeds"]),
        ("metric", "map", ["config: metric: unknown metric 'map' (did you mean 'mAP'?)"]),
        ("table_metrics", ["CF"], ["config: table_metrics: unknown metric 'CF' (did you mean 'CF1'?)"]),
        ("table_metrics", ["CF1", "mAP"], ["config: table_metrics: ['mAP', 'CF1', 'mAP'] holds one twice"]),
        ("ablations.table5.metrics", ["OF"], ["config: ablations.table5.metrics: unknown metric 'OF'"]),
        ("ablations.table5.metrics", [], ["config: ablations.table5.metrics"]),
        (
            "metric",
            "accuracy",
            ["config: metric: unknown metric 'accuracy' (expected one of: Brier, Brier_floor, CF1, "],
        ),
        ("bootstrap", 5, ["config: bootstrap: 5 is not >= 100"]),
        ("bootstrap", 10**12, ["config: bootstrap: 1000000000000 is not <= 1e+06"]),
        ("bootstrap", "x" * 999, ["config: bootstrap: 'xxx", "xxx... is not a whole number"]),
        ("name", "x" * 99, ["config: name: ", "at most 80 characters"]),
        ("pools.micro.shards", 10**8, ["config: pools.micro.shards: 100000000 is not <= 10000"]),
        ("pools.micro.size", 10**12, ["config: pools.micro.size: 1000000000000 is not <= 1e+09"]),
        ("text_to_image.micro.samples", 10**9, ["config: text_to_image.micro.samples: 1000000000 is not <= 1000"]),
        ("text_to_image.micro.model", "a\0b", ["config: text_to_image.micro.model: ", "the character U+0000"]),
        ("data_dir", "a\x1b[2J", ["config: data_dir: ", "the character U+001B"]),
        ("datasets.micro.classes", "x" * 5000 + ".txt", ["config: datasets.micro.classes: classes: no list"]),
        ("datasets.micro.title", "x" * 201, ["config: datasets.micro.title: ", "at most 200 characters"]),
        ("results_dir", "a\nb", ["config: results_dir: ", "line ends"]),
        ("methods", ["..x"], ["config: methods.0: method '..x': not the path of a class"]),
        ("methods", [f"{__name__}.Half"], ["config: methods.0: ", "Half has no finish, prepare, scores"]),
        ("sweeps.fig4.values", [1, 2, 1], ["config: sweeps.fig4.values: [1, 2, 1] holds one twice"]),
        ("sweeps.fig4.values", [1, 10**9], ["config: sweeps.fig4.values: 1000000000 is not a whole number from 1 to"]),
        ("sweeps.fig4.method", "zsclip", ["config: sweeps.fig4.key: zsclip uses no generated images"]),
        ("sweeps.fig4.above", [[1, 1]], ["config: sweeps.fig4.above: 1 above itself"]),
        ("sweeps.fig4.datasets", ["micro", "micro"], ["config: sweeps.fig4.datasets: ", "holds one twice"]),
        ("extra.zsclip_sparc.against", ["zsclip", "zsclip"], ["config: extra.zsclip_sparc.against: ", "one twice"]),
        ("extra.zsclip_sparc.against", ["zsclip_sparc"], ["config: extra.zsclip_sparc.against: the row itself"]),
        ("extra.zsclip_sparc.scores", "raw", ["config: extra.zsclip_sparc.scores: ", "'raw'"]),
        (
            "extra.zsclip_sparc.score_scale",
            3,
            ["score_scale: 3 with scores: sparc (expected scores: "],
        ),
        ("extra.zsclip_sparc.score_scale", 1e-9, ["extra.zsclip_sparc.score_scale: 1e-09 is not >= 1e-06"]),
        ("extra.zsclip_sparc.score_scale", 1e9, ["score_scale: 1000000000.0 is not <= 1e+06"]),
        ("extra.new", {"method": "comc", "scores": "cells"}, ["config: extra.new.scores: 'cells' with comc"]),
        ("partial.fuse.partners", ["tai_dpt", "tai_dpt"], ["config: partial.fuse.partners: ", "holds one twice"]),
        ("novel.zero_shot", ["tai_dpt", "tai_dpt"], ["config: novel.zero_shot: ", "holds one twice"]),
        ("search.ssgrl", {"level": 10, "grid": {"lrr": [1]}}, ["config: search.ssgrl.grid: unknown setting", "'lr'"]),
        ("search.ssgrl", {"level": 10, "grid": {"lr": ["a"]}}, ["config: search.ssgrl.grid.lr: 'a' is not a number"]),
        ("search.ssgrl", {"level": 10, "grid": {"lr": [1, 1]}}, ["config: search.ssgrl.grid.lr: ", "holds one twice"]),
        ("search.oracle.then", {"bet": [1]}, ["config: search.oracle.then: unknown setting", "'beta'"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(default: dict, path: str, value: object, parts: list[str]) -> None:
    line = error_of(changed(default, path, value))
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("text_to_image.micro.redraws", 2, "config: text_to_image.micro.redraws: renamed, use retries"),
        ("settings.t2i_pal.image_draw", "all", "config: settings.t2i_pal.image_draw: renamed, use image_sampling"),
    ],
)
def test_a_renamed_key_names_the_new_one(default: dict, path: str, value: object, message: str) -> None:
    assert error_of(changed(default, path, value)) == message


def test_an_old_name_is_unknown_in_a_block_without_the_new_one(default: dict) -> None:
    assert error_of(changed(default, "clip.micro.redraws", 2)).startswith("config: clip.micro: unknown key 'redraws'")


def test_an_overlay_drops_an_entry_with_null(default: dict) -> None:
    data = changed(default, "pools.other", {"source": "micro", "size": 3})
    data = changed(data, "datasets.other", {**data["datasets"]["micro"], "pool": "other"})
    data = changed(data, "datasets.micro", None)
    assert list(load_config(data).datasets) == ["other"]


def test_a_bare_on_or_off_is_read_as_meant(default: dict) -> None:
    for text, expected in (("on", "on"), ("off", "off"), ("auto", "auto")):
        value = yaml.safe_load(f"compile: {text}")["compile"]
        config = load_config(changed(default, "text_to_image.micro.compile", value))
        assert config.text_to_image["micro"].compile == expected


def test_yaml_numbers_without_a_dot_are_numbers(default: dict) -> None:
    data = changed(default, "training.lr", yaml.safe_load("1e-3"))
    assert make_plan(load_config(data)).runs["micro", "t2i_pal", "base"].settings["lr"] == 1e-3


@pytest.mark.slow
def test_the_schema_for_editors_is_up_to_date_and_accepts_the_default(default: dict) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    path = ROOT / "resources" / "config.schema.json"
    assert json.loads(path.read_text()) == json_schema(), "make format renews resources/config.schema.json"
    jsonschema.validate(default, json_schema())
    assert (ROOT / "config.yaml").read_text().startswith("# yaml-language-server: $schema=resources/config.schema.json")


def test_every_key_of_the_default_has_a_comment() -> None:
    lines = (ROOT / "config.yaml").read_text().splitlines()
    for number, line in enumerate(lines):
        if line and line[0].isalpha():
            assert lines[number - 1].startswith("#"), line


def test_every_field_of_the_schema_is_described() -> None:
    def fields(schema: dict, name: str = "Config") -> None:
        for key, field in schema.get("properties", {}).items():
            assert field.get("description"), f"{name}.{key}"

    schema = json_schema()
    fields(schema)
    for name, part in schema["$defs"].items():
        fields(part, name)


@pytest.mark.parametrize(
    ("path", "value", "parts"),
    [
        ("sweeps.fig3a.datasets", ["mirco"], ["config: sweeps.fig3a.datasets: unknown data set 'mirco'", "'micro'"]),
        ("sweeps.fig3a.datasets", [], ["config: sweeps.fig3a.datasets"]),
        ("ablations.table5.datasets", ["voc"], ["config: ablations.table5.datasets: unknown data set 'voc'"]),
        ("few_shot.datasets", ["coco"], ["config: few_shot.datasets: unknown data set 'coco'"]),
        ("partial.use", {"clip": "big"}, ["config: partial.use.clip: unknown clip 'big'"]),
        ("partial.methods_of", {"nus": ["sarb"]}, ["config: partial.methods_of: unknown data set 'nus'"]),
        ("partial.methods_of", {"micro": ["coop"]}, ["config: partial.methods_of.micro: unknown method", "'coop'"]),
        ("datasets.micro.settings", {"tai_dpt": {"tau": 1}}, ["config: datasets.micro.settings.tai_dpt", "'tau'"]),
        ("datasets.micro.settings", {"taidpt": {}}, ["config: datasets.micro.settings: unknown method 'taidpt'"]),
        ("machine.gpus", 0, ["config: machine.gpus: 0 is not >= 1"]),
    ],
)
def test_what_is_for_some_data_sets_alone_names_its_key(
    default: dict, path: str, value: object, parts: list[str]
) -> None:
    line = error_of(changed(default, path, value))
    for part in parts:
        assert part in line


def test_values_of_the_command_line_are_yaml(default: dict) -> None:
    """Snakemake leaves numbers and null inside lists and mappings as text."""
    text = {"seeds": ["7", "8"], "machine": {"gpu": "null", "gpus": "4", "cores": "32"}, "novel": "null"}
    entries = ["seeds=[7,8]", "machine={gpu: null, gpus: 4, cores: 32}", "novel=null", "use={clip: small}"]
    config = load_config(with_entries(merged(default, text), entries))
    assert config.seeds == [7, 8]
    assert (config.machine.gpu, config.machine.gpus, config.machine.cores) == (None, 4, 32)
    assert (config.novel, config.use.clip, config.use.text_to_image) == (None, "small", "micro")
    nested = load_config(with_entries(default, ["settings={t2i_pal: {gamma: 0.4}}", "name=2026-01-01"]))
    assert (nested.settings["t2i_pal"], nested.settings["comc"]["epochs"]) == ({"gamma": 0.4}, 20)
    assert nested.name == "2026-01-01"


def test_a_metric_with_a_threshold_asks_for_validation_images(default: dict) -> None:
    data = changed(default, "datasets.micro.validation", None) | {"search": {}, "metric": "CF1_top3"}
    assert load_config(data).metric == "CF1_top3"
    with pytest.raises(UserError, match=r"^config: datasets\.micro\.validation: missing \(metric OF1 takes its thr"):
        load_config(data | {"metric": "OF1"})
    with pytest.raises(UserError, match=r"^config: datasets\.micro\.validation: missing \(metric CF1 takes its thr"):
        load_config(changed(data, "ablations.table6.metrics", ["CF1"]))
    assert load_config(data | {"table_metrics": ["OF1"]}).table_metrics == ["OF1"]  # left out there
    photos = changed(data, "datasets.micro.test", None) | {"metric": "OF1"}
    assert load_config(changed(photos, "datasets.micro.photos", {"path": "photos"})).metric == "OF1"


def test_no_image_is_learned_from_and_measured_on(default: dict) -> None:
    photos = {"source": "folder", "path": "photos", "labels": "labels.csv"}
    same = {**photos, "path": "./photos/"}
    data = changed(changed(default, "datasets.micro.train", photos), "datasets.micro.test", same)
    assert error_of(data) == "config: datasets.micro.train: the same images as test (expected others)"
    other = changed(data, "datasets.micro.test", {**photos, "labels": "test.csv"})
    assert load_config(other).datasets["micro"].test.labels == "test.csv"
    assert load_config(default).datasets["micro"].train.size == load_config(default).datasets["micro"].validation.size


def test_the_names_of_rules_are_known() -> None:
    assert set(rules()) | {"all"} == RULES


def test_a_solver_of_diffusers_may_have_its_full_name(default: dict) -> None:
    data = changed(default, "text_to_image.micro.solver", "HeunDiscreteScheduler")
    assert load_config(data).text_to_image["micro"].solver == "HeunDiscreteScheduler"


def test_a_pool_that_nobody_reads_is_noted(default: dict) -> None:
    config = load_config(changed(default, "pools.mine", {"source": "text", "path": "mine.txt"}))
    used = queries.pools(config, make_plan(config))
    assert unused_pools(config, used) == ["config: pools.mine: no data set and no row uses it"]


def test_templates_are_as_many_as_the_setting_allows() -> None:
    assert len(load_patterns()) == 89


def test_a_class_name_must_fit_into_a_prompt(default: dict, tmp_path: Path) -> None:
    default["novel"] = None
    path = tmp_path / "classes.txt"
    path.write_text("dog\n" + " ".join(["golden retriever"] * 11) + "\n", "utf-8")
    assert make_plan(load_config(changed(default, "datasets.micro.classes", str(path)))).runs  # 22 tokens
    for name in ("\N{SNOWMAN}" * 60, "qx" * 60):
        path.write_text(f"dog\n{name}\n", "utf-8")
        line = error_of(changed(default, "datasets.micro.classes", str(path)))
        assert line.startswith(f"config: datasets.micro.classes: {name!r} has ")
        assert "room for 59 (expected a shorter name)" in line
