"""The table of score rules: which rule validation images choose, what is left of gains, and the claims beside it."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from configs import default
from html_pages import parse, text_of
from table_specs import cell, records, row, table1, with_row

from t2ipal.config import load_config
from t2ipal.metrics.records import VALIDATION_MAP
from t2ipal.pages.claims import claims_csv, claims_page
from t2ipal.pages.renderers import RENDERERS
from t2ipal.plan.make import make_plan
from t2ipal.plan.specs import BlockSpec, ColumnSpec, TableSpec
from t2ipal.tables import claims_of, gains, make_table, read_paper, with_best_rules
from t2ipal.tables.model import Table

PAPER = read_paper(Path(__file__).resolve().parents[2] / "resources" / "paper_results.csv")
RULES = {"own": "own scores", "mean": "mean off", "cells": "cells"}
TEST = {
    "zsclip": {"own": 60.0, "mean": 70.0, "cells": 74.0},
    "tai_dpt": {"own": 72.0, "mean": 72.5, "cells": 74.5},
    "t2i_pal": {"own": 74.0, "mean": 74.5, "cells": 73.0},
}
VALIDATION = {
    "zsclip": {"own": 61.0, "mean": 70.0, "cells": 75.0},
    "tai_dpt": {"own": 72.0, "mean": 73.0, "cells": 75.0},
    "t2i_pal": {"own": 75.0, "mean": 74.0, "cells": 74.0},  # another than on the test images
}
TITLES = {"zsclip": "ZSCLIP", "tai_dpt": "TaI-DPT", "t2i_pal": "T2I-PAL"}
AGAINST = {"tai_dpt": ["zsclip"], "t2i_pal": ["tai_dpt", "zsclip"]}


def name_of(method: str, rule: str) -> str:
    return method if rule == "own" else f"{method}+{rule}"


def spec(without: tuple[str, str] | None = None) -> TableSpec:
    def cells(method: str) -> dict[str, Any]:
        return {rule: cell("micro", name_of(method, rule)) for rule in RULES if (method, rule) != without}

    rows = [row(key, title, cells(key), against=AGAINST.get(key, [])) for key, title in TITLES.items()]
    columns = [ColumnSpec(key=key, header=header) for key, header in RULES.items()]
    block = BlockSpec(title="micro world", rows=rows)
    return TableSpec(name="score_rules", title="Score rules", columns=columns, blocks=[block], stacked=True, rules=True)


def rows_of_metrics(validation: bool = True) -> list[dict[str, Any]]:
    rows = []
    for method, by_rule in TEST.items():
        for rule, value in by_rule.items():
            held_out = VALIDATION[method][rule] if validation else None
            made = records("micro", name_of(method, rule), (value - 0.1, value + 0.1))
            rows += [record | {VALIDATION_MAP: held_out} for record in made]
    return rows


def table(**changes: Any) -> Table:
    return make_table(spec(), rows_of_metrics(**changes), PAPER)


def test_each_system_has_the_rule_that_is_best_for_it_on_validation_images() -> None:
    made = table()
    assert [column.header for column in made.columns] == [*RULES.values(), "best on validation"]
    assert [row.chosen for row in made.rows] == ["cells", "cells", "own scores"]
    assert [row.cells[-1].ours.mean for row in made.rows] == pytest.approx([74.0, 74.5, 74.0])
    pal, zs = (made.rows[2].pairs[number].cells for number in (0, 1))
    assert [each.ours.mean for each in pal] == pytest.approx([2.0, 2.0, -1.5, -0.5])
    assert [each.ours.mean for each in zs] == pytest.approx([14.0, 4.5, -1.0, 0.0])
    assert all(each.ours.low < each.ours.mean < each.ours.high for each in (*pal, *zs))


def test_sentences_name_the_choice_and_what_is_left_of_each_gain() -> None:
    made = table()
    assert made.notes[2] == (
        "micro world: best rule on validation images: ZSCLIP cells; TaI-DPT cells; T2I-PAL own scores. "
        "Test images choose none."
    )
    left, half, last = gains(made)
    assert made.notes[3:6] == (left, half, last)
    assert left.startswith("micro world: TaI-DPT minus ZSCLIP is +12.00 [")
    assert "with own scores, +0.50 to +2.50 with another rule for both, and +0.50 [" in left
    assert left.endswith("with the rule that is best for each on validation images: 4 % of the gain is left.")
    assert half.endswith("nothing of the gain is left.")


def test_without_validation_images_there_is_no_choice() -> None:
    made = table(validation=False)
    assert [column.header for column in made.columns] == list(RULES.values())
    assert {row.chosen for row in made.rows} == {""}
    assert gains(made)[0].endswith("+0.50 to +2.50 with another rule for both.")
    assert with_best_rules(claims_of(made), [made]) == []


def test_one_other_rule_is_no_range() -> None:
    short = spec()
    rows = [row.model_copy(update={"cells": dict(list(row.cells.items())[:2])}) for row in short.rows]
    block = short.blocks[0].model_copy(update={"rows": rows})
    made = make_table(
        short.model_copy(update={"columns": short.columns[:2], "blocks": (block,)}), rows_of_metrics(), PAPER
    )
    assert "with own scores, +2.50 with another rule for both, and" in gains(made)[0]


def test_a_system_that_does_not_allow_a_rule_has_no_number_and_no_difference_there() -> None:
    made = make_table(spec(without=("t2i_pal", "cells")), rows_of_metrics(), PAPER)
    assert made.rows[2].cells[2] is None
    assert made.rows[2].pairs[0].cells[2] is None
    assert made.rows[2].chosen == "own scores"


def test_tables_of_something_else_have_no_such_sentence() -> None:
    made = make_table(table1(), rows_of_metrics() + records("micro", "oracle", (80, 80.2)), PAPER)
    assert gains(made) == ()
    assert not any("best rule" in note for note in made.notes)


@pytest.mark.parametrize("name", RENDERERS)
def test_every_format_has_the_rules_and_the_choice(name: str) -> None:
    text = RENDERERS[name](table())
    for header in (*RULES.values(), "best on validation"):
        assert header in text


def test_claims_have_the_difference_of_the_best_rules_beside_them_and_the_verdict_of_the_papers() -> None:
    rows = rows_of_metrics() + records("micro", "oracle", (80, 80.2))
    tables = [make_table(with_row(table1(), "zsclip", against=["tai_dpt"]), rows, PAPER), table()]
    plain = [claim for made in tables for claim in claims_of(made)]
    claims = with_best_rules(plain, tables)
    assert [claim.minus for claim in claims] == ["TaI-DPT minus ZSCLIP", "T2I-PAL minus TaI-DPT"]
    assert [claim.verdict for claim in claims] == [claim.verdict for claim in plain] == ["agree", "agree"]
    assert [claim.best.mean for claim in claims] == pytest.approx([0.5, -0.5])
    assert [claim.best_rules for claim in claims] == [("cells", "cells"), ("own scores", "cells")]
    assert all(claim.best.low < claim.best.mean < claim.best.high for claim in claims)
    line = next(csv.DictReader(io.StringIO(claims_csv(claims))))
    assert (float(line["best_rule"]), line["rules"]) == (pytest.approx(0.5), "cells; cells")
    page = text_of(parse(claims_page(claims, gains=gains(tables[1]))))
    assert "Best rules" in page
    assert "nothing of the gain is left" in page
    assert "Best rules" not in text_of(parse(claims_page(plain)))


def test_the_default_run_has_every_method_of_table_1_by_every_rule() -> None:
    plan = make_plan(load_config(default()))
    made = plan.tables["score_rules"]
    assert [column.key for column in made.columns] == ["own", "mean", "softmax", "cells", "sparc"]
    assert [row.key for row in made.rows] == default()["methods"]
    cells = {row.key: [cell.run[1] for cell in row.cells.values()] for row in made.rows}
    assert cells["t2i_pal"] == ["t2i_pal", "t2i_pal+mean", "t2i_pal+softmax", "t2i_pal+cells", "t2i_pal+sparc"]
    assert cells["comc"] == ["comc", "comc+mean", "comc+softmax", "comc+sparc"]
    assert {row.key: row.against for row in made.rows if row.against} == {
        "tai_dpt": ("zsclip",),
        "t2i_pal": ("tai_dpt", "zsclip"),
    }
    assert not any(plan.runs[cell.run].trains for row in made.rows for cell in list(row.cells.values())[1:])
