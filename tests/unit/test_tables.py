"""The paper's tables: what stands in which cell, what the sentences say, and each format."""

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from configs import default
from html_pages import expect_harmless, parse, text_of, texts
from table_specs import (
    LEVELS,
    SYSTEMS,
    beyond,
    records,
    records1,
    records2,
    records4,
    records6,
    table1,
    table2,
    table4,
    table6,
    with_row,
)

from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.metrics.base import Metric
from t2ipal.metrics.registry import METRICS
from t2ipal.pages.latex import escape_tex, to_tex
from t2ipal.pages.renderers import RENDERERS, to_csv, to_markdown
from t2ipal.pages.table import to_html
from t2ipal.pages.terminal import print_table
from t2ipal.plan.specs import SeedsSpec
from t2ipal.plan.tables import in_metrics
from t2ipal.tables import Result, Table, difference, make_table, read_paper, summary
from t2ipal.tables.numbers import averaged, difference_interval

PAPER_FILE = Path(__file__).resolve().parents[2] / "resources" / "paper_results.csv"
PAPER = read_paper(PAPER_FILE)
THREE = {"coco": "COCO2014", "voc": "VOC2007", "nus": "NUSWIDE"}


def one(pal: tuple[float, ...] = (81.5, 82.0, 82.5), noise: float = 0.1, **spec: Any) -> Table:
    return make_table(table1().model_copy(update=spec), records1(pal, noise=noise), PAPER)


def two() -> Table:
    return make_table(table2(), records2(), PAPER)


def four() -> Table:
    return make_table(table4(), records4(), PAPER)


def six() -> Table:
    return make_table(table6(), records6(), PAPER)


ALL = pytest.mark.parametrize("make", [one, two, four, six])


def row_of(table: Table, key: str) -> Any:
    return next(row for block in table.blocks for row in block.rows if row.key == key)


def cell_of(table: Table, key: str, column: str) -> Any:
    return row_of(table, key).cells[[each.key for each in table.columns].index(column)]


def note_of(table: Table, start: str) -> str:
    return next(note for note in table.notes if note.startswith(start))


# Numbers


def test_rows_keep_their_order_and_remarks() -> None:
    found = one()
    assert [(row.title, row.remark) for row in found.blocks[0].rows] == [
        ("ZSCLIP", ""),
        ("TaI-DPT", ""),
        ("T2I-PAL", ""),
        ("Oracle", "not in the paper"),
    ]
    assert [(column.header, column.paper) for column in found.columns] == [("micro world", "VOC2007")]


def test_a_cell_is_mean_and_deviation_over_seeds_beside_the_papers_number() -> None:
    cell = cell_of(one(), "t2i_pal", "micro")
    assert (cell.ours.mean, cell.ours.std, cell.ours.count, cell.paper) == (82.0, 0.5, 3, 91.5)
    zero = cell_of(one(), "zsclip", "micro")
    assert (zero.ours.mean, zero.ours.std, zero.ours.count, zero.paper) == (70.0, None, 1, 76.2)
    assert cell_of(one(), "oracle", "micro").paper is None


def test_deterministic_methods_have_no_deviation() -> None:
    assert summary([70.0, 70.0], deterministic=True).std is None
    assert summary([70.0]).std is None
    assert summary([70.0, 71.0]).std == pytest.approx(stdev([70, 71]))


def test_a_difference_is_paired_by_seed_and_by_resample() -> None:
    ours, base = records("a", "x", (81.0, 82.0, 84.0)), records("a", "y", (80.0, 81.5, 83.0))
    found = difference(Result.of(ours), Result.of(base))
    assert (found.mean, found.count) == (pytest.approx(2.5 / 3), 3)
    assert found.std == pytest.approx(stdev([1.0, 0.5, 1.0]))
    gaps = np.mean([row["bootstrap"] for row in ours], 0) - np.mean([row["bootstrap"] for row in base], 0)
    assert (found.low, found.high) == pytest.approx(np.quantile(gaps - gaps.mean(), [0.025, 0.975]) + found.mean)
    # what both share, with a deviation of 1, cancels: 1.96 * sqrt(2) * 0.1 is left on either side
    assert found.high - found.low == pytest.approx(0.55, abs=0.12)


