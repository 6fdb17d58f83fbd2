"""Names of classes, columns, data sets, and titles: what is refused, what is one, what is shown how."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import pytest
from configs import default, merged

from t2ipal import names
from t2ipal.classes import load_classes
from t2ipal.config import load_config
from t2ipal.errors import UserError

SCRIPT = "</script><script>alert(1)</script>"


def listed(folder: Path, text: str, name: str = "mine.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "problem"), [
    ("a\x00b", r"U\+0000"), ("a\tb", r"U\+0009"), ("a\x1bb", r"U\+001B"), ("a\u2028b", r"U\+2028"),
    ("a\x85b", r"U\+0085"), ("a\u202egnp", r"U\+202E"), ("a\u2066b", r"U\+2066"), ("a\u200bb", r"U\+200B"),
    ("\ufeffdog\ufeff", r"U\+FEFF"), (SCRIPT, "angle brackets"), ("a<b", "angle brackets"),
    ("...", "no letter"), ("- _", "no letter"), ("x" * 201, "201 characters"),
])  # fmt: skip
@pytest.mark.parametrize("suffix", [".txt", ".yaml"])
def test_a_class_name_that_cannot_be_shown_or_be_a_prompt_is_one_line(
    tmp_path: Path, name: str, problem: str, suffix: str
) -> None:
    import yaml

    text = f"cat\n{name}\n" if suffix == ".txt" else yaml.safe_dump({"classes": ["cat", name]})
    if name.startswith("\ufeff") and suffix == ".txt":
        text = text.removeprefix("\ufeff")
    path = listed(tmp_path, text, f"mine{suffix}")
    place = "line 2" if suffix == ".txt" else "class 2"
    with pytest.raises(UserError, match=rf"mine{suffix}: {place}: .*{problem}") as error:
        load_classes(path)
    assert "\n" not in str(error.value)
    assert "\x00" not in str(error.value)


def test_a_class_name_is_composed_and_without_outer_spaces(tmp_path: Path) -> None:
    path = listed(tmp_path, f"  {unicodedata.normalize('NFD', 'café')} \r\nhot  dog\n🐈\n犬\n5\n")
    assert load_classes(path).names == ("café", "hot dog", "🐈", "犬", "5")


@pytest.mark.parametrize("pair", [
    ("Hot Dog", "hot-dog"), ("hot_dog", "hotdog"), ("golden retriever", "golden_retriever"),
    ("café", unicodedata.normalize("NFD", "Café")), ("STRASSE", "straße"), ("t-shirt", "t\N{EN DASH}shirt"),
])  # fmt: skip
def test_twins_are_one_line_that_names_both(tmp_path: Path, pair: tuple[str, str]) -> None:
    path = listed(tmp_path, "bird\n" + "\n".join(pair))
    with pytest.raises(UserError, match=f"'{pair[0]}' and .* are one name .expected different names in .*mine.txt"):
        load_classes(path)


def test_shipped_lists_have_no_twins() -> None:
    assert not any(names.twins(load_classes(name).names) for name in ("voc2007", "coco", "nuswide"))


@pytest.mark.parametrize(("change", "message"), [
    ({"datasets": {"micro": {"title": SCRIPT}}}, r"config: datasets.micro.title: .*angle brackets"),
    ({"datasets": {"micro": {"title": " "}}}, r"config: datasets.micro.title: .*no letter"),
    ({"datasets": {"micro": {"title": "a\nb"}}}, r"config: datasets.micro.title: .*U\+000A"),
    ({"extra": {"mine": {"method": "zsclip", "title": "a\u202eb"}}}, r"config: extra.mine.title: .*U\+202E"),
    ({"ablations": {"table5": {"notes": ["a<b>"]}}}, r"config: ablations.table5.notes.0: .*angle"),
    ({"ablations": {"table5": {"rows": {"text": {"group": "a\x00"}}}}}, r"ablations.table5.rows.text.group: .*U\+0000"),
    ({"settings": {"zsclip": {"template": f"{{}} {SCRIPT}"}}}, r"config: settings.zsclip.template: .*angle"),
    ({"datasets": {"Micro": default()["datasets"]["micro"]}}, "config: datasets: 'micro' and 'Micro' are one name"),
    ({"datasets": {"micro-rejects": default()["datasets"]["micro"]}}, "datasets.micro-rejects: lists of rejects"),
    (
        {
            "datasets": {"a-micro": default()["datasets"]["micro"]},
            "sweeps": {"fig3a-a": default()["sweeps"]["fig3a"]},
        },
        "config: sweeps.fig3a-a: figures fig3a and fig3a-a would both be fig3a-a-micro.png",
    ),
    ({"pools": {"drop_20": default()["pools"]["drop-20"]}}, "config: pools: 'drop-20' and 'drop_20' are one name"),
])  # fmt: skip
def test_texts_of_the_config_that_pages_show_are_checked(change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        load_config(merged(default(), change))
    assert "\n" not in str(error.value)


def test_nothing_of_the_config_or_a_class_list_can_leave_the_script_that_a_report_embeds_it_in(tmp_path: Path) -> None:
    """Snakemake writes the parameters of what it reports as JSON into a script, where "</script>" would end it."""
    for text in (SCRIPT, "</SCRIPT >", "<!--<script>", "a>b"):
        assert names.problem_of(text)
        with pytest.raises(UserError, match="angle brackets"):
            load_classes(listed(tmp_path, f"cat\n{text}\n"))


@pytest.mark.parametrize(("text", "shown"), [
    ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"), ("+1+1", "'+1+1"), ("-2+3", "'-2+3"), ("@SUM(A1)", "'@SUM(A1)"),
    ("-0.5", "-0.5"), ("+ T2I-PAL", "+ T2I-PAL"), ("+ cmd|' /C calc'!A0", "'+ cmd|' /C calc'!A0"),
    ("+3", "+3"), ("-1e-05", "-1e-05"), ("dog", "dog"), ("", ""), ("a=b", "a=b"),
])  # fmt: skip
def test_no_cell_is_a_formula(text: str, shown: str) -> None:
    assert names.cell(text) == shown


def test_predictions_and_tables_quote_formulas(tmp_path: Path) -> None:
    import numpy as np

    from t2ipal.pages.csv_text import csv_text
    from t2ipal.prediction.files import written
    from t2ipal.prediction.prediction import Prediction

    path = tmp_path / "all.csv"
    one = Prediction(Path("=1+1.jpg"), ("@x", "cat"), np.array([0.5, -0.5], np.float32))
    list(written([one], ["@x", "cat"], 1, None, path))
    head, row = csv.reader(path.open())
    assert (head[4], row[0], row[2], row[5]) == ("score:@x", "'=1+1.jpg", "'@x", "-0.5")
    rows = [{"row": "=cmd()", "ours": -0.25, "seeds": 3}, {"row": "-", "ours": None}]
    table = csv_text(rows, ["row", "ours", "seeds"])
    assert table == "row,ours,seeds\n'=cmd(),-0.25,3\n'-,,\n"


def test_a_dollar_in_a_title_is_no_formula() -> None:
    import matplotlib as mpl

    from t2ipal.figures.style import STYLE, new

    with mpl.rc_context(STYLE):
        figure, axes = new(2, 2)
        axes.set_title(r"$\foo$")
        axes.plot([0, 1], [0, 1], label=r"$\bar$")
        axes.set_xticks([0, 1], [r"$\baz$", "$"])
        axes.legend()
        figure.savefig("/dev/null", format="svg")


def test_a_title_that_starts_with_an_underscore_is_in_the_legend() -> None:
    import matplotlib as mpl

    from t2ipal.figures.style import STYLE, legend_below, new

    with mpl.rc_context(STYLE):
        figure, axes = new(2, 2)
        legend_below(figure, axes.plot([0, 1], [0, 1], label="_mine"), 1)
    assert [text.get_text().strip() for text in figure.legends[0].get_texts()] == ["_mine"]


def test_a_prompt_has_spaces_where_a_name_has_underscores() -> None:
    from t2ipal.captions.templates import templates

    assert names.spoken("golden_retriever") == "golden retriever"
    texts = [template.text for template in templates(["golden_retriever"])]
    assert "a photo of a golden retriever." in texts
    assert not any("_" in text for text in texts)


def test_methods_without_learned_prompts_speak_names_as_learned_prompts_do() -> None:
    """ZSCLIP, CLIP-DPT, CoMC, word vectors and the adapter's start all encode names here."""
    from tiny_clip import tiny_clip

    from t2ipal.methods.prompt_learning import encode_names

    backbone, pair = tiny_clip(), ("fire_hydrant", "fire hydrant")
    joined, apart = (encode_names(backbone, [name, "cat"], "a photo of a {}.") for name in pair)
    assert joined.equal(apart)
    joined, apart = (backbone.prompt([name], 2).suffix for name in pair)
    assert joined.equal(apart)


