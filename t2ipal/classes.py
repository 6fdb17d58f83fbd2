"""Class lists: the names to recognise and the English words for them.

A list is a file of `resources/classes/` by name, or a path. A `.txt` file has one class name per line; a class that one
of the shipped lists has gets its words from there. A `.yaml` file has, per class, a name and optionally:

    synonyms:  words for the class; a plural needs no entry
    unknown:   words that leave open whether the class is there: such a caption neither rewards nor punishes
    blockers:  phrases that hold a word of the class and mean something else
    kinds:     classes of the list that are kinds of this one: their words are its words too
    names:     the class's name in other name sets, by set

A class of your own list without `unknown` and `blockers` gets the words of the shipped list that has it, besides its
own synonyms. With one of the two keys, if only as `blockers: []`, its words are those of the file.

In names and phrases, `_` is a space.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from t2ipal import names as spelling
from t2ipal.errors import UserError
from t2ipal.plurals import singulars
from t2ipal.resource_files import resource
from t2ipal.text_files import open_text
from t2ipal.yaml_files import read_yaml

FOLDER = resource("classes")
SHIPPED = ("voc2007", "coco", "nuswide")
DEFAULT_NAMES = "tai"
_WORDS = ("synonyms", "unknown", "blockers")
_ENTRY_KEYS = ("name", "names", "kinds", *_WORDS)


@dataclass(frozen=True, slots=True)
class ClassEntry:
    """One class.

    Attributes:
        name: the name in prompts.
        synonyms: phrases that name it, besides its own name; lower case, singular.
        unknown: phrases that may mean it.
        blockers: phrases that hold one of the above and do not mean it.
        names: its name in other name sets, by set.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """Its own name and its synonyms, lower case."""
        return tuple(dict.fromkeys((spelling.spoken(self.name).lower(), *self.synonyms)))