def test_other_seeds_give_no_deviation_but_an_interval() -> None:
    found = difference(Result.of(records("a", "x", (81.0, 82.0))), Result.of(records("a", "y", (80.0,))))
    assert (found.mean, found.std) == (1.5, None)
    assert found.low < 1.5 < found.high


def test_runs_of_other_seeds_are_not_compared() -> None:
    left, right = Result.of(records("a", "x", (81.0, 82.0, 83.0))), Result.of(records("a", "y", (80.0, 81.0)))
    with pytest.raises(UserError, match=r"seeds 1, 2, 3, of a/y/base, level 0: 1, 2; expected the same for both"):
        difference(left, right)


def test_a_table_of_the_first_seeds_is_that_of_their_records_alone() -> None:
    rows = records6()
    few = [row for row in rows if row["seed"] <= 2]
    assert len(few) < len(rows)
    spec = table6().model_copy(update={"seeds": SeedsSpec(shown=(1, 2), of=3)})
    assert make_table(spec, rows, PAPER) == make_table(table6(), few, PAPER)


def test_resamples_of_different_number_are_an_error_and_none_give_no_interval() -> None:
    ours, base = records("a", "x", (81.0,)), records("a", "y", (80.0,))
    short = [row | {"bootstrap": row["bootstrap"][:9]} for row in base]
    with pytest.raises(
        UserError, match=r"a/x/base, level 0: 200 resamples, of a/y/base, level 0: 9; expected the same"
    ):
        difference_interval(Result.of(ours), Result.of(short))
    without = [Result.of([row | {"bootstrap": []} for row in rows]) for rows in (ours, base)]
    assert difference_interval(*without) == (None, None)
    assert difference(*without).mean == 1


def test_an_average_is_taken_seed_by_seed_and_resample_by_resample() -> None:
    levels = [records("a", "x", (70.0, 72.0), 10), records("a", "x", (80.0, 81.0), 20)]
    found = averaged([Result.of(rows) for rows in levels])
    assert found.values == (75.0, 76.5)
    both = np.array(levels[0][1]["bootstrap"]) + levels[1][1]["bootstrap"]
    assert found.resamples[1] == pytest.approx(both / 2)
    with pytest.raises(UserError, match="a/x/base, level 20: other seeds than a/x/base, level 10"):
        averaged([Result.of(levels[0]), Result.of(levels[1][:1])])


def test_the_average_column_and_the_papers() -> None:
    found = two()
    assert found.columns[-1].header == "Avg."
    cell = cell_of(found, "dualcoop+t2i_pal", "average")
    cells = [cell_of(found, "dualcoop+t2i_pal", str(level)) for level in LEVELS]
    assert cell.ours.mean == pytest.approx(mean(each.ours.mean for each in cells))
    assert cell.paper == 95.0
    assert [each.paper for each in cells][:3] == [93.7, 94.8, 94.8]
    assert cell_of(six(), "global", "average").paper == 69.63
    assert cell_of(four(), "coop", "average").paper == 83.3  # the text's, not one of the table
    spec = with_row(table4(), "coop", average=None)
    assert cell_of(make_table(spec, records4(), PAPER), "coop", "average").paper == 83.3  # the mean of the five


def test_some_levels_are_not_compared_with_the_average_of_all() -> None:
    found = make_table(table2(levels=(10, 50)), records2(levels=(10, 50)), PAPER)
    assert cell_of(found, "dualcoop", "average").paper == pytest.approx((90.3 + 93.6) / 2)  # printed: 93.2, of nine


