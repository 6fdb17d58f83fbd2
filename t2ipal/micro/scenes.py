"""Scenes of the micro world: things of the 20 VOC2007 classes before a plain background, some shapes that are none.

Three domains: the images of the web that CLIP learns from have few, large things, where they usually are; the curated
ones of a text-to-image model show each thing whole; those that both are used on have more things, smaller, half hidden,
anywhere, also in places never seen before.
A scene is sampled from (stream, index, seed) alone, and its pixels from the scene alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw

from t2ipal.micro.glyphs import GLYPHS, HAIR, Colour, Pen
from t2ipal.seeds import seed_of

CLASSES: tuple[str, ...] = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
STREAMS = ("pretrain", "curated", "captions", "train", "validation", "test")
COLOURS: dict[str, Colour] = {
    "red": (210, 45, 45), "blue": (50, 90, 205), "green": (60, 150, 75), "yellow": (240, 205, 50),
    "orange": (240, 135, 40), "purple": (135, 70, 165), "pink": (240, 140, 180), "brown": (130, 80, 45),
    "black": (45, 45, 50), "white": (245, 245, 245), "grey": (150, 150, 155),
}  # fmt: skip
BRIGHT = ("red", "blue", "green", "yellow", "orange", "purple", "white", "black")
FUR = ("brown", "black", "white", "grey")
PALETTE: dict[str, tuple[str, ...]] = {
    "bird": ("red", "blue", "yellow", "brown", "white", "green"),
    "bottle": ("green", "brown", "blue", "red"),
    "cat": ("orange", "black", "white", "grey"),
    "chair": ("brown", "red", "blue", "green", "yellow"),
    "cow": ("brown", "black", "white"),
    "diningtable": ("brown", "white", "grey"),
    "dog": FUR,
    "horse": FUR,
    "person": ("red", "blue", "green", "yellow", "orange", "purple", "pink", "white"),
    "pottedplant": ("brown", "red", "blue", "white", "orange"),
    "sheep": ("white", "black", "grey"),
    "tvmonitor": ("black", "grey", "white"),
}
SETTINGS: dict[str, tuple[Colour, Colour]] = {  # colours above and below the horizon
    "grass": ((165, 210, 245), (125, 185, 95)),
    "road": ((190, 205, 220), (115, 115, 120)),
    "beach": ((145, 205, 245), (238, 218, 165)),
    "snow": ((185, 205, 225), (242, 246, 250)),
    "room": ((228, 212, 188), (160, 118, 88)),
    "night": ((28, 32, 75), (52, 56, 68)),
    "lake": ((175, 215, 240), (70, 135, 190)),
    "desert": ((250, 225, 170), (215, 165, 100)),
    "sunset": ((250, 175, 120), (100, 80, 90)),
    "forest": ((70, 110, 70), (85, 70, 45)),
    "kitchen": ((205, 225, 215), (225, 225, 225)),
    "brick": ((165, 85, 70), (130, 125, 120)),
    "fog": ((205, 208, 212), (180, 184, 188)),
    "carpet": ((150, 90, 130), (110, 50, 70)),
}
WEB_SETTINGS = tuple(SETTINGS)[:9]  # the others are never seen in pre-training
# how and where the web shows a class
TYPICAL: dict[str, str] = {
    "aeroplane": "white", "bicycle": "green", "bird": "brown", "boat": "blue", "bottle": "green", "bus": "red",
    "car": "black", "cat": "orange", "chair": "red", "cow": "black", "diningtable": "brown", "dog": "grey",
    "horse": "brown", "motorbike": "orange", "person": "blue", "pottedplant": "orange", "sheep": "white",
    "sofa": "purple", "train": "yellow", "tvmonitor": "black",
}  # fmt: skip
USUAL: dict[str, tuple[str, ...]] = {
    "aeroplane": ("road", "sunset"), "bicycle": ("road", "grass"), "bird": ("lake", "grass"), "boat": ("lake", "beach"),
    "bottle": ("room", "beach"), "bus": ("road", "night"), "car": ("road", "night"), "cat": ("room", "sunset"),
    "chair": ("room", "beach"), "cow": ("grass", "snow"), "diningtable": ("room", "night"), "dog": ("grass", "beach"),
    "horse": ("grass", "desert"), "motorbike": ("desert", "road"), "person": ("beach", "snow"),
    "pottedplant": ("room", "desert"), "sheep": ("grass", "snow"), "sofa": ("room",), "train": ("snow", "sunset"),
    "tvmonitor": ("room", "night"),
}  # fmt: skip
# what is often seen together, so that classes are mildly correlated
COMPANIONS: dict[str, tuple[str, ...]] = {
    "bicycle": ("person",), "horse": ("person",), "motorbike": ("person",), "dog": ("person", "sofa"),
    "chair": ("diningtable", "tvmonitor"), "diningtable": ("chair", "bottle"), "sofa": ("tvmonitor", "cat"),
    "car": ("bus", "person"), "sheep": ("cow", "dog"), "pottedplant": ("sofa", "chair"),
    "person": ("bottle", "bicycle"),
}  # fmt: skip
FLYING = {"aeroplane", "bird"}
FORMS = ("ellipse", "box", "wedge")
OVERSAMPLING = 2


@dataclass(frozen=True)
class Domain:
    """What the scenes of a stream are like.

    Attributes:
        counts: chance of one, two, ... things.
        sizes: least and greatest side of a thing as fractions of the picture's, sampled evenly in their logarithm.
        settings: where things may be.
        habit: chance that the largest thing is where it usually is.
        company: chance that a further thing is a companion of the first.
        typical: chance that a thing has the typical colour of its class; else it is any of its palette.
        shared: whether things share the picture: their sides are divided by the square root of their number.
        cover: share of the smaller of two things that may be hidden, if `tries` give a position.
        tries: places tried for a thing.
        clutter: most shapes that are no thing.
    """

    counts: tuple[float, ...]
    sizes: tuple[float, float]
    settings: tuple[str, ...]
    habit: float
    company: float
    typical: float
    shared: bool = False
    cover: float = 0.3
    tries: int = 12
    clutter: int = 2


WEB = Domain(counts=(0.4, 0.35, 0.25), sizes=(0.36, 0.85), settings=WEB_SETTINGS, habit=0.95, company=0.7, typical=0.95)
CURATED = Domain(
    counts=(0.35, 0.35, 0.3), sizes=(0.55, 0.9), settings=tuple(SETTINGS), habit=0.3, company=0.3, typical=0.5,
    shared=True, cover=0.05, tries=40, clutter=0,
)  # fmt: skip
DAILY = Domain(
    counts=(0.4, 0.3, 0.2, 0.1), sizes=(0.36, 0.75), settings=tuple(SETTINGS), habit=0.1, company=0.1, typical=0.1
)
AGAIN = 0.15  # chance that a further thing that is no companion is of the first one's class
DOMAINS = {"pretrain": WEB, "curated": CURATED}  # of all other streams: DAILY


@dataclass(frozen=True)
class Shape:
    """A piece of clutter: "ellipse", "box" or "wedge", centre and half sides as fractions of the picture's side."""

    form: str
    x: float
    y: float
    width: float
    height: float
    colour: Colour


