"""Labels of photos by a graph of `t2ipal export onnx`: python onnx_without_torch.py toys.onnx a.jpg b.jpg ..."""

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
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"):
        sys.exit(f"{path}: mode {image.mode}; expected 8 bits, which t2ipal predict does not")
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    shorter = min(image.size) if about["resize"] == "shortest_crop" else None  # None: both sides become `side`
    size = [side * length // (shorter or length) for length in image.size]
    left, top = (round((length - side) / 2) for length in size)
    image = image.convert("RGB").resize(size, Image.Resampling[about["interpolation"].upper()])
    row[:] = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / 255
inputs = {"images": ((pixels - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)}
found = dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs), strict=True))
for number, (path, values) in enumerate(zip(sys.argv[2:], found.get("probabilities", found["scores"]), strict=True)):
    best = np.argsort(-values, kind="stable")
    line = f"{path}: " + ", ".join(f"{classes[index]} {values[index]:.3f}" for index in best[:5])
    if "labels" in found:
        line += f"; labels: {', '.join(classes[index] for index in best if found['labels'][number, index]) or 'none'}"
    print(line)
