"""Specifications and records of the paper's tables for tests: values are made up, their resamples share a noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from t2ipal.plan.specs import BeyondSpec, BlockSpec, CellSpec, ColumnSpec, EndSpec, RowSpec, TableSpec
from t2ipal.seeds import seed_of

RESAMPLES = 200
LEVELS = tuple(range(10, 100, 10))
SYSTEMS = {
    "ssgrl": "SSGRL",
    "partial_bce": "Partial-BCE",
    "dualcoop": "DualCoOp",
    "dualcoop+tai_dpt": "DualCoOp+TaI-DPT",
    "dualcoop+t2i_pal": "DualCoOp+T2I-PAL",
}


def records(
    dataset: str, method: str, values: Sequence[float], level: int = 0, noise: float = 0.1, variant: str = "base"
) -> list[dict[str, Any]]:
    """A record per seed 1, 2, ...; resamples lie around mAP, with a noise that all share and one of their own.

    CF1 is 100 - mAP: the order of systems by it is the other way round.
    """
    shared = np.random.default_rng(seed_of(dataset)).normal(0, 1, RESAMPLES)
    own = np.random.default_rng(seed_of(dataset, method, variant, level)).normal(0, noise, RESAMPLES)
    key = {"dataset": dataset, "method": method, "variant": variant, "level": level}
    return [
        {
            **key,
            **{"seed": seed, "ap": [value]},
            **{"mAP": value, "bootstrap": (value + shared + own).tolist()},
            **{"CF1": 100 - value, "bootstrap_CF1": (100 - value - shared - own).tolist()},
        }
        for seed, value in enumerate(values, 1)
    ]


def cell(
    dataset: str, method: str, paper: Sequence[str] | None = None, level: int = 0, variant: str = "base"
) -> CellSpec:
    return CellSpec(run=(dataset, method, variant), level=level, paper=paper)


def row(key: str, title: str, cells: Mapping[str, CellSpec], **more: Any) -> RowSpec:
    return RowSpec(key=key, title=title, cells=cells, **more)


def with_row(spec: TableSpec, key: str, **changes: Any) -> TableSpec:
    """The specification with one row changed."""
    rows = tuple(row.model_copy(update=changes) if row.key == key else row for row in spec.blocks[0].rows)
    return spec.model_copy(update={"blocks": (spec.blocks[0].model_copy(update={"rows": rows}),)})


# Table 1


def table1(paper: str | None = "VOC2007", **datasets: str) -> TableSpec:
    """The specification of Table 1 on the micro world, or on `datasets`: key to the paper's name."""
    names = datasets or {"micro": paper}
    columns = [ColumnSpec(key=key, header=HEADERS[key], paper=name) for key, name in names.items()]

    def cells(method: str, title: str | None) -> dict[str, CellSpec]:
        return {
            key: cell(key, method, ["T1", name, title, "zero-shot"] if name and title else None)
            for key, name in names.items()
        }

    rows = [
        row("zsclip", "ZSCLIP", cells("zsclip", "ZSCLIP"), deterministic=True),
        row("tai_dpt", "TaI-DPT", cells("tai_dpt", "TaI-DPT")),
        row("t2i_pal", "T2I-PAL", cells("t2i_pal", "T2I-PAL"), against=["tai_dpt"]),
        row("oracle", "Oracle", cells("oracle", None), remark="not in the paper", against=["tai_dpt"]),
    ]
    return TableSpec(
        name="table1",
        title="Table 1. Zero-shot multi-label recognition",
        columns=columns,
        blocks=[BlockSpec(rows=rows)],
    )


HEADERS = {"micro": "micro world", "other": "other", "coco": "MS-COCO", "voc": "VOC2007", "nus": "NUS-WIDE"}


def records1(
    pal: Sequence[float] = (81.5, 82.0, 82.5), dataset: str = "micro", noise: float = 0.1
) -> list[dict[str, Any]]:
    found = records(dataset, "zsclip", (70.0,), noise=noise)
    for method, values in (("tai_dpt", (80.0, 80.2, 80.4)), ("t2i_pal", pal), ("oracle", (90.0, 90.0, 90.3))):
        found += records(dataset, method, values, noise=noise)
    return found


# Table 2


def table2(datasets: Mapping[str, str] | None = None, levels: Sequence[int] = LEVELS) -> TableSpec:
    """The specification of Table 2: a block per data set, a column per percentage of known labels."""
    blocks = []
    for dataset, paper in (datasets or {"micro": "VOC2007"}).items():
        rows = []
        for key, title in SYSTEMS.items():
            cells = {str(n): cell(dataset, key, ["T2", paper, title, f"{n}%"], n) for n in levels}
            against = {"dualcoop+tai_dpt": ["dualcoop"], "dualcoop+t2i_pal": ["dualcoop+tai_dpt", "dualcoop"]}
            shown = title.replace("DualCoOp+", "+ ")
            rows.append(row(key, shown, cells, against=against.get(key, [])))
        blocks.append(BlockSpec(title=HEADERS[dataset], paper=paper, rows=rows))
    return TableSpec(
        name="table2",
        title="Table 2. Partial labels",
        columns=[ColumnSpec(key=str(n), header=f"{n} %") for n in levels],
        average=True,
        stacked=True,
        trend="more labels are better",
        blocks=blocks,
    )


