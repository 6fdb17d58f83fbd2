"""What all overlays of config/ have in common."""

from t2ipal.config import Config


def check_overlay(config: Config, text: str) -> None:
    """Nothing of the micro world is left in the config, and in the file's text a comment stands above each key."""
    for entries in (config.pools, config.datasets, config.text_to_image, config.clip):
        assert "micro" not in entries
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line and line[0].isalpha():
            assert lines[number - 1].startswith("#"), line
    assert all(len(line) <= 120 for line in lines)
