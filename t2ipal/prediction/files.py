"""Predictions as files: Parquet and CSV, a row per photo, written while they come."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.atomic import atomic
from t2ipal.names import cells
from t2ipal.store import parquet_writer

if TYPE_CHECKING:
    import pyarrow as pa

    from t2ipal.prediction.prediction import Prediction

GROUP = 256
"""Rows in memory while a file is written."""


@dataclass
class Counts:
    """How many photos there were, and which could not be read."""

    photos: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)

    def add(self, prediction: Prediction) -> None:
        """Count one more."""
        self.photos += 1
        if prediction.problem:
            self.problems.append((str(prediction.path), prediction.problem))

    def text(self, named: int = 3) -> str:
        """In one line: "297 of 300 photos read, 3 unreadable: a.jpg (damaged image: ...), ..."."""
        bad = len(self.problems)
        if not bad:
            return f"{self.photos:,} photos read"
        names = ", ".join(f"{path} ({problem})" for path, problem in self.problems[:named])
        more = f" and {bad - named:,} more" if bad > named else ""
        return f"{self.photos - bad:,} of {self.photos:,} photos read, {bad:,} unreadable: {names}{more}"


def prediction_schema(classes: Sequence[str]) -> pa.Schema:
    """Columns of a Parquet file of predictions; the classes are in its metadata, as in files of scores."""
    import pyarrow as pa

    columns = [("photo", pa.string()), ("problem", pa.string()), ("width", pa.int32()), ("height", pa.int32())]
    names = [(name, pa.list_(pa.string())) for name in ("top", "labels")]
    numbers = [(name, pa.list_(pa.float32(), len(classes))) for name in ("probabilities", "scores")]
    return pa.schema([*columns, *names, *numbers], metadata={"classes": "\n".join(classes)})


def prediction_table(predictions: Sequence[Prediction], classes: Sequence[str], top: int) -> pa.Table:
    """Predictions as a table."""
    import pyarrow as pa

    rows = [_row(prediction, top) for prediction in predictions]
    return pa.Table.from_pylist(rows, prediction_schema(classes))


def _row(prediction: Prediction, top: int) -> dict[str, Any]:
    read = prediction.scores is not None
    return {
        "photo": _text(prediction.path),
        "problem": prediction.problem or None,
        "width": prediction.width,
        "height": prediction.height,
        "top": [name for name, _ in prediction.top(top)] if read else None,
        "labels": prediction.labels,
        "probabilities": None if prediction.probabilities is None else prediction.probabilities.tolist(),
        "scores": prediction.scores.tolist() if read else None,
    }


def _text(path: Path) -> str:
    """A path as text; bytes of a name that are not UTF-8 become question marks."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def written(
    predictions: Iterable[Prediction],
    classes: Sequence[str],
    top: int,
    parquet: str | Path | None = None,
    table: str | Path | None = None,
    calibrated: bool = False,
) -> Iterator[Prediction]:
    """Pass predictions on, and write them on the way; the files are there when the last has passed.

    Args:
        predictions: of photos, in their order.
        classes: names.
        top: names of the highest classes in column `top`.
        parquet: a Parquet file, see `prediction_schema`.
        table: a CSV file: photo, problem, top, labels (names joined by "; ") and a column "score:NAME" per class.
        calibrated: whether the predictions have probabilities: then the CSV has "probability:NAME" before the scores.
    """
    with ExitStack() as stack:
        writer = stack.enter_context(parquet_writer(parquet, prediction_schema(classes))) if parquet else None
        lines = None
        if table:
            part = stack.enter_context(atomic(table))
            file = stack.enter_context(part.open("w", newline="", encoding="utf-8"))
            lines = csv.writer(file, lineterminator="\n")
            kinds = ("probability", "score") if calibrated else ("score",)
            numbers = [f"{kind}:{name}" for kind in kinds for name in classes]
            lines.writerow(cells(["photo", "problem", "top", "labels", *numbers]))
        group: list[Prediction] = []
        for prediction in predictions:
            if lines:
                lines.writerow(cells(_line(prediction, classes, top, calibrated)))
            if writer:
                group.append(prediction)
                if len(group) == GROUP:
                    writer.write_table(prediction_table(group, classes, top))
                    group = []
            yield prediction
        if writer and group:
            writer.write_table(prediction_table(group, classes, top))


def _line(prediction: Prediction, classes: Sequence[str], top: int, calibrated: bool) -> list[str]:
    names = ["; ".join(values or []) for values in ([name for name, _ in prediction.top(top)], prediction.labels)]
    wanted = (prediction.probabilities, prediction.scores) if calibrated else (prediction.scores,)
    numbers = [text for values in wanted for text in ([""] * len(classes) if values is None else map(str, values))]
    return [_text(prediction.path), prediction.problem, *names, *numbers]
