"""Mutation tests of a package: which small changes to its code go unnoticed by its unit tests.

    python tests/mutation.py PACKAGE [--sample N] [--only PATTERN ...]

It copies the checkout to a temporary folder and makes the mutants of mutmut there, one at a time: changes inside
functions of `t2ipal/PACKAGE`, not in docstrings or the constants of a module or class. For each it runs the tests that
TESTS names in a fork of this process, which has imported the libraries already. The tests that reach the changed line
run first; files without a test that reaches its function do not run. It prints a diff of each mutant that survives. A
package has thousands of mutants: `--sample` tries N of them, chosen at random from a fixed seed.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
TESTS = {
    "metrics": "bootstrap combinations evaluate intervals measure modality_gap original_metrics records registry "
    "score_files score_fusion score_rules",
    "rows": "rows memory tally coop dualcoop laso ml_fsl methods comc clip_dpt train",
    "protocols": "balance masks protocols rows ml_fsl",
    "training": "train search methods rows memory",
    "models": "asymmetric_loss blending graph_models label_graph label_losses losses methods prompts similarity "
    "word_vectors label_methods laso ml_fsl",
    "sources": "sources caps coco_captions coco_images drop_words folder_images id_list json_stream micro_source "
    "nuswide openimages text_captions voc data_check delimited existing_images huggingface_source "
    "label_check fetch webdataset_source",
}
"""The unit tests of each package: `bootstrap` is tests/unit/test_bootstrap.py."""
COPIED = (
    *("t2ipal", "tests", "benchmarks", "resources", "docs", "rules", "workflow_scripts", "config", "profiles", "envs"),
    *("config.yaml", "Snakefile", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml"),
)
IMPORTED = (
    *("pytest", "coverage", "hypothesis", "torch", "pandas", "pyarrow.parquet", "scipy.stats", "sklearn.metrics"),
    *("pydantic", "rich.progress", "safetensors.torch", "clip", "spacy", "torchmetrics"),
)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MINUTES = 2


@dataclass(frozen=True)
class Mutant:
    """One change to one file; `write` gives the changed text, `lines` are those of its function, first to last."""

    name: str
    path: Path
    write: Callable[[], str]
    line: int
    lines: range


def main() -> None:
    """Try the mutants and print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", choices=sorted(TESTS))
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="try N mutants, chosen at random; 0: all")
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help="of these: 'f1.*', 'f1.best.12'")
    options = parser.parse_args()
    os.environ.update(dict.fromkeys(THREADS, "1"))
    for name in IMPORTED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        copy_checkout(folder)
        files = [f"tests/unit/test_{name}.py" for name in TESTS[options.package].split()]
        if fork(lambda: reached(folder, options.package, files), 10 * MINUTES) not in (0, 1):
            sys.exit("error: the tests do not run without a mutant")
        contexts, seconds, failed = json.loads((folder / "reached.json").read_text(encoding="utf-8"))
        if failed:
            print("They fail without a mutant, and are left out:", *failed)
            seconds = {test: time for test, time in seconds.items() if test not in failed}
        mutants = {
            mutant.name: mutant
            for path in package_files(folder, options.package)
            for mutant in mutate(path, options.package)
        }
        names = random.Random(0).sample(sorted(mutants), min(options.sample or len(mutants), len(mutants)))
        chosen = [mutants[name] for name in names if any(fnmatch(name, pattern) for pattern in options.only)]
        results = Counter(attempt(mutant, folder, contexts.get(str(mutant.path), {}), seconds) for mutant in chosen)
        print(f"\n{options.package}: {len(mutants)} mutants; tried: {dict(results)}")


