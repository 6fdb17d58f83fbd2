"""What a run trains on: rows of several kinds, and the files they are read from."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError
from t2ipal.features.memory import MemoryBudget
from t2ipal.rows import KINDS

if TYPE_CHECKING:
    from t2ipal.rows.base import RowKind
    from t2ipal.rows.held_out import HeldOut

Paths = Sequence[str | Path]


@dataclass(frozen=True)
class TrainingFiles:
    """The inputs of a training job.

    Attributes:
        paths: by name of the input; one that the job does not have is empty or missing.
        shards: files of each sample of the synthetic images: all shards of sample 0 come first, then those of sample 1.
        fields: the features of images that the method reads; None: all that the files have.
        held_out: captions to leave out; None: none.
    """

    paths: Mapping[str, Paths | str | Path]
    shards: int = 1
    fields: Collection[str] | None = None
    held_out: HeldOut | None = None

    def __getitem__(self, name: str) -> list[str]:
        paths = self.paths.get(name, ())
        return [str(path) for path in ((paths,) if isinstance(paths, str | Path) else paths)]

    def samples(self, name: str) -> list[list[str]]:
        """The files of sample 0, of sample 1, ..."""
        paths = self[name]
        return [paths[start : start + self.shards] for start in range(0, len(paths), self.shards)]


@dataclass(frozen=True)
class TrainingData:
    """The rows of a run.

    Attributes:
        rows: by kind. `data[kind]` are the rows of one.
        novel: class indices that are to be scored, which only the shots label; None: all classes.
        dropped: counts of the rows left out, by reason.
        mapped: whether features are in a scratch file, so that reading a batch may wait for the disk.
    """

    rows: Mapping[str, RowKind] = field(default_factory=dict)
    novel: tuple[int, ...] | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    mapped: bool = False

    def __getitem__(self, kind: str) -> Any:
        """The rows of a kind.

        Raises:
            UserError: there are none.
        """
        if kind not in self.rows:
            raise UserError(f"training data: no {kind} rows; it has {', '.join(self.rows) or 'none'}")
        return self.rows[kind]

    def with_rows(self, *rows: RowKind, **changes: Any) -> TrainingData:
        """The same with `rows` added, or replacing others of their kinds, and other changes."""
        return dataclasses.replace(self, rows={**self.rows, **{each.name: each for each in rows}}, **changes)


def read_training_data(
    files: TrainingFiles, kinds: Iterable[str], classes: int, budget: MemoryBudget | None = None
) -> TrainingData:
    """Read and join what a run trains on.

    Args:
        files: of the job.
        kinds: of the run.
        classes: how many there are.
        budget: what features may fill; None: memory without limit.

    Raises:
        UserError: a file is missing or damaged, or rows do not match.
    """
    import pyarrow as pa

    data, budget = TrainingData(), budget or MemoryBudget()
    for kind in KINDS.values():
        if kind.name in kinds:
            data = kind.read(files, data, classes, budget)
    pa.default_memory_pool().release_unused()  # what reading left behind: training needs none of it
    return dataclasses.replace(data, mapped=budget.mapped > 0)
