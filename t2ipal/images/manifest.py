"""Checking a model folder against the manifest in it or next to it."""

from __future__ import annotations

from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.findings import Finding
from t2ipal.store import read_json, sha256_file

NAME = "manifest.json"


def check_path(key: str, path: Path, download: str = "") -> Finding:
    """Whether the file or folder of a model is there and equals its manifest, if it has one.

    Args:
        key: the key of the config that names it.
        path: where it should be.
        download: row of resources/data_sources.csv to get it from.
    """
    if not path.exists():
        return Finding(key, f"{path}: no such file or folder", missing=True, download=download)
    try:
        verify(path)
    except UserError as error:
        return Finding(key, str(error), missing=True, download=download)
    return Finding(key, f"{path}: there")


def verify(folder: str | Path) -> dict[str, str]:
    """Check every file of `folder` that a manifest lists; return {path inside the manifest: sha256}.

    A manifest is `manifest.json` in the folder or its parent: {"files": {relative path: {"sha256", "bytes"}}}. Without
    one, or where it lists nothing of the folder, there is nothing to check and the answer is empty.

    Raises:
        UserError: a listed file is missing, or differs from the manifest.
    """
    folder = Path(folder)
    for root in (folder, folder.parent):
        if (root / NAME).is_file():
            break
    else:
        return {}
    manifest = read_json(root / NAME)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict):
        raise UserError(f"{root / NAME}: no 'files' table of paths with their sha256")
    checked = {}
    for name, entry in sorted(files.items()):
        path = root / name
        if not path.is_relative_to(folder):
            continue
        if not path.is_file():
            raise UserError(f"{path}: missing, but {root / NAME} lists it: restore it, or train the zoo again")
        expected = entry.get("sha256") if isinstance(entry, dict) else entry
        digest = sha256_file(path)
        if digest != expected:
            raise UserError(f"{path}: sha256 {digest[:12]}, but {root / NAME} has {str(expected)[:12]}: a damaged file")
        checked[name] = digest
    return checked
