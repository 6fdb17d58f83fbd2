"""Mutation tests of a package: which small changes to its code go unnoticed by its unit tests.

    python tests/mutation.py PACKAGE [--file NAME] [--keep FOLDER]

It copies the checkout to a temporary folder, runs mutmut there on `t2ipal/PACKAGE` with the tests that TESTS names, and
prints the number of mutants, of those killed, and a diff of each survivor. mutmut changes function bodies, not the
constants of a module or class. It is not part of the environment: pip install mutmut==3.8.1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = {
    "metrics": (
        "test_bootstrap.py",
        "test_evaluate.py",
        "test_intervals.py",
        "test_measure.py",
        "test_original_metrics.py",
        "test_records.py",
        "test_registry.py",
        "test_score_files.py",
        "test_score_fusion.py",
    ),
}
"""The unit tests of each package."""
COPIED = ("t2ipal", "tests", "benchmarks", "resources", "config.yaml", "config", "pyproject.toml")
SETTINGS = """

[tool.mutmut]
source_paths = ["t2ipal"]
only_mutate = ["t2ipal/{package}/*"]
also_copy = {also_copy}
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:randomly"]
pytest_add_cli_args_test_selection = {tests}
"""
ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    """Run mutmut and print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", choices=sorted(TESTS))
    parser.add_argument("--file", default="*", help="only this file of the package, without .py")
    parser.add_argument("--keep", type=Path, help="folder to work in; later runs there test only what has changed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        prepare(folder, options.package)
        command = [sys.executable, "-m", "mutmut"]
        environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": "."}
        chosen = f"t2ipal.{options.package}.{options.file}.*"
        subprocess.run([*command, "run", "--max-children", "1", chosen], cwd=folder, env=environment, check=False)
        listed = subprocess.run(
            [*command, "results", "--all", "true"],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        results = dict(line.strip().split(": ", 1) for line in listed.splitlines() if ": " in line)
        results = {name: result for name, result in results.items() if fnmatch(name, chosen)}
        for name in (name for name, result in results.items() if result not in ("killed", "timeout")):
            print(f"\n{results[name]}: {name}", flush=True)
            subprocess.run([*command, "show", name], cwd=folder, env=environment, check=False)
        print(f"\n{options.package}: {len(results)} mutants: {dict(Counter(results.values()))}")


def prepare(folder: Path, package: str) -> None:
    """Copy the checkout, with mutmut's settings for the package."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
        else:
            shutil.copy2(ROOT / name, folder / name)
    tests = [f"tests/unit/{name}" for name in TESTS[package]]
    settings = SETTINGS.format(package=package, tests=tests, also_copy=[name for name in COPIED if name != "t2ipal"])
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8") + settings)


if __name__ == "__main__":
    main()
