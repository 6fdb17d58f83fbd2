"""The page "Images under audit": what the judge says of generated images, and the worst and best of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from t2ipal.audit.images import OWN, Compared
from t2ipal.pages.csv_text import csv_text
from t2ipal.pages.environment import render

if TYPE_CHECKING:
    from PIL.Image import Image

    from t2ipal.audit.images import Audit

SHOWN = 8
"""Images at either end of a measure."""
SIDE = 128


def chosen(audit: Audit) -> dict[str, tuple[list[int], list[int]]]:
    """By measure the rows of the worst and of the best images, the most extreme first."""
    orders = {name: np.argsort(values, kind="stable") for name, values in audit.measures.items()}
    return {name: (order[:SHOWN].tolist(), order[::-1][:SHOWN].tolist()) for name, order in orders.items()}


def class_rates(audit: Audit, names: Sequence[str]) -> list[dict[str, object]]:
    """A row per class: images whose caption names it, and how many of these do not seem to show it."""
    rows = []
    for index, name in enumerate(names):
        said, absent = audit.labels[:, index] == 1, audit.labels[:, index] == 0
        flagged = audit.flagged[:, index]
        rows.append(
            {
                "class": name,
                "named": int(said.sum()),
                "below": None if np.isnan(audit.below[index]) else 100 * float(audit.below[index]),
                "doubted": int((flagged & said).sum()),
                "unnamed": int((flagged & absent).sum()),
            }
        )
    return rows


def rates_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """The rates of the classes as CSV."""
    return csv_text(rows, list(rows[0]))


def audit_page(
    audit: Audit,
    names: Sequence[str],
    captions: Mapping[str, str],
    images: Mapping[str, Image],
    dataset: str,
    model: str,
    judge: str,
    circular: bool,
) -> str:
    """The HTML page.

    Args:
        audit: what was found.
        names: of the classes.
        captions: texts by id.
        images: by id, those of `chosen` at least.
        dataset: its title.
        model: the text-to-image model of the images.
        judge: the CLIP that judges.
        circular: whether it is also the one in training.
    """
    groups = [
        {
            "title": name,
            "ends": [
                {"title": title, "images": [_example(audit, name, row, names, captions, images) for row in rows]}
                for title, rows in zip(("Lowest", "Highest"), ends, strict=True)
            ],
        }
        for name, ends in chosen(audit).items()
    ]
    rates = class_rates(audit, names)
    own = Compared(len(audit.ids), audit.around and audit.around[0], audit.quantiles[OWN], audit.auc)
    return render(
        "audit.html.j2",
        title=f"Images under audit: {dataset}",
        judge=judge,
        circular=circular,
        count=len(audit.ids),
        around=audit.around,
        compared={model: own, **audit.others} if audit.others else {},
        quantiles=audit.quantiles,
        auc=audit.auc,
        rates=rates,
        named=sum(row["named"] for row in rates),
        doubted=sum(row["doubted"] for row in rates),
        unnamed=sum(row["unnamed"] for row in rates),
        below=_weighted(rates),
        groups=groups,
    )


def _weighted(rates: Sequence[Mapping[str, object]]) -> float | None:
    """The share below real images of all named classes together, in percent."""
    known = [(row["named"], row["below"]) for row in rates if row["below"] is not None]
    count = sum(number for number, _ in known)
    return sum(number * share for number, share in known) / count if count else None


def _example(
    audit: Audit,
    measure: str,
    row: int,
    names: Sequence[str],
    captions: Mapping[str, str],
    images: Mapping[str, Image],
) -> dict[str, object]:
    name, buffer = audit.ids[row], io.BytesIO()
    small = images[name].convert("RGB")
    small.thumbnail((SIDE, SIDE))
    small.save(buffer, "JPEG", quality=85)
    return {
        "image": f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}",
        "caption": captions[name],
        "value": f"{audit.measures[measure][row]:.3f}",
        "doubted": [names[index] for index in np.flatnonzero(audit.flagged[row] & (audit.labels[row] == 1))],
    }
