"""The page of captions with the nouns marked that the noun filter matched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from t2ipal.pages.environment import render

VERDICTS: Mapping[str, str] = {
    "positive": "in the picture: a positive label",
    "unknown": "may be in the picture: masked in the loss",
}


def captions_page(
    rows: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    rejects: Sequence[Mapping[str, Any]] = (),
    counts: Mapping[str, int] | None = None,
) -> str:
    """An HTML page of captions whose matched nouns are marked by verdict, each with its class.

    Args:
        rows: of labelled.parquet: text, and spans with class, term, start, end, verdict.
        class_names: names by class index.
        rejects: of rejects.parquet: text, reason.
        counts: numbers above the lists, such as {"captions kept": 1500}.
    """
    return render(
        "captions.html.j2",
        title="Captions and their labels",
        verdicts=VERDICTS,
        counts=counts or {},
        kept=[pieces(row["text"], row["spans"], class_names) for row in rows],
        rejects=rejects,
    )


def pieces(text: str, spans: Sequence[Mapping[str, Any]], class_names: Sequence[str]) -> list[dict[str, str]]:
    """`text` cut at its spans; of two that overlap, the one that starts first counts, then the longer.

    A span's piece has its kind for the style sheet, its verdict and the name of its class; the kind of others is "".
    """
    cut: list[dict[str, str]] = []
    end = 0
    for span in sorted(spans, key=lambda span: (span["start"], -span["end"])):
        if span["start"] < end:
            continue
        verdict = span["verdict"]
        cut += _plain(text[end : span["start"]])
        end = span["end"]
        noun, kind = text[span["start"] : end], verdict if verdict in VERDICTS else "other"
        cut.append({"text": noun, "kind": kind, "verdict": verdict, "name": class_names[span["class"]]})
    return cut + _plain(text[end:])


def _plain(text: str) -> list[dict[str, str]]:
    return [{"text": text, "kind": ""}] if text else []
