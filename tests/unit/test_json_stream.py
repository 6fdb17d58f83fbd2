"""One long array of a JSON file, read piece by piece."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from t2ipal.errors import UserError
from t2ipal.sources.reading import json_stream


@pytest.mark.parametrize("chunk", [1, 2, 7, 1000])
def test_json_stream_equals_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    values = [1, -2.5e3, 'a "b" \u00e9 \\', {"x": [1, {"y": None}]}, [], [[]], True, "", 12345]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"first": 12, "skip": [{"items": [0]}, 3], "items": values}, indent=1))
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    assert list(json_stream.items(path, "items")) == values


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": [{"x": 1, "x": 2}], "b": []}', "key 'x' occurs twice"),
        ('{"a": [1], "b": [2], "a": [3]}', "key 'a' occurs twice"),
        ('{"a": [1], "a": [3], "b": [2]}', "key 'a' occurs twice"),
        ('{"a": [1], "b": [2]', "cut off"),
        ('{"a": [1]}', "no key 'b'"),
    ],
)
def test_nothing_is_taken_in_place_of_another(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"a\.json: .*{told}"):
        list(json_stream.entries(path, "a", "b"))
