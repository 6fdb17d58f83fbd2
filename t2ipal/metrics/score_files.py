"""Files of scores: a row per image set, label level, seed and image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from t2ipal import store
from t2ipal.errors import UserError

TEST, VALIDATION = "test", "validation"
Member = tuple[int, int]
"""(level, seed): one trained model of a run."""


@dataclass(frozen=True)
class Scores:
    """The scores of a run.

    Attributes:
        members: (level, seed) of each trained model, M of them.
        classes: names of the C scored classes.
        ids: image ids by part ("test", "validation"), ascending.
        values: scores [M, N, C] float32 by part.
    """

    members: tuple[Member, ...]
    classes: tuple[str, ...]
    ids: Mapping[str, tuple[str, ...]]
    values: Mapping[str, np.ndarray]

    def of(self, level: int) -> tuple[int, ...]:
        """Seeds at a level, in the order of the members."""
        return tuple(seed for at, seed in self.members if at == level)


def write_scores(path: str | Path, scores: Scores) -> None:
    """Write scores part by part, member by member."""
    import pyarrow as pa

    columns: dict[str, list] = {name: [] for name in ("part", "level", "seed", "image_id", "scores")}
    for part, ids in scores.ids.items():
        values = scores.values[part]
        if values.shape != (len(scores.members), len(ids), len(scores.classes)):
            raise AssertionError(f"{path}: scores {values.shape} of {part} images")
        rows = len(ids) * len(scores.members)
        columns["part"].append(pa.array([part] * rows))
        for name, position in (("level", 0), ("seed", 1)):
            numbers = np.array([member[position] for member in scores.members], dtype=np.int64)
            columns[name].append(pa.array(np.repeat(numbers, len(ids))))
        columns["image_id"].append(pa.array(list(ids) * len(scores.members)))
        flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
        columns["scores"].append(pa.FixedSizeListArray.from_arrays(flat, len(scores.classes)))
    table = pa.table({name: pa.chunked_array(chunks) for name, chunks in columns.items()})
    store.write_parquet(table.replace_schema_metadata({"classes": "\n".join(scores.classes)}), path)


def read_scores(path: str | Path) -> Scores:
    """Read what `write_scores` wrote.

    Raises:
        UserError: the file is missing, damaged, or not whole.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = store.read_parquet(path, ["part", "level", "seed", "image_id", "scores"])
    classes = tuple((table.schema.metadata or {}).get(b"classes", b"").decode().split("\n"))
    if not table.num_rows or not all(pa.types.is_integer(table.schema.field(name).type) for name in ("level", "seed")):
        raise UserError(f"{path}: no scores; expected rows of the test images for each model")
    lengths = pc.unique(pc.list_value_length(table["scores"])).to_pylist()
    if lengths != [len(classes)]:
        raise UserError(f"{path}: {lengths[0]} scores a row; expected one for each of {len(classes)} classes")
    columns = {name: table[name].to_numpy() for name in ("part", "level", "seed")}
    ids = table["image_id"].to_pylist()
    flat = table["scores"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(ids), -1)
    change = [0]
    for name in columns:
        change += [row for row, (a, b) in enumerate(pairwise(columns[name].tolist()), 1) if a != b]
    spans = list(pairwise([*sorted(set(change)), len(ids)]))
    members: dict[str, list[Member]] = {}
    named: dict[str, tuple[str, ...]] = {}
    values: dict[str, list[np.ndarray]] = {}
    for start, stop in spans:
        part = str(columns["part"][start])
        members.setdefault(part, []).append((int(columns["level"][start]), int(columns["seed"][start])))
        if named.setdefault(part, tuple(ids[start:stop])) != tuple(ids[start:stop]):
            raise UserError(f"{path}: the {part} images of two models differ; expected the same")
        if len(set(named[part])) < stop - start:
            raise UserError(f"{path}: a {part} image is there twice; expected each once")
        values.setdefault(part, []).append(flat[start:stop])
    if not members or any(of_part != members.get(TEST) for of_part in members.values()):
        raise UserError(f"{path}: its parts hold different models; expected scores of the test images for each")
    return Scores(tuple(members[TEST]), classes, named, {part: np.stack(blocks) for part, blocks in values.items()})


def align(scores: Scores, members: Sequence[Member], what: str) -> Scores:
    """The scores for `members`: by level and seed, one of level 0 or without random choices repeated for all.

    Raises:
        UserError: a member for which there is no model.
    """
    rows = []
    for level, seed in members:
        at = level if scores.of(level) else 0
        seeds = scores.of(at)
        chosen = (at, seed if len(seeds) != 1 else seeds[0])
        if chosen not in scores.members:
            raise UserError(f"{what}: no scores for seed {seed} at level {level}; expected the same seeds in both runs")
        rows.append(scores.members.index(chosen))
    values = {part: scored[rows] for part, scored in scores.values.items()}
    return Scores(tuple(members), scores.classes, scores.ids, values)
