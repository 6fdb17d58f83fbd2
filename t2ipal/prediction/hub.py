"""A recogniser's folder as `t2ipal export model` writes it, on the disk or on the Hugging Face hub."""

from __future__ import annotations

import os
from pathlib import Path

from t2ipal.errors import UserError

MODEL, CONFIG, CLIP = "model.safetensors", "config.json", "clip"
NEEDED = (MODEL, CONFIG, f"{CLIP}/*")
"""What is fetched from the hub: the recogniser, and the files of its CLIP."""


def file_of(path: str | Path) -> Path:
    """The file of a recogniser, which may be named by a folder of `t2ipal export model`."""
    path = Path(path)
    return path / MODEL if path.is_dir() and (path / MODEL).is_file() else path


def pretrained(name: str | Path, revision: str | None = None) -> Path:
    """The recogniser's file in a folder, or in that of a name on the hub, which is fetched if it is not cached.

    Raises:
        UserError: there is no such folder, or it has no recogniser.
    """
    folder = Path(name)
    if not folder.is_dir():
        text = str(name)
        if text.count("/") != 1 or text.startswith((".", "/", "~")) or folder.exists():
            raise UserError(f"{name}: no such folder (expected one of t2ipal export model, or OWNER/NAME of the hub)")
        folder = _fetch(text, revision)
    if not (folder / MODEL).is_file():
        raise UserError(f"{folder}: no {MODEL} (expected a folder of t2ipal export model)")
    return folder / MODEL


def _fetch(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=NEEDED, local_files_only=offline))
    except Exception as error:  # the hub raises its own kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise UserError(f"{name}: neither a folder nor to be had from the Hugging Face hub ({reason})") from error
