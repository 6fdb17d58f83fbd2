"""Captions by a language model: a tiny one of random weights, whose words are few enough to name classes by chance."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from configs import default, merged

from t2ipal.captions.nouns import NounFilter
from t2ipal.classes import load_classes
from t2ipal.composed import llm
from t2ipal.composed.asked import OTHER
from t2ipal.composed.llm import NO_SENTENCE, first_sentence
from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.sources.base import source_of
from t2ipal.sources.caption_rows import Caption
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
    return {"source": "llm", **about, "cache": str(path), "size": 60, "tokens": 12, "batch": 20} | change


def test_what_is_said_is_what_was_asked_for(folder: Path, tmp_path: Path) -> None:
    source = source_of(caption_source(settings(folder, tmp_path / "sentences.parquet")).spec())
    rows = list(source.read(0))
    kept = [row for row in rows if isinstance(row, Caption)]
    assert len(rows) == 60
    assert len(kept) >= 5
    assert {row.reason for row in rows if not isinstance(row, Caption)} <= {OTHER, NO_SENTENCE}
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
        for change, seed, message in (
            (
                {"temperature": 0.5},
                0,
                r"written with temperature 1\.0; found 0\.5 in the config \(expected",
            ),
            ({"model": str(tmp_path)}, 0, "written with model '.*model'; found '"),
            ({}, 1, "written with seed 0; found 1 in the config"),
        ):
            with pytest.raises(UserError, match=message):
                list(caption_source(settings(folder, cache, **change)).rows(seed))
    assert len(read_parquet(cache)) == 60
    assert [found.missing for found in caption_source(settings(folder, cache)).check("pools.x")] == [False] * 2
    *_, told = caption_source(settings(folder, cache, top_p=0.5)).check("pools.x")
    assert (told.key, told.missing) == ("pools.x.cache", True)


def test_what_was_written_is_kept_when_the_job_is_killed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And weights that were replaced under the same config.json are another model."""
    cache, blocks = tmp_path / "sentences.parquet", []

    def write(prompts: list[str], seed: int) -> list[str]:
        blocks.append(seed)
        if len(blocks) == 3:
            raise KeyboardInterrupt
        return [f"A dog {seed}." for _ in prompts]

    monkeypatch.setattr(llm, "KEPT_EVERY", -1)
    monkeypatch.setattr(llm.LlmCaptions, "_writer", lambda self: write)
    with pytest.raises(KeyboardInterrupt):
        list(caption_source(settings(folder, cache)).rows(0))
    list(caption_source(settings(folder, cache)).rows(0))
    assert len(blocks) == 4
    assert blocks[2] == blocks[3]
    assert len(set(blocks)) == 3
    sentences = [row["sentence"] for row in read_parquet(cache).to_pylist()]
    assert sentences == [f"A dog {seed}." for seed in (blocks[0], blocks[1], blocks[2]) for _ in range(20)]
    shutil.copytree(folder / "model", tmp_path / "model")
    moved = settings(folder, tmp_path / "other.parquet", model=str(tmp_path / "model"))
    list(caption_source(moved).rows(0))
    with (tmp_path / "model/model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    with pytest.raises(UserError, match="written with weights '"):
        list(caption_source(moved).rows(0))


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
        ("<think>\nA cat? A dog.\n</think>\n\nA dog.", "A dog."),
        ("A cat? A dog.\n</think>\nA dog.", "A dog."),
        ("<Thinking>a dog, a dog", ""),
        ("Sure! Here is one sentence:\n\nA dog.", "A dog."),
        ("Sure:", "Sure:"),
        ("**Caption:** *A dog.*", "A dog."),
        ("### Sentence 1: A dog.", "A dog."),
        ("> 1) `A dog.`", "A dog."),
        ("(2) A dog.\n(3) A cat.", "A dog."),
        ("3 dogs on 2 beds.", "3 dogs on 2 beds."),
        ("Zwei Hunde.\r\nMehr", "Zwei Hunde."),
        ("«Deux chiens.»", "Deux chiens."),
    ],
)
def test_the_first_sentence_of_an_answer(text: str, first: str) -> None:
    assert first_sentence(text) == first


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("A dog. A cat and", "A dog."),
        ("A dog and a", ""),
        ("A dog\nA cat and", "A dog"),
        ("<think>A dog.", ""),
        ("Is it a dog? A", "Is it a dog?"),
    ],
)
def test_no_half_sentence_is_taken(text: str, first: str) -> None:
    assert first_sentence(text, ended=False) == first


def test_two_pools_have_no_cache_together(tmp_path: Path) -> None:
    pools = {"a": settings(tmp_path, Path("c.parquet")), "b": settings(tmp_path, Path("x/../c.parquet"))}
    with pytest.raises(UserError, match=r"config: pools\.b\.cache: x/\.\./c\.parquet is the cache of pools\.a "):
        load_config(merged(default(), {"pools": pools}))
