"""Captions of micro scenes: a small grammar of English with synonyms, plurals, numbers, relations and settings.

What a sentence states about colour, number, position and setting is true. Sometimes a thing is left unnamed, as
people do, and sometimes a phrase is woven in that holds a class word but names no such thing ("a hot dog", "the bus
stop"): the noun filter must ignore it, and the scene does not show it.

Pre-training reads the alt-texts of the web instead: short, of the largest thing and some of the others, in words that
no class list has ("vehicle", "decor"), with praise that is not true of the picture and words that sell; some are of
another picture or of none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from t2ipal.micro.scenes import CLASSES, COLOURS, STREAMS, Scene, Thing, scene_of
from t2ipal.seeds import seed_of

NAMES: dict[str, tuple[str, ...]] = {
    "aeroplane": ("airplane", "plane", "aeroplane", "jet", "aircraft"),
    "bicycle": ("bicycle", "bike", "bicycle"),
    "bird": ("bird", "bird", "pigeon"),
    "boat": ("boat", "sailboat", "ship", "boat"),
    "bottle": ("bottle", "bottle", "wine bottle"),
    "bus": ("bus", "bus", "coach"),
    "car": ("car", "car", "sedan", "taxi"),
    "cat": ("cat", "cat", "kitten", "kitty"),
    "chair": ("chair", "chair", "wooden chair", "stool"),
    "cow": ("cow", "cow", "calf", "bull"),
    "diningtable": ("table", "dining table", "diningtable", "kitchen table"),
    "dog": ("dog", "dog", "puppy"),
    "horse": ("horse", "horse", "pony"),
    "motorbike": ("motorbike", "motorcycle", "motor bike"),
    "pottedplant": ("potted plant", "plant", "pottedplant", "house plant"),
    "sheep": ("sheep", "sheep", "lamb"),
    "sofa": ("sofa", "couch", "sofa"),
    "train": ("train", "train", "locomotive"),
    "tvmonitor": ("tv", "television", "tvmonitor", "monitor", "tv screen"),
}
PEOPLE: dict[str, tuple[str, ...]] = {
    "man": ("man", "man", "person", "guy"),
    "woman": ("woman", "woman", "person", "lady"),
    "boy": ("boy", "boy", "child", "kid"),
    "girl": ("girl", "girl", "child", "kid"),
    "player": ("player", "player", "man", "athlete"),
}
CLOTHES = {"man": "shirt", "woman": "dress", "boy": "shirt", "girl": "dress", "player": "jersey"}
PLURALS = {"person": "people", "man": "men", "woman": "women", "child": "children", "calf": "calves", "sheep": "sheep"}
PLURALS |= {"bus": "buses", "couch": "couches", "coach": "coaches", "pony": "ponies", "lady": "ladies", "tv": "tvs"}
PLURALS |= {"puppy": "puppies", "kitty": "kitties", "aircraft": "aircraft", "tv screen": "tv screens"}
SETTING_PHRASES: dict[str, tuple[str, ...]] = {
    "grass": ("on the grass", "in a green field", "in a meadow"),
    "road": ("on the road", "on a grey street", "in the street"),
    "beach": ("on the beach", "on the sand", "at a sunny beach"),
    "snow": ("in the snow", "on a snowy day", "in winter"),
    "room": ("in a room", "indoors", "inside a house"),
    "night": ("at night", "in the dark", "under a dark sky"),
    "lake": ("by the lake", "near the blue water", "at the lake"),
    "desert": ("in the desert", "on dry land", "in the hot desert"),
    "sunset": ("at sunset", "under an orange sky", "in the evening"),
    "forest": ("in the forest", "among the trees", "in the woods"),
    "kitchen": ("in a kitchen", "in a bright hall", "by a pale wall"),
    "brick": ("by a brick wall", "in a yard", "before a red wall"),
    "fog": ("in the fog", "on a grey day", "in a pale studio"),
    "carpet": ("on a carpet", "on a purple floor", "by a pink wall"),
}
SETTING_WORDS = {
    "grass": "grass", "road": "road", "beach": "beach", "snow": "snow", "room": "room",
    "night": "night", "lake": "lake", "desert": "desert", "sunset": "sunset",
    "forest": "forest", "kitchen": "kitchen", "brick": "brick wall", "fog": "fog", "carpet": "carpet",
}  # fmt: skip
ANIMALS = {"bird", "cat", "cow", "dog", "horse", "sheep"}
VEHICLES = {"bicycle", "bus", "car", "motorbike", "train"}
VERBS = {
    "animal": ("standing", "resting", "waiting", "looking around"),
    "vehicle": ("parked", "standing still", "waiting"),
    "person": ("standing", "posing", "waiting", "looking at the camera"),
    "aeroplane": ("flying", "landing", "parked"),
    "boat": ("floating", "sailing"),
    "thing": ("standing", "seen"),
}
OPENINGS = ("", "", "", "there is ", "a photo of ", "a picture of ", "an image of ", "here we see ", "a view of ")
CLOSINGS = ("", "", "", "", " in this quiet scene", " on a nice day", " in the middle of the picture")
TRAPS_PERSON = (
    "eating a hot dog", "lost in a train of thought", "waiting at the bus stop", "holding a computer mouse",
    "looking for the car keys", "buying cat food", "riding a chair lift", "with a bottle opener",
)  # fmt: skip
TRAPS = (
    "near the bus stop", "beside a hot dog stand", "near the train station", "by a bird house", "next to a teddy bear",
    "beside a computer mouse", "with some cat food", "near the boat house", "close to a car park", "beside a dog house",
)  # fmt: skip
UNSAID, TRAP, COLOUR_SAID, SETTING_SAID = 0.08, 0.08, 0.5, 0.65
NUMBERS = {2: "two", 3: "three", 4: "four"}
ALT_TEXTS = 2  # per pre-training scene
PROMPTS = 0.3  # share of pre-training captions that are prompts; the others are alt-texts
KINDS: dict[str, str] = dict.fromkeys(("aeroplane", "bicycle", "boat", "bus", "car", "motorbike", "train"), "vehicle")
KINDS |= dict.fromkeys(("bird", "cat", "cow", "dog", "horse", "sheep"), "animal")
KINDS |= dict.fromkeys(("chair", "diningtable", "sofa"), "furniture")
KINDS |= {"bottle": "drink", "person": "model", "pottedplant": "decor", "tvmonitor": "device"}
PRAISE = (
    "cute", "beautiful", "vintage", "cheap", "new", "funny", "lovely", "modern", "old", "amazing",
    "red", "blue", "black", "white",
)  # fmt: skip
EMPTY = (
    "img", "best price ever", "wallpaper hd", "summer vibes", "my holiday", "for sale", "free download",
    "untitled", "screenshot", "our weekend trip", "monday mood", "photo of the day", "follow us", "new collection",
    "click here", "dsc",
)  # fmt: skip
SALES = (
    "free shipping", "buy online", "stock photo", "royalty free", "high resolution", "hd wallpaper", "best price",
    "new arrival", "sale", "download", "photography", "instagram", "travel", "lifestyle", "gift idea", "home", "nature",
    "copyright", "front page", "blog",
)  # fmt: skip
# chances in an alt-text: of another picture, of none; a further thing is unsaid, a thing goes by its kind, it has its
# colour, or else praise; the setting is named; words that sell follow, up to so many; the order is any
WRONG, NONE, WEB_UNSAID, BY_KIND, WEB_COLOUR, PRAISED = 0.08, 0.05, 0.6, 0.2, 0.1, 0.3
WEB_SETTING, SELLING, MOST_SALES, ANY_ORDER = 0.1, 0.3, 7, 0.3


@dataclass(frozen=True)
class SceneCaption:
    """A text and the ids of the classes it names, ascending."""

    text: str
    classes: tuple[int, ...]


def captions_of(stream: str, index: int, n: int = 2, seed: int = 0) -> list[SceneCaption]:
    """`n` captions of the scene at an index of a stream.

    The pre-training stream mixes alt-texts and prompt-like captions, and after the first `ALT_TEXTS` of a scene come
    sentences, as the re-captioned images that text-to-image models are tuned on; the others speak as COCO does.
    """
    if stream not in STREAMS:
        raise ValueError(f"no stream {stream!r}; there are {', '.join(STREAMS)}")
    scene = scene_of(stream, index, seed)
    captions = []
    for k in range(n):
        rng = np.random.default_rng(seed_of("micro-caption", stream, index, k, seed))
        web = stream == "pretrain" and k < ALT_TEXTS
        style = ("prompt" if rng.random() < PROMPTS else "web") if web else "coco"
        captions.append(caption(scene, rng, style))
    return captions


def caption(scene: Scene, rng: np.random.Generator, style: str = "coco") -> SceneCaption:
    """Describe a scene: "coco" full sentences, "web" alt-texts, "prompt" the usual CLIP templates."""
    groups = _groups(scene.things)
    if style == "web":
        return _alt_text(groups, scene, rng)
    if len(groups) > 1 and rng.random() < UNSAID:
        groups.pop(int(rng.integers(len(groups))))
    text = _prompt(groups, scene, rng) if style == "prompt" else _sentence(groups, scene, rng)
    return SceneCaption(text, tuple(sorted({group[0].cls for group in groups})))


def _groups(things: Sequence[Thing]) -> list[list[Thing]]:
    """Things of one class and kind are named together, in the order of their first one."""
    groups: dict[tuple[int, str], list[Thing]] = {}
    for thing in things:
        groups.setdefault((thing.cls, thing.kind), []).append(thing)
    return list(groups.values())


def _noun(thing: Thing, rng: np.random.Generator) -> str:
    return _pick(PEOPLE[thing.kind] if thing.kind else NAMES[thing.name], rng)


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def plural(noun: str) -> str:
    """The plural of a noun of this grammar."""
    if noun in PLURALS:
        return PLURALS[noun]
    head, _, last = noun.rpartition(" ")
    return f"{head} {plural(last)}" if head else noun + "s"


def article(words: str) -> str:
    """`words` with "a" or "an" before it."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def _phrase(group: list[Thing], rng: np.random.Generator) -> str:
    """A noun phrase for a group: number or article, colour, noun."""
    thing, noun = group[0], _noun(group[0], rng)
    colours = {t.colour for t in group}
    colour = thing.colour if len(colours) == 1 and rng.random() < COLOUR_SAID else ""
    if len(group) > 1:
        words = f"{NUMBERS[len(group)]} " + (f"{colour} " if colour and not thing.kind and not _pot(thing) else "")
        return words + plural(noun)
    if thing.kind and colour:
        return f"{article(noun)} in {article(f'{colour} {CLOTHES[thing.kind]}')}"
    if _pot(thing):
        if colour:
            return f"a plant in {article(f'{colour} pot')}"
        return article(noun)
    return article(f"{colour} {noun}" if colour else noun)


