"""The site of `make docs`: links of pages lead to the places that their targets have there."""

from __future__ import annotations

import importlib.util

import pytest
from docs_pages import ROOT

SPEC = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs/site_hooks.py")
hooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(hooks)


@pytest.mark.parametrize(
    ("page", "link", "wanted"),
    [
        ("README.md", "docs/own_data.md", "own_data.md"),
        ("README.md", "docs/outputs.md#stages", "outputs.md#stages"),
        ("README.md", "config.yaml", "files/config.yaml"),
        ("README.md", "CHANGELOG.md", "CHANGELOG.md"),
        ("docs/api.md", "../CHANGELOG.md", "CHANGELOG.md"),
        ("docs/data.md", "../README.md#limits", "index.md#limits"),
        ("docs/ecosystem.md", "examples/onnx_without_torch.py", "examples/onnx_without_torch.py"),
        ("docs/data.md", "scale.md", "scale.md"),
        ("docs/data.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("docs/data.md", "#here", "#here"),
    ],
)
def test_links_lead_to_places_of_the_site(page: str, link: str, wanted: str) -> None:
    text = "see [this]({0}) and\n\n```md\n[code](../x.md)\n```\n"
    assert hooks.moved(text.format(link), page) == text.format(wanted)
