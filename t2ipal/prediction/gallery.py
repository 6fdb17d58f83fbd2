"""A page of photos with their labels, scores and heat maps, which works from a file and needs no network."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from t2ipal.atomic import atomic, is_no_file
from t2ipal.errors import UserError
from t2ipal.pages.environment import counted, render
from t2ipal.prediction.thumbnails import Thumbnails

if TYPE_CHECKING:
    from PIL.Image import Image

    from t2ipal.prediction.prediction import Prediction

SIDE = 224
"""Pixels of a thumbnail's longer side."""

QUALITY = 78
EMBEDDED = 1000
"""Photos up to which thumbnails are in the page itself, which then has less than 20 MB; of more they are next to it."""


class Gallery:
    """Collects predictions, and writes their page; what is not finished is gone when the block ends.

    Args:
        page: the HTML file.
        header: of the recogniser.
        photos: how many there will be.
        top: labels that a photo shows; those that count are shown anyway.
        title: heading of the page.
    """

    def __init__(
        self,
        page: str | Path,
        header: Mapping[str, Any],
        photos: int,
        top: int = 5,
        title: str = "Predictions",
    ) -> None:
        self.page, self.header, self.top, self.title = Path(page), header, top, title
        self.rows: list[dict[str, Any]] = []
        self.unreadable: list[tuple[str, str]] = []
        self.low, self.high = np.inf, -np.inf
        self.grid: tuple[int, int] | None = None
        self.embedded = photos <= EMBEDDED or is_no_file(page)
        self.thumbnails = None if is_no_file(page) else Thumbnails(page)

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.thumbnails:
            self.thumbnails.__exit__(kind, error, trace)

    def add(self, prediction: Prediction) -> None:
        """Take one more photo; its prediction must have a thumbnail."""
        name = os.fsencode(prediction.path.absolute().as_posix()).decode("utf-8", "replace")
        if prediction.scores is None:
            self.unreadable.append((name, prediction.problem))
            return
        if prediction.thumbnail is None:
            raise UserError(f"gallery: {name} comes without a thumbnail")
        values, there = prediction.values, prediction.there
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        ordered = enumerate(prediction.order(len(values)))
        shown = [index for rank, index in ordered if rank < self.top or (there is not None and there[index])]
        row: dict[str, Any] = {
            "name": name,
            "link": self._link(prediction.path),
            "width": prediction.width,
            "height": prediction.height,
            "top": [
                [index, round(float(values[index]), 5), int(there is not None and there[index])] for index in shown
            ],
            "thumbnail": self._thumbnail(prediction.thumbnail),
        }
        if prediction.heat:
            self.grid = next(iter(prediction.heat.values())).shape
            row["maps"] = {index: _bytes(heat) for index, heat in prediction.heat.items()}
        self.rows.append(row)

    def write(self) -> None:
        """Write the page; the thumbnails next to it are those of this page, or there are none.

        Raises:
            UserError: the folder cannot be written.
        """
        names = [*(row["name"] for row in self.rows), *(name for name, _ in self.unreadable)]
        shared = len(os.path.commonpath([os.path.dirname(name) for name in names])) if names else 0
        photos = [{**row, "name": row["name"][shared:].lstrip("/")} for row in self.rows]
        data = {
            "classes": list(self.header["classes"]),
            "decided": self.header.get("threshold") is not None,
            "scale": [self.low, self.high] if self.rows and not self.calibrated else [0, 1],
            "crop": self.header["clip"]["crop"],
            "grid": self.grid,
            "heat": self.grid is not None,
            "photos": sorted(photos, key=lambda row: row["name"]),
        }
        texts = {"title": self.title, "facts": self._facts(), "meaning": self._meaning()}
        texts["value"] = "probability" if self.calibrated else "score"
        text = render("gallery.html.j2", **texts, unreadable=self.unreadable, data=data)
        with atomic(self.page) as part:
            part.write_text(text, encoding="utf-8")
            if self.thumbnails:
                self.thumbnails.finish()

    def _facts(self) -> str:
        from t2ipal import methods

        header, read = self.header, len(self.rows)
        seeds, bad = len(header["seeds"]), len(self.unreadable)
        photos = f"{read:,} of {read + bad:,} photos read" if bad else counted(read, "photo")
        parts = [photos, counted(len(header["classes"]), "class", "classes"), methods.get(header["method"]).title]
        return " · ".join([*parts, f"CLIP {Path(header['clip']['name']).name}", counted(seeds, "training seed")])

    @property
    def calibrated(self) -> bool:
        """Whether the page shows probabilities."""
        return self.header.get("calibration") is not None

    def _meaning(self) -> str:
        if self.calibrated:
            return self._probabilities()
        threshold, seeds = self.header.get("threshold"), len(self.header["seeds"])
        mean = f"is the mean over {seeds} training seeds: it " if seeds > 1 else ""
        text = f"A score {mean}ranks, and is no probability. Bars go from the lowest to the highest score of all."
        if threshold is None:
            return f"{text} Which labels count is not known without labelled images; a score set below marks some."
        return f"{text} A bold label counts: its score is at least {threshold:.3g}, or the score set below."

    def _probabilities(self) -> str:
        from t2ipal.prediction.calibrate import rests_on, uninformed

        fit = self.header["calibration"]
        off, floor = fit["ece"]["class_wise"], fit["floor"]["class_wise"]
        text = (
            f"Numbers are probabilities that a class is there. They rest on {rests_on(fit['fitted_on'])}, and are off"
        )
        text += f" by {off:.1f} points per class there (ECE; {floor:.1f} if they were perfect)."
        if fit["fitted_on"]["source"] == "generated":
            text += " No photo had a part in them: for photos they are further off."
        if same := uninformed(self.header):
            text += f" Scores said nothing there of {', '.join(same)}: one probability for all photos."
        return f"{text} A bold label counts: it is above its class's threshold of the best F1, or the one set below."

    def _link(self, path: Path) -> str:
        """The photo as seen from the page."""
        return quote(os.fsencode(Path(os.path.relpath(path, self.page.parent)).as_posix()))

    def _thumbnail(self, image: Image) -> str:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=QUALITY)
        if self.embedded:
            return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        return quote(self.thumbnails.add(f"{len(self.rows):06d}.jpg", buffer.getvalue()))


def _bytes(heat: np.ndarray) -> str:
    """A map of largest value 1 as base64 of a byte per cell, row by row."""
    return base64.b64encode(np.clip(heat * 255, 0, 255).round().astype(np.uint8).tobytes()).decode()