def _pot(thing: Thing) -> bool:
    return thing.name == "pottedplant"


def _verb(thing: Thing, rng: np.random.Generator) -> str:
    name = thing.name
    kind = (
        "animal" if name in ANIMALS else "vehicle" if name in VEHICLES else name if name in VERBS else "thing"
    )  # fmt: skip
    return _pick(VERBS[kind], rng)


def _sentence(groups: list[list[Thing]], scene: Scene, rng: np.random.Generator) -> str:
    phrases = [_phrase(group, rng) for group in groups]
    said = phrases[0]
    trap = rng.random() < TRAP
    person = groups[0][0].name == "person" and len(groups[0]) == 1
    if trap and person:
        said += " " + _pick(TRAPS_PERSON, rng)
    elif rng.random() < 0.4:
        said += " " + _verb(groups[0][0], rng)
    if len(phrases) > 1:
        said += _relation(groups[0], groups[1], rng) + phrases[1]
    for phrase in phrases[2:]:
        said += _pick((" and ", " with ", " and also "), rng) + phrase
    if trap and not person:
        said += " " + _pick(TRAPS, rng)
    if rng.random() < SETTING_SAID:
        said += " " + _pick(SETTING_PHRASES[scene.setting], rng)
    text = _pick(OPENINGS, rng) + said + _pick(CLOSINGS, rng) + "."
    return text[0].upper() + text[1:] if rng.random() < 0.8 else text