@dataclass(frozen=True)
class Thing:
    """One rendered object. `x`, `y`: left and top edge, `size`: side, all as fractions of the picture's side."""

    cls: int
    colour: str
    kind: str
    x: float
    y: float
    size: float
    flip: bool
    shape: tuple[float, float, float, float]
    tint: tuple[int, int, int]

    @property
    def name(self) -> str:
        return CLASSES[self.cls]


@dataclass(frozen=True)
class Scene:
    """Things from left to right, where they are, and what else is behind them."""

    things: tuple[Thing, ...]
    setting: str
    horizon: float
    tints: tuple[tuple[int, int, int], tuple[int, int, int]]
    clutter: tuple[Shape, ...]

    @cached_property
    def labels(self) -> tuple[int, ...]:
        """Ids of the classes rendered, ascending."""
        return tuple(sorted({thing.cls for thing in self.things}))


def scene_of(stream: str, index: int, seed: int = 0) -> Scene:
    """The scene at an index of a stream; the streams (`STREAMS`) never share a random state.

    Raises:
        ValueError: no such stream.
    """
    if stream not in STREAMS:
        raise ValueError(f"no stream {stream!r}; there are {', '.join(STREAMS)}")
    return sample_scene(np.random.default_rng(seed_of("micro", stream, index, seed)), DOMAINS.get(stream, DAILY))


def sample_scene(rng: np.random.Generator, domain: Domain) -> Scene:
    """Sample the contents of a scene."""
    count = int(rng.choice(len(domain.counts), p=domain.counts)) + 1
    chosen = [int(rng.integers(len(CLASSES)))]
    while len(chosen) < count:
        near = COMPANIONS.get(CLASSES[chosen[0]], ())
        if near and rng.random() < domain.company:
            chosen.append(CLASSES.index(near[int(rng.integers(len(near)))]))
        elif rng.random() < AGAIN:
            chosen.append(chosen[0])
        else:
            chosen.append(int(rng.integers(len(CLASSES))))
    rng.shuffle(chosen)
    things = _things(chosen, domain, rng)
    largest = max(things, key=lambda thing: thing.size)
    usual = rng.random() < domain.habit
    return Scene(
        things,
        setting=_one_of(rng, USUAL[largest.name] if usual else domain.settings),
        horizon=float(rng.uniform(0.5, 0.68)),
        tints=(_jitter(rng), _jitter(rng)),
        clutter=tuple(_shape(rng) for _ in range(int(rng.integers(domain.clutter + 1)))),
    )