def copy_checkout(folder: Path) -> None:
    """Copy what the tests read."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)


def package_files(folder: Path, package: str) -> list[Path]:
    """The Python files of a package."""
    return sorted((folder / "t2ipal" / package).rglob("*.py"))


def mutate(path: Path, package: str) -> list[Mutant]:
    """All mutants of a file of a package, named file.function.number."""
    from libcst.metadata import MetadataWrapper, PositionProvider
    from mutmut.mutation.file_mutation import create_mutations, deep_replace

    module, mutations, _, _ = create_mutations(str(path), path.read_text(encoding="utf-8"))
    positions = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    parts = path.with_suffix("").parts
    file = ".".join(parts[parts.index(package) + 1 :])
    numbers: Counter[str] = Counter()
    mutants = []

    def changed(old: Any, new: Any) -> str:
        return deep_replace(module, old, new).code

    for mutation in mutations:
        function = mutation.contained_by_top_level_function
        if function is None or not hasattr(function, "name"):
            continue
        name = function.name.value
        numbers[name] += 1
        span = positions[function]
        write = partial(changed, mutation.original_node, mutation.mutated_node)
        line = positions[mutation.original_node].start.line if mutation.original_node in positions else span.start.line
        lines = range(span.start.line + 1, span.end.line + 1)
        mutants.append(Mutant(f"{file}.{name}.{numbers[name]}", path, write, line, lines))
    return mutants


def attempt(mutant: Mutant, folder: Path, contexts: dict[str, list[str]], durations: dict[str, float]) -> str:
    """Run the tests on a mutant, print it if it survives; `contexts` are the tests that reach each line of its file."""
    on_line = set(contexts.get(str(mutant.line), ()))
    in_function = {test for line in mutant.lines for test in contexts.get(str(line), ())}
    before, after = mutant.path.read_text(encoding="utf-8"), mutant.write()
    mutant.path.write_text(after, encoding="utf-8")
    result, start = "no tests", os.times()
    if in_function:
        files = sorted({test.split("::")[0] for test in in_function})
        status = fork(lambda: run_tests(folder, files, durations, on_line, in_function))
        result = {0: "survived", 1: "killed", 2: "killed", None: "killed: too slow"}.get(status, f"killed: {status}")
    mutant.path.write_text(before, encoding="utf-8")
    seconds = sum(os.times()[2:4]) - sum(start[2:4])
    print(f"{result}: {mutant.name} ({seconds:.1f} s)", flush=True)
    if result in ("survived", "no tests"):
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
        print("\n".join(list(lines)[2:]), flush=True)
    return result


def fork(work: Callable[[], int], minutes: int = MINUTES) -> int | None:
    """Do some work in a fork of this process; its exit code, None if it takes more CPU-minutes, or far longer."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (60 * minutes, 60 * minutes))
        exit_with(work)
    end = time.monotonic() + 600 * minutes
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    return None


def exit_with(work: Callable[[], int]) -> NoReturn:
    """Leave the fork with the code that the work returns, whatever happens."""
    code = 70
    try:
        code = work()
    finally:
        os._exit(code)


def reached(folder: Path, package: str, files: list[str]) -> int:
    """Run all tests; write reached.json: for each file the tests that reach each line, and the seconds of each test."""
    import coverage

    measured = coverage.Coverage(data_file=None, config_file=False, source=[str(folder / "t2ipal" / package)])

    seconds: Counter[str] = Counter()
    failed: set[str] = set()

    class Contexts:
        def pytest_runtest_logreport(self, report: Any) -> None:
            seconds[report.nodeid] += report.duration
            if report.failed:
                failed.add(report.nodeid)

        def pytest_runtest_logstart(self, nodeid: str) -> None:
            measured.switch_context(nodeid)

        def pytest_runtest_logfinish(self) -> None:
            measured.switch_context("")

    measured.start()
    status = run_pytest(folder, files, Contexts(), output=True)
    measured.stop()
    data = measured.get_data()
    lines = {name: data.contexts_by_lineno(name) for name in data.measured_files()}
    for of in lines.values():
        of.update({line: [test for test in tests if test and test not in failed] for line, tests in of.items()})
    (folder / "reached.json").write_text(json.dumps([lines, seconds, sorted(failed)]), encoding="utf-8")
    return status


def run_tests(folder: Path, files: list[str], seconds: dict[str, float], *first: Collection[str]) -> int:
    """Run test files until a test fails; first the tests of the first collection, the quickest first, and so on."""

    class Order:
        def pytest_collection_modifyitems(self, items: list[Any]) -> None:
            items[:] = [item for item in items if item.nodeid in seconds]
            items.sort(key=lambda item: (*(item.nodeid not in tests for tests in first), seconds[item.nodeid]))

    sys.dont_write_bytecode = True
    return run_pytest(folder, files, Order(), "-x")


def run_pytest(folder: Path, files: list[str], plugin: object, *options: str, output: bool = False) -> int:
    """Run pytest in the copy of the checkout, with its package instead of this one's."""
    import pytest

    if not output:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder)
    sys.path.insert(0, str(folder))
    options = ("-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist", *options)
    arguments = [*options, f"--basetemp={folder / 'tmp'}", *files]
    return int(pytest.main(arguments, plugins=[plugin]))


if __name__ == "__main__":
    main()