def test_a_column_without_a_cell_does_not_apply() -> None:
    found = four()
    assert [cell is None for cell in row_of(found, "zsclip").cells] == [False, *[True] * 6]
    assert [cell is None for cell in row_of(found, "coop").cells] == [True, *[False] * 6]
    pairs = row_of(found, "coop+t2i_pal").pairs
    assert [(pair.title, [cell is None for cell in pair.cells]) for pair in pairs] == [
        ("+ T2I-PAL minus + TaI-DPT", [True, *[False] * 6])
    ]


def test_differences_stand_beside_the_papers() -> None:
    pairs = row_of(six(), "local").pairs
    assert [pair.right for pair in pairs] == ["w/o Adp", "w. Glo.Adp"]
    assert [cell.ours.mean for cell in pairs[0].cells] == pytest.approx([1.4, -0.8, 0.0, 0.2])
    assert [cell.paper for cell in pairs[0].cells] == pytest.approx([0.8, 0.5, 0.3, 0.53])


def test_the_best_of_a_column_and_what_cannot_be_told_from_it_are_marked() -> None:
    def best(table: Table, column: str) -> list[str]:
        return [row.key for row in table.blocks[0].rows if cell_of(table, row.key, column).best]

    assert best(one(), "micro") == ["t2i_pal"]  # the oracle takes no part
    assert best(one(pal=(80.1, 80.3, 80.5)), "micro") == ["tai_dpt", "t2i_pal"]
    assert best(six(), "coco") == ["local"]
    assert best(six(), "nus") == ["without", "global", "local"]
    assert not row_of(four(), "t2i_pal").cells[1]


# Metrics


def by_metrics(*metrics: str) -> Table:
    return make_table(in_metrics(table1(), metrics, load_config(default())), records1(), PAPER)


def test_a_table_shows_every_metric_that_it_is_asked_for() -> None:
    found = by_metrics("mAP", "CF1")
    for key, value in {"zsclip": 70.0, "tai_dpt": 80.2, "t2i_pal": 82.0}.items():
        cells = row_of(found, key).cells
        assert [cell.ours.mean for cell in cells] == pytest.approx([value, 100 - value])
        assert [cell.paper is not None for cell in cells] == [True, False]  # the paper prints no CF1
    assert [row.key for row in found.rows if row.cells[0].best] == ["t2i_pal"]
    assert [row.key for row in found.rows if row.cells[1].best] == ["zsclip"]
    one, other = row_of(found, "t2i_pal").pairs[0].cells
    assert (other.ours.mean, other.ours.low, other.ours.high) == pytest.approx(
        (-one.ours.mean, -one.ours.high, -one.ours.low)
    )
    assert pipes(to_markdown(found))[0] == [
        *("Method", "micro world, mAP: ours", "micro world, mAP: paper, VOC2007", "micro world, CF1: ours"),
    ]
    assert found.notes[0].startswith("mAP, CF1 in percent. Ours: ")
    assert not any("CF1: ours" in note for note in found.notes)


def test_levels_have_a_block_of_each_metric() -> None:
    spec = in_metrics(table2(), ["mAP", "CF1"], load_config(default()))
    first, second = make_table(spec, records2(), PAPER).blocks
    assert (first.title, first.paper) == ("micro world, mAP", "VOC2007")
    assert (second.title, second.paper, second.orders) == ("micro world, CF1", None, ())
    last = second.rows[-1]
    assert last.cells[-1].ours.mean == pytest.approx(100 - first.rows[-1].cells[-1].ours.mean)  # the average
    assert last.trend is None
    assert last.pairs[0].cells[0].ours.low is not None


def test_a_metric_alone_has_its_name_and_no_number_of_the_paper() -> None:
    found = by_metrics("CF1")
    assert [column.header for column in found.columns] == ["micro world, CF1"]
    assert found.notes[0].startswith("CF1 in percent.")
    assert all(cell.paper is None for row in found.rows for cell in row.cells)
    assert not any("the paper" in note for note in found.notes)


