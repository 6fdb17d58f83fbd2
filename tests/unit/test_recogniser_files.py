"""Recogniser files from others: nothing of theirs is run, and whatever is wrong in one is one line."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from own_toy import MEASURED, write_recogniser

from t2ipal import backbones, store
from t2ipal.backbones.base import ImageTextEncoder
from t2ipal.cli import main
from t2ipal.errors import UserError
from t2ipal.prediction.recogniser import load_recogniser, read_header

VALUES = (
    None,
    True,
    -1,
    0,
    3,
    10**400,
    0.5,
    math.nan,
    math.inf,
    "",
    "x",
    "\x1b[2J",
    [],
    ["dog"],
    [None],
    [1, 2],
    {},
    {"a": 1},
)
"""What a key of a header may become."""

EVIL = """
from pathlib import Path
Path("ran").write_text("")
from t2ipal.methods.zsclip import ZSCLIP
class Method(ZSCLIP):
    name = "evil"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    write_recogniser(folder, MEASURED)
    return folder


@pytest.fixture(scope="module")
def clip(folder: Path) -> ImageTextEncoder:
    return backbones.load_backbone(folder / "clip.safetensors")


@pytest.fixture
def content(folder: Path, clip: ImageTextEncoder, monkeypatch: pytest.MonkeyPatch) -> tuple[dict, dict]:
    """The tensors and the header of a good file; its CLIP is loaded once."""
    monkeypatch.setattr(backbones, "load_backbone", lambda *arguments: clip)
    return store.read_tensors(folder / "m.safetensors")


def told(path: Path) -> str:
    """The line of the error that a file ends in; "" for a file that works."""
    line = ""
    try:
        load_recogniser(path, device="cpu")
    except UserError as error:
        line = str(error)
    assert not line or path.name in line
    return line


def keys_of(header: dict) -> Iterator[tuple[str, ...]]:
    for key, value in header.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, inner) for inner in value)


@pytest.mark.slow
def test_every_damaged_header_is_one_line(folder: Path, content: tuple[dict, dict], tmp_path: Path) -> None:
    tensors, good = content
    path, rng, wrong = tmp_path / "m.safetensors", random.Random(0), 0
    for key in keys_of(good):
        few = key[0] in ("settings", "calibration", "score_rule") and len(key) > 1
        for value in ["gone", *(rng.sample(VALUES, 2) if few else VALUES)]:
            header = json.loads(json.dumps(good))
            place = header[key[0]] if len(key) > 1 else header
            place[key[-1]] = value
            if value == "gone":
                del place[key[-1]]
            store.write_tensors(path, tensors, header)
            line = told(path)
            wrong += bool(line)
            needed = key[0] not in ("settings", "encoder", "tensors") and key != ("clip", "kind")
            needed &= key[0] not in ("thresholds", "prior", "calibration", "score_rule") or len(key) > 1
            assert line or value != "gone" or not needed, key
    assert wrong > 200


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("classes", ["dog", "dog", "cat"], "header.classes: .* are one class"),
        ("classes", ["dog", "cat"], "header.thresholds: .*3 values for 2 classes"),
        ("classes", ["dog", "a\x1b[2J", "cat"], "header.classes.*has the character U.001B"),
        ("threshold", [0.1, 0.2, 0.3], "header.threshold: .* is not a number"),
        ("threshold", math.nan, "header.threshold: nan"),
        ("thresholds", [0.1, None], "header.thresholds: .*2 values for 3 classes"),
        ("prior", [0.1, 0.2, 1.2], "header.prior.2: 1.2 is not <= 1"),
        ("calibration", {**MEASURED["calibration"], "a": [1.0, -1.0, 1.0]}, "header.calibration.a.1: -1.0 is not >= 0"),
        ("calibration", {**MEASURED["calibration"], "b": [1.0]}, "header.calibration: .*1 values for 3 classes"),
        ("score_rule", {"kind": "magic", "k": None, "classes": []}, "header.score_rule.kind"),
        ("score_rule", {"kind": "softmax", "k": [1.0], "classes": []}, "header.score_rule: .*each of 2 seeds"),
        ("score_rule", {"kind": "softmax", "k": None, "classes": []}, "header.score_rule: .*each of 2 seeds"),
        (
            "score_rule",
            {"kind": "mean", "k": None, "classes": ["cat", "dog"]},
            "classes of 'mean' are not those of the",
        ),
        (
            "calibration",
            {**MEASURED["calibration"], "a": [1.0, 1e308, 1.0]},
            "header.calibration.a.1: 1e.308 is not <= ",
        ),
        ("calibration", {**MEASURED["calibration"], "kind": "beta"}, "header.calibration.kind: 'beta' is not 'platt'"),
        ("method", "sparc", "sparc scores images by each other .expected a method that does not"),
        ("seeds", [1, 2, 3], "scores of shape .2, 2, 3. in float32 .expected .3, 2, 3."),
        ("levels", [10, 50], "header.levels"),
        ("method", "t2i_pall", "method 't2i_pall': unknown"),
        ("method", "../x", "header.method"),
        ("method", "tai_dpt", "header.settings"),
        ("settings", {"gamma": 7}, "header.settings"),
        ("clip_sha256", "0" * 64, "learned with 000000000000"),
        ("classes", ["x"] * 100_001, "header.classes: .*at most 100000 items"),
        ("classes", ["x" * 201, "b", "c"], "header.classes.0: .*at most 200 characters"),
        ("seeds", [-1, 2], "header.seeds.0: -1 is not >= 0"),
        ("method", "x" * 100_000, "header.method: .*at most 200 characters"),
        ("settings", {"x" * 100_000: 1}, "header.settings.*unknown key 'x+[.]{3}$"),
    ],
)
def test_what_the_line_tells(content: tuple[dict, dict], tmp_path: Path, key: str, value: object, line: str) -> None:
    import re

    tensors, header = content
    store.write_tensors(tmp_path / "m.safetensors", tensors, {**header, key: value})
    found = told(tmp_path / "m.safetensors")
    assert re.search(line, found), found


