"""Class templates."""

from pathlib import Path

import pytest

from t2ipal.captions.templates import load_patterns, templates
from t2ipal.errors import UserError


def test_templates() -> None:
    patterns = load_patterns()
    assert (len(patterns), len(set(patterns))) == (89, 80)
    assert patterns[:9] == ("a photo of a {}.",) * 9
    rows = templates(["hot dog", "cat"])
    assert len(rows) == 2 * 89
    assert (rows[0].template_id, rows[0].text, rows[0].index) == ("000-000", "a photo of a hot dog.", 0)
    assert rows[-1].template_id == "001-088"
    assert len({row.template_id for row in rows}) == len(rows)


def test_malformed_templates(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("repeated: {text: 'a {}.', times: 1}\nwords: {}\npatterns: ['a {size} {}']\n")
    with pytest.raises(UserError, match="malformed"):
        load_patterns(path)