def records2(dataset: str = "micro", levels: Sequence[int] = LEVELS, noise: float = 0.2) -> list[dict[str, Any]]:
    found = []
    for place, key in enumerate(SYSTEMS):
        for level in levels:
            dip = 1.2 if key.endswith("t2i_pal") and level > 60 else 0.0
            value = 84 + place + 4 * np.log10(level / 10) - dip
            found += records(dataset, key, [value - 0.1, value, value + 0.2], level, noise)
    return found


# Table 4


def table4() -> TableSpec:
    """The specification of Table 4: zero-shot and few-shot systems, which fill different columns."""
    shots = (0, 1, 2, 4, 8, 16)

    def zero(method: str, title: str) -> dict[str, CellSpec]:
        return {"0": cell("micro", method, ["T4", "VOC2007", title, "0-shot"])}

    def few(method: str, title: str) -> dict[str, CellSpec]:
        return {str(n): cell("micro", method, ["T4", "VOC2007", title, f"{n}-shot"], n) for n in shots[1:]}

    def trained(key: str, shown: str, title: str, *against: str) -> RowSpec:
        average = ("TEXT-T4", "VOC2007", title, "mean_1-16_shot")
        return row(key, shown, few(key, title), against=against, average=average)

    rows = [
        row("zsclip", "ZSCLIP", zero("zsclip", "ZSCLIP"), deterministic=True),
        trained("coop", "CoOp", "CoOp"),
        row("tai_dpt", "TaI-DPT", zero("tai_dpt", "TaI-DPT")),
        trained("coop+tai_dpt", "+ TaI-DPT", "CoOp+TaI-DPT", "coop"),
        row("t2i_pal", "T2I-PAL", zero("t2i_pal", "T2I-PAL"), against=["tai_dpt"]),
        trained("coop+t2i_pal", "+ T2I-PAL", "CoOp+T2I-PAL", "coop+tai_dpt"),
    ]
    return TableSpec(
        name="table4",
        title="Table 4. Few shots",
        columns=[ColumnSpec(key=str(n), header=f"{n}-shot") for n in shots],
        average=True,
        stacked=True,
        trend="more shots are better",
        blocks=[
            BlockSpec(
                title="micro world",
                paper="VOC2007",
                rows=rows,
                beyond=[beyond(("t2i_pal", "0"), ("coop+tai_dpt", "16"))],
            )
        ],
    )


def beyond(left: tuple[str, str], right: tuple[str, str]) -> BeyondSpec:
    """A difference between (row, column) and (row, column)."""
    return BeyondSpec(left=EndSpec(row=left[0], column=left[1]), right=EndSpec(row=right[0], column=right[1]))


def records4() -> list[dict[str, Any]]:
    found = records1()
    for place, method in enumerate(("coop", "coop+tai_dpt", "coop+t2i_pal")):
        for level in (1, 2, 4, 8, 16):
            value = 75 + 3 * place + (level**0.5 if method != "coop" else -0.1 * level)
            found += records("micro", method, [value, value + 0.2, value + 0.1], level, 0.2)
    return found


# Table 6


ADAPTERS = {
    "without": ("w/o Adp", "w/o Adp"),
    "global": ("w. Glo.Adp", "w. Glo.Adp"),
    "local": ("w. Loc.Adp", "w. Loc.Adp (Ours)"),
}


def table6() -> TableSpec:
    """The specification of Table 6 with the average over data sets: the full model against each ablation."""
    papers = {"coco": "COCO2014", "voc": "VOC2007", "nus": "NUSWIDE"}
    rows = []
    for key, (title, setting) in ADAPTERS.items():
        cells = {
            data: cell(data, "t2i_pal", ["T6", paper, "T2I-PAL", setting], variant=key)
            for data, paper in papers.items()
        }
        rows.append(row(key, title, cells, against=["without", "global"] if key == "local" else []))
    return TableSpec(
        name="table6",
        title="Table 6. Adapters",
        columns=[ColumnSpec(key=key, header=HEADERS[key], paper=paper) for key, paper in papers.items()],
        average=True,
        blocks=[BlockSpec(rows=rows)],
    )


def records6() -> list[dict[str, Any]]:
    values = {"without": (70.0, 91.0, 47.0), "global": (70.4, 91.1, 46.9), "local": (71.4, 90.2, 47.0)}
    found = []
    for variant, means in values.items():
        for data, value in zip(("coco", "voc", "nus"), means, strict=True):
            found += records(data, "t2i_pal", [value - 0.2, value, value + 0.2], variant=variant)
    return found