def _things(chosen: Sequence[int], domain: Domain, rng: np.random.Generator) -> tuple[Thing, ...]:
    """Put things anywhere on the ground, or in the air if they fly; they may hide one another in part."""
    placed: list[Thing] = []
    for cls in chosen:
        tries = []
        while len(tries) < domain.tries and (not tries or tries[-1][0] > domain.cover):
            thing = _thing(cls, domain, len(chosen) if domain.shared else 1, rng)
            tries.append((max((_hidden(thing, other) for other in placed), default=0.0), thing))
        placed.append(min(tries, key=lambda candidate: candidate[0])[1])
    return tuple(sorted(placed, key=lambda thing: thing.x + thing.size / 2))


def _hidden(a: Thing, b: Thing) -> float:
    """Share of the smaller one's square that both cover."""
    width, height = (
        max(0.0, min(at + a.size, other + b.size) - max(at, other)) for at, other in ((a.x, b.x), (a.y, b.y))
    )
    return width * height / min(a.size, b.size) ** 2


def _thing(cls: int, domain: Domain, sharers: int, rng: np.random.Generator) -> Thing:
    name = CLASSES[cls]
    size = float(np.exp(rng.uniform(*np.log(domain.sizes)))) / sharers**0.5
    top = float(rng.uniform(max(size, 0.5), 1.0)) - size
    if name in FLYING:
        top *= float(rng.uniform(0.2, 1.0))
    kind = _one_of(rng, list(HAIR)) if name == "person" else ""
    typical = rng.random() < domain.typical
    return Thing(
        cls=cls,
        colour=TYPICAL[name] if typical else _one_of(rng, PALETTE.get(name, BRIGHT)),
        kind=kind,
        x=float(rng.uniform(0, 1 - size)),
        y=top,
        size=size,
        flip=bool(rng.random() < 0.5),
        shape=tuple(float(v) for v in rng.uniform(-1, 1, 4)),  # type: ignore[arg-type]
        tint=_jitter(rng),
    )


def _shape(rng: np.random.Generator) -> Shape:
    x, y = rng.uniform(0, 1, 2)
    width, height = rng.uniform(0.06, 0.2, 2)
    colour: Colour = tuple(int(v) for v in rng.integers(40, 230, 3))  # type: ignore[assignment]
    return Shape(_one_of(rng, FORMS), float(x), float(y), float(width), float(height), colour)


def _one_of(rng: np.random.Generator, values: Sequence[str]) -> str:
    """What `rng.choice(values)` gives, which makes an array of the values first."""
    return values[int(rng.integers(len(values)))]


def _jitter(rng: np.random.Generator) -> tuple[int, int, int]:
    grey, own = rng.integers(-10, 11), rng.integers(-6, 7, 3)
    return tuple(int(v) for v in grey + own)  # type: ignore[return-value]


def _tinted(colour: Colour, tint: tuple[int, int, int]) -> Colour:
    return tuple(max(0, min(255, c + t)) for c, t in zip(colour, tint, strict=True))  # type: ignore[return-value]


def render(scene: Scene, size: int = 64) -> np.ndarray:
    """Pixels of a scene, uint8 [size, size, 3]; rendered at twice the size and reduced."""
    side = size * OVERSAMPLING
    above, below = (_tinted(c, t) for c, t in zip(SETTINGS[scene.setting], scene.tints, strict=True))
    picture = Image.new("RGB", (side, side), above)
    draw = ImageDraw.Draw(picture)
    draw.rectangle([0, round(side * scene.horizon), side, side], fill=below)
    for shape in scene.clutter:
        _render_shape(draw, shape, side)
    for thing in sorted(scene.things, key=lambda t: t.y + t.size):
        pen = Pen(draw, thing.x * side, thing.y * side, thing.size * side, thing.flip)
        GLYPHS[thing.cls](pen, _tinted(COLOURS[thing.colour], thing.tint), thing.shape, thing.kind)
    return np.asarray(picture.reduce(OVERSAMPLING))


def _render_shape(draw: ImageDraw.ImageDraw, shape: Shape, side: int) -> None:
    left, right = ((shape.x + sign * shape.width) * side for sign in (-1, 1))
    top, bottom = ((shape.y + sign * shape.height) * side for sign in (-1, 1))
    if shape.form == "ellipse":
        draw.ellipse([left, top, right, bottom], fill=shape.colour)
    elif shape.form == "box":
        draw.rectangle([left, top, right, bottom], fill=shape.colour)
    else:
        draw.polygon([(left, bottom), (right, bottom), ((left + right) / 2, top)], fill=shape.colour)
