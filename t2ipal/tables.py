"""The paper's tables beside ours: pure functions of metric records and of the numbers the paper prints.

`table1` makes a `Table`, the renderers turn any `Table` into CSV, Markdown, LaTeX, HTML or terminal text. Further
tables of the paper need a function like `table1` each and no renderer.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev

from t2ipal.errors import UserError
from t2ipal.records import Record, by_run, run_of

BASE = "base"
BASELINE = "tai_dpt"


@dataclass(frozen=True)
class MethodRow:
    """What a table needs to know of a method: the key in records, the title, and whether the paper has it."""

    name: str
    title: str
    in_paper: bool = True
    deterministic: bool = False


@dataclass(frozen=True)
class DatasetColumn:
    """What a table needs to know of a data set: key in records, title, and the paper's data set beside it, if any."""

    name: str
    title: str
    paper: str | None = None


@dataclass(frozen=True)
class Value:
    """A measured or printed number, `std` None where there is no spread to speak of; `count` seeds."""

    mean: float
    std: float | None = None
    count: int = 1


@dataclass(frozen=True)
class Column:
    """A column: its group (a header above several columns), its header and the key in data files."""

    group: str
    header: str
    key: str
    signed: bool = False


@dataclass(frozen=True)
class Row:
    """A row: its title, a remark on it, and a value or None per column."""

    title: str
    remark: str
    cells: tuple[Value | None, ...]


@dataclass(frozen=True)
class Table:
    """A table as data: what stands where, and the sentences below it."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


Paper = Mapping[tuple[str, str, str, str], float]
"""(table, data set, method, setting) -> the number that the paper prints, all keys in lower case."""


def read_paper(path: str | Path) -> dict[tuple[str, str, str, str], float]:
    """The paper's numbers from a CSV with columns table, dataset, method, setting, value, metric, note.

    Raises:
        UserError: a column is missing, or a value is no number.
    """
    from t2ipal.store import existing

    found: dict[tuple[str, str, str, str], float] = {}
    with existing(path).open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                key = tuple(row[name].strip().lower() for name in ("table", "dataset", "method", "setting"))
                found[key] = float(row["value"])  # type: ignore[index]
            except KeyError as error:
                raise UserError(f"{path}: no column {error}; expected table, dataset, method, setting, value") from None
            except ValueError:
                raise UserError(f"{path}, line {number}: value {row['value']!r}; expected a number") from None
    return found


def summary(values: Sequence[float], deterministic: bool = False) -> Value:
    """Mean and sample standard deviation; no deviation for one value or for a method that draws nothing."""
    spread = stdev(values) if len(values) > 1 and not deterministic else None
    return Value(mean(values), spread, len(values))


def difference(ours: Sequence[Record], base: Sequence[Record]) -> Value:
    """mAP of `ours` minus `base`: paired by seed where both ran the same seeds, else of the means."""
    left, right = ({row["seed"]: row["mAP"] for row in rows} for rows in (ours, base))
    if left.keys() == right.keys():
        return summary([left[seed] - right[seed] for seed in left])
    return Value(mean(left.values()) - mean(right.values()))


def table1(
    records: Sequence[Record],
    methods: Sequence[MethodRow],
    datasets: Sequence[DatasetColumn],
    paper: Paper,
) -> Table:
    """Table 1, zero-shot mAP: for each data set the paper's value, ours, and both differences to TaI-DPT.

    Methods that the paper has come first, in the given order, the others below.

    Raises:
        UserError: a run without metrics, or a paper's data set without numbers.
    """
    runs = by_run(records)
    ordered = [m for m in methods if m.in_paper] + [m for m in methods if not m.in_paper]
    columns: list[Column] = []
    cells: dict[str, list[Value | None]] = {method.name: [] for method in ordered}
    notes: list[str] = []
    for data in datasets:
        ours = {m.name: run_of(runs, (data.name, m.name, BASE), "table 1") for m in ordered}
        printed = _paper_values(paper, data, ordered)
        columns += _columns(data)
        for method in ordered:
            cells[method.name] += _cells(method, ours, printed, data.paper is not None)
        notes += _notes(data, ordered, ours, printed)
    rows = tuple(Row(m.title, "" if m.in_paper else "not in the paper", tuple(cells[m.name])) for m in ordered)
    seeds = max((value.count for row in rows for value in row.cells if value is not None), default=1)
    legend = [
        f"mAP in percent. Ours: mean ± sample standard deviation over {seeds} training seeds; a method that draws "
        "nothing has no deviation. Differences of ours are paired by seed."
    ]
    if any(data.paper for data in datasets):
        legend.append("The paper's values are for the real data set named above them, ours for the one above ours.")
    return Table("table1", "Table 1. Zero-shot multi-label recognition", tuple(columns), rows, (*legend, *notes))


def _columns(data: DatasetColumn) -> list[Column]:
    columns = [
        Column(f"Ours on {data.title}", "mAP", f"{data.name}_ours"),
        Column(f"Ours on {data.title}", "vs TaI-DPT", f"{data.name}_ours_vs_{BASELINE}", signed=True),
    ]
    if data.paper is None:
        return columns
    group, key = f"Paper on real {data.paper}", f"paper_{data.paper.lower()}"
    return [Column(group, "mAP", key), Column(group, "vs TaI-DPT", f"{key}_vs_{BASELINE}", signed=True), *columns]


def _paper_values(paper: Paper, data: DatasetColumn, methods: Sequence[MethodRow]) -> dict[str, float]:
    if data.paper is None:
        return {}
    found = {m.name: paper.get(("t1", data.paper.lower(), m.title.lower(), "zero-shot")) for m in methods if m.in_paper}
    values = {name: value for name, value in found.items() if value is not None}
    if not values:
        known = sorted({key[1] for key in paper if key[0] == "t1"})
        raise UserError(
            f"datasets.{data.name}.paper: {data.paper!r} is not in Table 1; expected one of {', '.join(known)}"
        )
    return values


def _cells(
    method: MethodRow, ours: Mapping[str, Sequence[Record]], printed: Mapping[str, float], has_paper: bool
) -> list[Value | None]:
    name, found = method.name, []
    base = None if name == BASELINE else ours.get(BASELINE)
    if has_paper:
        found.append(Value(printed[name]) if name in printed else None)
        both = base is not None and name in printed and BASELINE in printed
        found.append(Value(printed[name] - printed[BASELINE]) if both else None)
    found.append(summary([row["mAP"] for row in ours[name]], method.deterministic))
    found.append(difference(ours[name], base) if base is not None else None)
    return found


def _notes(
    data: DatasetColumn,
    methods: Sequence[MethodRow],
    ours: Mapping[str, Sequence[Record]],
    printed: Mapping[str, float],
) -> list[str]:
    """In words: does our order of the methods contradict the paper's?"""
    known = sorted((m for m in methods if m.name in printed), key=lambda m: printed[m.name])
    if len(known) < 2:
        return []
    wrong = [_contradiction(low, high, ours, printed) for low, high in pairwise(known)]
    sentences = [sentence for sentence in wrong if sentence]
    order = " < ".join(m.title for m in known)
    if not sentences:
        return [f"{data.title}: ours keeps the paper's order, {order}."]
    return [f"{data.title}: ours contradicts the paper's order, {order}. {' '.join(sentences)}"]