def test_a_metric_that_was_not_measured_is_an_error() -> None:
    rows = [row | {"CF1": None} for row in records1()]
    spec = in_metrics(table1(), ["mAP", "CF1"], load_config(default()))
    with pytest.raises(UserError, match=r"metrics of micro/zsclip/base, level 0: no CF1; expected it for each seed"):
        make_table(spec, rows, PAPER)


def test_a_new_metric_is_shown_by_its_title_unit_and_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    class Misses(Metric):
        name, title, unit, higher_is_better = "misses", "Missed labels", "per image", False

        def of(self, scores: Any, labels: Any, threshold: float | None = None) -> float:
            return 0.0

    monkeypatch.setitem(METRICS, "misses", Misses())
    rows = [row | {"misses": row["mAP"], "bootstrap_misses": row["bootstrap"]} for row in records1()]
    spec = in_metrics(table1(), ["mAP", "misses"], load_config(default()))
    found = make_table(spec, rows, PAPER)
    assert [row.key for row in found.rows if row.cells[1].best] == ["zsclip"]
    assert found.columns[1].header == "micro world, Missed labels"
    assert found.notes[0].startswith("mAP in percent; Missed labels in per image. Ours: ")


# Errors


def test_a_missing_cell_is_an_error_that_names_the_run() -> None:
    rest = [row for row in records1() if row["method"] != "tai_dpt"]
    with pytest.raises(
        UserError, match=r"table1: no metrics of run micro/tai_dpt/base; expected runs/micro/tai_dpt/base/"
    ):
        make_table(table1(), rest, PAPER)
    with pytest.raises(UserError, match=r"run micro/t2i_pal/base: a seed is there twice"):
        make_table(table1(), [*records1(), *records("micro", "t2i_pal", (1.0, 2.0))], PAPER)
    rest = [row for row in records2() if (row["method"], row["level"]) != ("dualcoop", 40)]
    with pytest.raises(UserError, match=r"table2: no metrics of run micro/dualcoop/base at level 40; expected runs/"):
        make_table(table2(), rest, PAPER)


def test_a_spec_that_does_not_fit_is_an_error_that_names_the_place() -> None:
    spec = with_row(table1(), "t2i_pal", against=("tai",))
    with pytest.raises(
        UserError, match="table1, row t2i_pal: against 'tai' is not there; expected one of zsclip, tai_dpt"
    ):
        make_table(spec, records1(), PAPER)
    block = table4().blocks[0].model_copy(update={"beyond": (beyond(("coop", "0"), ("coop", "1")),)})
    spec = table4().model_copy(update={"blocks": (block,)})
    with pytest.raises(UserError, match="table4: beyond: column of row coop '0' is not there; expected one of 1, 2"):
        make_table(spec, records4(), PAPER)


def test_a_data_set_without_the_paper_has_no_paper_column_and_no_comparison() -> None:
    found = make_table(table1(None), records1(), PAPER)
    assert "paper" not in to_markdown(found).replace("not in the paper", "")
    assert [note.partition(" ")[0] for note in found.notes] == ["mAP", "Differences"]


def test_a_data_set_that_the_papers_table_lacks_has_no_number() -> None:
    """NUS-WIDE is in the paper's Table 1 and not in its Table 4: a run on it alone has both tables."""
    found = make_table(table1("VOC2012"), records1(), PAPER)
    assert all(cell.paper is None for row in found.rows for cell in row.cells)


def test_a_cell_that_the_paper_lacks_has_no_number() -> None:
    spec = table2(levels=(10, 25))
    found = make_table(spec, records2(levels=(10, 25)), PAPER)
    assert cell_of(found, "dualcoop", "25").paper is None
    assert cell_of(found, "dualcoop", "average").paper is None
    assert row_of(found, "dualcoop").trend is None


# Words