def _relation(first: list[Thing], second: list[Thing], rng: np.random.Generator) -> str:
    """The relation of the first group to the second; left and right only when it is so of every pair."""
    options = [" and ", " next to ", " beside ", " with ", " near "]
    if max(t.x + t.size / 2 for t in first) < min(t.x + t.size / 2 for t in second):
        options += [" to the left of ", " left of "]
    if min(t.x + t.size / 2 for t in first) > max(t.x + t.size / 2 for t in second):
        options += [" to the right of ", " right of "]
    if max(t.y + t.size for t in first) < min(t.y + t.size for t in second) - 0.15:
        options += [" behind "]
    return _pick(options, rng)


def _alt_text(groups: list[list[Thing]], scene: Scene, rng: np.random.Generator) -> SceneCaption:
    classes: list[int] = []
    if rng.random() < WRONG:
        classes = [int(rng.integers(len(CLASSES)))]
        words = [_pick(NAMES.get(CLASSES[classes[0]], PEOPLE["man"]), rng)]
    elif rng.random() < NONE:
        words = [_pick(EMPTY, rng)]
    else:
        largest = max(groups, key=lambda group: max(thing.size for thing in group))
        said = [group for group in groups if group is largest or rng.random() >= WEB_UNSAID]
        named = [rng.random() >= BY_KIND for _ in said]
        classes = [group[0].cls for group, by_name in zip(said, named, strict=True) if by_name]
        words = [_tag(group, by_name, rng) for group, by_name in zip(said, named, strict=True)]
        if rng.random() < WEB_SETTING:
            words.append(SETTING_WORDS[scene.setting])
    if rng.random() < SELLING:
        words += [_pick(SALES, rng) for _ in range(int(rng.integers(1, MOST_SALES + 1)))]
    if rng.random() < ANY_ORDER:
        rng.shuffle(words)
    return SceneCaption(_pick((", ", ", ", " ", " - "), rng).join(words), tuple(sorted(set(classes))))


