"""How the time and memory of labelling captions grow with their number: 1, 10 and 100 times.

    python benchmarks/growth.py [--captions 1000] [--plot docs/growth.png]

Captions of the micro world, each with a number of its own, so that every text has a word that no other has. Each size
is labelled by a process of its own, from a Parquet file into Parquet files, as the workflow does. Seconds of processor
time, once the filter is loaded and has labelled other captions of the smallest size; memory is the peak of the process,
Python and its libraries included.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: the time is that of one core

import subprocess
import sys
import tempfile
from pathlib import Path

LABEL = """
import sys, time
from t2ipal.captions.files import label_captions
from t2ipal.captions.nouns import NounFilter
from t2ipal.classes import load_classes
folder = sys.argv[1]
labeller = NounFilter(load_classes("voc2007"))
for source in ("first", "all"):
    started = time.process_time()
    label_captions(f"{folder}/{source}.parquet", labeller, folder + "/labelled.parquet", folder + "/rejects.parquet")
print(time.process_time() - started)
print(int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024)
"""


def main() -> None:
    """Print the table and draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=int, default=1000, help="captions at the smallest size (%(default)s)")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10, 100], help="the sizes, as multiples of it")
    parser.add_argument("--plot", type=Path, help="write the figure to this file")
    arguments = parser.parse_args()
    rows = []
    print(f"{'captions':>9} {'seconds':>8} {'of linear':>9} {'MB':>5}")
    for times in arguments.times:
        count = arguments.captions * times
        seconds, memory = measure(count, arguments.captions)
        rows.append((count, seconds, memory))
        print(f"{count:9,} {seconds:8.2f} {seconds / (rows[0][1] * times):9.2f} {memory:5.0f}", flush=True)
    if arguments.plot:
        plot(rows, arguments.plot)


def measure(count: int, different: int) -> tuple[float, float]:
    """Seconds and MB of labelling `count` captions, made of `different` ones."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from t2ipal.micro.grammar import captions_of
    from t2ipal.sources.caption_rows import caption_schema

    texts = [captions_of("captions", index, n=1)[0].text for index in range(different)]

    def table(count: int, word: str) -> pa.Table:
        columns = {
            "caption_id": [f"{row:09d}" for row in range(count)],
            "image_id": [None] * count,
            "text": [f"{texts[row % different]} No. {word}{row}" for row in range(count)],
            "source": ["growth"] * count,
        }
        return pa.Table.from_pydict(columns, caption_schema())

    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table(different, "w"), f"{folder}/first.parquet")
        pq.write_table(table(count, "x"), f"{folder}/all.parquet")
        command = [sys.executable, "-c", LABEL, folder]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(lines[0]), float(lines[1])


def plot(rows: list[tuple[int, float, float]], path: Path) -> None:
    """Draw seconds and memory over the number of captions."""
    from matplotlib.figure import Figure

    counts, seconds, memory = zip(*rows, strict=True)
    figure = Figure(figsize=(8, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.loglog(counts, seconds, "o-", label="measured")
    left.loglog(counts, [seconds[0] * count / counts[0] for count in counts], "k:", label="linear from the first")
    left.set(xlabel="captions", ylabel="processor seconds")
    left.legend()
    right.semilogx(counts, memory, "o-")
    right.set(xlabel="captions", ylabel="peak memory, MB", ylim=(0, 1.2 * max(memory)))
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