def test_a_contradiction_of_the_paper_is_said_in_words() -> None:
    kept = note_of(one(), "micro world")
    assert "ours keeps the paper's order, ZSCLIP < TaI-DPT < T2I-PAL." in kept
    assert re.search(r"T2I-PAL minus TaI-DPT is \+1\.80 \[\+1\.\d\d, \+2\.\d\d\] here; the paper has \+3\.2\.", kept)
    clear = note_of(one(pal=(79.0, 79.1, 79.5)), "micro world")
    assert "ours contradicts the paper's order, ZSCLIP < TaI-DPT < T2I-PAL." in clear
    assert re.search(r"T2I-PAL minus TaI-DPT is -1\.00 \[-1\.\d\d, -0\.\d\d\] here; the paper has \+3\.2\.", clear)


def test_what_cannot_be_told_apart_is_not_called_a_contradiction() -> None:
    close = note_of(one(pal=(80.0, 80.1, 80.2)), "micro world")
    assert (
        "ours does not contradict the paper's order, ZSCLIP < TaI-DPT < T2I-PAL, but cannot confirm all of it." in close
    )
    assert re.search(
        r"is -0\.10 \[-0\.\d\d, \+0\.\d\d\] here, so the two cannot be told apart; the paper has \+3\.2", close
    )
    without = [row | {"bootstrap": []} for row in records1()]
    words = note_of(make_table(table1(), without, PAPER), "micro world")
    assert "is +1.80 ± 0.30 here, without an interval to judge it by; the paper has +3.2." in words


def test_each_data_set_has_a_note_and_equal_numbers_are_no_order() -> None:
    found = six()
    assert note_of(found, "MS-COCO: ").startswith(
        "MS-COCO: ours keeps the paper's order, w/o Adp < w. Glo.Adp < w. Loc."
    )
    assert note_of(found, "NUS-WIDE: ").startswith(
        "NUS-WIDE: ours does not contradict the paper's order, w/o Adp = w. Glo"
    )
    wrong = note_of(found, "VOC2007: ")
    assert wrong.startswith("VOC2007: ours contradicts the paper's order")
    assert wrong.index("-0.80") < wrong.index("+0.10")  # contradictions come first
    assert "the paper has +0.53" in note_of(found, "Average: ")


def test_levels_are_summed_up_in_words() -> None:
    notes = two().notes
    assert note_of(
        two(), "micro world, Avg.: ours keeps the paper's order, SSGRL < Partial-BCE < DualCoOp < + TaI-DPT < +"
    )
    pair = next(note for note in notes if "+ T2I-PAL minus + TaI-DPT" in note)
    assert pair.startswith("micro world: ours agrees with the paper: + T2I-PAL minus + TaI-DPT is +0.60 [")
    assert "here on average; the paper has +0.2." in pair
    assert re.search(
        r"Of the 6 columns where the paper has a difference, agree: 3, contradict: 1 "
        r"\(50 %: \+1\.00 \[.*\], the paper has -0\.2\), cannot be told: 2\.",
        pair,
    )
    assert notes[-1].startswith(
        "micro world: more labels are better: of the 5 systems for which the paper shows it (90 %"
    )
    assert notes[-1].endswith("agree: 5, contradict: 0, cannot be told: 0.")


def test_columns_without_an_average_and_claims_between_columns_have_their_words() -> None:
    notes = four().notes
    assert "micro world, 0-shot: ours keeps the paper's order, ZSCLIP < TaI-DPT < T2I-PAL." in notes
    assert any(
        "T2I-PAL minus TaI-DPT is +1.80" in note and "here (0-shot); the paper has +3.2." in note for note in notes
    )
    assert any(
        "ours neither confirms nor contradicts the paper: T2I-PAL (0-shot) minus + TaI-DPT (16-shot) is -0.10 [" in note
        for note in notes
    )
    trend = notes[-1]
    assert "more shots are better" in trend
    assert "agree: 2, contradict: 1, cannot be told: 0. CoOp, 16-shot minus 1-shot is -1.50 [" in trend


def test_own_notes_come_last() -> None:
    assert one(notes=("Made of test data.",)).notes[-1] == "Made of test data."


# Formats


