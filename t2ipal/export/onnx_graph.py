"""A recogniser as one ONNX graph: from preprocessed photos to scores, probabilities and labels, without torch.

The graph has the image tower of the CLIP, the class vectors of the prompts, the adapter, the score rule, the mean over
the training seeds, and the recogniser's calibration and thresholds. How a photo becomes an input, and what else the
recogniser's header has, is in the graph's metadata. The graph does not round features to float16, which
`Recogniser.predict` does, and computes in float32 alone, which every runtime has.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal import backbones
from t2ipal.atomic import atomic, is_no_file
from t2ipal.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from t2ipal.prediction.recogniser import Loaded

OPSET = 18
TOLERANCE = 1e-4
"""Greatest difference of a score, relative to the greatest score where that is above 1."""
BATCHES = (1, 3, 5)
"""Sizes of the batches that are compared; the graph is traced with another."""
TRACED = 2
ALL = 2**62
"""Images that a method scores at once: a loop over chunks would be unrolled into the graph."""
EXTRA = "export onnx needs a package that is not installed ({}); expected the extra onnx: pip install 't2ipal[onnx]'"


def export_onnx(loaded: Loaded, path: str | Path) -> float:
    """Write the graph; return the greatest difference of its scores to those of PyTorch.

    Input `images` [batch, 3, S, S] and output `scores` [batch, C] are float32, with any batch. A calibrated recogniser
    has the output `probabilities` too, of the same shape, and one with a threshold `labels`, bool: what counts.

    Args:
        loaded: the recogniser, on the CPU.
        path: of the .onnx file.

    Raises:
        UserError: the extra is not installed, the method cannot be exported, what the graph computes differs, or
            another file is there.
    """
    check_target(Path(path))
    try:
        import onnx
        import onnxruntime  # noqa: F401 - told before anything is made
    except ImportError as error:
        raise UserError(EXTRA.format(error.name)) from error
    import torch

    module, size = _module(loaded), loaded.header["clip"]["image_size"]
    with atomic(path) as part, torch.no_grad():
        module(torch.zeros(TRACED, 3, size, size))  # what is made at the first call is no part of the graph
        _trace(module, torch.randn(TRACED, 3, size, size), part, loaded.header)
        graph = onnx.load(part)
        for key, value in metadata(loaded).items():
            graph.metadata_props.add(key=key, value=value)
        onnx.save(graph, part)
        return _compare(module, part, size, loaded.header)


def check_target(path: Path) -> None:
    """Check that a graph may be written: nothing is there, or an earlier one of this project.

    Raises:
        UserError: something else is, such as the recogniser.
    """
    if path.is_dir() or is_no_file(path):
        raise UserError(f"{path}: not a file (expected one: the graph is read again when it is written)")
    if not path.exists():
        return
    try:
        import onnx

        keys = {each.key for each in onnx.load(path, load_external_data=False).metadata_props}
    except Exception:  # whatever a file leads to that is no graph
        keys = set()
    if not keys >= {"classes", "header"}:
        raise UserError(f"{path}: no graph of this project, and would be overwritten (expected a new file)")


def outputs_of(header: Mapping[str, Any]) -> list[str]:
    """The outputs of the graph of a recogniser."""
    calibrated = header["calibration"] is not None
    labels = calibrated or header["threshold"] is not None
    return ["scores", *(["probabilities"] if calibrated else []), *(["labels"] if labels else [])]


def metadata(loaded: Loaded) -> dict[str, str]:
    """What the graph says of itself: texts; all but `interpolation` and `resize` are JSON.

    Keys: classes, image_size, resize ("shortest_crop": the shorter side becomes image_size, then the centre is cut out;
    "squash": both sides do), interpolation, mean and std (of pixels in [0, 1]), and header, that of the recogniser
    without the paths of its CLIP.
    """
    header, backbone = dict(loaded.header), loaded.backbone
    about = header["clip"]
    header["clip"] = {key: value for key, value in about.items() if key not in ("path", "relative")}
    if about["path"] is not None:
        header["clip"]["name"] = backbones.named(about["kind"], Path(about["path"]).name, about["name"])
    values = {"classes": header["classes"], "image_size": about["image_size"], "header": header}
    values |= {"mean": list(backbone.mean), "std": list(backbone.std)}
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    return texts | {"resize": backbone.resized(about["crop"]), "interpolation": backbone.interpolation}


def _module(loaded: Loaded) -> nn.Module:
    from torch import nn

    from t2ipal.export.onnx_decisions import decided, ruled
    from t2ipal.features.cache import ImageFeatures

    method, backbone, tensors = loaded.method, loaded.backbone, loaded.tensors
    grid, ids = backbone.grid(loaded.header["clip"]["image_size"]), ("",) * TRACED

    class Photo(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, ...]:
            features = ImageFeatures(ids, *backbone.image_dense(images), grid, backbone.sha256, backbone.kind)
            scores = ruled(method.scores(tensors, features, ALL), loaded.header["score_rule"]).mean(0)
            return (scores, *decided(scores, loaded.header))

    return Photo().eval()


def _trace(module: nn.Module, images: Tensor, path: Path, header: Mapping[str, Any]) -> None:
    """By torch's older exporter: a twentieth of the time of the one over `torch.export`, and any batch in a method."""
    import torch

    names = {"input_names": ["images"], "output_names": outputs_of(header)}
    axes = {name: {0: "batch"} for name in ("images", *outputs_of(header))}
    try:
        with _operators(), _quiet():
            torch.onnx.export(
                module, (images,), str(path), **names, dynamic_axes=axes, opset_version=OPSET, dynamo=False
            )
    except torch.onnx.errors.OnnxExporterError as error:
        text = " ".join(str(error).split())[:160]
        raise UserError(f"export onnx: method {header['method']}: {text} (expected operators that ONNX has)") from error
    except RuntimeError as error:
        if "2gb" not in str(error).lower() and "2gib" not in str(error).lower():
            raise
        raise UserError(f"export onnx: CLIP {header['clip']['name']}: more than the 2 GB of one ONNX file") from error


