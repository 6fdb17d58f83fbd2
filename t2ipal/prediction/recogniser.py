"""A recogniser: one safetensors file with all that predicting needs, and where its CLIP is.

Tensors are what a run learned, seeds first. The header has, besides what a run's own has (method, settings, classes,
seeds, levels, clip_sha256): `clip` {name, kind, path, relative, image_size, crop, batch}, `scores`, `score_rule`,
`tensors` (the type and the sizes of each), and from labelled images `threshold`, `thresholds`, `prior` and
`calibration`, see `t2ipal.prediction.calibrate`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal import backbones, methods, store
from t2ipal.errors import UserError
from t2ipal.prediction.calibrate import UNCALIBRATED
from t2ipal.prediction.header import SCORES, Header
from t2ipal.prediction.hub import file_of
from t2ipal.prediction.trial import kinds_of, try_out
from t2ipal.resource_files import resource
from t2ipal.validation import validated

if TYPE_CHECKING:
    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.methods.base import Method, Tensors

OURS = "expected a file of results/.../recognisers/, see docs/own_data.md"


@dataclass(frozen=True)
class Loaded:
    """A recogniser read from its file, on one device.

    Attributes:
        method: with its settings.
        tensors: what it learned, [S, ...] each.
        header: see above.
        backbone: the model that it learned with.
    """

    method: Method
    tensors: Tensors
    header: Mapping[str, Any]
    backbone: ImageTextEncoder


def write_recogniser(
    path: str | Path,
    run: str | Path,
    clip: Mapping[str, Any],
    measured: Mapping[str, Any] | None,
    version: str,
    rule: Mapping[str, Any] | None = None,
) -> None:
    """Make a recogniser of a run.

    Args:
        path: of the new file.
        run: the model of a run with all labels or none.
        clip: model (a path or a name of OpenAI's), image_size, crop and batch, as the run's features were made.
        measured: from labelled images, of `t2ipal.prediction.calibrate.calibrated`; None: there are none.
        version: of t2ipal.
        rule: of `t2ipal.prediction.calibrate.score_rule`; None: the method's own scores.

    Raises:
        UserError: the run's file is missing or damaged, holds a model per share of labels, or is of a method whose
            scores depend on the other images.
    """
    tensors, header = store.read_tensors(run)
    if header.get("levels") != [0]:
        raise UserError(f"{run}: models of label levels {header.get('levels')}; expected a run with one ([0])")
    if methods.get(header["method"]).transductive:
        raise UserError(
            f"{run}: {header['method']} scores images by each other (expected a method that scores each alone)"
        )
    model = backbones.location(clip["model"])
    where: dict[str, Any] = {"path": None, "relative": None}
    if model is not None and model.exists():
        full = model.resolve()
        where = {"path": str(full), "relative": os.path.relpath(full, Path(path).resolve().parent)}
    kind = backbones.split(clip["model"])[0].kind
    about = {
        "name": str(clip["model"]),
        "kind": kind,
        **where,
        **{key: clip[key] for key in ("image_size", "crop", "batch")},
    }
    own = {"kind": "own", "k": None, "classes": header["classes"]}
    more = {"clip": about, "scores": SCORES, "score_rule": rule or own, **(measured or UNCALIBRATED)}
    more |= {"t2ipal": version, "tensors": kinds_of(tensors)}
    store.write_tensors(path, tensors, {**header, **more})


def read_header(path: str | Path) -> dict[str, Any]:
    """The header of a recogniser, without its tensors.

    Raises:
        UserError: the file is missing, damaged or no recogniser.
    """
    path = file_of(path)
    if os.path.exists(path) and not path.is_file():
        raise UserError(f"{path}: not a file ({OURS})")
    header = store.read_header(path)
    if not isinstance(header.get("clip"), dict):
        what = "the weights of a run, without its CLIP" if "method" in header else "no recogniser of t2ipal"
        raise UserError(f"{path}: {what} ({OURS})")
    return validated(Header, header, "header", path).model_dump()


def load_recogniser(
    path: str | Path, clip: str | Path | None = None, device: str = "auto", trust_method: bool = False
) -> Loaded:
    """Read a recogniser and load its CLIP.

    Args:
        path: the file, or a folder of `t2ipal export model`.
        clip: where its CLIP is, if not where it was: a checkpoint. Its sha256 is compared with the recorded one.
        device: "auto" is a GPU where there is one.
        trust_method: whether its method may be code outside this package, which is imported and run.

    Raises:
        UserError: a file is missing, damaged, no recogniser, or another CLIP; or its method is not trusted.
    """
    from t2ipal.device import pick_device

    path = file_of(path)
    header = read_header(path)
    if "." in header["method"] and not trust_method:
        raise UserError(
            f"{path}: its method {header['method']} is code outside t2ipal, which would be run "
            "(expected a method of t2ipal, or --trust-method if you trust that code)"
        )
    target = pick_device(device)
    method = _method(path, header)
    model = backbones.load_backbone(find_clip(path, header["clip"], clip), target)
    if model.sha256 != header["clip_sha256"]:
        loaded, learned = model.sha256[:12], header["clip_sha256"][:12]
        name = clip or header["clip"]["path"] or header["clip"]["name"]
        raise UserError(f"{name}: a CLIP of sha256 {loaded}, but {path} learned with {learned}")
    tensors = {name: value.to(target) for name, value in store.read_tensors(path)[0].items()}
    try_out(path, header, method, tensors, model)
    return Loaded(method, tensors, header, model)


def _method(path: str | Path, header: Mapping[str, Any]) -> Method:
    try:
        kind = methods.get(header["method"])
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if kind.transductive:
        raise UserError(f"{path}: {header['method']} scores images by each other (expected a method that does not)")
    return kind(validated(kind.Settings, header["settings"], "header.settings", path), header["classes"])


def find_clip(path: str | Path, about: Mapping[str, Any], moved: str | Path | None = None) -> str:
    """How a config would name the CLIP of a recogniser: `moved` if given; else at its recorded path, at that path
    relative to the recogniser, or, if it is one of the zoo's, among the installed files; or its name.

    Args:
        path: of the recogniser.
        about: `clip` of its header.
        moved: where its CLIP is.

    Raises:
        UserError: it is in none of these places.
    """
    kind = about.get("kind", backbones.DEFAULT)
    if moved is not None:
        if os.path.exists(moved) and not (os.path.isfile(moved) or os.path.isdir(moved)):
            raise UserError(f"{moved}: not a file or folder (expected a CLIP)")
        return backbones.named(kind, moved, about["name"])
    if about["path"] is None:
        return str(about["name"])
    recorded, relative = Path(about["path"]), about["relative"] or about["path"]
    paths = [recorded] if recorded.is_absolute() else []
    paths += [Path(path).absolute().parent / relative, Path(path).resolve().parent / relative]
    folder, _, name = backbones.split(about["name"])[1].partition("/")
    if folder == "resources":
        paths.append(resource(name))
    for file in paths:
        if os.path.isfile(file) or os.path.isdir(file):  # a name that no file can have is none
            return backbones.named(kind, file, about["name"])
    raise UserError(f"{path}: its CLIP is not at {about['path']} (expected it there, or --clip PATH)")