@pytest.mark.parametrize("name", ["golden_retriever", "golden-retriever", "Golden Retrievers", "golden_retrievers"])
@pytest.mark.parametrize("kind", ["default", "tai_dpt"])
def test_captions_have_a_class_however_its_name_is_written(tmp_path: Path, name: str, kind: str) -> None:
    from t2ipal.captions.nouns import NounFilter
    from t2ipal.captions.tai_dpt import TaiDptFilter

    labeller = {"default": NounFilter, "tai_dpt": TaiDptFilter}[kind](load_classes(listed(tmp_path, f"{name}\nbus\n")))
    captions = ["a golden retriever lies on the carpet", "two golden retrievers in the snow", "a glass of milk"]
    assert [row.positive for row in labeller.label(captions)] == [(0,), (0,), ()]


def test_accents_may_be_in_their_letters_or_apart(tmp_path: Path) -> None:
    from t2ipal.captions.nouns import NounFilter

    spellings = [unicodedata.normalize(form, "crème brûlée") for form in ("NFC", "NFD")]
    for name in spellings:
        labeller = NounFilter(load_classes(listed(tmp_path, f"{name}\nbus\n")))
        found = list(labeller.label([f"a {text} on a plate" for text in spellings]))
        assert [row.positive for row in found] == [(0,), (0,)]
        assert [row.spans[0].end - row.spans[0].start for row in found] == [len(text) for text in spellings]


