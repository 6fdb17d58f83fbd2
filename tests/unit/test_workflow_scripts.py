"""workflow_scripts/ holds one thin script per rule and nothing else."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "workflow_scripts").glob("*.py"))
LIGHT = {*sys.stdlib_module_names, "t2ipal.runtime.job", "t2ipal.runtime.progress"}
"""What may be imported before the frame of a job has begun: locks and logging come first, torch later."""


def test_each_script_is_a_rules_and_each_rule_has_its_script() -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "rules").rglob("*.smk"))]
    named = {name for text in texts for name in re.findall(r'"\.\./workflow_scripts/(\w+\.py)"', text)}
    assert named == {path.name for path in SCRIPTS}
    assert {path for path in (ROOT / "workflow_scripts").iterdir() if path.name != "__pycache__"} == set(SCRIPTS)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_a_main_in_the_frame_of_a_job(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {node.module for node in imports if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    assert modules - LIGHT == set()
    assert "main" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert ast.unparse(tree.body[-1]) == "if __name__ == '__main__':\n    run(main, snakemake)"