@dataclass(frozen=True)
class ClassList:
    """Classes in the order of their columns."""

    name: str
    classes: tuple[ClassEntry, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Prompt names."""
        return tuple(entry.name for entry in self.classes)

    @cached_property
    def digest(self) -> str:
        """What identifies the list: equal for lists of equal content, whatever their files."""
        return sha256(repr(self.classes).encode("utf-8", "surrogateescape")).hexdigest()[:8]

    def __len__(self) -> int:
        return len(self.classes)

    def index(self, name: str) -> int:
        """Column of a class.

        Raises:
            UserError: the list has no such class.
        """
        if name not in self.names:
            raise UserError(f"{self.name}: no class {name!r}; it has {', '.join(self.names)}")
        return self.names.index(name)

    def named(self, name_set: str) -> ClassList:
        """The same classes under the names of another set; a class without a name there keeps its own.

        COCO has `tai` (the default: as TaI-DPT prompts), `coco_official` and `cleaned`.

        Raises:
            UserError: no class has a name in that set.
        """
        if name_set == DEFAULT_NAMES:
            return self
        known = sorted({key for entry in self.classes for key, _ in entry.names})
        if name_set not in known:
            raise UserError(f"{self.name}: no name set {name_set!r}; it has {', '.join([DEFAULT_NAMES, *known])}")
        renamed = (
            replace(
                entry,
                name=dict(entry.names).get(name_set, entry.name),
                synonyms=entry.terms,
            )
            for entry in self.classes
        )
        return ClassList(self.name, tuple(renamed))


def class_files(name_or_path: str | Path) -> list[Path]:
    """Every file that `load_classes` reads for this list.

    Raises:
        UserError: there is no such list.
    """
    path = _locate(name_or_path)
    return [path] if path.parent == FOLDER else [path, *(FOLDER / f"{name}.yaml" for name in SHIPPED)]


def proposed_names(name_or_path: str | Path) -> frozenset[str]:
    """Classes of a list for which it has no words of its own, so that the shipped lists' words are proposed.

    Raises:
        UserError: there is no such list.
    """
    path = _locate(name_or_path)
    if path.parent == FOLDER:
        return frozenset()
    entries = _from_text(path) if path.suffix == ".txt" else _from_yaml(path)[0]
    return frozenset(entry.name for entry in entries if path.suffix == ".txt" or not _has_words(entry))


def load_classes(name_or_path: str | Path) -> ClassList:
    """Read a class list.

    Args:
        name_or_path: `voc2007`, `coco`, `nuswide`, or a path to a .yaml or .txt file.

    Raises:
        UserError: no such list, or one that is malformed.
    """
    path = _locate(name_or_path)
    state = path.stat()
    return _load(path, (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=32)
def _load(path: Path, state: tuple[int, ...]) -> ClassList:
    """The list of a file in the `state` that it has: every job and run asks for its own, and reading takes a while."""
    if path.suffix == ".txt":
        entries = _from_text(path)
    else:
        entries, final = _from_yaml(path)
        if path.parent != FOLDER:
            entries = _completed(entries, final)
    if not entries:
        raise UserError(f"{path}: no class; expected at least one")
    if twins := spelling.twins(entry.name for entry in entries):
        if twins[0] == twins[1]:
            raise UserError(f"{path}: class {twins[0]!r} occurs twice; expected unique names")
        raise UserError(f"{twins[0]!r} and {twins[1]!r} are one name (expected different names in {path})")
    _check_words(path, entries)
    return ClassList(path.stem, entries if path.parent == FOLDER else _with_variants(entries))


def _with_variants(entries: tuple[ClassEntry, ...]) -> tuple[ClassEntry, ...]:
    """Entries with further forms of their names as synonyms: "sports car" of sports-car, "dog" of dogs.

    A form that the list has as a word of its own already keeps its meaning.
    """
    said = {word for entry in entries for word in (*entry.terms, *entry.unknown, *entry.blockers)}

    def with_variants(entry: ClassEntry) -> ClassEntry:
        apart = " ".join(entry.terms[0].replace("-", " ").split())
        forms = [form for form in (apart, *singulars(apart)) if form and form not in said]
        return replace(entry, synonyms=(*entry.synonyms, *forms)) if forms else entry

    return tuple(map(with_variants, entries))


def _locate(name_or_path: str | Path) -> Path:
    if str(name_or_path) in SHIPPED:
        return FOLDER / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml", ".txt") or not os.path.isfile(path):
        raise UserError(
            f"classes: no list {str(name_or_path)!r}; expected {', '.join(SHIPPED)} or the path of a .yaml or .txt file"
        )
    return path


def _from_text(path: Path) -> tuple[ClassEntry, ...]:
    with open_text(path) as file:
        lines = [(number, line.strip()) for number, line in enumerate(file, start=1)]
    names = [
        spelling.checked(line, f"{path}: line {number}") for number, line in lines if line and not line.startswith("#")
    ]
    if len(names) == 1 and "," in names[0]:
        raise UserError(f"{path}: the only class is {names[0]!r}; expected a line for each class")
    keys = {spelling.key(name) for name in names}
    return tuple(_known_entry(name, keys) for name in names)


def _known_entry(name: str, keys: Collection[str]) -> ClassEntry:
    """A class with the words that a shipped list has for it; `keys` are those of all classes of its list."""
    known = _known_words()
    own = spelling.key(name)
    possible = (known[key] for key in (own, *map(spelling.key, singulars(name))) if key in known)
    # "people" has the words of person, unless the list has both
    fitting = (entry for entry in possible if (key := spelling.key(entry.name)) == own or key not in keys)
    entry = next(fitting, ClassEntry(name))
    # a synonym that is a class of its own here means that class
    synonyms = tuple(word for word in entry.synonyms if (key := spelling.key(word)) == own or key not in keys)
    unknown = tuple(word for word in entry.unknown if spelling.key(word) not in keys)
    return replace(entry, name=name, names=(), synonyms=synonyms, unknown=unknown)


@cache
def _known_words() -> dict[str, ClassEntry]:
    """Entries of the shipped lists by the keys of their names, and of their singulars, with their names as synonyms."""
    entries = [entry for shipped in SHIPPED for entry in _from_yaml(FOLDER / f"{shipped}.yaml")[0]]
    known: dict[str, ClassEntry] = {}
    for forms in ((lambda name: (name,)), singulars):
        for entry in entries:
            for name in (entry.name, *(name for _, name in entry.names)):
                for form in forms(name):
                    known.setdefault(spelling.key(form), replace(entry, synonyms=entry.terms))
    return known


def _has_words(entry: ClassEntry) -> bool:
    return bool(entry.synonyms or entry.unknown or entry.blockers)


def _completed(entries: tuple[ClassEntry, ...], final: Collection[str]) -> tuple[ClassEntry, ...]:
    """Entries with the words that the shipped lists have for them, but for those whose words are `final`."""
    keys = {spelling.key(entry.name) for entry in entries}
    given = {word: entry.name for entry in entries for word in (*entry.terms, *entry.unknown)}

    def completed(entry: ClassEntry) -> ClassEntry:
        if entry.name in final:
            return entry
        known = _known_entry(entry.name, keys)
        # a word that the file gives to a class is not that of another one
        own = {word for word, name in given.items() if name == entry.name}
        synonyms = dict.fromkeys((*entry.synonyms, *(word for word in known.synonyms if word not in given)))
        unknown = tuple(word for word in known.unknown if word not in given)
        blockers = tuple(phrase for phrase in known.blockers if phrase not in own)
        return replace(entry, synonyms=tuple(synonyms), unknown=unknown, blockers=blockers)

    return tuple(map(completed, entries))


def _from_yaml(path: Path) -> tuple[tuple[ClassEntry, ...], frozenset[str]]:
    """Classes of a file, and the names of those whose words are all there is.

    For those, it says what leaves them open or means another thing, or that they consist of kinds.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or list(content) != ["classes"] or not isinstance(content["classes"], list):
        raise UserError(f"{path}: expected one key, `classes`, with a list of classes")
    items = content["classes"]
    entries = tuple(_entry(path, number, item) for number, item in enumerate(items, start=1))
    kinds = {entry.name: item["kinds"] for entry, item in zip(entries, items, strict=True) if "kinds" in item}
    known = {entry.name: entry for entry in entries}
    final = frozenset(
        entry.name
        for entry, item in zip(entries, items, strict=True)
        if isinstance(item, dict) and not {"unknown", "blockers", "kinds"}.isdisjoint(item)
    )
    return tuple(_with_kinds(path, entry, kinds.get(entry.name, []), known) for entry in entries), final


def _with_kinds(path: Path, entry: ClassEntry, kinds: Any, known: dict[str, ClassEntry]) -> ClassEntry:
    if not isinstance(kinds, list) or not all(isinstance(kind, str) and kind in known for kind in kinds):
        raise UserError(f"{path}: {entry.name}: kinds: found {kinds!r}; expected a list of classes of this file")
    if not kinds:
        return entry
    parts = [entry, *(known[kind] for kind in kinds)]
    synonyms = dict.fromkeys(term for part in parts for term in part.terms if term != entry.name.lower())
    own = {*synonyms, entry.name.lower()}
    unknown = dict.fromkeys(phrase for part in parts for phrase in part.unknown if phrase not in own)
    blockers = dict.fromkeys(phrase for part in parts for phrase in part.blockers if phrase not in own)
    return replace(entry, synonyms=tuple(synonyms), unknown=tuple(unknown), blockers=tuple(blockers))


def _entry(path: Path, number: int, item: Any) -> ClassEntry:
    if isinstance(item, str):
        item = {"name": item}
    where = f"{path}: class {number}"
    if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not item["name"].strip():
        raise UserError(f"{where}: found {item!r}; expected a name, or a mapping with the key `name`")
    name = spelling.checked(item["name"], where)
    where = f"{where} ({name})"
    for key in item:
        if key not in _ENTRY_KEYS:
            raise UserError(f"{where}: unknown key {key!r}; expected {', '.join(_ENTRY_KEYS)}")
    names = item.get("names") or {}
    if not isinstance(names, dict) or not all(isinstance(text, str) for pair in names.items() for text in pair):
        raise UserError(f"{where}: names: found {names!r}; expected a mapping from name set to name")
    names = {key: spelling.checked(other, f"{where}: names") for key, other in names.items()}
    words = {key: _phrases(f"{where}: {key}", item.get(key) or []) for key in _WORDS}
    return ClassEntry(name, **words, names=tuple(names.items()))


def _phrases(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise UserError(f"{where}: found {value!r}; expected a list of phrases")
    for phrase in value:
        # YAML 1.1 reads a bare `no` or `on` as a truth value
        if not isinstance(phrase, str) or not phrase.strip():
            raise UserError(f"{where}: found {phrase!r}; expected a phrase (in quotes, if YAML misreads it)")
        if problem := spelling.problem_of(" ".join(phrase.split())):
            raise UserError(f"{where}: {phrase!r} {problem}")
    return tuple(dict.fromkeys(spelling.spoken(phrase).lower() for phrase in value))


def _check_words(path: Path, entries: tuple[ClassEntry, ...]) -> None:
    for entry in entries:
        both = sorted(set(entry.terms) & set(entry.unknown))
        if both:
            raise UserError(f"{path}: {entry.name}: {both[0]!r} is a synonym and unknown; expected one of the two")
