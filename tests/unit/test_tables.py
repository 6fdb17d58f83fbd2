"""Table 1: what stands in which cell, in each format."""

import csv
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from statistics import stdev

import pytest

from t2ipal.errors import UserError
from t2ipal.records import by_run, make_records, read_records
from t2ipal.tables import (
    RENDERERS,
    DatasetColumn,
    MethodRow,
    Table,
    escape_tex,
    print_table,
    read_paper,
    summary,
    table1,
    to_csv,
    to_html,
    to_markdown,
    to_tex,
)

PAPER = Path(__file__).resolve().parents[2] / "resources" / "paper_results.csv"
METHODS = (
    MethodRow("oracle", "Oracle", in_paper=False),
    MethodRow("zsclip", "ZSCLIP", deterministic=True),
    MethodRow("tai_dpt", "TaI-DPT"),
    MethodRow("t2i_pal", "T2I-PAL"),
)
MICRO = DatasetColumn("micro", "micro world", "VOC2007")


def record(method: str, seed: int, value: float, dataset: str = "micro") -> dict[str, object]:
    return {"dataset": dataset, "method": method, "variant": "base", "seed": seed, "mAP": value, "ap": [value]}


def records(pal: tuple[float, ...] = (81.5, 82.0, 82.5)) -> list[dict[str, object]]:
    found = [record("zsclip", 1, 70.0)]
    for method, values in (("tai_dpt", (80.0, 80.2, 80.4)), ("t2i_pal", pal), ("oracle", (90.0, 90.0, 90.3))):
        found += [record(method, seed, value) for seed, value in enumerate(values, 1)]
    return found


def table(pal: tuple[float, ...] = (81.5, 82.0, 82.5), data: DatasetColumn = MICRO) -> Table:
    return table1(records(pal), METHODS, [data], read_paper(PAPER))


def test_rows_are_in_the_papers_order_and_ours_comes_below() -> None:
    found = table()
    assert [(row.title, row.remark) for row in found.rows] == [
        ("ZSCLIP", ""),
        ("TaI-DPT", ""),
        ("T2I-PAL", ""),
        ("Oracle", "not in the paper"),
    ]
    assert [column.group for column in found.columns] == ["Paper on real VOC2007"] * 2 + ["Ours on micro world"] * 2


def test_markdown_says_paper_ours_and_differences() -> None:
    lines = [line for line in to_markdown(table()).splitlines() if line.startswith("| ")]
    assert lines[2:] == [
        "| ZSCLIP | 76.2 | -12.1 | 70.00 | -10.20 |",
        "| TaI-DPT | 88.3 |  | 80.20 ± 0.20 |  |",
        "| T2I-PAL | 91.5 | +3.2 | 82.00 ± 0.50 | +1.80 ± 0.30 |",
        "| Oracle (not in the paper) |  |  | 90.10 ± 0.17 | +9.90 ± 0.10 |",
    ]


def test_a_contradiction_of_the_paper_is_said_in_words() -> None:
    assert "keeps the paper's order, ZSCLIP < TaI-DPT < T2I-PAL" in table().notes[-1]
    clear = table(pal=(79.0, 79.1, 79.5)).notes[-1]
    assert "ours contradicts the paper's order" in clear
    assert "T2I-PAL minus TaI-DPT is -1.00 ± 0.10 here; the paper has +3.2." in clear
    close = table(pal=(80.5, 80.0, 79.5)).notes[-1]
    assert "T2I-PAL minus TaI-DPT is -0.20 ± 0.70 here, within one standard deviation of no difference" in close


def test_a_missing_cell_is_an_error_that_names_the_run() -> None:
    rest = [row for row in records() if row["method"] != "tai_dpt"]
    with pytest.raises(UserError, match=r"table 1: no metrics of run micro/tai_dpt/base"):
        table1(rest, METHODS, [MICRO], read_paper(PAPER))
    with pytest.raises(UserError, match=r"run micro/t2i_pal/base: a seed is there twice"):
        table1([*records(), record("t2i_pal", 2, 1.0)], METHODS, [MICRO], read_paper(PAPER))


def test_a_data_set_without_the_paper_has_no_paper_columns() -> None:
    found = table(data=DatasetColumn("micro", "micro world"))
    assert [column.header for column in found.columns] == ["mAP", "vs TaI-DPT"]
    assert len(found.notes) == 1
    with pytest.raises(
        UserError, match=r"datasets\.micro\.paper: 'VOC2012' is not in Table 1; expected one of coco2014, nus"
    ):
        table(data=DatasetColumn("micro", "micro world", "VOC2012"))


