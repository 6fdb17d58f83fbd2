"""Lists of code: one input per job, which changes with the content of any file in it and with nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from t2ipal.runtime import code_closure, code_lists
from t2ipal.runtime.code_lists import code_list


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "scripts/one.py": "import lib.a",
        "lib/__init__.py": "",
        "lib/a.py": "x = 1",
        "own.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (100, 100))
    os.utime(tmp_path / "lib/a.py", (200, 200))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(tree: Path, **options: bool) -> Path:
    """The list as a new process finds or writes it."""
    code_lists.parsed.known.clear()
    for cached in (code_list, code_lists._checksum, code_lists._recall, *vars(code_closure).values()):
        getattr(cached, "cache_clear", int)()
    return Path(code_list(str(tree), ("scripts/one.py",), ("own.py",), **options))


def test_a_list_has_the_checksum_of_each_file(tree: Path) -> None:
    lines = dict(reversed(line.split("  ")) for line in listed(tree).read_text().splitlines())
    assert list(lines) == ["lib/__init__.py", "lib/a.py", "own.py", "scripts/one.py"]
    assert lines["lib/a.py"] == hashlib.sha256(b"x = 1").hexdigest()


def test_a_new_list_is_as_old_as_its_youngest_file(tree: Path) -> None:
    assert listed(tree).stat().st_mtime == 200


def test_times_alone_change_nothing(tree: Path) -> None:
    before = listed(tree).stat()
    os.utime(tree / "lib/a.py")
    after = listed(tree).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("name", ["scripts/one.py", "lib/a.py", "own.py"])
def test_other_content_is_noticed_even_if_it_is_older(tree: Path, name: str) -> None:
    path = listed(tree)
    before = path.read_text()
    (tree / name).write_text("import lib.a  # changed")
    os.utime(tree / name, (1, 1))
    start = time.time()
    assert listed(tree) == path
    assert path.stat().st_mtime >= start - 1
    assert path.read_text() != before


def test_the_snakemake_of_a_cluster_job_writes_nothing(tree: Path) -> None:
    assert not listed(tree, is_main=False).exists()
    assert not (tree / ".snakemake").exists()


def test_other_files_have_another_list_in_another_folder(tree: Path) -> None:
    """Snakemake remembers which files are in a folder, and lists are written while it looks for inputs."""
    lists = [Path(code_list(str(tree), starts)) for starts in (("scripts/one.py",), ("scripts/one.py", "own.py"))]
    assert all(path.exists() for path in lists)
    assert lists[0].parent != lists[1].parent


def test_imports_are_kept_until_their_file_or_the_parser_changes(tree: Path) -> None:
    listed(tree)
    file, memory = "scripts/one.py", tree / ".snakemake/code/imports.json"
    fresh = code_closure.Parsed()
    fresh.load(memory)
    checksum, names, _ = fresh.known[file]
    assert names == [["lib", "a"]]
    fresh.known[file] = [checksum, [["kept"]], []]
    copy = shutil.copytree(tree, tree / "a copy", ignore=shutil.ignore_patterns(".snakemake"))
    for root in (tree, copy):
        os.utime(root / file)
        assert fresh.of(str(root), file) == ([["kept"]], [])
    assert not fresh.is_new
    about = (tree / file).stat()
    (tree / file).write_text("import lib.b")  # of the same size and time
    os.utime(tree / file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert fresh.of(str(tree), file) == ([("lib", "b")], [])
    memory.write_text(memory.read_text().replace('"parser": "', '"parser": "1'))
    other = code_closure.Parsed()
    for text in (memory.read_text(), "[]", "{", ""):
        memory.write_text(text)
        other.load(memory)
        assert not other.known
