"""Scenes of the micro world: one to three large things of the 20 VOC2007 classes before a plain background.

A scene is drawn from (stream, index, seed) alone, and its pixels from the scene alone.
"""

from __future__ import annotations

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
STREAMS = ("pretrain", "captions", "train", "validation", "test")
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
}
# what is often seen together, so that classes are mildly correlated
COMPANIONS: dict[str, tuple[str, ...]] = {
    "bicycle": ("person",), "horse": ("person",), "motorbike": ("person",), "dog": ("person", "sofa"),
    "chair": ("diningtable", "tvmonitor"), "diningtable": ("chair", "bottle"), "sofa": ("tvmonitor", "cat"),
    "car": ("bus", "person"), "sheep": ("cow", "dog"), "pottedplant": ("sofa", "chair"),
    "person": ("bottle", "bicycle"),
}  # fmt: skip
COMPANY = 0.35  # chance that a further thing is a companion of the first
COUNTS = (0.5, 0.35, 0.15)  # chance of one, two, three things
FLYING = {"aeroplane", "bird"}
OVERSAMPLING = 2


@dataclass(frozen=True)
class Thing:
    """One drawn object. `x`, `y`: left and top edge, `size`: side, all as fractions of the picture's side."""

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
    """Things from left to right, and where they are."""

    things: tuple[Thing, ...]
    setting: str
    horizon: float
    tints: tuple[tuple[int, int, int], tuple[int, int, int]]

    @cached_property
    def labels(self) -> tuple[int, ...]:
        """Ids of the classes drawn, ascending."""
        return tuple(sorted({thing.cls for thing in self.things}))


def scene_of(stream: str, index: int, seed: int = 0) -> Scene:
    """The scene at a place of a stream; the streams (`STREAMS`) never share a random state.

    Raises:
        ValueError: no such stream.
    """
    if stream not in STREAMS:
        raise ValueError(f"no stream {stream!r}; there are {', '.join(STREAMS)}")
    return draw_scene(np.random.default_rng(seed_of("micro", stream, index, seed)))


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draw what is in a scene."""
    count = int(rng.choice(3, p=COUNTS)) + 1
    chosen = [int(rng.integers(len(CLASSES)))]
    while len(chosen) < count:
        near = COMPANIONS.get(CLASSES[chosen[0]], ())
        if near and rng.random() < COMPANY:
            chosen.append(CLASSES.index(near[int(rng.integers(len(near)))]))
        elif rng.random() < 0.15:
            chosen.append(chosen[0])
        else:
            chosen.append(int(rng.integers(len(CLASSES))))
    rng.shuffle(chosen)
    things = tuple(_thing(cls, place, count, rng) for place, cls in enumerate(chosen))
    return Scene(
        things,
        setting=str(rng.choice(list(SETTINGS))),
        horizon=float(rng.uniform(0.5, 0.68)),
        tints=(_jitter(rng), _jitter(rng)),
    )


def _thing(cls: int, place: int, count: int, rng: np.random.Generator) -> Thing:
    name = CLASSES[cls]
    size = rng.uniform(*{1: (0.62, 0.84), 2: (0.44, 0.53), 3: (0.34, 0.41)}[count])
    centre = (place + 0.5) / count + rng.uniform(-0.03, 0.03) * (2 if count == 1 else 1)
    # of three, the middle one stands further back
    foot = {1: (0.96,), 2: (0.88, 0.88), 3: (0.95, 0.62, 0.95)}[count][place]
    foot += rng.uniform(-0.05, 0.03)
    if name in FLYING:
        foot -= rng.uniform(0.0, 0.3) * (1 - size)
    kind = str(rng.choice(list(HAIR))) if name == "person" else ""
    return Thing(
        cls=cls,
        colour=str(rng.choice(PALETTE.get(name, BRIGHT))),
        kind=kind,
        x=float(np.clip(centre - size / 2, 0.0, 1 - size)),
        y=float(np.clip(foot - size, 0.0, 1 - size)),
        size=float(size),
        flip=bool(rng.random() < 0.5),
        shape=tuple(float(v) for v in rng.uniform(-1, 1, 4)),  # type: ignore[arg-type]
        tint=_jitter(rng),
    )


def _jitter(rng: np.random.Generator) -> tuple[int, int, int]:
    grey, own = rng.integers(-10, 11), rng.integers(-6, 7, 3)
    return tuple(int(v) for v in grey + own)  # type: ignore[return-value]


def _tinted(colour: Colour, tint: tuple[int, int, int]) -> Colour:
    return tuple(max(0, min(255, c + t)) for c, t in zip(colour, tint, strict=True))  # type: ignore[return-value]


def render(scene: Scene, size: int = 64) -> np.ndarray:
    """Pixels of a scene, uint8 [size, size, 3]; drawn at twice the size and reduced."""
    side = size * OVERSAMPLING
    above, below = (_tinted(c, t) for c, t in zip(SETTINGS[scene.setting], scene.tints, strict=True))
    picture = Image.new("RGB", (side, side), above)
    draw = ImageDraw.Draw(picture)
    draw.rectangle([0, round(side * scene.horizon), side, side], fill=below)
    for thing in sorted(scene.things, key=lambda t: t.y + t.size):
        pen = Pen(draw, thing.x * side, thing.y * side, thing.size * side, thing.flip)
        GLYPHS[thing.cls](pen, _tinted(COLOURS[thing.colour], thing.tint), thing.shape, thing.kind)
    return np.asarray(picture.reduce(OVERSAMPLING))