@contextmanager
def _operators() -> Iterator[None]:
    """Two operators that the exporter lacks."""
    import torch
    from torch.onnx import register_custom_op_symbolic, symbolic_helper, unregister_custom_op_symbolic

    def transposed(graph: Any, x: Any) -> Any:
        size = symbolic_helper._get_tensor_rank(x)
        return graph.op("Transpose", x, perm_i=[*range(size - 2), size - 1, size - 2])

    def vecdot(graph: Any, x: Any, y: Any, dim: Any) -> Any:
        axis = graph.op("Constant", value_t=torch.tensor([symbolic_helper._parse_arg(dim, "i")]))
        return graph.op("ReduceSum", graph.op("Mul", x, y), axis, keepdims_i=0)

    made = {"aten::mT": transposed, "aten::linalg_vecdot": vecdot}
    for name, symbolic in made.items():
        register_custom_op_symbolic(name, symbolic, OPSET)
    try:
        yield
    finally:
        for name in made:
            unregister_custom_op_symbolic(name, OPSET)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings of sizes that a trace keeps: other batches are compared afterwards."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _compare(module: nn.Module, path: Path, size: int, header: Mapping[str, Any]) -> float:
    """The greatest difference of a score on invented images.

    Raises:
        UserError: it is above the tolerance, what follows from the scores is not what `predict` makes of them, or the
            graph does not run.
    """
    import numpy as np
    import torch

    generator, greatest = torch.Generator().manual_seed(0), 0.0
    session = _session(path)
    for batch in BATCHES:
        images = torch.randn(batch, 3, size, size, generator=generator)
        wanted: np.ndarray = module(images)[0].numpy()
        try:
            outputs = dict(zip(outputs_of(header), session.run(None, {"images": images.numpy()}), strict=True))
        except Exception as error:  # onnxruntime raises its own kinds
            raise UserError(f"{path.name}: does not run on {batch} images: {str(error)[:160]}") from error
        scores = outputs["scores"]
        differs = float(np.abs(scores - wanted).max()) if scores.shape == wanted.shape else np.inf
        if not differs <= TOLERANCE * max(1.0, float(np.abs(wanted).max())):
            raise UserError(
                f"{path.name}: scores of {batch} images differ by {differs:.2g} from PyTorch's (expected {TOLERANCE})"
            )
        _compare_decisions(path, outputs, header)
        greatest = max(greatest, differs)
    return greatest


def _compare_decisions(path: Path, outputs: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    import numpy as np

    from t2ipal.prediction.decide import decide

    probabilities, there = decide(header, outputs["scores"])
    near = np.zeros(outputs["scores"].shape, bool)
    if probabilities is not None:
        differs = float(np.abs(outputs["probabilities"] - probabilities).max())
        if not differs <= TOLERANCE:
            raise UserError(f"{path.name}: probabilities differ by {differs:.2g} from NumPy's (expected {TOLERANCE})")
        near = np.abs(probabilities - header["calibration"]["threshold"]) <= TOLERANCE
    if there is not None and ((outputs["labels"] != there) & ~near).any():
        raise UserError(f"{path.name}: labels are not those of the scores' thresholds (expected the same)")


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
