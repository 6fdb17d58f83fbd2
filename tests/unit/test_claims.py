"""What the paper claims and what a run says of it: verdicts, counts, and the page."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from html_pages import expect_harmless, parse, text_of, texts
from table_specs import records, records1, records2, records4, records6, table1, table2, table4, table6, with_row

from t2ipal.metrics.registry import METRICS
from t2ipal.pages.claims import MARGIN, WIDTH, Scale, claims_csv, claims_page
from t2ipal.plan.specs import DatasetSpec, MethodSpec, PointSpec, SeedsSpec, SweepSpec, TableSpec
from t2ipal.tables import Claim, make_table, read_paper, shape_claims
from t2ipal.tables.claims import AGREE, CONTRADICT, LEVELS, SYSTEMS, UNCLEAR, claims_of, count, verdict
from t2ipal.tables.model import Value

PAPER = read_paper(Path(__file__).resolve().parents[2] / "resources" / "paper_results.csv")


def make_claims(specs: list[TableSpec], rows: list[dict[str, Any]]) -> list[Claim]:
    return [claim for spec in specs for claim in claims_of(make_table(spec, rows, PAPER))]


def everything() -> list[Claim]:
    rows = [*records1((79.0, 79.1, 79.5)), *records2(), *records6()]
    return make_claims([table1(), table2(), table6()], rows)


def few() -> list[Claim]:
    return make_claims([table4()], records4())


@pytest.mark.parametrize(
    ("paper", "low", "high", "expected"),
    [
        (3.2, 0.1, 0.5, AGREE),
        (3.2, -0.5, -0.1, CONTRADICT),
        (-3.2, -0.5, -0.1, AGREE),
        (-3.2, 0.1, 0.5, CONTRADICT),
        (3.2, -0.1, 0.5, UNCLEAR),
        (3.2, 0.0, 0.5, UNCLEAR),
        (-3.2, -0.5, 0.0, UNCLEAR),
        (3.2, None, None, UNCLEAR),
    ],
)
def test_only_an_interval_without_0_has_a_direction(
    paper: float, low: float | None, high: float | None, expected: str
) -> None:
    assert verdict(paper, Value(0.2, low=low, high=high)) == expected


def test_a_table_of_data_sets_claims_a_difference_for_each() -> None:
    claims = [claim for claim in everything() if claim.table.startswith("Table 6")]
    assert [(claim.data, claim.paper_data, claim.text, claim.verdict) for claim in claims[:4]] == [
        ("MS-COCO", "COCO2014", "w. Loc.Adp above w/o Adp", AGREE),
        ("VOC2007", "VOC2007", "w. Loc.Adp above w/o Adp", CONTRADICT),
        ("NUS-WIDE", "NUSWIDE", "w. Loc.Adp above w/o Adp", UNCLEAR),
        ("Average", "", "w. Loc.Adp above w/o Adp", AGREE),
    ]
    assert [claim.paper for claim in claims[:4]] == pytest.approx([0.8, 0.5, 0.3, 0.53])
    assert not any(claim.levels for claim in claims)


def test_what_the_paper_has_not_is_no_claim() -> None:
    claims = [claim for claim in everything() if claim.table.startswith("Table 1")]
    assert [claim.text for claim in claims] == ["T2I-PAL above TaI-DPT"]  # and none of the oracle
    assert make_claims([table1(None)], records1()) == []


def test_a_table_of_levels_claims_the_average_with_the_levels_below_it() -> None:
    claims = [claim for claim in everything() if claim.table.startswith("Table 2")]
    assert [claim.kind for claim in claims] == [SYSTEMS] * 3 + [LEVELS] * 5
    pal = claims[1]
    assert (pal.text, pal.at, pal.verdict) == ("+ T2I-PAL above + TaI-DPT", "Avg.", AGREE)
    # the paper prints equal numbers at 30, 40 and 90 %: it claims nothing there
    assert [each.at for each in pal.levels] == ["10 %", "20 %", "50 %", "60 %", "70 %", "80 %"]
    assert [each.paper for each in pal.levels] == pytest.approx([0.4, 0.2, -0.2, 0.2, 0.4, 0.2])
    assert [each.verdict for each in pal.levels] == [AGREE, AGREE, CONTRADICT, AGREE, UNCLEAR, UNCLEAR]
    assert count(pal.levels) == {AGREE: 3, CONTRADICT: 1, UNCLEAR: 2}
    trend = claims[3]
    assert (trend.text, trend.minus) == ("SSGRL: more labels are better", "SSGRL, 90 % minus 10 %")
    assert trend.paper == pytest.approx(14.5)


def test_claims_between_columns_and_columns_without_an_average() -> None:
    found = {claim.text: claim for claim in few()}
    assert found["T2I-PAL above TaI-DPT"].at == "0-shot"
    beyond = found["T2I-PAL (0-shot) above + TaI-DPT (16-shot)"]
    assert (beyond.paper, beyond.verdict) == (pytest.approx(1.4), UNCLEAR)
    assert found["CoOp: more shots are better"].verdict == CONTRADICT
    assert len(found) == 7


def test_a_claim_is_told_in_the_papers_direction() -> None:
    spec = with_row(table1(), "zsclip", against=("tai_dpt",))
    rows = records1()
    claim = make_claims([spec], rows)[0]
    gap = make_table(spec, rows, PAPER).blocks[0].rows[0].pairs[0].cells[0]
    assert (claim.text, claim.minus) == ("TaI-DPT above ZSCLIP", "TaI-DPT minus ZSCLIP")
    assert (claim.paper, gap.paper) == (pytest.approx(12.1), pytest.approx(-12.1))
    ours = claim.ours
    assert (ours.mean, ours.low, ours.high) == (-gap.ours.mean, -gap.ours.high, -gap.ours.low)
    assert claim.verdict == verdict(gap.paper, gap.ours) == AGREE


def test_without_a_trend_there_is_no_claim_of_it() -> None:
    claims = make_claims([table2().model_copy(update={"trend": ""})], records2())
    assert {claim.kind for claim in claims} == {SYSTEMS}


def test_csv_has_all_claims_and_their_levels() -> None:
    claims = everything()
    rows = list(csv.DictReader(io.StringIO(claims_csv(claims))))
    assert len(rows) == len(claims) + sum(len(claim.levels) for claim in claims)
    assert rows[0]["verdict"] == CONTRADICT
    assert float(rows[0]["low"]) <= float(rows[0]["ours"]) <= float(rows[0]["high"]) < 0 < float(rows[0]["paper"])


# Figures


def figure(
    key: str = "gamma", values: tuple[float, ...] = (0.0, 0.2, 1.0), paper: str | None = "VOC2007", **more: Any
) -> SweepSpec:
    return SweepSpec(
        name="fig4" if key == "samples" else "fig3a",
        key=key,
        points=[PointSpec(value=value, run=("micro", "t2i_pal", f"{key}-{value}")) for value in values],
        method=MethodSpec(name="t2i_pal", title="T2I-PAL"),
        others=[MethodSpec(name="tai_dpt", title="TaI-DPT")],
        dataset=DatasetSpec(name="micro", title="micro world", paper=paper),
        **more,
    )


def swept(key: str, levels: dict[float, float]) -> list[dict[str, Any]]:
    points = (records("micro", "t2i_pal", (level,), variant=f"{key}-{value}") for value, level in levels.items())
    return [row for rows in points for row in rows]


def test_a_figure_claims_one_value_above_another() -> None:
    rows = [*records1(), *swept("gamma", {0.0: 73.0, 0.2: 75.0, 1.0: 73.0})]
    claims = shape_claims([figure(above=[[0.2, 1.0], [0.2, 0.0], [0.0, 1.0]])], rows, PAPER)
    assert [(claim.text, claim.verdict) for claim in claims] == [
        ("\N{GREEK SMALL LETTER GAMMA} = 0.2 above \N{GREEK SMALL LETTER GAMMA} = 1.0", AGREE),
        ("\N{GREEK SMALL LETTER GAMMA} = 0.2 above \N{GREEK SMALL LETTER GAMMA} = 0.0", AGREE),
        ("\N{GREEK SMALL LETTER GAMMA} = 0.0 above \N{GREEK SMALL LETTER GAMMA} = 1.0", UNCLEAR),
    ]
    assert claims[0].paper == pytest.approx(0.7)  # 91.1 and 90.4; of gamma 0 the paper prints nothing
    assert [claim.paper for claim in claims[1:]] == [None, None]
    assert {claim.table for claim in claims} == {"Figure 3a. T2I-PAL, \N{GREEK SMALL LETTER GAMMA}"}


def test_another_metric_is_judged_by_direction_alone() -> None:
    rows = [*records1(), *swept("gamma", {0.0: 73.0, 0.2: 75.0, 1.0: 73.0})]
    (claim,) = shape_claims([figure(above=[[0.2, 1.0]], metric="CF1")], rows, PAPER)
    assert claim.table == "Figure 3a. T2I-PAL, \N{GREEK SMALL LETTER GAMMA}, CF1"
    assert (claim.paper, claim.verdict) == (None, CONTRADICT)  # the records' CF1 is 100 - mAP
    assert claim.ours.mean == pytest.approx(-2)


def test_where_less_is_better_the_better_value_is_the_lower_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(METRICS["CF1"]), "higher_is_better", False)
    rows = [*records1(), *swept("gamma", {0.0: 73.0, 0.2: 75.0, 1.0: 73.0})]
    (claim,) = shape_claims([figure(above=[[0.2, 1.0]], metric="CF1")], rows, PAPER)
    assert claim.text == "\N{GREEK SMALL LETTER GAMMA} = 1.0 above \N{GREEK SMALL LETTER GAMMA} = 0.2"
    assert claim.verdict == AGREE


def test_a_figure_claims_a_value_above_another_method() -> None:
    rows = [*records1(), *swept("samples", {1: 60.0, 6: 61.0})]
    claims = shape_claims([figure("samples", (1, 6), above=[[6, 1], [1, "tai_dpt"]])], rows, PAPER)
    assert [(claim.text, claim.verdict) for claim in claims] == [
        ("images per caption = 6 above images per caption = 1", AGREE),
        ("images per caption = 1 above TaI-DPT", CONTRADICT),
    ]
    assert [claim.paper for claim in claims] == [None, pytest.approx(2.8)]


def test_a_figure_of_the_first_seeds_claims_by_them_alone() -> None:
    rows = [*records1(), *swept("samples", {1: 60.0, 6: 61.0})]
    rows += records("micro", "t2i_pal", (61.0, 0.0), variant="samples-8")  # a run with a second seed
    seeds = SeedsSpec(shown=(1,), of=2)
    claims = shape_claims([figure("samples", (1, 6, 8), above=[[8, 1]], seeds=seeds)], rows, PAPER)
    assert [(claim.ours.mean, claim.ours.count) for claim in claims] == [(1.0, 1)]


def test_a_figure_claims_nothing_of_what_is_not_tried_or_not_the_papers() -> None:
    rows = [*records1(), *swept("gamma", {0.0: 73.0, 0.2: 75.0, 1.0: 73.0})]
    assert shape_claims([figure(above=[[0.2, 0.5], [0.2, "clip_dpt"]])], rows, PAPER) == []
    assert shape_claims([figure(above=[[0.2, 0.0]], paper=None)], rows, PAPER) == []


def test_a_claim_of_a_direction_alone_has_no_number_of_the_paper() -> None:
    rows = [*records1(), *swept("gamma", {0.0: 73.0, 0.2: 75.0, 1.0: 73.0})]
    claims = shape_claims([figure(above=[[0.2, 0.0]])], rows, PAPER)
    page = parse(claims_page(claims))
    assert texts(page, "td.paper") == ["+"]
    assert not page.query("td.plot polygon")
    line = next(csv.DictReader(io.StringIO(claims_csv(claims))))
    assert (line["paper"], line["verdict"]) == ("", AGREE)


# The page


def test_the_page_is_whole_and_needs_nothing_from_outside() -> None:
    expect_harmless(parse(claims_page(everything())))


def test_the_page_counts_and_shows_every_claim() -> None:
    claims = [*everything(), *few()]
    page = parse(claims_page(claims))
    numbers = count(claims)
    bar = page.query("div.bar")[0].attrs["aria-label"]
    assert bar == f"{numbers[AGREE]} agree, {numbers[CONTRADICT]} contradict, {numbers[UNCLEAR]} cannot be told"
    assert [int(number) for number in texts(page, ".tile b")] == [
        numbers[name] for name in (AGREE, CONTRADICT, UNCLEAR)
    ]
    assert len(page.query("tr.claim")) == len(page.query("tr.claim svg.row")) == len(claims)
    assert all(text.startswith(claim.text) for text, claim in zip(texts(page, "td.text"), claims, strict=True))
    said = {AGREE: "\N{CHECK MARK} agrees", CONTRADICT: "\N{BALLOT X} contradicts", UNCLEAR: "? cannot tell"}
    assert texts(page, "td.verdict") == [said[claim.verdict] for claim in claims]
    levels = count(each for claim in claims for each in claim.levels)
    told = f": {levels[AGREE]} agree, {levels[CONTRADICT]} contradict, {levels[UNCLEAR]} cannot be told."
    assert texts(page, "p.by-level")[0].endswith(told)


def test_a_claim_on_an_average_shows_each_level_with_its_numbers() -> None:
    page = parse(claims_page(everything()))
    row = next(row for row in page.query("tr.claim") if text_of(row).startswith("+ T2I-PAL above + TaI-DPT"))
    marks = row.query(".levels > span")
    assert [text_of(mark) for mark in marks][1:3] == ["20 % \N{CHECK MARK}", "50 % \N{BALLOT X}"]
    assert marks[2].attrs["class"] == "contradict"
    assert marks[2].attrs["title"].startswith("50 %: this run +1.00 [")
    assert marks[2].attrs["title"].endswith("], paper -0.2: contradicts")


def test_each_table_has_its_heading_and_its_own_counts() -> None:
    page = parse(claims_page(everything()))
    titles = [title for title in texts(page, "tr.group th[scope=rowgroup]") if title.startswith("Table")]
    assert [title.split(".")[0] for title in titles] == ["Table 1", "Table 2", "Table 6"]
    counts = page.query("tr.group .counts")[0].query("span")
    assert [(text_of(each), each.attrs["class"]) for each in counts] == [
        ("0 \N{CHECK MARK}", "agree"),
        ("1 \N{BALLOT X}", "contradict"),
        ("0 ?", "unclear"),
    ]
    levels = "Table 2. Partial labels", "over the levels: 90 % minus 10 %"
    assert [title for title in texts(page, "tr.group th[scope=rowgroup]") if title in levels] == list(levels)


def test_a_run_without_claims_says_so() -> None:
    assert "No claim: the paper has no two numbers" in claims_page([])


def test_the_scale_holds_everything_and_0() -> None:
    for claims in (everything(), few()):
        scale = Scale.of(claims)
        values = [0.0, *(claim.paper for claim in claims), *(claim.ours.low for claim in claims)]
        values += [claim.ours.high for claim in claims]
        assert all(MARGIN <= scale.x(value) <= WIDTH - MARGIN for value in values)
        ticks = list(scale.ticks())
        assert min(abs(tick) for tick in ticks) < 1e-9
        assert 3 <= len(ticks) <= 9


def test_the_plot_shows_paper_and_ours_where_they_are() -> None:
    claim = everything()[0]
    scale = Scale.of([claim])
    (plot,) = parse(claims_page([claim])).query("tr.claim svg.row")
    (interval,) = plot.query("line.ours")
    assert [float(interval.attrs[end]) for end in ("x1", "x2")] == [scale.x(claim.ours.low), scale.x(claim.ours.high)]
    (dot,) = plot.query("circle")
    low, ours, high = (float(x) for x in (interval.attrs["x1"], dot.attrs["cx"], interval.attrs["x2"]))
    assert low < ours < high < scale.x(0) < scale.x(claim.paper)
    assert [float(zero.attrs["x1"]) for zero in plot.query("line.zero")] == [scale.x(0)]
    assert float(plot.query("svg")[0].attrs["x"]) == scale.x(3.2)
    assert plot.attrs["class"] == "row contradict"
    assert plot.attrs["aria-label"].startswith("paper +3.2, this run -1.00 [")


def test_a_difference_without_an_interval_is_a_dot() -> None:
    claim = Claim("Table 1. T", SYSTEMS, "d", "", "a above b", "a minus b", "", 1.0, Value(0.5))
    (plot,) = parse(claims_page([claim])).query("tr.claim svg.row")
    assert not plot.query("line.ours")
    assert plot.query("circle")
    assert claim.verdict == UNCLEAR
    assert claims_of(make_table(table1(None), records1(), PAPER)) == []
