"""Captions that a language model writes about classes that it is asked to name; it runs here, by `transformers`."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field

from t2ipal.classes import class_files, load_classes
from t2ipal.composed.names import weights_of
from t2ipal.errors import UserError
from t2ipal.findings import Finding
from t2ipal.names import spoken
from t2ipal.seeds import seed_of
from t2ipal.sources.base import CaptionSource, Counted, RequiredFile
from t2ipal.sources.caption_rows import Caption, RejectedCaption, checked, rejected
from t2ipal.store import existing_file, read_parquet, write_parquet
from t2ipal.text_files import open_text
from t2ipal.user_paths import ModelPath
from t2ipal.validation import Count, DataPath

if TYPE_CHECKING:
    import pyarrow as pa

PLACE = "{classes}"
NO_SENTENCE = "no whole sentence was written: thoughts alone, or more than `tokens`"
KEPT_EVERY = 60
"""Seconds after which what was written is kept, in case the job is killed."""
EDGE = 1 << 16
"""Bytes at both ends of a file of weights that tell it from others of its size."""
_THOUGHTS = re.compile(r"<(think|thinking|thought|reasoning|reflection)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT = re.compile(r".*</(?:think|thinking|thought|reasoning|reflection)>", re.DOTALL | re.IGNORECASE)
"""Thoughts before an answer; a chat template may have opened them in the prompt."""
_QUOTES = r"""[\s*_#>"'`“”\u2018\u2019«»]*"""
_MARKS = re.compile(
    rf"^{_QUOTES}(?:[-•\u2013]\s*|\(?\d{{1,3}}[.):]\)?\s+|[a-z]\)\s+)?{_QUOTES}"
    rf"(?:(?:caption|sentence|answer|output|description)\s*\d*{_QUOTES}:)?{_QUOTES}|{_QUOTES}$",
    re.IGNORECASE,
)
"""List marks, quotes, Markdown and labels around a sentence."""


class LlmCaptions(CaptionSource):
    """Captions written by a language model."""

    source: Literal["llm"] = Field(description="captions written by a language model")
    classes: ModelPath = Field(description="a class list of resources/classes/ by name, or a path to one")
    model: ModelPath = Field(description="a text-generation model of transformers: a folder, or a name on the hub")
    revision: str | None = Field(None, description="commit or branch of a hub model; null: its default branch")
    prompt: DataPath = Field(description="a text file with {classes} in it, relative to data_dir")
    cache: DataPath = Field(description="a .parquet file that keeps the sentences, relative to data_dir")
    size: Count = Field(description="number of sentences, a whole number >= 1")
    most: Annotated[int, Field(ge=1, le=4)] = Field(3, description="most classes in a sentence, from 1 to 4")
    pairs: DataPath | None = Field(
        None, description="a .csv with columns class, other, weight: which classes occur together; null: all alike"
    )
    tokens: Count = Field(40, description="most tokens of a sentence, a whole number >= 1")
    temperature: Annotated[float, Field(gt=0, le=5)] = Field(
        1.0, description="of sampling, a number above 0, at most 5"
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(0.95, description="share of likely tokens, above 0, at most 1")
    batch: Count = Field(16, description="sentences written together, a whole number >= 1; decides what is sampled")

    def files(self) -> list[RequiredFile]:
        lists = [RequiredFile("classes", Path(os.path.relpath(path))) for path in class_files(self.classes)]
        pairs = [RequiredFile("pairs", Path(self.pairs))] if self.pairs else []
        return [*lists, RequiredFile("prompt", Path(self.prompt)), *pairs]

    def rows(self, seed: int) -> Iterator[Caption | RejectedCaption]:
        """Yield every sentence; one in which the noun filter reads other classes than those asked for is a reject.

        Sentences of the cache that were written by the same model, prompt, settings and seed are taken from it; a
        larger pool adds to them.

        Raises:
            UserError: the prompt has no place for classes, the model cannot be loaded, or the cache is another file or
                of another model or setting.
        """
        from t2ipal.composed.asked import OTHER, Asked

        classes = load_classes(self.classes)
        requests = self._requests(seed, len(classes))
        names = [", ".join(spoken(classes.names[index]) for index in indices) for indices in requests]
        sentences = self._sentences(seed, self._prompts(names))
        good = Asked(classes).kept(zip(sentences, requests, strict=True))
        for number, (text, fits) in enumerate(zip(sentences, good, strict=True)):
            key = f"llm-{number:07d}"
            row = checked(key, None, text, f"llm/{Path(self.model).name}") if text else rejected(key, "", NO_SENTENCE)
            yield rejected(key, text, OTHER) if isinstance(row, Caption) and not fits else row

    def _requests(self, seed: int, classes: int) -> list[tuple[int, ...]]:
        from t2ipal.composed.sentences import chosen

        weights = weights_of(self.pairs, load_classes(self.classes)) if self.pairs else {}
        chances = (random.Random(seed_of("llm", seed, number)) for number in range(self.size))
        return [chosen(range(classes), self.most, weights, chance) for chance in chances]

    def _prompts(self, names: list[str]) -> list[str]:
        with open_text(existing_file(self.prompt, "prompt")) as file:
            prompt = file.read()
        if PLACE not in prompt:
            raise UserError(f"{self.prompt}: no {PLACE} in it; expected it where the classes are to be named")
        return [prompt.replace(PLACE, each) for each in names]

    def check(self, key: str) -> Iterator[Finding]:
        """Findings before a run: are its files there, has the prompt a place for classes, and is the cache its own?"""
        yield from super().check(key)
        for field, work in (("prompt", lambda: self._prompts(["x"])), ("cache", self._kept)):
            if field == "cache" or os.path.exists(self.prompt):
                try:
                    work()
                except UserError as error:
                    yield Finding(f"{key}.{field}", str(error), missing=True)

    def _kept(self, seed: int | None = None) -> list[dict[str, Any]]:
        """The rows of the cache.

        Raises:
            UserError: it is another file, or was written by another model or setting: nothing replaces it.
        """
        cache = Path(self.cache)
        if cache.suffix != ".parquet":
            raise UserError(f"{cache}: found {cache.suffix or 'no suffix'!r}; expected a .parquet file")
        if not os.path.lexists(cache):
            return []
        table = read_parquet(cache, ["prompt", "sentence"])
        try:
            written_by = json.loads((table.schema.metadata or {}).get(b"llm", b"null"))
        except ValueError:
            written_by = None
        if not isinstance(written_by, dict):
            raise UserError(f"{cache}: not a cache of sentences; expected a name that is not taken")
        about = self._about(written_by.get("seed") if seed is None else seed)
        for name, value in written_by.items():
            if name not in about or about[name] != value:
                raise UserError(
                    f"{cache}: sentences written with {name} {value!r:.80}; found {about.get(name)!r:.80} in the "
                    "config (expected another name of the cache, or its removal)"
                )
        return table.to_pylist()

    def _sentences(self, seed: int, prompts: list[str]) -> list[str]:
        """The sentences of the cache, and those that are missing, which are written into it."""
        known = self._kept(seed)
        # a batch that differs in one prompt is sampled anew as a whole
        sentences: list[str | None] = [None] * len(prompts)
        blocks = range(0, len(prompts), self.batch)
        for block in blocks:
            if self._is_known(known, prompts, block):
                rows = slice(block, block + self.batch)
                sentences[rows] = [row["sentence"] for row in known[rows]]
        missing = [block for block in blocks if sentences[block] is None]
        if missing:
            write, kept = self._writer(), time.monotonic()
            for block in missing:
                rows = slice(block, block + self.batch)
                sentences[rows] = write(prompts[rows], seed_of("llm", seed, "block", block))
                if time.monotonic() - kept > KEPT_EVERY or block == missing[-1]:
                    write_parquet(self._table(prompts, sentences, self._about(seed)), Path(self.cache))
                    kept = time.monotonic()
        return cast("list[str]", sentences)

    def _is_known(self, known: list[dict[str, Any]], prompts: list[str], block: int) -> bool:
        rows = known[block : block + self.batch]
        is_whole = all(row["sentence"] is not None for row in rows)
        return is_whole and [row["prompt"] for row in rows] == prompts[block : block + self.batch]

    def _about(self, seed: int | None) -> dict[str, Any]:
        """All that decides a sentence but its prompt."""
        names = ("model", "revision", "tokens", "temperature", "top_p", "batch")
        config = Path(self.model, "config.json")
        state = sha256(config.read_bytes()).hexdigest() if config.is_file() else ""
        about = {name: getattr(self, name) for name in names}
        return about | {"config": state, "weights": _state_of_weights(Path(self.model)), "seed": seed}

    def _table(self, prompts: list[str], sentences: list[str | None], about: dict[str, Any]) -> pa.Table:
        import pyarrow as pa

        schema = pa.schema([("prompt", pa.string()), ("sentence", pa.string())], {"llm": json.dumps(about)})
        return pa.Table.from_pydict({"prompt": prompts, "sentence": sentences}, schema)

    def _writer(self) -> Any:
        """What writes a sentence for each prompt of a batch, by a seed."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        from t2ipal.device import pick_device, pick_dtype

        logging.disable_progress_bar()
        device = pick_device()
        try:
            where = {"revision": self.revision, "trust_remote_code": False}
            tokenizer = AutoTokenizer.from_pretrained(self.model, padding_side="left", **where)
            model = AutoModelForCausalLM.from_pretrained(
                self.model, use_safetensors=True, dtype=pick_dtype("auto", device), **where
            )
        except Exception as error:  # transformers, the hub and safetensors each raise their own kinds
            cause = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(f"{self.model}: no readable text-generation model: {cause[0][:200]}") from error
        model = model.to(device).eval()
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token

        def write(prompts: list[str], seed: int) -> list[str]:
            if tokenizer.chat_template:
                turns = [[{"role": "user", "content": prompt}] for prompt in prompts]
                prompts = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            special = not tokenizer.chat_template
            inputs = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=special)
            inputs = {name: inputs[name].to(device) for name in ("input_ids", "attention_mask")}
            with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.inference_mode():
                torch.manual_seed(seed)
                made = model.generate(
                    **inputs,
                    do_sample=True,
                    temperature=self.temperature,
                    top_p=self.top_p,
                    max_new_tokens=self.tokens,
                    pad_token_id=tokenizer.pad_token_id,
                )
            made = made[:, inputs["input_ids"].shape[1] :]
            texts = tokenizer.batch_decode(made, skip_special_tokens=True)
            ends = model.generation_config.eos_token_id
            stops = torch.tensor([tokenizer.pad_token_id, *(ends if isinstance(ends, list) else [ends or -1])])
            ended = torch.isin(made.cpu(), stops).any(1).tolist()
            opened = [prompt.rstrip().endswith("<think>") for prompt in prompts]
            texts = [f"<think>{text}" if thinks else text for thinks, text in zip(opened, texts, strict=True)]
            return [first_sentence(text, ended=end) for text, end in zip(texts, ended, strict=True)]

        return write

    def count(self) -> Counted:
        return Counted(self.size)


def _state_of_weights(folder: Path) -> str:
    """A digest of sizes and of both ends of the weights in a folder; "" for a name on the hub."""
    digest, files = sha256(), sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    for path in files:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            start = file.read(EDGE)
            file.seek(max(0, size - EDGE))
            digest.update(f"{path.name}\0{size}\0".encode() + start + file.read())
    return digest.hexdigest() if files else ""


def first_sentence(text: str, ended: bool = True) -> str:
    """The first line of an answer that is not empty, without thoughts, an announcement, list marks and quotes.

    Args:
        text: the answer.
        ended: whether the model ended it; if not, a last line counts up to the end of its last sentence.

    >>> first_sentence('<think>Dogs?</think>\\nSure:\\n 1. "Two dogs in a park." \\nMore')
    'Two dogs in a park.'
    """
    text = _THOUGHT.sub("", _THOUGHTS.sub("", text))
    lines = [line for line in (_MARKS.sub("", line) for line in text.splitlines()) if line]
    while len(lines) > 1 and lines[0].endswith(":"):
        lines.pop(0)
    if not lines:
        return ""
    if ended or len(lines) > 1:
        return lines[0]
    return lines[0][: max(lines[0].rfind(mark) for mark in ".!?") + 1]
