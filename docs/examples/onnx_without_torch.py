"""Scores of photos from a graph of `t2ipal export onnx`: python onnx_without_torch.py toys.onnx a.jpg b.jpg ..."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
classes, side, mean, std = (json.loads(about[key]) for key in ("classes", "image_size", "mean", "std"))
pixels = np.empty((len(sys.argv) - 2, side, side, 3), np.float32)
for row, path in zip(pixels, sys.argv[2:], strict=True):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    shorter = min(image.size) if about["resize"] == "shortest_crop" else None  # None: both sides become `side`
    size = [side * length // (shorter or length) for length in image.size]
    left, top = (round((length - side) / 2) for length in size)
    image = image.resize(size, Image.Resampling[about["interpolation"].upper()])
    row[:] = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / 255
(scores,) = session.run(None, {"images": ((pixels - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)})
for path, values in zip(sys.argv[2:], scores, strict=True):
    print(f"{path}: " + ", ".join(f"{classes[index]} {values[index]:.3f}" for index in np.argsort(-values)[:5]))