def _tag(group: list[Thing], by_name: bool, rng: np.random.Generator) -> str:
    """A group in an alt-text: its noun or that of its kind, perhaps its colour or a word of praise."""
    thing, noun = group[0], KINDS[group[0].name]
    if by_name:
        noun = _noun(thing, rng) if len(group) == 1 else plural(_noun(thing, rng))
    plain = not thing.kind and not _pot(thing) and len({t.colour for t in group}) == 1
    if plain and rng.random() < WEB_COLOUR:
        return f"{thing.colour} {noun}"
    return f"{_pick(PRAISE, rng)} {noun}" if rng.random() < PRAISED else noun


def _prompt(groups: list[list[Thing]], scene: Scene, rng: np.random.Generator) -> str:
    raw = rng.random() < 0.5
    nouns = [CLASSES[group[0].cls] if raw else _noun(group[0], rng) for group in groups]
    said = " and ".join(article(noun) for noun in nouns)
    forms = (
        "a photo of {}.",
        "a photo of {}",
        "a picture of {}.",
        "there is {} in the scene.",
        "{}.",
        "an image of {}.",
    )
    return _pick(forms, rng).format(said)


def vocabulary() -> list[str]:
    """Every word, number and mark that a caption can hold, in lower case, sorted."""
    texts = [*CLASSES, *COLOURS, *CLOTHES.values(), *OPENINGS, *CLOSINGS, *TRAPS, *TRAPS_PERSON, *NUMBERS.values()]
    for table in (NAMES, PEOPLE, SETTING_PHRASES, VERBS):
        texts += [word for words in table.values() for word in words]
    texts += [*SETTING_WORDS.values(), *KINDS.values(), *PRAISE, *EMPTY, *SALES]
    texts += [plural(noun) for table in (NAMES, PEOPLE) for nouns in table.values() for noun in nouns]
    texts += [
        "a an and also next to beside with near the left right of behind in pot plant photo image picture scene",
        ". , -",
    ]
    texts += ["there is in the scene . of"]
    return sorted({word for text in texts for word in re.findall(r"[a-z0-9]+|[-.,]", text.lower())})