@pytest.mark.slow
def test_every_damaged_tensor_is_one_line(content: tuple[dict, dict], tmp_path: Path) -> None:
    tensors, header = content
    path = tmp_path / "m.safetensors"
    changes = {
        "gone": None,
        "nan": lambda value: value * math.nan,
        "inf in one place": lambda value: value.index_fill(0, torch.tensor([0]), math.inf),
        "fewer classes": lambda value: value[:, :-1],
        "more classes": lambda value: torch.cat([value, value], 1),
        "other dimension": lambda value: value[..., :-1],
        "fewer seeds": lambda value: value[:1],
        "no seeds": lambda value: value[:0],
        "flat": lambda value: value.flatten(),
        "a number": lambda value: value.sum(),
        "whole numbers": lambda value: value.long(),
        "double": lambda value: value.double(),
        "half": lambda value: value.half(),
        "bfloat16": lambda value: value.bfloat16(),
        "complex": lambda value: value.to(torch.complex64),
        "truth values": lambda value: value.bool(),
    }
    always = {"nan", "inf in one place", "no seeds", "flat", "a number"}
    for name in tensors:
        for what, change in changes.items():
            changed = {key: value for key, value in tensors.items() if key != name or change}
            if change:
                changed[name] = change(tensors[name])
            store.write_tensors(path, changed, header)
            assert told(path), (name, what)
            # Without its record, what is left is what cannot be scored.
            store.write_tensors(path, changed, {**header, "tensors": None})
            assert told(path) or what not in always or name.startswith("context"), (name, what)
    store.write_tensors(path, {}, header)
    assert told(path)


def test_flipped_bytes_and_ends_cut_off_are_one_line(folder: Path, content: tuple[dict, dict], tmp_path: Path) -> None:
    whole, rng = (folder / "m.safetensors").read_bytes(), random.Random(1)
    path = tmp_path / "m.safetensors"
    for _ in range(150):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        if not told(path):
            tensors, header = store.read_tensors(path)
            assert header == content[1]
            assert all(torch.equal(value, content[0][name]) for name, value in tensors.items())
    for _ in range(30):
        path.write_bytes(whole[: rng.randrange(len(whole))])
        assert told(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "[1]", "null", '"x"', "{}", '{"clip": {}}'])
def test_odd_metadata_is_one_line(folder: Path, tmp_path: Path, text: str) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "m.safetensors", metadata={store.HEADER: text})
    assert told(tmp_path / "m.safetensors")


@pytest.mark.parametrize("name", ["", "pipe", "/dev/zero", "none.safetensors"])
def test_what_is_no_file_is_one_line(tmp_path: Path, name: str) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"not a file|no such file"):
        read_header(tmp_path / name)


def test_a_folder_of_export_model_is_a_recogniser(folder: Path, content: tuple[dict, dict], tmp_path: Path) -> None:
    (tmp_path / "toys").mkdir()
    (tmp_path / "toys/model.safetensors").write_bytes((folder / "m.safetensors").read_bytes())
    assert read_header(tmp_path / "toys") == read_header(folder / "m.safetensors")
    assert not told(tmp_path / "toys")


# Code


@pytest.fixture
def evil(content: tuple[dict, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recogniser whose method is a module of the current folder, which leaves a file when it is imported."""
    tensors, header = content
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("evilmod.py").write_text(EVIL)
    store.write_tensors("m.safetensors", tensors, {**header, "method": "evilmod.Method", "settings": {}})
    Path("a.jpg").write_bytes(b"")
    return Path("m.safetensors")


def test_code_of_others_runs_on_request_alone(evil: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["show", "m.safetensors"], ["predict", "--model", "m.safetensors", "a.jpg"]):
        main(arguments)
        assert not Path("ran").exists(), arguments
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: m.safetensors: its method evilmod.Method is code outside t2ipal")
    assert "--trust-method" in line
    main(["predict", "--model", "m.safetensors", "--trust-method", "a.jpg"])
    assert Path("ran").exists()


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_a_clip_that_is_no_file_is_not_read(content: tuple[dict, dict], tmp_path: Path, path: str) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    tensors, header = content
    clip = {**header["clip"], "path": path, "relative": path}
    store.write_tensors(tmp_path / "m.safetensors", tensors, {**header, "clip": clip})
    assert "its CLIP is not at" in told(tmp_path / "m.safetensors")
    with pytest.raises(UserError, match="not a file or folder"):
        load_recogniser(tmp_path / "m.safetensors", tmp_path / "pipe", "cpu")
