"""A recogniser as a folder for a hub: its tensors, its CLIP, a config, and a card that says what it is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from t2ipal import backbones, methods, store
from t2ipal.atomic import unfinished_name
from t2ipal.errors import UserError
from t2ipal.prediction.hub import CLIP, CONFIG, MODEL
from t2ipal.prediction.recogniser import find_clip, load_recogniser, read_header


def export_model(
    recogniser: Path,
    folder: Path,
    about: Mapping[str, Any],
    metrics: Path | None = None,
    clip: Path | None = None,
    trust_method: bool = False,
) -> dict[str, Any]:
    """Write `folder`: model.safetensors, config.json (the header), README.md (the card) and the CLIP, if it is a file.

    The header is copied whole; only name and place of a copied CLIP change. The folder is loaded once to check it.

    Args:
        recogniser: its file.
        folder: a new or an empty one.
        about: title, data, license and clip_license, for the card.
        metrics: the metrics.parquet of its run; None: nothing was measured.
        clip: where its CLIP is, if not where it was.
        trust_method: see `load_recogniser`.

    Returns:
        The header.

    Raises:
        UserError: the folder is not empty, or the recogniser, its CLIP or the metrics are missing or damaged.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: not an empty folder (expected one, or a name that is not taken)")
    header = read_header(recogniser)
    model, part = find_clip(recogniser, header["clip"], clip), unfinished_name(folder)
    part.mkdir(parents=True)
    try:
        where = _copy_clip(model, part)
        if where:
            name = backbones.named(header["clip"]["kind"], where, header["clip"]["name"])
            header |= {"clip": header["clip"] | {"name": name, "path": where, "relative": where}}
        store.write_tensors(part / MODEL, store.read_tensors(recogniser)[0], header)
        store.write_json(part / CONFIG, header)
        loaded = load_recogniser(part / MODEL, device="cpu", trust_method=trust_method)
        license_name = about["clip_license"] or loaded.backbone.license or "unknown"
        text = card(header, {**about, "clip_license": license_name}, measured(metrics) if metrics else [])
        store.write_text(part / "README.md", text)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return header


def _copy_clip(model: str, folder: Path) -> str | None:
    """Copy the files of a CLIP into a folder; its place there, None for one that is known by its name alone."""
    place = backbones.location(model)
    if place is None:
        return None
    target = folder / CLIP
    if place.is_dir():
        shutil.copytree(place, target, ignore=shutil.ignore_patterns(".*", "*.bin", "*.pt", "*.msgpack", "*.h5"))
        return CLIP
    target.mkdir()
    shutil.copyfile(place, target / place.name)
    return f"{CLIP}/{place.name}"


def measured(metrics: Path) -> list[dict[str, Any]]:
    """What a run reached: name, mean, deviation over the seeds, interval, and `classes` for the first metric, mAP.

    Raises:
        UserError: the file is missing or damaged.
    """
    import numpy as np

    from t2ipal.metrics.records import read_records
    from t2ipal.metrics.registry import METRICS
    from t2ipal.tables.numbers import Result, interval, summary

    records, rows = read_records([metrics], tuple(METRICS)), []
    for name, metric in METRICS.items():
        if any(record.get(name) is None for record in records):
            continue
        result = Result.of(records, name)
        value = summary(result.values)
        rows.append({"name": name, "title": metric.title, "mean": value.mean, "sd": value.std, "seeds": value.count,
                     "interval": interval(result)})  # fmt: skip
    rows[0]["classes"] = np.mean([record["ap"] for record in records], 0).tolist()
    return rows


def card(header: Mapping[str, Any], about: Mapping[str, Any], scores: list[dict[str, Any]]) -> str:
    """The card of the recogniser, in Markdown with the header that the hub reads."""
    from jinja2 import Environment, StrictUndefined

    made = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    made.filters["cell"] = lambda text: str(text).replace("|", "\\|")
    text = files("t2ipal.export").joinpath("model_card.md").read_text(encoding="utf-8")
    calibration = leaves(header.get("calibration") or {})
    return made.from_string(text).render(
        header=header, about=about, scores=scores, calibration=calibration, method=methods.get(header["method"])
    )


def leaves(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """The single values of nested mappings, by their keys with dots; lists, one value per class, are left out."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= leaves(value, f"{before}{key}.")
        elif not isinstance(value, list):
            found[f"{before}{key}"] = value
    return found