@pytest.mark.parametrize("name", ["dog", "Dogs", "DOG"])
def test_shipped_words_are_found_however_a_name_is_written(tmp_path: Path, name: str) -> None:
    assert "puppy" in load_classes(listed(tmp_path, f"{name}\nunicycle\n")).classes[0].synonyms
    glasses, food = load_classes(listed(tmp_path, "classes: [glasses, hot_dogs]", "mine.yaml")).classes
    assert glasses.terms == ("glasses",)
    assert food.terms[:2] == ("hot dogs", "hot dog")
    assert "frankfurter" in food.terms


@pytest.mark.parametrize("column", ["golden_retriever", "Golden-Retriever", "golden retrievers", "goldenretriever"])
@pytest.mark.parametrize("name", ["golden retriever", "golden_retrievers"])
def test_columns_of_labels_have_a_class_however_they_are_written(tmp_path: Path, column: str, name: str) -> None:
    from t2ipal.sources.reading.class_names import match

    classes = load_classes(listed(tmp_path, f"{name}\nbus\n"))
    assert match(classes, ["note", column, "bus"], "labels.csv") == {column: 0, "bus": 1}
    with pytest.raises(UserError, match=r"labels\.csv: 'bus' and 'Bus' are one name"):
        match(classes, [column, "bus", "Bus"], "labels.csv")


def test_novel_classes_are_named_as_people_write_them(tmp_path: Path) -> None:
    from t2ipal.plan.make import make_plan

    path = listed(tmp_path, "golden_retriever\nhot dog\ncat\n")
    change = {"datasets": {"micro": {"classes": str(path)}}, "novel": {"classes": ["Hot-Dog", "golden retriever"]}}
    assert make_plan(load_config(merged(default(), change))).novel["micro"] == ("golden_retriever", "hot dog")


def test_a_singular_and_its_plural_may_be_two_classes(tmp_path: Path) -> None:
    """As in KAIST's pedestrians: person, people."""
    from t2ipal.sources.reading.class_names import match

    both = load_classes(listed(tmp_path, "person\npeople\n"))
    assert "woman" in both.classes[0].terms
    assert both.classes[1].terms == ("people",)
    assert match(both, ["people", "person"], "labels.csv") == {"people": 1, "person": 0}
    with pytest.raises(UserError, match="no category for class 'person'"):
        match(both, ["people"], "labels.csv")
    assert "woman" in load_classes(listed(tmp_path, "people\ncat\n")).classes[0].terms