def pipes(text: str) -> list[list[str]]:
    """The cells of all pipe tables in a text, line by line."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_markdown_says_paper_ours_and_differences() -> None:
    without = [row | {"bootstrap": []} for row in records1()]
    head, rule, *lines = pipes(to_markdown(make_table(table1(), without, PAPER)))
    assert head == ["Method", "micro world: ours", "micro world: paper, VOC2007"]
    assert [(each[0], each[-1]) for each in rule] == [(":", "-"), ("-", ":"), ("-", ":")]
    assert lines == [
        ["ZSCLIP", "70.00", "76.2"],
        ["TaI-DPT", "80.20 ± 0.20", "88.3"],
        ["T2I-PAL", "**82.00** ± 0.50", "91.5"],
        ["Oracle (not in the paper)", "90.10 ± 0.17", "-"],
        ["T2I-PAL minus TaI-DPT", "+1.80 ± 0.30", "+3.2"],
        ["Oracle minus TaI-DPT", "+9.90 ± 0.10", "-"],
    ]
    difference = pipes(to_markdown(one()))[6]
    assert re.fullmatch(r"\+1\.80 \[\+1\.\d\d, \+2\.\d\d\]", difference[1])


def test_markdown_keeps_a_pipe_in_a_name() -> None:
    table = one()
    row = replace(table.blocks[0].rows[0], title="a | b")
    lines = pipes(to_markdown(replace(table, blocks=(replace(table.blocks[0], rows=(row,)),))))
    assert lines[2] == [r"a \| b", "70.00", "76.2"]


def test_markdown_of_levels_stacks_ours_the_papers_and_differences() -> None:
    lines = [line[:3] for line in pipes(to_markdown(two()))]
    assert lines[2:4] == [["SSGRL", "ours", "84.03 ± 0.15"], ["", "paper", "77.7"]]
    start = lines.index(["minus + TaI-DPT", "ours", "+1.00"])
    assert [line[:2] for line in lines[start : start + 3]] == [
        ["minus + TaI-DPT", "ours"],
        ["", "95 %"],
        ["", "paper"],
    ]
    assert re.fullmatch(r"\[\+0\.\d\d, \+1\.\d\d\]", lines[start + 1][2])
    assert "*micro world (paper: VOC2007)*" in to_markdown(two())


def test_csv_keeps_the_numbers_unrounded() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(one()))))
    assert len(rows) == 4
    pal = rows[2]
    assert (pal["table"], pal["row"], pal["column"]) == ("table1", "T2I-PAL", "micro world")
    assert (float(pal["ours"]), pal["ours_seeds"], pal["paper"]) == (82.0, "3", "91.5")
    assert float(pal["ours_std"]) == pytest.approx(stdev((81.5, 82.0, 82.5)))
    assert (pal["minus"], pal["difference"], pal["paper_difference"]) == ("TaI-DPT", "1.8", "3.2")
    value = row_of(one(), "t2i_pal").pairs[0].cells[0].ours
    assert [float(pal[name]) for name in ("low", "high", "difference_std")] == pytest.approx(
        [value.low, value.high, value.std], rel=1e-4
    )
    assert rows[0]["ours_std"] == rows[0]["minus"] == rows[1]["difference"] == rows[3]["paper"] == ""
    assert rows[3]["remark"] == "not in the paper"


def test_csv_has_a_line_per_cell_and_one_per_difference_of_it() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(two()))))
    assert len(rows) == len(SYSTEMS) * 10 + 10  # one system is compared twice
    twice = [row["minus"] for row in rows if (row["row"], row["column"]) == ("+ T2I-PAL", "90 %")]
    assert twice == ["+ TaI-DPT", "DualCoOp"]
    assert {row["block"] for row in rows} == {"micro world"}


@ALL
def test_html_is_whole_and_every_row_has_all_columns(make: Any) -> None:
    page = parse(to_html(make()))
    rows = [row.query("th, td") for row in page.query("tr")]
    assert len({sum(int(cell.attrs.get("colspan", 1)) for cell in cells) for cells in rows}) == 1
    expect_harmless(page)


def test_html_marks_the_papers_numbers_and_the_best() -> None:
    page = parse(to_html(one(pal=(79.0, 79.1, 79.5))))
    rows = {text_of(row.query("th")[0]): row.query("td") for row in page.query("tbody tr")}
    assert [(text_of(cell), cell.attrs["class"]) for cell in rows["TaI-DPT"]] == [
        ("80.20", "main best"), ("± 0.20", "extra"), ("88.3", "main paper"), ("", "extra"),
    ]  # fmt: skip
    assert text_of(rows["T2I-PAL minus TaI-DPT"][0]) == "\N{MINUS SIGN}1.00"
    assert [text_of(cell) for cell in rows["Oracle (not in the paper)"]][2:] == ["\N{EN DASH}"]
    assert texts(page, "thead th.paper") == ["paperVOC2007"]
    assert texts(page, "thead th.paper small") == ["VOC2007"]


def test_html_of_levels_has_the_kind_of_each_line_and_a_heading_for_the_data() -> None:
    page = parse(to_html(two()))
    assert texts(page, "tr.section th") == ["micro world (paper: VOC2007)"]
    lines = [(text_of(row.query("th")[0]), *texts(row, "td.label")) for row in page.query("tbody tr")[1:]]
    assert lines[:2] == [("SSGRL", "ours"), ("", "paper")]
    start = lines.index(("minus DualCoOp", "ours"))
    assert [label for _, label in lines[start : start + 3]] == ["ours", "95 %", "paper"]
    assert len(page.query("tr.difference.inner")) == 9


@ALL
def test_tex_has_as_many_cells_as_columns(make: Any) -> None:
    text = to_tex(make())
    spec = re.search(r"\\begin\{tabular\}\{(.*)\}$", text, re.MULTILINE)[1]
    columns = spec.count("l") + spec.count("r")
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) > 6
    for line in rows:
        wide = sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d+)\}", line))
        assert line.count("&") - line.count(r"\&") + wide == columns - 1, line
    assert not re.search(r"[^\x00-\x7f]", text)


@pytest.mark.parametrize(("title", "caption"), [("Table 1. Ours", "Ours"), ("Ours vs. theirs", "Ours vs. theirs")])
def test_a_caption_is_the_title_without_its_number(title: str, caption: str) -> None:
    assert rf"\caption{{{caption}.}}" in to_tex(replace(one(), title=title))


def test_tex_shows_numbers_rules_and_escapes() -> None:
    text = to_tex(one())
    assert r"$\mathbf{82.00}$ & {\scriptsize $\pm 0.50$}" in text
    assert r"\textcolor[gray]{0.45}{$91.5$}" in text
    assert text.count(r"\midrule") == 3
    assert escape_tex(r"50 % of a_b & {c} \d ± <") == r"50 \% of a\_b \& \{c\} \textbackslash{}d $\pm$ $<$"


def has_latex() -> bool:
    tools = shutil.which("pdflatex") and shutil.which("kpsewhich")
    return bool(tools) and not subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode


@pytest.mark.skipif(not has_latex(), reason="no pdflatex with booktabs")
def test_tex_compiles(tmp_path: Path) -> None:
    for make in (one, two, four, six):
        (tmp_path / f"{make.__name__}.tex").write_text(to_tex(make()))
    head = r"\documentclass{article}\usepackage{booktabs, color, graphicx}\begin{document}"
    body = "".join(rf"\input{{{make.__name__}.tex}}\clearpage " for make in (one, two, four, six))
    (tmp_path / "all.tex").write_text(head + body + r"\end{document}")
    done = subprocess.run(["pdflatex", "-halt-on-error", "all.tex"], cwd=tmp_path, check=True, capture_output=True)
    assert b"Overfull" not in done.stdout


@ALL
def test_terminal_lines_fit_and_lose_nothing(make: Any) -> None:
    for width in (60, 100, 300):
        text = print_table(make(), width)
        assert max(map(len, text.splitlines())) <= width
        assert "\N{HORIZONTAL ELLIPSIS}" not in text
    cells = {cell.partition(" ")[0].strip("*") for line in pipes(to_markdown(make()))[2:] for cell in line[1:]}
    assert cells - set(re.split(r"\s+", text)) <= {""}
    rules = [line for line in text.splitlines() if set(line) == {"\N{BOX DRAWINGS LIGHT HORIZONTAL}"}]
    assert len(rules) == 1  # all columns stand beside each other


def test_terminal_puts_numbers_below_numbers() -> None:
    lines = print_table(one()).splitlines()
    rows = [line for line in lines if line.startswith(("ZSCLIP", "TaI-DPT", "T2I-PAL  ", "Oracle *", "T2I-PAL minus"))]
    assert len(rows) == 5
    assert {line.index(".") for line in rows} == {rows[0].index(".")}
    assert len({len(line) for line in rows if not line.startswith("Oracle")}) == 1
    assert "* not in the paper" in lines


def test_terminal_wraps_long_names_and_takes_none_for_markup() -> None:
    table = one()
    rows = tuple(replace(row, title=f"[bold]{row.title}[/bold] {'long ' * 30}") for row in table.blocks[0].rows)
    text = print_table(replace(table, blocks=(replace(table.blocks[0], title="[red]x", rows=rows),)))
    assert max(map(len, text.splitlines())) <= 100
    assert "82.00 ± 0.50" in text
    assert "[bold]T2I-PAL[/bold] long" in text
    assert "[red]x" in text.splitlines()


def test_terminal_tells_wide_tables_in_parts_without_what_does_not_apply() -> None:
    text = print_table(four())
    heads = [line.split()[1:] for line in text.splitlines() if line.startswith("Method")]
    assert heads == [["0-shot", "1-shot", "2-shot", "4-shot"], ["8-shot", "16-shot", "Avg."]]
    starts = [line.split()[0] for line in text.splitlines() if re.search(r" ours ", line)]
    assert (starts.count("ZSCLIP"), starts.count("CoOp")) == (1, 2)


@ALL
def test_every_renderer_shows_every_system_and_every_note(make: Any) -> None:
    found = make()
    for name, render in RENDERERS.items():
        text, same = re.sub(r"\s+", " ", render(found)), escape_tex if name == "tex" else str
        text = text_of(parse(text).root) if name == "html" else text
        assert all(same(row.title) in text for block in found.blocks for row in block.rows), name
        assert name == "csv" or all(same(note) in text for note in found.notes), name


def test_two_data_sets_stand_side_by_side() -> None:
    rows = [row for data in THREE for row in records1(dataset=data)]
    found = make_table(table1(**THREE), rows, PAPER)
    assert [cell.paper for cell in row_of(found, "t2i_pal").cells] == [71.4, 91.5, 47.4]
    assert pipes(to_markdown(found))[0] == [
        *("Method", "MS-COCO: ours", "MS-COCO: paper, COCO2014", "VOC2007: ours", "VOC2007: paper"),
        *("NUS-WIDE: ours", "NUS-WIDE: paper, NUSWIDE"),
    ]


# Files


def test_paper_numbers_are_checked(tmp_path: Path) -> None:
    assert PAPER["t1", "voc2007", "t2i-pal", "zero-shot", "map"] == 91.5
    assert len(PAPER) == sum(1 for _ in PAPER_FILE.open()) - 1
    bad = tmp_path / "paper.csv"
    bad.write_text("table,dataset,method,setting,value\nT1,a,b,c,x\n")
    with pytest.raises(UserError, match=r"paper\.csv, line 2: value 'x'; expected a number"):
        read_paper(bad)
    bad.write_text("table,dataset,method,value\nT1,a,b,1\n")
    with pytest.raises(UserError, match="no column 'setting'"):
        read_paper(bad)
