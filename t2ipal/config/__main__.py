"""Two files made from the config's models: its JSON schema, and the table of settings in docs/deviations.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from t2ipal.config.json_schema import json_schema
from t2ipal.config.settings_table import with_settings_table
from t2ipal.errors import UserError

SCHEMA, PAGE = Path("resources/config.schema.json"), Path("docs/deviations.md")


def generated(root: Path) -> dict[Path, str]:
    """The content that each of the two files should have."""
    page = (root / PAGE).read_text(encoding="utf-8")
    return {SCHEMA: json.dumps(json_schema(), indent=2) + "\n", PAGE: with_settings_table(page)}


def stale(root: Path) -> list[Path]:
    """The generated files that differ from the models."""
    texts = generated(root).items()
    return [path for path, text in texts if not (root / path).exists() or (root / path).read_text("utf-8") != text]


def main(argv: Sequence[str] | None = None, root: Path = Path()) -> None:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(prog="python -m t2ipal.config", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write both files")
    action.add_argument("--check", action="store_true", help="fail if one of them is stale")
    arguments = parser.parse_args(argv)
    try:
        old = stale(root)
        if arguments.check and old:
            raise UserError(f"{', '.join(map(str, old))}: stale; make format renews it")
        if arguments.write:
            texts = generated(root)
            for path in old:
                (root / path).write_text(texts[path], encoding="utf-8")
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
