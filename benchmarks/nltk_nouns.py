"""TaI-DPT's noun filter as its repository (guozix/TaI-DPT) writes it, NLTK in a loop, next to `filter: tai_dpt`.

    python benchmarks/nltk_nouns.py [--captions 500] [--classes coco] [--wordnet /usr/share/wordnet]

NLTK's data are downloads. WordNet's files may instead be those of Debian's package wordnet-base. The weights of
its tagger, where they are not there, are learned on spot from spaCy's tags of some captions: the work is the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

WORDNET = Path("/usr/share/wordnet")
KINDS = {"J": "a", "V": "v", "R": "r"}
"""WordNet's kind of word by the first letter of a tag; nouns otherwise."""

TAGGED = 300
"""Captions that a tagger without weights learns from."""

Loop = Callable[[Sequence[str]], list[set[int]]]


@contextmanager
def loop(classes: ClassList, texts: Sequence[str], wordnet: Path = WORDNET) -> Iterator[Loop]:
    """The loop over captions, ready to run: it gives the classes of each text, by index.

    Args:
        texts: what a tagger without weights learns from.
        wordnet: WordNet's files, where NLTK has none.

    Raises:
        LookupError: no WordNet.
    """
    from nltk.tokenize import NLTKWordTokenizer

    split = NLTKWordTokenizer().tokenize
    compounds = {term: at for at, entry in enumerate(classes.classes) for term in entry.terms if " " in term}
    singles = {term.replace(" ", ""): at for at, entry in enumerate(classes.classes) for term in entry.terms}
    with tempfile.TemporaryDirectory() as folder:
        lemmatise, tag = _lemmatiser(wordnet, Path(folder)), _tagger(texts)

        def label(text: str) -> set[int]:
            words = [lemmatise(word, KINDS.get(pos[0], "n")) for word, pos in tag(split(text.lower()))]
            line, labels = f" {' '.join(words)} ", set()
            for names in (compounds, singles):
                for name, at in names.items():
                    if f" {name} " in line:
                        labels.add(at)
                        line = line.replace(f" {name} ", " ")
            return labels

        yield lambda captions: [label(text) for text in captions]


def _lemmatiser(wordnet: Path, folder: Path) -> Callable[[str, str], str]:
    """WordNet's, loaded; `folder` takes the files of `wordnet` in NLTK's layout."""
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    if (wordnet / "index.noun").is_file():
        files = folder / "corpora/wordnet"
        files.mkdir(parents=True)
        for name in ("lexnames", "index.sense"):  # Debian leaves them out, and lemmas do not need them
            (files / name).touch()
        for file in wordnet.glob("*.*"):
            (files / file.name).write_bytes(file.read_bytes())
        nltk.data.path.insert(0, str(folder))  # it reads nothing elsewhere
    warnings.filterwarnings("ignore", "The multilingual functions")
    try:
        reader = WordNetCorpusReader(nltk.data.find("corpora/wordnet"), None)
    except LookupError:
        needed = f"expected those in {wordnet} or NLTK's (python -m nltk.downloader wordnet, unpacked)"
        raise LookupError(f"no files of WordNet; {needed}") from None

    def lemmatise(word: str, kind: str) -> str:
        return min(reader._morphy(word, kind) or [word], key=len)  # as WordNetLemmatizer

    return lemmatise


def _tagger(texts: Sequence[str]) -> Callable[[list[str]], Any]:
    """NLTK's perceptron."""
    from nltk.tag.perceptron import PerceptronTagger

    try:
        return PerceptronTagger().tag
    except LookupError:
        from t2ipal.captions.language import load_language

        tagger = PerceptronTagger(load=False)
        sentences = [[(word.lower_, word.tag_) for word in text] for text in load_language().pipe(texts[:TAGGED])]
        tagger.train(sentences, nr_iter=2)
        return tagger.tag


def main() -> None:
    """Print the time of a caption on both sides, and how many have equal labels."""
    from t2ipal.captions.tai_dpt import TaiDptFilter
    from t2ipal.classes import load_classes
    from t2ipal.sources.micro.captions import MicroCaptions

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=int, default=500, help="of the micro world (%(default)s)")
    parser.add_argument("--classes", default="coco", help="a list of resources/classes (%(default)s)")
    parser.add_argument("--wordnet", type=Path, default=WORDNET, help="WordNet's files (%(default)s)")
    options = parser.parse_args()
    classes = load_classes(options.classes)
    texts = [row.text for row in MicroCaptions(source="micro", size=options.captions).rows(seed=0)]
    ours = TaiDptFilter(classes)
    try:
        with loop(classes, texts, options.wordnet) as theirs:
            seconds, labels = [], []
            for label in (theirs, lambda texts: [set(found.positive) for found in ours.label(texts)]):
                label(texts[:20])
                started = time.process_time()
                labels.append(label(texts))
                seconds.append(1e3 * (time.process_time() - started) / len(texts))
    except LookupError as error:
        print(f"NLTK: left out: {error}")
        return
    same = sum(a == b for a, b in zip(*labels, strict=True))
    print(f"NLTK {seconds[0]:.3g} ms, ours {seconds[1]:.3g} ms a caption; equal labels: {same} of {len(texts)}")


if __name__ == "__main__":
    main()