def _contradiction(
    low: MethodRow, high: MethodRow, ours: Mapping[str, Sequence[Record]], printed: Mapping[str, float]
) -> str:
    gap = difference(ours[high.name], ours[low.name])
    if gap.mean > 0:
        return ""
    spread = "" if gap.std is None else f" ± {gap.std:.2f}"
    within = ", within one standard deviation of no difference" if gap.std is not None and -gap.mean <= gap.std else ""
    expected = printed[high.name] - printed[low.name]
    return f"{high.title} minus {low.title} is {gap.mean:+.2f}{spread} here{within}; the paper has {expected:+.1f}."


# --- renderers ---


def number(value: Value | None, column: Column, plus_minus: str = " ± ", empty: str = "") -> str:
    """A cell as text: one digit for the paper's numbers, two for those with a deviation or measured here."""
    if value is None:
        return empty
    digits = 1 if column.key.startswith("paper") else 2
    text = f"{value.mean:{'+' if column.signed else ''}.{digits}f}"
    return text if value.std is None else f"{text}{plus_minus}{value.std:.{digits}f}"


def to_csv(table: Table) -> str:
    """One line per method; mean, standard deviation and number of seeds in columns of their own, unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    measured = [not column.key.startswith("paper") for column in table.columns]
    header = ["method", "remark"]
    for column, ours in zip(table.columns, measured, strict=True):
        header += [column.key, f"{column.key}_std", f"{column.key}_seeds"] if ours else [column.key]
    writer.writerow(header)
    for row in table.rows:
        line = [row.title, row.remark]
        for value, ours in zip(row.cells, measured, strict=True):
            cells = [value.mean, value.std, value.count] if value else [None, None, None]
            line += ["" if cell is None else f"{cell:.6g}" for cell in (cells if ours else cells[:1])]
        writer.writerow(line)
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """A pipe table with the sentences below it."""
    header = ["Method", *(f"{column.group}: {column.header}" for column in table.columns)]
    lines = [f"**{table.title}**", "", _pipes(header), _pipes(["---", *("---:" for _ in table.columns)])]
    for row in table.rows:
        title = f"{row.title} ({row.remark})" if row.remark else row.title
        lines.append(_pipes([title, *(number(v, c) for v, c in zip(row.cells, table.columns, strict=True))]))
    return "\n".join([*lines, "", *(f"- {note}" for note in table.notes)]) + "\n"


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_TEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_TEX |= {"±": r"$\pm$", "<": r"$<$", ">": r"$>$"}


def escape_tex(text: str) -> str:
    """Text for LaTeX."""
    return "".join(_TEX.get(character, character) for character in text)


def to_tex(table: Table) -> str:
    """A `table` environment; it needs the packages booktabs and nothing else."""
    groups = _groups(table)
    head, rules, column = [""], [], 2
    for name, width in groups:
        head.append(rf"\multicolumn{{{width}}}{{c}}{{{escape_tex(name)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + width - 1}}}")
        column += width
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape_tex(table.title.split('. ', 1)[-1])}. {escape_tex(' '.join(table.notes))}}}",
        rf"  \label{{tab:{table.name}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"    \toprule",
        f"    {' & '.join(head)} \\\\",
        f"    {' '.join(rules)}",
        f"    Method & {' & '.join(escape_tex(c.header) for c in table.columns)} \\\\",
        r"    \midrule",
    ]
    for previous, row in zip((None, *table.rows), table.rows, strict=False):
        if previous is not None and bool(row.remark) != bool(previous.remark):
            lines.append(r"    \midrule")
        title = escape_tex(row.title) + (rf" \emph{{({escape_tex(row.remark)})}}" if row.remark else "")
        cells = [_tex_number(v, c) for v, c in zip(row.cells, table.columns, strict=True)]
        lines.append(f"    {' & '.join([title, *cells])} \\\\")
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _tex_number(value: Value | None, column: Column) -> str:
    return "--" if value is None else "$" + number(value, column, r" \pm ") + "$"


def _groups(table: Table) -> list[tuple[str, int]]:
    groups: list[tuple[str, int]] = []
    for column in table.columns:
        if groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    return groups


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 2rem; max-width: 70rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .6rem; }
th, td { padding: .35rem .8rem; text-align: right; white-space: nowrap; }
th { font-weight: 600; }
th[scope=row], tr th:first-child { text-align: left; }
thead tr:first-child th { border-top: 2px solid #1a1a1a; }
thead th[colspan] { text-align: center; border-bottom: 1px solid #888; }
thead tr:last-child th { border-bottom: 1px solid #1a1a1a; }
tbody tr:last-child > * { border-bottom: 2px solid #1a1a1a; }
td.paper, th.paper { color: #595959; background: #f5f5f5; }
.remark { font-weight: 400; font-style: italic; color: #595959; }
ul { padding-left: 1.2rem; max-width: 55rem; }
"""


