"""A table as LaTeX.

Our own writer: pandas' Styler has neither rules between rows, nor cells that span columns, nor a scaled table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from t2ipal.pages.layout import MARKS, Line, Sheet, Text, layout
from t2ipal.tables.model import Table

PACKAGES = ("booktabs", "color", "graphicx")
"""What a document needs to take the table in; xcolor does for color."""

_TEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
_TEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "<": "$<$", ">": "$>$"}
_TEX |= {"–": "--", "×": r"$\times$", "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$"}  # noqa: RUF001

_NUMBER = re.compile(r"^Table \w+\. ")
"""What LaTeX writes before a caption itself."""


def escape_tex(text: str) -> str:
    """Text for LaTeX."""
    return "".join(_TEX.get(character, character) for character in text)


def to_tex(table: Table) -> str:
    """A `table` as wide as the text at most, with the sentences below it; over both columns of a page if it is wide."""
    sheet = layout(table)
    start = 3 if sheet.labels else 2
    width = start - 1 + 2 * len(sheet.heads)
    spec = "l" * (start - 1) + r"r@{\,}l" * len(sheet.heads)
    environment = "table*" if table.stacked else "table"
    lines = [
        f"% needs \\usepackage{{{', '.join(PACKAGES)}}}",
        rf"\begin{{{environment}}}[tp]",
        r"  \centering",
        r"  \small\setlength{\tabcolsep}{4pt}",
        rf"  \caption{{{escape_tex(_NUMBER.sub('', table.title))}.}}",
        rf"  \label{{tab:{table.name}}}\smallskip",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{{spec}}}",
        r"    \toprule",
        *(f"    {line}" for line in _heads(sheet, start)),
    ]
    for title, section in sheet.sections:
        lines.append(r"    \midrule")
        if title:
            lines.append(rf"    \multicolumn{{{width}}}{{l}}{{\emph{{{escape_tex(title)}}}}} \\")
        lines += [f"    {line}" for line in _section(section, sheet.labels, bool(title))]
    notes = r"\par ".join(escape_tex(note) for note in (*table.notes, MARKS))
    lines += [r"    \bottomrule", r"  \end{tabular}}"]
    lines += [r"  \par\medskip", rf"  \parbox{{\linewidth}}{{\footnotesize {notes}}}", rf"\end{{{environment}}}"]
    return "\n".join(lines) + "\n"


def _heads(sheet: Sheet, start: int) -> Iterator[str]:
    """The headings above several columns, if there are any, then those of the columns."""
    empty = " & " * (start - 2)
    if any(group for group, _ in sheet.groups):
        cells, rules, column = [], [], start
        for name, width in sheet.groups:
            cells.append(rf"\multicolumn{{{2 * width}}}{{c}}{{{escape_tex(name)}}}")
            rules.append(rf"\cmidrule(lr){{{column}-{column + 2 * width - 1}}}")
            column += 2 * width
        yield f"{empty} & {' & '.join(cells)} \\\\"
        yield " ".join(rules)
    names = (rf"\multicolumn{{2}}{{c}}{{{_grey(escape_tex(head.text), head.paper)}}}" for head in sheet.heads)
    yield f"Method{empty} & {' & '.join(names)} \\\\"


def _section(lines: Sequence[Line], labels: bool, titled: bool) -> Iterator[str]:
    for before, line in zip([None, *lines], lines, strict=False):
        if labels and line.first and before is not None:
            yield r"\addlinespace"
        elif (
            not labels
            and before is not None
            and (line.difference != before.difference or bool(line.remark) != bool(before.remark))
        ):
            yield r"\midrule"
        title = escape_tex(line.title) + (rf" \emph{{({escape_tex(line.remark)})}}" if line.remark else "")
        indent = r"\quad " if titled and title else ""
        indent += r"\quad " if labels and line.difference and title else ""
        head = [indent + title, *([_label(line)] if labels else [])]
        yield f"{' & '.join([*head, *(_cell(text) for text in line.texts)])} \\\\"


def _label(line: Line) -> str:
    paper = any(text is not None and text.paper for text in line.texts)
    return rf"\footnotesize {_grey(escape_tex(line.label), paper)}"


def _cell(text: Text | None) -> str:
    """A number and what follows it, in a column each, so that numbers are aligned."""
    if text is None:
        return r"\multicolumn{2}{c}{--}"
    extra = rf"{{\scriptsize ${text.extra.replace('± ', chr(92) + 'pm ')}$}}" if text.extra else ""
    if not text.main:
        return rf"\multicolumn{{2}}{{c}}{{{extra}}}"
    main = rf"$\mathbf{{{text.main}}}$" if text.best else f"${text.main}$"
    return f"{_grey(main, text.paper)} & {extra}".rstrip()


def _grey(text: str, paper: bool) -> str:
    return rf"\textcolor[gray]{{0.45}}{{{text}}}" if paper else text
