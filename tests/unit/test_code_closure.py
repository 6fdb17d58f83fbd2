"""Which code a script runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from t2ipal.runtime.code_closure import MACHINERY, code_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "workflow_scripts/one.py": "from t2ipal.runtime.job import run\ndef main():\n    from lib.a import f, json\n",
        "t2ipal/__init__.py": "",
        "t2ipal/runtime/__init__.py": "import lib.unused\n",
        "t2ipal/runtime/job.py": "import lib.unused\n",
        "lib/__init__.py": "",
        "lib/a.py": "from typing import TYPE_CHECKING\nfrom . import b\nif TYPE_CHECKING:\n    import lib.types\n",
        "lib/b.py": "import lib.sub.c as c\n",
        "lib/sub/__init__.py": "from lib.sub.d import x\n",
        "lib/sub/c.py": "",
        "lib/sub/d.py": "from lib.a import f\n",
        "lib/types.py": "",
        "lib/unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_code_is_the_closure_of_what_is_imported(tree: Path) -> None:
    assert code_of(str(tree), "workflow_scripts/one.py") == [
        "lib/__init__.py",
        "lib/a.py",
        "lib/b.py",
        "lib/sub/__init__.py",
        "lib/sub/c.py",
        "lib/sub/d.py",
        "t2ipal/__init__.py",
        "workflow_scripts/one.py",
    ]


def test_templates_are_code_of_what_loads_them(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "lib/templates/parts").mkdir(parents=True)
    for name in ("style.css", "parts/a.html.j2"):
        (tree / "lib/templates" / name).write_text("{{ a }}")
    (tree / "lib/b.py").write_text('from jinja2 import Environment, PackageLoader\nx = PackageLoader("lib")\n')
    templates = {"lib/templates/style.css", "lib/templates/parts/a.html.j2"}
    assert templates < set(code_of(str(tree), "workflow_scripts/one.py"))
    assert not templates & set(code_of(str(tree), "lib/types.py"))
    monkeypatch.chdir(ROOT)
    sheet = "t2ipal/pages/templates/style.css"
    users = {
        script
        for script in ("table", "claims", "captions_page", "predict", "contact_sheet", "per_class")
        if sheet in code_of(str(ROOT), f"workflow_scripts/{script}.py")
    }
    assert users == {"table", "claims", "captions_page", "predict"}


@pytest.mark.parametrize(
    "script", sorted({path.name for path in (ROOT / "workflow_scripts").glob("*.py")} - {"plan_costs.py", "fetch.py"})
)
def test_no_script_depends_on_the_config_or_the_plan(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job needs reaches it as a parameter, so an edit of the schema reruns nothing. Two write no result."""
    monkeypatch.chdir(ROOT)
    code = code_of(str(ROOT), f"workflow_scripts/{script}")
    assert not {"t2ipal/config/__init__.py", "t2ipal/config/schema.py", "t2ipal/plan/runs.py"} & set(code)


def test_a_source_is_read_without_the_files_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit of one source, or a further one, reads nothing of the others' again."""
    monkeypatch.chdir(ROOT)
    own = "t2ipal/sources/coco/captions.py"
    code = set(code_of(str(ROOT), "workflow_scripts/captions_read.py", own))
    others = {"registry.py", "voc.py", "text.py", "coco/images.py", "micro/captions.py", "image_rows.py"}
    assert own in code
    assert {"t2ipal/sources/base.py", "t2ipal/sources/coco/layout.py", "t2ipal/sources/caption_rows.py"} <= code
    assert not {f"t2ipal/sources/{name}" for name in others} & code


@pytest.mark.slow
def test_every_import_that_happens_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import a script's whole declared code in a process of its own: nothing else of the project may load."""
    monkeypatch.chdir(ROOT)
    code = code_of(str(ROOT), "workflow_scripts/train.py", "t2ipal/methods/t2i_pal.py")
    modules = [
        name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in code if "t2ipal" in name
    ]
    program = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] == 't2ipal'))"
    )
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    decide_nothing = {path.removesuffix(".py").replace("/", ".") for path in MACHINERY}
    assert set(found.stdout.split()) - decide_nothing == set(modules)