def test_two_data_sets_stand_side_by_side() -> None:
    more = records() + [row | {"dataset": "other"} for row in records()]
    found = table1(more, METHODS, [MICRO, DatasetColumn("other", "other", "coco2014")], read_paper(PAPER))
    assert len(found.columns) == 8
    assert [cell.mean for cell in found.rows[2].cells[4:6]] == pytest.approx([71.4, 6.3])


def test_csv_keeps_the_numbers_unrounded() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(table()))))
    assert rows[2]["method"] == "T2I-PAL"
    assert float(rows[2]["micro_ours"]) == 82.0
    assert float(rows[2]["micro_ours_std"]) == pytest.approx(stdev((81.5, 82.0, 82.5)))
    assert rows[2]["micro_ours_seeds"] == "3"
    assert rows[0]["micro_ours_std"] == rows[1]["paper_voc2007_vs_tai_dpt"] == rows[3]["paper_voc2007"] == ""


def test_deterministic_methods_have_no_deviation() -> None:
    assert summary([70.0, 70.0], deterministic=True).std is None
    assert summary([70.0]).std is None
    assert summary([70.0, 71.0]).std == pytest.approx(stdev([70, 71]))


class Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_is_balanced_and_marks_the_papers_columns() -> None:
    page, parser = to_html(table()), Balance()
    parser.feed(page)
    assert parser.open == []
    assert '<td class="paper">91.5</td>' in page
    assert "<td>82.00 ± 0.50</td>" in page
    assert "http" not in page


def test_tex_has_as_many_cells_as_columns() -> None:
    text = to_tex(table())
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in body[1:]} == {4}
    assert r"$82.00 \pm 0.50$" in text
    assert text.count(r"\midrule") == 2
    assert not re.search(r"[^\x00-\x7f]", text)
    assert escape_tex(r"50 % of a_b & {c} \d ± <") == r"50 \% of a\_b \& \{c\} \textbackslash{}d $\pm$ $<$"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_tex_compiles(tmp_path: Path) -> None:
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "t.tex").write_text(head + to_tex(table()) + r"\end{document}")
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_terminal_lines_are_aligned() -> None:
    text = print_table(table())
    lines = text.splitlines()
    rows = [line for line in lines if line.startswith(("Method", "ZSCLIP", "TaI-DPT", "T2I-PAL", "Oracle"))]
    assert len({len(line) for line in rows}) == 1
    assert "* not in the paper" in lines
    assert max(map(len, lines)) <= 100


def test_every_renderer_shows_every_method() -> None:
    for render in (*RENDERERS.values(), print_table):
        text = render(table())
        assert all(title in text for title in ("ZSCLIP", "TaI-DPT", "T2I-PAL", "Oracle"))


def test_paper_numbers_are_checked(tmp_path: Path) -> None:
    found = read_paper(PAPER)
    assert found["t1", "voc2007", "t2i-pal", "zero-shot"] == 91.5
    assert len(found) == sum(1 for _ in PAPER.open()) - 1
    bad = tmp_path / "paper.csv"
    bad.write_text("table,dataset,method,setting,value\nT1,a,b,c,x\n")
    with pytest.raises(UserError, match=r"paper\.csv, line 2: value 'x'; expected a number"):
        read_paper(bad)
    bad.write_text("table,dataset,method,value\nT1,a,b,1\n")
    with pytest.raises(UserError, match="no column 'setting'"):
        read_paper(bad)


def test_records_survive_the_file(tmp_path: Path) -> None:
    import pyarrow as pa

    from t2ipal.store import write_parquet

    metrics = [{"mAP": 1.0, "ap": [0.5, 1.5]}, {"mAP": 2.0, "ap": [1.0, 3.0]}]
    rows = make_records(("micro", "t2i_pal", "base"), (2, 1), metrics, {"gamma": 0.2}, 3.5)
    assert rows[0]["peak_mb"] > 10
    assert "torch" in rows[0]["versions"]
    write_parquet(pa.Table.from_pylist(rows), tmp_path / "metrics.parquet")
    found = by_run(read_records([tmp_path / "metrics.parquet"]))["micro", "t2i_pal", "base"]
    assert [row["seed"] for row in found] == [1, 2]
    assert found[0]["settings"] == {"gamma": 0.2}
    assert found[0]["ap"] == [1.0, 3.0]
