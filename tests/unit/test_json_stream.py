"""One long array of a JSON file, read piece by piece."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from t2ipal.sources.reading import json_stream


@pytest.mark.parametrize("chunk", [1, 2, 7, 1000])
def test_json_stream_equals_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    values = [1, -2.5e3, 'a "b" \u00e9 \\', {"x": [1, {"y": None}]}, [], [[]], True, "", 12345]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"first": 12, "skip": [{"items": [0]}, 3], "items": values}, indent=1))
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    assert list(json_stream.items(path, "items")) == values