def to_html(table: Table) -> str:
    """A page of its own; the paper's columns are set off in grey."""
    text: Callable[[str], str] = html.escape
    groups = "".join(
        f'<th colspan="{width}" scope="colgroup"{_grey(name.lower())}>{text(name)}</th>'
        for name, width in _groups(table)
    )
    heads = "".join(f'<th scope="col"{_grey(c.key)}>{text(c.header)}</th>' for c in table.columns)
    body = []
    for row in table.rows:
        remark = f' <span class="remark">({text(row.remark)})</span>' if row.remark else ""
        cells = "".join(
            f"<td{_grey(c.key)}>{text(number(v, c, empty='-'))}</td>"
            for v, c in zip(row.cells, table.columns, strict=True)
        )
        body.append(f'<tr><th scope="row">{text(row.title)}{remark}</th>{cells}</tr>')
    notes = "".join(f"<li>{text(note)}</li>" for note in table.notes)
    rows = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{text(table.title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n<table>\n<caption>{text(table.title)}</caption>\n"
        f"<thead><tr><th></th>{groups}</tr>\n<tr><th>Method</th>{heads}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table>\n<ul>{notes}</ul>\n</body>\n</html>\n"
    )


def _grey(key: str) -> str:
    return ' class="paper"' if key.startswith("paper") else ""


RENDERERS: Mapping[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "tex": to_tex,
    "html": to_html,
}


def print_table(table: Table, width: int = 100) -> str:
    """The table for a terminal, sentences wrapped at `width`."""
    import textwrap

    titles = ["Method", *(f"{row.title} *" if row.remark else row.title for row in table.rows)]
    blocks = [[title.ljust(max(map(len, titles))) for title in ["", *titles]]]
    start = 0
    for group, size in _groups(table):
        columns = table.columns[start : start + size]
        texts = [
            [c.header, *(number(row.cells[start + i], c, empty="-") for row in table.rows)]
            for i, c in enumerate(columns)
        ]
        padded = [[cell.rjust(max(map(len, column))) for cell in column] for column in texts]
        lines = ["  ".join(line) for line in zip(*padded, strict=True)]
        wide = max(len(group), len(lines[0]))
        blocks.append([group.center(wide), *(line.rjust(wide) for line in lines)])
        start += size
    lines = ["   ".join(parts).rstrip() for parts in zip(*blocks, strict=True)]
    rule = "-" * max(map(len, lines))
    remarks = sorted({row.remark for row in table.rows if row.remark})
    notes = [*(f"* {remark}" for remark in remarks), *table.notes]
    wrapped = [line for note in notes for line in textwrap.wrap(note, width)]
    return "\n".join([table.title, rule, lines[0], lines[1], rule, *lines[2:], rule, *wrapped]) + "\n"
