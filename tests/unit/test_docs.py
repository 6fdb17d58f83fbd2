"""The pages say what is: keys, settings, commands, files, columns and links are those of the project."""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path
from typing import Any, get_args, get_origin

import pyarrow as pa
import pytest
import yaml
from configs import default, merged, shipped
from docs_pages import (
    PAGES,
    ROOT,
    anchor_of,
    anchors,
    blocks,
    documented_outputs,
    links,
    prose,
    rules,
    section,
    table_rows,
)
from pydantic import BaseModel

from t2ipal import methods
from t2ipal.cli import make_parser
from t2ipal.config import Config, load_config
from t2ipal.config.__main__ import PAGE, SCHEMA, main
from t2ipal.config.settings_table import text_of
from t2ipal.plan.make import make_plan
from t2ipal.plan.runs import settings_of
from t2ipal.version import VERSION

DEVIATIONS = ROOT / "docs/deviations.md"
README = ROOT / "README.md"


def option_models(place: Any) -> list[type[BaseModel]]:
    """The models that an annotation may hold, whatever is around them."""
    if isinstance(place, type) and issubclass(place, BaseModel):
        return [place]
    return [model for part in get_args(place) for model in option_models(part)]


def is_key(path: str) -> bool:
    """Whether a dotted path, `{...}` for a name of one's own, is a key of the config or a setting of a method."""
    head, *rest = path.split(".")
    if head not in Config.model_fields:
        return False
    if head in ("training", "settings"):
        every = {name: set(methods.get(name).Settings.model_fields) for name in methods.names()}
        if head == "training":
            return not rest or (len(rest) == 1 and any(rest[0] in known for known in every.values()))
        known = set.union(*every.values()) if rest and rest[0] == "{method}" else every.get(rest[0] if rest else "")
        return not rest or (known is not None and (len(rest) == 1 or (len(rest) == 2 and rest[1] in known)))
    place: list[Any] = [Config.model_fields[head].annotation]
    if rest and any(get_origin(option) is dict for option in place):
        rest = rest[1:]
    for part in rest:
        found = [model.model_fields[part].annotation for option in place for model in option_models(option)
                 if part in model.model_fields]  # fmt: skip
        if not found:
            return False
        place = found
    return True


def config_paths(page: Path) -> list[str]:
    """Words in backticks that look like a key of the config: its first part is one."""
    words = re.findall(r"`([a-z0-9_]+(?:\.[A-Za-z0-9_{}]+)+)`", prose(page))
    return [word for word in words if word.split(".")[0] in Config.model_fields]


