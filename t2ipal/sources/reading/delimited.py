"""Tables of text with delimiters, as spreadsheets and scripts write them, and a reason for each row that is broken.

Python's csv module parses, strictly: a quote that never ends, or text after a closing quote, is an error to it. One
within a line spoils that row alone; one that spans lines has swallowed rows, so the table ends there. A first line
`sep=;`, with which spreadsheets are told the delimiter, is taken at its word.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.text_files import open_text

DELIMITERS = ",;\t|"

_TOLD = re.compile(rf'"?sep=([{DELIMITERS}])"?\s*', re.IGNORECASE)
_MARK = "\ufeff"
"""A byte order mark, which is in the middle of files that were joined: no part of a cell."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table.

    Attributes:
        line: of the file, where the row begins.
        cells: without outer spaces, one for each column; none where there is a problem.
        problem: why the row is not to be used; "" if it is.
        text: the row as the file has it.
    """

    line: int
    cells: tuple[str, ...]
    problem: str = ""
    text: str = ""


class Table:
    """A table with a header, read a row at a time; blank lines are skipped.

    Attributes:
        columns: names of the header, without outer spaces; none of an empty file.
        delimiter: comma, semicolon, tab or bar.
        told: the first line says which.
    """

    def __init__(self, path: str | Path, wanted: Collection[str]) -> None:
        """Read the header.

        Args:
            wanted: columns of which the header should have one: they show the delimiter.

        Raises:
            UserError: as `open_text`, or a broken header.
        """
        self.path = Path(path)
        with open_text(self.path, newline="") as file:
            first = next((line for line in file if line.strip()), "")
            told = _TOLD.fullmatch(first)
            self.told = bool(told)
            self.delimiter = told[1] if told else delimiter_of(first, wanted)
            file.seek(0)
            header = next(self._rows(file), TableRow(1, ()))
        if header.problem:
            raise UserError(f"{path}: {header.problem}")
        self.columns = list(header.cells)

    def __iter__(self) -> Iterator[TableRow]:
        """Yield the rows below the header, those that are broken with the problem.

        Raises:
            UserError: as `open_text`, or a quote that never ends.
        """
        with open_text(self.path, newline="") as file:
            rows = self._rows(file)
            next(rows, None)
            for row in rows:
                yield row if row.problem else _fitted(row, self.columns)

    def _rows(self, file: Iterable[str]) -> Iterator[TableRow]:
        """The rows, the header first."""
        rows = parsed(file, self.delimiter, str(self.path))
        if self.told:
            next(rows, None)
        return rows


def column_of(columns: Sequence[str], wanted: Sequence[str], where: str) -> str | None:
    """The first of the wanted names that is a column; None: none is.

    Raises:
        UserError: the column is there twice; `where` names the file.
    """
    name = next((name for name in wanted if name in columns), None)
    if name is not None and list(columns).count(name) > 1:
        raise UserError(f"{where}: column {name!r} occurs twice; expected unique columns")
    return name


def delimiter_of(header: str, wanted: Collection[str]) -> str:
    """The delimiter that makes a header of a line with one of the wanted columns; else that of the most columns."""
    columns = {mark: header_of(header, mark) for mark in DELIMITERS}
    fitting = (mark for mark in DELIMITERS if set(wanted) & set(columns[mark]))
    return next(fitting, max(DELIMITERS, key=lambda mark: len(columns[mark])))


def header_of(line: str, delimiter: str) -> list[str]:
    """The names in a header."""
    return [_bare(name) for name in next(csv.reader([line], delimiter=delimiter), [])]


def parsed(lines: Iterable[str], delimiter: str, where: str) -> Iterator[TableRow]:
    """Yield the rows of a table, the header first, those of one line that cannot be parsed with the problem.

    Raises:
        UserError: a quote that never ends; `where` names the file.
    """
    kept: list[str] = []
    reader = csv.reader(_recorded(lines, kept), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        kept.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if len(kept) > 1 or "unexpected end" in str(error):
                row, place = open_quote(kept, delimiter)
                raise UserError(
                    f"{where}: line {line + row}: the quote of {kept[row][place:].strip()[:30]} never ends; expected a "
                    'second one, and quotes inside a quoted text doubled ("")'
                ) from error
            yield TableRow(line, (), f"line {line}: {_reason(error)}", "".join(kept).strip())
            continue
        bare = tuple(map(_bare, cells))
        if any(bare) or cells == [""]:
            yield TableRow(line, bare, "", "".join(kept).strip())


def open_quote(lines: Sequence[str], delimiter: str) -> tuple[int, int]:
    """Line and place of the quote at fault in a row of several lines: the one that opened last.

    A quote opens a cell at its beginning alone; in an open one, two are one of the text.
    """
    at, inside, start, second = (0, 0), False, True, False
    for number, line in enumerate(lines):
        for place, mark in enumerate(line):
            following = line[place + 1 : place + 2]
            if second:
                second = False
            elif inside and mark == '"':
                second = following == '"'
                if not second and following not in (delimiter, "\r", "\n", ""):
                    return at
                inside = second
            elif mark == '"' and start:
                inside, at = True, (number, place)
            start = not inside and mark == delimiter
    return at


def _recorded(lines: Iterable[str], kept: list[str]) -> Iterator[str]:
    for line in lines:
        kept.append(line)
        yield line


def _bare(cell: str) -> str:
    return cell.strip().strip(_MARK).strip()


def _fitted(row: TableRow, columns: Sequence[str]) -> TableRow:
    """The row with as many cells as columns, or with the problem. Spreadsheets leave empty cells at its end."""
    count = len(columns)
    cells = row.cells if any(row.cells[count:]) else row.cells[:count]
    if cells == tuple(columns):
        return TableRow(row.line, (), f"line {row.line}: the header again", row.text)
    if len(cells) == count:
        return TableRow(row.line, cells, "", row.text)
    hint = " (put a text with the delimiter in quotes)" if len(cells) > count else ""
    problem = f"line {row.line}: {len(cells)} cells; expected {count}, as in the header{hint}"
    return TableRow(row.line, (), problem, row.text)


def _reason(error: csv.Error) -> str:
    if "field larger" in str(error):
        return f"a cell of more than {csv.field_size_limit():,} characters"
    return 'text after a closing quote; expected quotes inside a quoted text doubled ("")'
