"""Mutation tests of a package: which small changes to its code go unnoticed by its unit tests.

    python tests/mutation.py PACKAGE [--sample N] [--file NAME] [--keep FOLDER]

It copies the checkout to a temporary folder, runs mutmut there on `t2ipal/PACKAGE` with the tests that TESTS names, and
prints the number of mutants, of those killed, and a diff of each survivor. A package has thousands of mutants, so
`--sample` tries N of them, chosen at random from a fixed seed. mutmut changes function bodies, not the constants of a
module or class.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TESTS = {
    "metrics": "bootstrap evaluate intervals measure modality_gap original_metrics records registry score_files "
    "score_fusion",
    "rows": "rows memory tally coop dualcoop laso ml_fsl methods comc clip_dpt train",
    "protocols": "protocols rows ml_fsl",
    "training": "train search methods rows memory",
    "models": "asymmetric_loss blending graph_models label_graph label_losses losses methods prompts similarity "
    "word_vectors label_methods laso ml_fsl",
    "sources": "sources caps coco_captions coco_images drop_words folder_images id_list json_stream micro_source "
    "nuswide openimages text_captions voc data_check",
}
"""The unit tests of each package: `bootstrap` is tests/unit/test_bootstrap.py."""
COPIED = (
    *("t2ipal", "tests", "benchmarks", "resources", "docs", "rules", "workflow_scripts", "config", "profiles", "envs"),
    *("config.yaml", "Snakefile", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml"),
)
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
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="try N mutants, chosen at random; 0: all")
    parser.add_argument("--file", default="*", help="only this file of the package, without .py")
    parser.add_argument("--keep", type=Path, help="folder to work in; later runs there test only what has changed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        prepare(folder, options.package)
        pattern = f"t2ipal.{options.package}.{options.file}.*"
        mutmut(
            folder, "run", "--max-children", "1", "none"
        )  # it makes all mutants and runs none, for none has this name
        names = [name for name in made(folder) if fnmatch(name, pattern)]
        if options.sample:
            names = random.Random(0).sample(sorted(names), min(options.sample, len(names)))
        mutmut(folder, "run", "--max-children", "1", *names)
        listed = mutmut(folder, "results", "--all", "true", stdout=subprocess.PIPE).stdout
        results = dict(line.strip().split(": ", 1) for line in listed.splitlines() if ": " in line)
        results = {name: results[name] for name in names}
        for name in (name for name, result in results.items() if result not in ("killed", "timeout")):
            print(f"\n{results[name]}: {name}", flush=True)
            mutmut(folder, "show", name)
        print(f"\n{options.package}: {len(results)} mutants: {dict(Counter(results.values()))}")


def mutmut(folder: Path, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run mutmut in the copy of the checkout."""
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": "."}
    return subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments], cwd=folder, env=environment, text=True, check=False, **how
    )


def made(folder: Path) -> list[str]:
    """The names of all mutants that mutmut has made there."""
    files = (folder / "mutants/t2ipal").rglob("*.meta")
    return [name for file in files for name in json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]]


def prepare(folder: Path, package: str) -> None:
    """Copy the checkout, with mutmut's settings for the package."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
        else:
            shutil.copy2(ROOT / name, folder / name)
    tests = [f"tests/unit/test_{name}.py" for name in TESTS[package].split()]
    settings = SETTINGS.format(package=package, tests=tests, also_copy=[name for name in COPIED if name != "t2ipal"])
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8") + settings)


if __name__ == "__main__":
    main()
