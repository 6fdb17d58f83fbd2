"""One shard generated on several devices, one process each: the same file as from one device.

Whole batches are dealt out, in the order of the captions, so that each image is generated in the same batch as
on one device; the results are joined in that order.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError
from t2ipal.images.generate import ROW_GROUP, GenerationCounts, Progress, generate_shard
from t2ipal.images.pipeline import load_pipeline
from t2ipal.images.settings import GenerationSettings
from t2ipal.store import open_parquet, parquet_writer, read_batches

if TYPE_CHECKING:
    import pyarrow as pa

Caption = tuple[str, str]


def share(captions: Sequence[Caption], batch: int, rank: int, processes: int) -> list[Caption]:
    """The captions of process `rank`: whole batches of the sorted captions, one after the other."""
    captions = sorted(captions)
    batches = -(-len(captions) // batch)
    first, last = (batches * edge // processes for edge in (rank, rank + 1))
    return list(captions[first * batch : last * batch])


def generate_on_several(
    settings: GenerationSettings,
    captions: Sequence[Caption],
    path: str | Path,
    *,
    processes: int,
    sample: int,
    seed: int,
    cpu: bool = False,
    on_progress: Progress | None = None,
) -> GenerationCounts:
    """As `generate_shard`, by `processes` processes on a device each, or on the CPU.

    Raises:
        UserError: as `load_pipeline` and `generate_shard`.
    """
    import torch
    from torch.multiprocessing import ProcessExitedException, ProcessRaisedException, get_context, start_processes

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # If this job is killed, the next one removes files of these names.
    parts = [path.with_name(f".{path.name}.{rank}-{os.getpid()}.part") for rank in range(processes)]
    messages = get_context("spawn").SimpleQueue()
    # Sums depend on the number of threads: every process takes as many as this one.
    where = (cpu, torch.get_num_threads(), _free_port())
    work = (settings, list(captions), [str(part) for part in parts], sample, seed, where, messages)
    done: dict[int, int] = dict.fromkeys(range(processes), 0)
    counts: dict[int, GenerationCounts] = {}
    try:
        running = start_processes(_work, work, processes, join=False, start_method="spawn")
        try:
            while not running.join(timeout=0.2):
                _read(messages, done, counts, on_progress, len(captions))
        except (ProcessRaisedException, ProcessExitedException):
            _read(messages, done, counts, on_progress, len(captions))
            raise
        _read(messages, done, counts, on_progress, len(captions))
        _join(parts, path, len(captions))
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return _sum(counts.values())


def _work(
    rank: int,
    settings: GenerationSettings,
    captions: list[Caption],
    parts: list[str],
    sample: int,
    seed: int,
    where: tuple[bool, int, int],
    messages: Any,
) -> None:
    """Generate one process's share on the device that accelerate gives it.

    `where`: whether that is the CPU, the number of threads, and the port at which the processes meet.
    """
    import torch
    from accelerate import PartialState

    cpu, threads, port = where
    torch.set_num_threads(threads)
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": len(parts), "LOCAL_WORLD_SIZE": len(parts)}
    variables |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in variables.items()})
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # else accelerate logs that it set it
    state = PartialState(cpu=cpu)
    own = share(captions, settings.batch, state.process_index, state.num_processes)
    try:
        counts = generate_shard(
            load_pipeline(settings, str(state.device)),
            own,
            parts[rank],
            sample=sample,
            seed=seed,
            on_progress=lambda done, _: messages.put((rank, done, None)),
            opened=_part,
        )
    except UserError as error:
        messages.put((rank, 0, str(error)))
        raise
    finally:
        state.destroy_process_group()
    messages.put((rank, len(own), asdict(counts)))


@contextmanager
def _part(path: str | Path, schema: pa.Schema) -> Iterator[Any]:
    """A writer of a part: it is temporary itself, and needs no temporary file."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, schema, compression="none") as writer:
        yield writer


def _read(
    messages: Any, done: dict[int, int], counts: dict[int, GenerationCounts], on_progress: Progress | None, total: int
) -> None:
    """Read the processes' messages: progress, final counts, or the error that ended one."""
    while not messages.empty():
        rank, images, outcome = messages.get()
        if isinstance(outcome, str):
            raise UserError(outcome)
        done[rank] = images
        if outcome is not None:
            counts[rank] = GenerationCounts(**outcome)
        if on_progress:
            on_progress(sum(done.values()), total)


def _join(parts: Sequence[Path], path: Path, total: int) -> None:
    """Write the rows of all parts into one file, in row groups as `generate_shard` makes them."""
    import pyarrow as pa

    with open_parquet(parts[0]) as file:
        schema = file.schema_arrow
    rows = 0
    with parquet_writer(path, schema) as writer:
        waiting = schema.empty_table()
        for batch in _batches(parts):
            waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch], schema)])
            while waiting.num_rows >= ROW_GROUP:
                writer.write_table(waiting.slice(0, ROW_GROUP))
                rows, waiting = rows + ROW_GROUP, waiting.slice(ROW_GROUP)
        if waiting.num_rows:
            writer.write_table(waiting)
            rows += waiting.num_rows
        if rows != total:
            raise AssertionError(f"{path}: {total} captions in, {rows} images out")


def _batches(parts: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    for part in parts:
        with open_parquet(part) as file:
            yield from read_batches(file, part, file.schema_arrow.names, ROW_GROUP)


def _sum(counts: Iterable[GenerationCounts]) -> GenerationCounts:
    total, flags = GenerationCounts(), Counter()
    for part in counts:
        total.rows += part.rows
        total.retried += part.retried
        total.cut_prompts += part.cut_prompts
        flags.update(part.flags)
    total.flags = dict(sorted(flags.items()))
    return total


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
