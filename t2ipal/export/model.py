"""A recogniser as a folder for a hub: its tensors, its CLIP, a config, and a card that says what it is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from t2ipal import backbones, methods, store
from t2ipal.errors import UserError
from t2ipal.export.folder import cell, new_folder, scalar
from t2ipal.prediction.hub import CLIP, CONFIG, MODEL, file_of
from t2ipal.prediction.recogniser import find_clip, load_recogniser, read_header

CLIP_FILES = (".json", ".safetensors", ".txt", ".model")
"""The files of a CLIP's folder."""


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
    recogniser = file_of(recogniser)
    header = read_header(recogniser)
    model = find_clip(recogniser, header["clip"], clip)
    with new_folder(folder) as part:
        where = _copy_clip(model, part)
        if where:
            name = backbones.named(header["clip"]["kind"], where, header["clip"]["name"])
            header |= {"clip": header["clip"] | {"name": name, "path": where, "relative": where}}
        store.write_tensors(part / MODEL, store.read_tensors(recogniser)[0], header)
        store.write_json(part / CONFIG, header)
        loaded = load_recogniser(part / MODEL, device="cpu", trust_method=trust_method)
        license_name = about["clip_license"] or loaded.backbone.license or "unknown"
        scores = measured(metrics, header) if metrics else []
        text = card(header, {**about, "clip_license": license_name}, scores)
        store.write_text(part / "README.md", text)
    return header


def _copy_clip(model: str, folder: Path) -> str | None:
    """Copy the files of a CLIP into a folder; its place there, None for one that is known by its name alone."""
    place = backbones.location(model)
    if place is None:
        return None
    target = folder / CLIP
    target.mkdir()
    if place.is_dir():
        for path in sorted(place.iterdir()):  # what else is in a folder of one's own is nobody's business
            if path.is_file() and path.suffix in CLIP_FILES and not path.name.startswith("."):
                shutil.copyfile(path, target / path.name)
        return CLIP
    shutil.copyfile(place, target / place.name)
    return f"{CLIP}/{place.name}"


def measured(metrics: Path, header: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a run reached: name, mean, deviation over the seeds, interval, and `classes` for the first metric, mAP.

    Raises:
        UserError: the file is missing or damaged, or not of the recogniser's classes and seeds.
    """
    import numpy as np

    from t2ipal.metrics.records import read_records
    from t2ipal.metrics.registry import METRICS
    from t2ipal.tables.numbers import Result, interval, summary

    records, rows = read_records([metrics], tuple(METRICS)), []
    models = {(record["seed"], len(record["ap"])) for record in records}
    if models != {(seed, len(header["classes"])) for seed in header["seeds"]}:
        raise UserError(f"{metrics}: of other seeds or classes than the recogniser (expected both of one run)")
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
    made.filters |= {"cell": cell, "scalar": scalar}
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
