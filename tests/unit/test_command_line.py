"""The command `snakemake`: what is said in one line before Snakemake reads anything."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml
from configs import ROOT

from t2ipal.config.command_line import check_arguments, check_start, parse_entry
from t2ipal.config.files import read_config, read_configs
from t2ipal.errors import UserError

FILES = {
    "empty": (b"", "empty (expected keys"),
    "a comment alone": (b"# name: x\n", "empty (expected keys"),
    "a list": (b"- name\n- mine\n", "found a list (expected keys"),
    "a scalar": (b"mine\n", "found 'mine' (expected keys"),
    "a number as key": (b"1: x\n", "found 1 as a key"),
    "Latin-1": (b"# x\nname: caf\xe9\n", "line 2: not UTF-8 text"),
    "UTF-16": ("name: mine\n".encode("utf-16"), "line 1: not UTF-8 text"),
    "a tab": (b"training:\n\tlr: 1\n", "line 2: a tab (expected spaces)"),
    "an open bracket": (b"name: mine\nseeds: [1\n", "line 3: not YAML: "),
    "two documents": (b"name: a\n---\nname: b\n", "line 2: not YAML: "),
    "a control character": (b"name: \x01\n", "not YAML: "),
    "a key twice": (b"settings: {}\nname: x\nsettings: {}\n", "line 3: key 'settings' again, after line 1"),
    "a key twice below": (b"use:\n  clip: a\n  clip: b\n", "line 3: key 'clip' again, after line 2"),
    "100,000 brackets": (b"training: " + b"[" * 100_000, "line 1: more than 100 lists and mappings in each other"),
    "an alias of itself": (b"training: &a {x: *a}\n", "line 1: contains itself"),
    "a mapping merged into itself": (b"use: &a {<<: *a}\n", "line 1: contains itself"),
    "aliases of aliases": (
        b"a: &a0 [1, 1]\n"
        + b"".join(b"k%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 9)),
        "line 7: more than 1,000,000 values",
    ),
    "an octal number": (b"name: x\nseeds: [010]\n", "line 2: 010, which YAML reads as 8"),
    "a number in base 60": (b"bootstrap: 10:30\n", "line 1: 10:30, which YAML reads as 630"),
    "a fraction in base 60": (b"training: {lr: 1:30.5}\n", "line 1: 1:30.5, which YAML reads as 90.5"),
    "a number of 400 digits": (b"bootstrap: " + b"9" * 400, "line 1: a number beyond 2**64"),
    "a truth value that is none": (b"name: !!bool x\n", "not YAML: "),
    "an object": (b"name: !!python/object/apply:os.getcwd []\n", "not YAML: "),
}


@pytest.mark.parametrize("content", FILES.values(), ids=list(FILES))
def test_a_bad_config_file_is_one_line(
    tmp_path: Path, content: tuple[bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, text = content
    path = tmp_path / "mine.yaml"
    path.write_bytes(data)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for check in (
        lambda: check_arguments(["-n", "--configfile", str(path), "--cores", "all"]),
        lambda: check_start("/home/a", ["config.yaml", path]),
    ):
        with pytest.raises(SystemExit) as stopped:
            check()
        assert str(stopped.value).startswith(f"error: {path}: {text}")
        assert "\n" not in str(stopped.value)


def test_a_config_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    for path, text in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "cannot be read: is a directory")):
        with pytest.raises(UserError, match=text):
            read_config(path)


def test_json_counts_each_key_once_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"name": "a",\n\t"use": {"clip": "b"}}')
    assert read_config(path) == {"name": "a", "use": {"clip": "b"}}
    path.write_text('{"use": {"clip": "a", "clip": "b"}}')
    with pytest.raises(UserError, match=r"mine\.json: key 'clip' occurs twice"):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[" * 100_000, "more than 100 lists and mappings"),
        ('{"a": ' * 200 + "1" + "}" * 200, "more than 100 lists and mappings"),
        ('{"bootstrap": ' + "9" * 5000 + "}", "not JSON: Exceeds the limit"),
    ],
)
def test_json_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"mine\.json: {line}"):
        read_config(path)


def test_what_yaml_merges_is_no_key_twice(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("a: &a {b: 1, c: 2}\nd:\n  <<: *a\n  b: 3\n")
    assert read_config(path)["d"] == {"b": 3, "c": 2}


def test_config_files_are_read_as_snakemake_reads_them() -> None:
    files = [ROOT / "config.yaml", ROOT / "config/paper.yaml"]
    assert [read_config(file) for file in files] == [yaml.safe_load(file.read_text("utf-8")) for file in files]
    assert read_configs(files)["name"] == "paper"


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("use.clip=small", "a key with dots (expected --config 'use={clip: small}')"),
        ("settings.t2i_pal.gamma=0.4", "a key with dots (expected --config 'settings={t2i_pal: {gamma: 0.4}}')"),
        ("all", "no '=' (expected KEY=VALUE; targets go before --config)"),
        ("n=5", "'n' is no key"),
        ("seeds=[7,8", "not YAML"),
        ("use={clip: a, clip: b}", "line 1: key 'clip' again"),
    ],
)
def test_a_bad_entry_says_how_to_write_it(entry: str, text: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        check_arguments(["-n", "--config", "name=x", entry, "--quiet"])
    assert str(stopped.value).startswith(f"error: --config {entry}: {text}")


def test_arguments_are_found_wherever_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    check_arguments(["all", "-C", "name=x", "seed=1", "-n", "--configfile=config.yaml", "--", "a.b"])
    with pytest.raises(SystemExit, match="no such file"):
        check_arguments([f"--configfiles={tmp_path / 'none.yaml'}"])
    assert parse_entry("novel=") == ("novel", None)


def test_a_checkout_with_braces_is_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^error: /home/\{me\}/t2ipal: braces"):
        check_start("/home/{me}/t2ipal", [])


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SystemExit, match=r"\.cache: cannot be written \(expected a cache folder: set XDG_CACHE_HOME"):
        check_arguments(["-n"])


@pytest.mark.parametrize("profile", ["default", "gpu", "slurm"])
def test_each_profile_checks_the_command(profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake runs the definitions of a profile before it reads a config file."""
    yte = pytest.importorskip("yte")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["snakemake", "-n", "--configfile", str(tmp_path / "none.yaml")])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit, match="no such file"):
        yte.process_yaml((ROOT / f"profiles/{profile}/profile.v9+.yaml").read_text("utf-8"), require_use_yte=True)
