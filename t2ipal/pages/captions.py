"""The page of captions with the nouns marked that the noun filter saw."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

VERDICTS: Mapping[str, str] = {
    "positive": "in the picture: a positive label",
    "unknown": "may be in the picture: masked in the loss",
}

_STYLE = """
body { font: 16px/1.7 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 2rem; max-width: 60rem; }
li { margin: .35rem 0; }
mark { padding: .05rem .3rem; border-radius: .25rem; color: inherit; }
mark.positive { background: #cfe8f5; border-bottom: 2px solid #0072b2; }
mark.unknown { background: #fbe8c8; border-bottom: 2px dashed #b35f00; }
mark.other { background: #eee; border-bottom: 2px dotted #595959; }
mark small { margin-left: .35rem; color: #404040; }
.reason { color: #595959; font-style: italic; }
"""


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
        counts: what to say in numbers above the lists, such as {"captions kept": 1500}.
    """
    legend = "".join(f'<li><mark class="{verdict}">noun</mark> {text}</li>' for verdict, text in VERDICTS.items())
    numbers = "; ".join(f"{html.escape(name)}: {count:,}" for name, count in (counts or {}).items())
    kept = "\n".join(f"<li>{marked(row['text'], row['spans'], class_names)}</li>" for row in rows)
    gone = "\n".join(
        f'<li>{html.escape(row["text"])} <span class="reason">({html.escape(row["reason"])})</span></li>'
        for row in rejects
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Captions and their labels</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>Captions and their labels</h1>\n"
        + (f"<p>{numbers}</p>\n" if numbers else "")
        + f"<ul>{legend}</ul>\n<h2>Kept</h2>\n<ol>\n{kept}\n</ol>\n"
        + (f"<h2>Left out</h2>\n<ol>\n{gone}\n</ol>\n" if rejects else "")
        + "</body>\n</html>\n"
    )


def marked(text: str, spans: Sequence[Mapping[str, Any]], class_names: Sequence[str]) -> str:
    """`text` as HTML with its spans marked; of two that overlap, the one that starts first, then the longer."""
    parts, end = [], 0
    for span in sorted(spans, key=lambda span: (span["start"], -span["end"])):
        if span["start"] < end:
            continue
        verdict = span["verdict"] if span["verdict"] in VERDICTS else "other"
        name = html.escape(class_names[span["class"]])
        noun = html.escape(text[span["start"] : span["end"]])
        parts.append(html.escape(text[end : span["start"]]))
        parts.append(
            f'<mark class="{verdict}" title="{html.escape(span["verdict"])}">{noun}<small>{name}</small></mark>'
        )
        end = span["end"]
    return "".join([*parts, html.escape(text[end:])])
