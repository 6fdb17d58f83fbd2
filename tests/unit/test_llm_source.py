"""Captions by a language model: a tiny one of random weights, whose words are few enough to name classes by chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from t2ipal.captions.nouns import NounFilter
from t2ipal.classes import load_classes
from t2ipal.composed.asked import OTHER
from t2ipal.composed.llm import first_sentence
from t2ipal.errors import UserError
from t2ipal.sources.base import source_of
from t2ipal.sources.caption_rows import EMPTY, Caption
from t2ipal.sources.registry import caption_source
from t2ipal.store import read_parquet

CLASSES = "classes:\n  - name: dog\n  - name: cat\n"
WORDS = ("<pad>", "<end>", "a", "dog", "cat", "sits", "write", "about", ":")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("llm")
    (folder / "classes.yaml").write_text(CLASSES)
    (folder / "prompt.txt").write_text("write about {classes} :")
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")
    fast.save_pretrained(folder / "model")
    sizes = {"n_embd": 8, "n_layer": 1, "n_head": 1, "n_positions": 32, "bos_token_id": 1, "eos_token_id": 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        GPT2LMHeadModel(GPT2Config(vocab_size=len(WORDS), **sizes)).save_pretrained(folder / "model")
    return folder


def settings(folder: Path, path: Path, **change: Any) -> dict[str, Any]:
    paths = {"classes": "classes.yaml", "model": "model", "prompt": "prompt.txt"}
    about = {name: str(folder / path) for name, path in paths.items()}
    return {"source": "llm", **about, "cache": str(path), "size": 60, "tokens": 4, "batch": 20} | change


def test_what_is_said_is_what_was_asked_for(folder: Path, tmp_path: Path) -> None:
    source = source_of(caption_source(settings(folder, tmp_path / "sentences.parquet")).spec())
    rows = list(source.read(0))
    kept = [row for row in rows if isinstance(row, Caption)]
    assert len(rows) == 60
    assert len(kept) >= 5
    assert {row.reason for row in rows if not isinstance(row, Caption)} <= {OTHER, EMPTY}
    labels = list(NounFilter(load_classes(folder / "classes.yaml")).label(row.text for row in kept))
    asked = [source._requests(0, 2)[int(row.caption_id.removeprefix("llm-"))] for row in kept]
    assert [set(found.positive) for found in labels] == [set(indices) for indices in asked]


def test_sentences_are_kept_with_model_and_revision(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "sentences.parquet"
    first = list(caption_source(settings(folder, cache, size=40)).rows(0))
    table = read_parquet(cache)
    assert table.column_names == ["prompt", "sentence"]
    assert b'"revision": null' in table.schema.metadata[b"llm"]
    assert str(folder / "model").encode() in table.schema.metadata[b"llm"]
    larger = list(caption_source(settings(folder, cache)).rows(0))
    assert larger[:40] == first
    with monkeypatch.context() as patch:
        patch.setattr("transformers.AutoModelForCausalLM.from_pretrained", None)
        assert list(caption_source(settings(folder, cache)).rows(0)) == larger
        with pytest.raises(UserError, match="no readable text-generation model"):
            list(caption_source(settings(folder, cache, temperature=0.5)).rows(0))
    assert len(read_parquet(cache)) == 60


def test_mistakes_are_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("write")
    for change, message in (
        ({"prompt": str(tmp_path / "plain.txt")}, "no {classes} in it; expected it where"),
        ({"cache": str(tmp_path / "x.csv")}, "found '.csv'; expected a .parquet file"),
        ({"model": str(tmp_path)}, "no readable text-generation model"),
    ):
        with pytest.raises(UserError, match=message):
            list(caption_source(settings(folder, tmp_path / "new.parquet", **change)).rows(0))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ('\n 1. "Two dogs." \nMore', "Two dogs."),
        ("- a cat", "a cat"),
        ("\n \n", ""),
        ("“A bus's stop.”", "A bus's stop."),
    ],
)
def test_the_first_sentence_of_an_answer(text: str, first: str) -> None:
    assert first_sentence(text) == first