def test_a_wrong_key_would_be_seen() -> None:
    right = ("seeds", "training.lr", "settings.{method}.eta", "settings.t2i_pal.gamma", "pools.{name}.splits",
             "text_to_image.micro.steps", "use.clip", "datasets.{name}.filter")  # fmt: skip
    wrong = ("sead", "training.gama", "settings.tai_dpt.gamma", "settings.clip.lr", "pools.{name}.gamma", "use.lr")
    assert all(is_key(path) for path in right)
    assert not any(is_key(path) for path in wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_config_key_that_a_page_names_exists(page: Path) -> None:
    assert [path for path in config_paths(page) if not is_key(path)] == []


def test_every_config_block_of_the_readme_is_a_valid_overlay() -> None:
    found = blocks(README, "yaml")
    assert len(found) >= 4
    for text in found:
        overlay = yaml.safe_load(text)
        for dataset in (overlay.get("datasets") or {}).values():
            if dataset and not (ROOT / dataset["classes"]).exists():
                dataset["classes"] = "voc2007"  # a list of the reader's own
        make_plan(load_config(merged(default(), overlay)))


def test_the_36_choices_and_19_disagreements_are_all_there() -> None:
    rows = table_rows(section(DEVIATIONS, "The 36 choices"))
    assert [row[0] for row in rows] == [str(number) for number in range(1, 37)]
    assert all(len(row) == 6 and all(row) for row in rows)
    text = section(DEVIATIONS, "19 places where the paper disagrees with itself or with its sources")
    assert re.findall(r"^(\d+)\. ", text, re.MULTILINE) == [str(number) for number in range(1, 20)]


def test_every_key_of_the_36_choices_is_named_in_full() -> None:
    for number, *_, keys, _ in table_rows(section(DEVIATIONS, "The 36 choices")):
        words = re.findall(r"`([^`]+)`", keys)
        assert words or keys == "none", number
        assert [word for word in words if not is_key(word)] == [], number


@pytest.mark.slow
def test_the_check_of_generated_files_catches_a_change(tmp_path: Path) -> None:
    for path in (SCHEMA, PAGE):
        (tmp_path / path).parent.mkdir()
        shutil.copy(ROOT / path, tmp_path / path)
    main(["--check"], tmp_path)
    page, schema = tmp_path / PAGE, tmp_path / SCHEMA
    right = page.read_text(encoding="utf-8")
    page.write_text(right.replace("| `gamma` | t2i_pal | 0.2 |", "| `gamma` | t2i_pal | 0.3 |"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"^error: docs/deviations.md: stale; make format renews it$"):
        main(["--check"], tmp_path)
    schema.unlink()
    main(["--write"], tmp_path)
    main(["--check"], tmp_path)
    assert page.read_text(encoding="utf-8") == right


def test_the_default_run_is_as_the_page_says() -> None:
    config = load_config(default())
    shown = {**config.model_dump(), "training": settings_of(config, "t2i_pal").model_dump()}
    shown["settings"] = {name: settings_of(config, name).model_dump() for name in config.methods}
    rows = table_rows(section(DEVIATIONS, "What the default run does differently"))
    assert rows
    for path, _, value in rows:
        place: Any = shown
        for part in path.strip("`").split("."):
            place = place[part]
        assert text_of(place) == value, path


def targets() -> set[str]:
    """What may be asked of snakemake by name: rules without wildcards, tables and sweeps of a page or an overlay."""
    plain = {name for name, parts in rules().items() if not any("{" in path for path in parts["output"])}
    overlays = [yaml.safe_load(text) for page in PAGES for text in blocks(page, "yaml")]
    overlays += [shipped(f"config/{path.name}") for path in (ROOT / "config").glob("*.yaml")]
    sweeps = {name for overlay in overlays for key in ("sweeps", "ablations") for name in overlay.get(key) or {}}
    tables = set(make_plan(load_config(default())).tables)
    return plain | tables | sweeps | set(default()["sweeps"]) | {"all"}


OWN = {"mine.yaml", "my.yaml", "data/toys/config.yaml", "rehearsal/rehearsal.yaml"}
"""Configs that a reader makes."""

WITH_VALUE = {"--cores", "--configfile", "--report", "--workflow-profile", "--config", "--resources"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lines = [line for text in blocks(page, "sh") for line in text.splitlines()]
    lines += re.findall(r"`((?:make|snakemake) [^`]+)`", prose(page))
    assert lines or page != README
    for line in lines:
        command, *words = shlex.split(line, comments=True)
        if command == "make":
            assert all(re.search(rf"^{word}:", makefile, re.MULTILINE) for word in words if "=" not in word), line
        elif command == "snakemake":
            check_snakemake(line, words)
        elif command == "t2ipal":
            make_parser().parse_args(words)  # a wrong option ends the test
        elif command == "python":
            known = importlib.util.find_spec(words[1]) if words[0] == "-m" else (ROOT / words[0]).is_file()
            assert known, line
        else:
            assert line == "source .venv/bin/activate", line


def check_snakemake(line: str, words: list[str]) -> None:
    previous = ""
    for word in words:
        overlay = previous.endswith(".yaml") and word.endswith(".yaml")
        if (overlay or previous in ("--configfile", "--workflow-profile")) and word not in OWN:
            assert (ROOT / word).exists(), line
        elif previous not in WITH_VALUE and not word.startswith("-"):
            assert word in targets(), line
        previous = word


def test_every_named_target_and_rule_of_the_readme_exists() -> None:
    text = section(README, "Reproduce the paper")
    named = re.findall(r"`(\w+)`", re.search(r"Other targets: (.*?)\.\n", text, re.DOTALL)[1])
    assert set(named) <= targets()
    costs = table_rows(section(ROOT / "docs/outputs.md", "Stages and their cost"))
    stages = {rule for row in costs for rule in re.findall(r"`(\w+)`", row[2])}
    makes = {name for name, parts in rules().items() if parts["output"] and name != "zoo"}
    assert stages == makes


def test_every_file_that_rules_make_is_documented_and_no_other() -> None:
    made = {path for parts in rules().values() for path in parts["output"]}
    assert len(made) > 30
    assert set(documented_outputs()) == made


def wildcards(paths: list[str]) -> set[str]:
    return {word for path in paths for word in re.findall(r"{(\w+)", path)}


def test_logs_and_benchmarks_are_where_the_page_says() -> None:
    """Each rule that makes files: `logs/{rule}/...`, `benchmarks/{rule}/....jsonl`, with the wildcards of the job."""
    for name, parts in rules().items():
        if name == "zoo":
            assert (parts["log"], parts["benchmark"]) == (["results/zoo/zoo.log"], ["results/zoo/zoo.jsonl"])
        elif parts["output"]:
            (log,), (benchmark,) = parts["log"], parts["benchmark"]
            assert name.startswith(log.split("/")[1].removesuffix(".log")), log
            assert re.sub(r"^logs(/.+)\.log$", r"benchmarks\1.jsonl", log) == benchmark
            assert wildcards([log]) == wildcards(parts["output"]), name


def plain_type(kind: pa.DataType) -> str:
    """An Arrow type as the page writes it, sizes left out."""
    text = re.sub(r"\b(item|element): ", "", str(kind)).replace("halffloat", "float16").replace("double", "float64")
    return re.sub(r"\[\d+\]", "", text.replace("fixed_size_list", "list")).replace("float>", "float32>")


def columns_of(schema: pa.Schema) -> dict[str, str]:
    return {field.name: plain_type(field.type) for field in schema}


def documented(path: str) -> dict[str, str]:
    """Columns of a pattern, sizes left out."""
    return {name: re.sub(r"\[[^\]]*\]", "", kind) for name, kind in documented_outputs()[path].items()}


def test_the_columns_of_images_are_documented() -> None:
    from t2ipal.images.generate import shard_schema
    from t2ipal.sources.image_rows import image_set_schema, rejected_image_schema

    assert documented("images/{pool}/{t2i}/sample{sample}/shard-{shard}.parquet") == columns_of(shard_schema())
    assert documented("images/{part}/{dataset}.parquet") == columns_of(image_set_schema())
    assert documented("images/{part}/{dataset}-rejects.parquet") == columns_of(rejected_image_schema())


def test_the_columns_of_features_are_documented() -> None:
    from t2ipal.features.cache import image_schema, text_schema

    drawn = "features/{clip}/images/{pool}/{t2i}/sample{sample}/shard-{shard}.parquet"
    assert documented(drawn) == columns_of(image_schema(8, 9, True, {}))
    assert documented("features/{clip}/{part}/{dataset}.parquet") == columns_of(image_schema(8, 9, False, {}))
    for path in ("features/{clip}/captions/{pool}.parquet", "features/{clip}/templates/{classes}.parquet"):
        assert documented(path) == columns_of(text_schema(8, {}))


def test_the_example_decodes_features_of_8_bits() -> None:
    import numpy as np

    from t2ipal.features.encoding import dequantised, quantised

    text = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(re.search(r"```python\n(import numpy.*?)```", text, re.DOTALL)[1], scope)
    content = quantised(np.random.default_rng(0).normal(size=(9, 64)).astype(np.float32))
    np.testing.assert_allclose(scope["decoded"](content.tobytes(), 64), dequantised(content, 64), rtol=1e-3)


def test_the_columns_of_runs_are_documented(tmp_path: Path) -> None:
    import numpy as np

    from t2ipal.metrics.records import record_schema
    from t2ipal.metrics.registry import METRICS
    from t2ipal.metrics.score_files import Scores, write_scores
    from t2ipal.protocols.few_shot import write_few_shot
    from t2ipal.protocols.partial import write_partial
    from t2ipal.store import read_parquet
    from t2ipal.training.history import history_table

    folder = "runs/{dataset}/{method}/{variant}"
    assert documented(f"{folder}/history.parquet") == columns_of(history_table([]).schema)
    values = np.array([[[0.1, 0.2], [0.3, 0.0]]], dtype=np.float32)
    write_scores(tmp_path / "scores.parquet", Scores(((0, 1),), ("x", "y"), {"test": ("a", "b")}, {"test": values}))
    assert documented(f"{folder}/scores.parquet") == columns_of(read_parquet(tmp_path / "scores.parquet").schema)
    columns = documented(f"{folder}/metrics.parquet")
    of_metrics = {name: columns.pop(name) for name in ("{metric}", "bootstrap_{metric}")}
    for metric in METRICS.values():
        columns.setdefault(metric.name, of_metrics["{metric}"])
        columns.setdefault(metric.bootstrap_column, of_metrics["bootstrap_{metric}"])
    assert columns == columns_of(record_schema())
    labels = np.array([[0, 1], [1, 0]])
    write_partial(["a", "b"], 2, [50], 0, tmp_path / "partial.parquet")
    write_few_shot(["a", "b"], labels, [1], [1], None, tmp_path / "few_shot.parquet")
    both = [columns_of(read_parquet(tmp_path / f"{name}.parquet").schema) for name in ("partial", "few_shot")]
    assert documented("protocols/{dataset}/{protocol}.parquet") == {**both[0], **both[1]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_link_is_dead(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_list_of_sections_leaves_none_out(page: Path) -> None:
    """A list of links to the page itself, in front of its first section."""
    head, *sections = re.split(r"^## (.*)$", prose(page), flags=re.MULTILINE)
    listed = re.findall(r"\]\(#([^)]+)\)", head)
    assert not listed or listed == [anchor_of(heading) for heading in sections[::2]]


def test_files_that_the_readme_names_exist() -> None:
    heads = ("t2ipal/", "rules/", "resources/", "config/", "profiles/", "envs/", "docs/")
    named = [word for page in PAGES for word in re.findall(r"`([\w./-]+)`", prose(page)) if word.startswith(heads)]
    assert named
    assert [word for word in named if not (ROOT / word).exists()] == []


def test_nothing_is_left_to_fill_in() -> None:
    left = [f"{page.name}: {line.strip()[:80]}" for page in PAGES for line in page.read_text("utf-8").splitlines()
            if "TODO" in line]  # fmt: skip
    assert left == []


def test_the_version_is_the_same_everywhere() -> None:
    newest = re.search(r"^## (\S+) - (\d{4}-\d{2}-\d{2})$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert newest
    assert (citation["version"], VERSION) == (newest[1],) * 2
    assert citation["date-released"] == newest[2]
