"""Predictions for photos, without Snakemake:

    import t2ipal

    recogniser = t2ipal.Recogniser.load("recogniser.safetensors")
    for photo in recogniser.predict("photos"):
        print(photo.path, photo.top(3))

Photos stream: a batch of them is in memory at a time. Scores are those of the workflow's evaluation, through the same
functions: features rounded to float16, the method's own scores, and the mean over its seeds. A recogniser that saw
labelled images turns them into probabilities and labels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from t2ipal.errors import UserError
from t2ipal.images.decoding import read_picture
from t2ipal.prediction.calibrate import mean_scores
from t2ipal.prediction.decide import decide
from t2ipal.prediction.files import prediction_table
from t2ipal.prediction.hub import pretrained
from t2ipal.prediction.photos import find_photos
from t2ipal.prediction.prediction import Prediction, highest
from t2ipal.prediction.recogniser import Loaded, load_recogniser

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures
    from t2ipal.sources.reading.folders import Found

THREADS = 64
"""Threads that decode photos at most: more of them only wait for each other."""

OnProgress = Callable[[int, int], None]
"""Called with (photos done, photos in all)."""


class Recogniser:
    """A trained recogniser with its CLIP, ready to see photos."""

    def __init__(self, loaded: Loaded) -> None:
        self.method, self.tensors, self.backbone = loaded.method, loaded.tensors, loaded.backbone
        self.header = dict(loaded.header)
        self.classes: tuple[str, ...] = tuple(loaded.header["classes"])

    @property
    def calibrated(self) -> bool:
        """Whether predictions have probabilities."""
        return self.header.get("calibration") is not None

    @classmethod
    def load(
        cls, path: str | Path, clip: str | Path | None = None, device: str = "auto", trust_method: bool = False
    ) -> Recogniser:
        """Read a recogniser's file; arguments and errors as `t2ipal.prediction.recogniser.load_recogniser`."""
        return cls(load_recogniser(path, clip, device, trust_method))

    @classmethod
    def from_pretrained(
        cls, name: str | Path, revision: str | None = None, device: str = "auto", trust_method: bool = False
    ) -> Recogniser:
        """Read a folder of `t2ipal export model`.

        Args:
            name: the folder, or OWNER/NAME on the Hugging Face hub.
            revision: of a name on the hub: a branch, tag or commit.
            device: see `load`.
            trust_method: see `load`.

        Raises:
            UserError: there is no such folder, or it is damaged.
        """
        return cls.load(pretrained(name, revision), device=device, trust_method=trust_method)

    def predict(
        self,
        photos: str | Path | Iterable[str | Path | Found],
        *,
        batch: int | None = None,
        workers: int = 2,
        thumbnails: int = 0,
        maps: int = 0,
        on_progress: OnProgress | None = None,
    ) -> Iterator[Prediction]:
        """Yield a prediction for each photo, in the order of `find_photos`: named files and folders, each file once.

        Args:
            photos: a file or folder, or several.
            batch: photos in memory, and encoded together; None: as many as when the recogniser was made. Scores of
                other batches are equal up to the rounding of features to float16.
            workers: threads that decode photos.
            thumbnails: pixels of the longer side of the thumbnails; 0: none.
            maps: heat maps of the highest-scored classes; 0, or a method that has none: none.
            on_progress: called after each batch.

        Raises:
            UserError: a path that does not exist, or not one photo that can be read.
        """
        paths = find_photos([photos] if isinstance(photos, str | Path) else photos)
        size = batch or int(self.header["clip"]["batch"])
        done, failed = 0, 0
        first: Prediction | None = None
        for group in self._read(paths, size, workers, thumbnails):
            for prediction in self._scored(group, maps):
                failed += bool(prediction.problem)
                first = first or (prediction if prediction.problem else None)
                yield prediction
            done += len(group)
            if on_progress:
                on_progress(done, len(paths))
        if first and failed == len(paths):
            raise UserError(f"not one of {failed} photos could be read; the first is {first.path}: {first.problem}")

    def table(self, photos: str | Path | Iterable[str | Path], top: int = 5, **options: Any) -> pa.Table:
        """The predictions as a table, as the Parquet file has them; `options` as `predict`."""
        return prediction_table(list(self.predict(photos, **options)), self.classes, top)

    def _read(self, paths: Sequence[Found], size: int, workers: int, thumbnails: int) -> Iterator[list[_Read]]:
        """Groups of photos with `size` readable ones each, in order; photos ahead are read meanwhile."""
        about = self.header["clip"]
        to_input = self.backbone.preprocess(about["image_size"], about["crop"])
        waiting: deque[Future[_Read]] = deque()
        group: list[_Read] = []
        readable = 0
        workers = min(workers, THREADS)
        with ThreadPoolExecutor(workers) as pool:
            try:
                todo = iter(paths)
                while True:
                    for found in todo:
                        waiting.append(pool.submit(_open, found, about["image_size"], to_input, thumbnails))
                        if len(waiting) >= size + workers:
                            break
                    if not waiting:
                        break
                    group.append(waiting.popleft().result())
                    readable += group[-1].pixels is not None
                    if readable == size:
                        yield group
                        group, readable = [], 0
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        if group:
            yield group

    def _scored(self, group: Sequence[_Read], maps: int) -> Iterator[Prediction]:
        import torch

        rows = [read for read in group if read.pixels is not None]
        results: dict[int, dict[str, Any]] = {}
        if rows:
            features = self._features(rows)
            with torch.no_grad():
                values = self.method.scores(self.tensors, features).cpu().numpy()
                scores = mean_scores(values, self.header["score_rule"])
            probabilities, there = decide(self.header, scores)
            heat = self._heat(features, scores if probabilities is None else probabilities, maps)
            for row, read in enumerate(rows):
                results[id(read)] = {"scores": scores[row], "heat": heat[row]}
                results[id(read)] |= {} if probabilities is None else {"probabilities": probabilities[row]}
                results[id(read)] |= {} if there is None else {"there": there[row]}
        for read in group:
            about = {name: getattr(read, name) for name in ("path", "problem", "width", "height", "thumbnail")}
            yield Prediction(classes=self.classes, **about, **results.get(id(read), {}))

    def _features(self, rows: Sequence[_Read]) -> ImageFeatures:
        """What the workflow's feature files would hold of these photos."""
        import torch

        from t2ipal.features.cache import ImageFeatures
        from t2ipal.features.extract import encode_images

        parts = encode_images(self.backbone, torch.stack([read.pixels for read in rows]))
        if not all(bool(part.isfinite().all()) for part in parts):
            raise UserError(
                f"{self.backbone.name}: features that are not finite; expected numbers: is the model damaged?"
            )
        ids = tuple(str(read.path) for read in rows)
        grid = self.backbone.grid(self.header["clip"]["image_size"])
        return ImageFeatures(ids, *(part.half() for part in parts), grid, self.backbone.sha256, self.backbone.kind)

    def _heat(self, features: ImageFeatures, values: np.ndarray, maps: int) -> list[dict[int, np.ndarray]]:
        """By photo: the maps of the highest-scored classes, each divided by its maximum."""
        rows: list[dict[int, np.ndarray]] = []
        if not maps or not hasattr(self.method, "heat_maps"):
            return [{} for _ in values]
        device = next(iter(self.tensors.values())).device
        for start in range(0, len(values), 64):
            local = features.local[start : start + 64].to(device)
            heat = self.method.heat_maps(self.tensors, local).mean(0).unflatten(-1, features.grid).cpu().numpy()
            for row, found in enumerate(heat, start):
                best = highest(values[row], maps)
                rows.append({index: found[index] / max(float(found[index].max()), 1e-12) for index in best})
        return rows


@dataclass(frozen=True, eq=False)
class _Read:
    """A photo that was read, or why it was not."""

    path: Path
    problem: str = ""
    pixels: Tensor | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: Image | None = None


def _open(found: Found, side: int, to_input: Callable[[Image], Tensor], thumbnails: int) -> _Read:
    if found.problem:
        return _Read(found.path, found.problem)
    try:
        photo = read_picture(found.path, side)
    except UserError as error:
        return _Read(found.path, str(error))
    small = None
    if thumbnails:
        small = photo.image.copy()
        small.thumbnail((thumbnails, thumbnails))
    return _Read(found.path, "", to_input(photo.image), photo.width, photo.height, small)
