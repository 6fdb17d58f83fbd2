"""One parametric drawing per class, in unit coordinates: x to the right, y down, feet near y = 1.

Each is a strong silhouette with a few contrasting parts, readable at 64 px. `s` holds four numbers in [-1, 1] that vary
the proportions by about ten percent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

DARK: Colour = (38, 38, 44)
TYRE: Colour = (28, 28, 32)
GLASS: Colour = (170, 215, 240)
STEEL: Colour = (150, 155, 165)
WOOD: Colour = (120, 75, 40)
LEAF: Colour = (50, 150, 60)
CREAM: Colour = (245, 240, 225)


def shade(colour: Colour, factor: float) -> Colour:
    """Darker (factor < 1) or lighter (factor > 1)."""
    if factor <= 1:
        return tuple(int(c * factor) for c in colour)  # type: ignore[return-value]
    return tuple(int(255 - (255 - c) / factor) for c in colour)  # type: ignore[return-value]


@dataclass(frozen=True)
class Pen:
    """Draws in the unit square of one thing: left and top edge and side in pixels, mirrored when `flip`."""

    draw: ImageDraw.ImageDraw
    left: float
    top: float
    side: float
    flip: bool

    def at(self, x: float, y: float) -> Point:
        return self.left + self.side * (1 - x if self.flip else x), self.top + self.side * y

    def poly(self, points: Sequence[Point], fill: Colour) -> None:
        self.draw.polygon([self.at(*p) for p in points], fill=fill, outline=shade(fill, 0.55))

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        (cx, cy), (w, h) = self.at(x, y), (rx * self.side, ry * self.side)
        self.draw.ellipse([cx - w, cy - h, cx + w, cy + h], fill=fill, outline=shade(fill, 0.55))

    def ring(self, x: float, y: float, r: float, width: float, fill: Colour) -> None:
        (cx, cy), d = self.at(x, y), r * self.side
        self.draw.ellipse([cx - d, cy - d, cx + d, cy + d], outline=fill, width=max(1, round(width * self.side)))

    def line(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        pixels = max(1, round(width * self.side))
        self.draw.line([self.at(*p) for p in points], fill=fill, width=pixels, joint="curve")


def aeroplane(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    p.poly([(0.0, 0.22), (0.12, 0.24), (0.22, 0.48), (0.05, 0.48)], shade(c, 0.75))
    p.poly([(0.42, 0.44), (0.55, 0.44), (0.42, 0.1 + 0.04 * s[0]), (0.32, 0.1 + 0.04 * s[0])], shade(c, 0.85))
    p.poly([(0.04, 0.44), (0.8, 0.4), (0.97, 0.5), (0.8, 0.6), (0.2, 0.58)], c)
    p.poly([(0.4, 0.52), (0.62, 0.52), (0.42, 0.92 + 0.04 * s[1]), (0.28, 0.92 + 0.04 * s[1])], shade(c, 0.7))
    p.poly([(0.8, 0.43), (0.9, 0.46), (0.82, 0.49)], DARK)
    for i in range(5):
        p.oval(0.32 + 0.1 * i, 0.48, 0.022, 0.025, DARK)


def bicycle(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    r = 0.215 + 0.015 * s[0]
    for x in (0.23, 0.77):
        p.ring(x, 0.73, r, 0.045, TYRE)
        p.oval(x, 0.73, 0.03, 0.03, STEEL)
    seat, head, crank = (0.38, 0.36), (0.68, 0.34), (0.46, 0.72)
    p.line([(0.23, 0.73), crank, head, seat, crank], 0.055, c)
    p.line([(0.23, 0.73), seat], 0.05, c)
    p.line([head, (0.77, 0.73)], 0.05, c)
    p.line([(0.68, 0.36), (0.66, 0.22), (0.8, 0.2)], 0.045, DARK)
    p.line([(0.38, 0.38), (0.365, 0.28)], 0.04, DARK)
    p.line([(0.28, 0.27), (0.46, 0.27)], 0.065, DARK)


def bird(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    p.poly([(0.02, 0.36 + 0.05 * s[0]), (0.3, 0.5), (0.26, 0.66), (0.0, 0.56)], shade(c, 0.65))
    p.line([(0.48, 0.75), (0.46, 0.96)], 0.035, (220, 140, 40))
    p.line([(0.58, 0.75), (0.58, 0.96)], 0.035, (220, 140, 40))
    p.oval(0.5, 0.58, 0.29, 0.2, c)
    p.oval(0.77, 0.33, 0.15, 0.15, c)
    p.poly([(0.9, 0.29), (1.0, 0.36), (0.89, 0.41)], (240, 165, 40))
    p.oval(0.8, 0.3, 0.028, 0.028, DARK)
    p.poly([(0.3, 0.5), (0.62, 0.5), (0.42, 0.8 + 0.04 * s[1]), (0.2, 0.7)], shade(c, 0.65))


def boat(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    top = 0.05 + 0.04 * s[0]
    p.line([(0.5, top), (0.5, 0.72)], 0.04, WOOD)
    p.poly([(0.54, top + 0.03), (0.93, 0.62), (0.54, 0.62)], CREAM)
    p.poly([(0.46, top + 0.12), (0.46, 0.62), (0.16, 0.62)], shade(CREAM, 0.85))
    p.poly([(0.02, 0.69), (0.98, 0.69), (0.82, 0.95), (0.2, 0.95)], c)
    p.box(0.09, 0.75, 0.9, 0.79, CREAM)


def bottle(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    w = 0.19 + 0.02 * s[0]
    p.poly(
        [(0.42, 0.1), (0.58, 0.1), (0.58, 0.32), (0.5 + w, 0.46),
         (0.5 + w, 0.98), (0.5 - w, 0.98), (0.5 - w, 0.46), (0.42, 0.32)],
        c,
    )  # fmt: skip
    p.box(0.41, 0.02, 0.59, 0.11, shade(c, 0.5))
    p.box(0.5 - w, 0.56, 0.5 + w, 0.8, CREAM)
    p.line([(0.5 - w + 0.04, 0.48), (0.5 - w + 0.04, 0.54)], 0.03, (255, 255, 255))


def bus(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    top = 0.16 + 0.03 * s[0]
    p.box(0.02, top, 0.98, 0.84, c)
    for i in range(4):
        p.box(0.06 + 0.18 * i, top + 0.09, 0.2 + 0.18 * i, 0.46, GLASS)
    p.box(0.79, top + 0.09, 0.95, 0.78, shade(GLASS, 0.8))
    p.box(0.02, 0.56, 0.77, 0.62, CREAM)
    for x in (0.22, 0.68):
        p.oval(x, 0.86, 0.1, 0.1, TYRE)
        p.oval(x, 0.86, 0.045, 0.045, STEEL)


def car(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    roof = 0.3 + 0.03 * s[0]
    p.poly([(0.2, 0.56), (0.33, roof), (0.66, roof), (0.82, 0.56)], c)
    p.poly([(0.26, 0.55), (0.36, roof + 0.06), (0.49, roof + 0.06), (0.49, 0.55)], GLASS)
    p.poly([(0.53, 0.55), (0.53, roof + 0.06), (0.64, roof + 0.06), (0.75, 0.55)], GLASS)
    p.poly([(0.02, 0.58), (0.14, 0.54), (0.86, 0.54), (0.98, 0.62), (0.98, 0.78), (0.02, 0.78)], c)
    p.oval(0.94, 0.63, 0.035, 0.035, (255, 235, 130))
    for x in (0.24, 0.76):
        p.oval(x, 0.79, 0.125, 0.125, TYRE)
        p.oval(x, 0.79, 0.06, 0.06, STEEL)


def cat(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    # sits, seen from the front; pointed ears, whiskers, a tail that curls up
    p.line([(0.66, 0.9), (0.9, 0.86), (0.95, 0.62), (0.86, 0.48 + 0.04 * s[0])], 0.085, shade(c, 0.8))
    p.poly([(0.3, 0.97), (0.36, 0.55), (0.6, 0.55), (0.74, 0.97)], c)
    p.poly([(0.2, 0.32), (0.22, 0.02), (0.43, 0.18)], c)
    p.poly([(0.76, 0.32), (0.74, 0.02), (0.53, 0.18)], c)
    p.poly([(0.25, 0.22), (0.26, 0.1), (0.35, 0.17)], (235, 160, 160))
    p.poly([(0.71, 0.22), (0.7, 0.1), (0.61, 0.17)], (235, 160, 160))
    p.oval(0.48, 0.36, 0.29, 0.235 + 0.015 * s[1], c)
    for x in (0.37, 0.59):
        p.oval(x, 0.33, 0.055, 0.06, (190, 220, 70))
        p.oval(x, 0.33, 0.02, 0.05, DARK)
    p.poly([(0.45, 0.42), (0.51, 0.42), (0.48, 0.46)], (230, 120, 130))
    light = CREAM if sum(c) < 380 else DARK
    for y in (0.43, 0.49):
        p.line([(0.1, y - 0.02), (0.36, y)], 0.012, light)
        p.line([(0.6, y), (0.86, y - 0.02)], 0.012, light)


def chair(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    # seen from the side: a tall back, a seat, four legs
    p.line([(0.28, 0.56), (0.24, 0.98)], 0.065, shade(c, 0.6))
    p.line([(0.7, 0.58), (0.76, 0.98)], 0.065, shade(c, 0.6))
    p.line([(0.4, 0.6), (0.4, 0.92)], 0.05, shade(c, 0.45))
    p.line([(0.6, 0.6), (0.62, 0.92)], 0.05, shade(c, 0.45))
    p.poly([(0.18, 0.03 + 0.04 * s[0]), (0.34, 0.03 + 0.04 * s[0]), (0.36, 0.58), (0.22, 0.58)], c)
    p.poly([(0.22, 0.52), (0.78, 0.52), (0.8, 0.63), (0.22, 0.63)], shade(c, 1.3))


def _four_legs(p: Pen, c: Colour, top: float, bottom: float, xs: Sequence[float], width: float) -> None:
    for index, x in enumerate(xs):
        p.box(x, top, x + width, bottom, shade(c, 0.8 if index % 2 else 1.0))


def cow(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    # a heavy box of a body with patches, horns, udder, pale muzzle
    _four_legs(p, c, 0.6, 0.97, (0.12, 0.23, 0.54, 0.65), 0.09)
    p.line([(0.07, 0.36), (0.02, 0.66)], 0.04, shade(c, 0.7))
    p.box(0.06, 0.3 + 0.02 * s[0], 0.76, 0.7, c)
    patch = CREAM if sum(c) < 480 else (60, 50, 45)
    p.oval(0.24, 0.45, 0.11, 0.1, patch)
    p.oval(0.52, 0.54, 0.12, 0.1, patch)
    p.oval(0.44, 0.72, 0.08, 0.05, (240, 170, 175))
    p.line([(0.74, 0.2), (0.68, 0.06)], 0.045, CREAM)
    p.line([(0.9, 0.2), (0.97, 0.06)], 0.045, CREAM)
    p.poly([(0.7, 0.18), (0.94, 0.18), (0.95, 0.46), (0.74, 0.5)], c)
    p.oval(0.87, 0.49, 0.12, 0.075, (240, 190, 185))
    p.oval(0.84, 0.29, 0.025, 0.03, DARK)


def diningtable(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    # a wide top in perspective, long legs, a plate and a glass
    p.line([(0.1, 0.46), (0.1, 0.96)], 0.06, shade(c, 0.6))
    p.line([(0.9, 0.46), (0.9, 0.96)], 0.06, shade(c, 0.6))
    p.line([(0.26, 0.4), (0.26, 0.8)], 0.05, shade(c, 0.45))
    p.line([(0.74, 0.4), (0.74, 0.8)], 0.05, shade(c, 0.45))
    p.poly([(0.18, 0.28 + 0.03 * s[0]), (0.82, 0.28 + 0.03 * s[0]), (0.99, 0.48), (0.01, 0.48)], c)
    p.box(0.01, 0.48, 0.99, 0.55, shade(c, 0.75))
    p.oval(0.38, 0.385, 0.13, 0.05, (250, 250, 250))
    p.oval(0.66, 0.38, 0.09, 0.035, (250, 250, 250))
    p.poly([(0.5, 0.16), (0.58, 0.16), (0.56, 0.36), (0.52, 0.36)], GLASS)


def dog(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    # stands, seen from the side; hanging ear, long snout, raised tail, collar
    p.line([(0.14, 0.5), (0.03, 0.26 + 0.05 * s[0])], 0.07, c)
    _four_legs(p, c, 0.6, 0.97, (0.12, 0.24, 0.5, 0.61), 0.085)
    p.poly([(0.1, 0.46), (0.6, 0.44), (0.72, 0.5), (0.7, 0.72), (0.14, 0.7)], c)
    p.poly([(0.54, 0.56), (0.58, 0.26), (0.76, 0.3), (0.74, 0.64)], c)
    p.line([(0.57, 0.47), (0.75, 0.53)], 0.05, (215, 50, 50) if c[0] < 180 or c[1] > 150 else (50, 80, 200))
    p.poly([(0.56, 0.14), (0.78, 0.14), (0.98, 0.3), (0.97, 0.41), (0.62, 0.42)], c)
    p.poly([(0.52, 0.14), (0.66, 0.13), (0.63, 0.44 + 0.03 * s[1]), (0.5, 0.42)], shade(c, 0.55))
    p.oval(0.96, 0.31, 0.035, 0.03, DARK)
    p.oval(0.77, 0.23, 0.025, 0.028, DARK)


def horse(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    # long legs, a steep neck with a mane, a long head, a full tail
    mane = shade(c, 0.45) if sum(c) > 200 else (120, 90, 60)
    p.line([(0.12, 0.4), (0.03, 0.5), (0.04, 0.76)], 0.085, mane)
    _four_legs(p, c, 0.5, 0.98, (0.13, 0.22, 0.5, 0.59), 0.065)
    p.oval(0.36, 0.46, 0.27, 0.135 + 0.01 * s[0], c)
    p.poly([(0.48, 0.42), (0.66, 0.06), (0.8, 0.1), (0.66, 0.52)], c)
    p.line([(0.46, 0.38), (0.64, 0.04)], 0.075, mane)
    p.poly([(0.66, 0.04), (0.72, 0.0), (0.76, 0.08)], c)
    p.poly([(0.66, 0.07), (0.8, 0.08), (0.99, 0.28), (0.93, 0.37), (0.72, 0.24)], c)
    p.oval(0.78, 0.14, 0.022, 0.025, DARK)


def motorbike(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    for x in (0.2, 0.8):
        p.oval(x, 0.75, 0.195, 0.195, TYRE)
        p.oval(x, 0.75, 0.1, 0.1, STEEL)
    p.line([(0.8, 0.75), (0.68, 0.32), (0.58, 0.26)], 0.06, STEEL)
    p.poly([(0.3, 0.56), (0.62, 0.56), (0.6, 0.8), (0.36, 0.8)], (90, 92, 100))
    p.line([(0.4, 0.82), (0.04, 0.84)], 0.06, STEEL)
    p.poly([(0.4, 0.42), (0.68, 0.38 + 0.03 * s[0]), (0.72, 0.54), (0.42, 0.6)], c)
    p.poly([(0.06, 0.46), (0.14, 0.4), (0.42, 0.46), (0.42, 0.56), (0.14, 0.55)], DARK)
    p.poly([(0.03, 0.52), (0.14, 0.5), (0.3, 0.56), (0.34, 0.62)], c)
    p.oval(0.74, 0.36, 0.065, 0.065, (255, 240, 150))


HAIR: dict[str, Colour] = {
    "man": (60, 40, 25),
    "woman": (150, 85, 30),
    "boy": (200, 150, 70),
    "girl": (230, 185, 90),
    "player": (40, 30, 25),
}
SKIN: tuple[Colour, ...] = ((240, 200, 165), (205, 150, 110), (130, 85, 60))


def person(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    skin = SKIN[0 if s[0] < -0.2 else 1 if s[0] < 0.5 else 2]
    hair, top = HAIR[kind], 0.24 if kind in ("boy", "girl") else 0.02
    head = top + 0.12
    legs = (50, 60, 100) if kind != "player" else CREAM
    female = kind in ("woman", "girl")
    if female:
        p.poly([(0.36, head - 0.08), (0.64, head - 0.08), (0.69, head + 0.24), (0.31, head + 0.24)], hair)
    hips = 0.6 + top / 4
    if kind == "player":
        p.line([(0.45, hips), (0.3, 0.97)], 0.1, skin)
        p.line([(0.55, hips), (0.74, 0.97)], 0.1, skin)
        p.box(0.36, hips - 0.08, 0.64, hips + 0.09, legs)
        p.line([(0.4, head + 0.18), (0.2, head + 0.06)], 0.075, skin)
        p.line([(0.6, head + 0.18), (0.82, head + 0.1)], 0.075, skin)
    else:
        p.box(0.39, hips - 0.05, 0.48, 0.97, skin if female else legs)
        p.box(0.52, hips - 0.05, 0.61, 0.97, skin if female else legs)
        p.line([(0.38, head + 0.17), (0.27, hips + 0.02)], 0.075, skin)
        p.line([(0.62, head + 0.17), (0.73, hips + 0.02)], 0.075, skin)
    if female:
        p.poly([(0.38, head + 0.12), (0.62, head + 0.12), (0.74, hips + 0.17), (0.26, hips + 0.17)], c)
    else:
        p.poly([(0.33, head + 0.12), (0.67, head + 0.12), (0.63, hips), (0.37, hips)], c)
    if kind == "player":
        p.line([(0.5, head + 0.15), (0.5, hips - 0.1)], 0.06, CREAM)
    p.oval(0.5, head, 0.105, 0.12, skin)
    p.poly(
        [(0.39, head - 0.02), (0.4, head - 0.12), (0.5, head - 0.15),
         (0.6, head - 0.12), (0.61, head - 0.02), (0.5, head - 0.06)],
        hair,
    )  # fmt: skip


def pottedplant(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    for x, y in ((0.1, 0.32), (0.28, 0.1), (0.5, 0.02), (0.72, 0.1), (0.9, 0.32)):
        y += 0.03 * s[0]
        mid = ((0.5 + x) / 2, (0.64 + y) / 2)
        dx, dy = (y - 0.64) * 0.16, (0.5 - x) * 0.16
        p.poly(
            [(0.5, 0.66), (mid[0] - dx, mid[1] - dy), (x, y), (mid[0] + dx, mid[1] + dy)], shade(LEAF, 0.85 + 0.3 * x)
        )
    p.poly([(0.26, 0.64), (0.74, 0.64), (0.66, 0.97), (0.34, 0.97)], c)
    p.box(0.22, 0.58, 0.78, 0.67, shade(c, 0.8))


def sheep(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    # a cloud of wool on thin dark legs, a dark face
    face = (50, 45, 45) if sum(c) > 300 else (205, 185, 160)
    _four_legs(p, face, 0.66, 0.97, (0.2, 0.3, 0.56, 0.66), 0.055)
    upper = ((0.2, 0.48), (0.34, 0.36), (0.52, 0.34), (0.68, 0.42))
    lower = ((0.72, 0.58), (0.56, 0.66), (0.38, 0.67), (0.22, 0.62))
    for x, y in upper + lower:
        p.oval(x, y, 0.15, 0.135 + 0.01 * s[0], c)
    p.draw.ellipse([*_corner(p, 0.45, 0.52, 0.28, 0.19)], fill=c)
    p.oval(0.86, 0.42, 0.1, 0.14, face)
    p.oval(0.78, 0.33, 0.07, 0.035, face)
    p.oval(0.84, 0.29, 0.09, 0.06, c)
    p.oval(0.89, 0.39, 0.018, 0.02, CREAM)


def _corner(p: Pen, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
    cx, cy = p.at(x, y)
    return cx - rx * p.side, cy - ry * p.side, cx + rx * p.side, cy + ry * p.side


def sofa(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    top = 0.3 + 0.03 * s[0]
    p.box(0.12, 0.86, 0.2, 0.95, DARK)
    p.box(0.8, 0.86, 0.88, 0.95, DARK)
    p.box(0.1, top, 0.49, 0.68, shade(c, 0.85))
    p.box(0.51, top, 0.9, 0.68, shade(c, 0.85))
    p.box(0.14, 0.58, 0.5, 0.74, shade(c, 1.25))
    p.box(0.5, 0.58, 0.86, 0.74, shade(c, 1.25))
    p.box(0.08, 0.72, 0.92, 0.88, c)
    p.box(0.0, 0.48, 0.14, 0.88, c)
    p.box(0.86, 0.48, 1.0, 0.88, c)


def train(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    # a steam engine: boiler, chimney, cab, smoke, rails
    p.oval(0.8, 0.1, 0.08, 0.06, (225, 225, 230))
    p.oval(0.67, 0.06, 0.1, 0.065, (225, 225, 230))
    p.box(0.74, 0.2, 0.86, 0.42, DARK)
    p.box(0.34, 0.4, 0.95, 0.7, c)
    p.box(0.04, 0.22 + 0.03 * s[0], 0.36, 0.72, shade(c, 0.75))
    p.box(0.1, 0.3, 0.28, 0.46, GLASS)
    p.box(0.0, 0.16 + 0.03 * s[0], 0.4, 0.23 + 0.03 * s[0], DARK)
    p.oval(0.95, 0.5, 0.045, 0.06, (255, 235, 130))
    p.poly([(0.86, 0.7), (0.96, 0.7), (1.0, 0.88), (0.86, 0.88)], DARK)
    for x in (0.14, 0.4, 0.62, 0.82):
        p.oval(x, 0.8, 0.1, 0.1, TYRE)
        p.oval(x, 0.8, 0.05, 0.05, (200, 60, 50))
    p.line([(0.0, 0.93), (1.0, 0.93)], 0.04, (110, 90, 80))


def tvmonitor(p: Pen, c: Colour, s: Sequence[float], kind: str) -> None:
    bottom = 0.74 + 0.03 * s[0]
    p.box(0.44, bottom, 0.56, 0.92, STEEL)
    p.box(0.26, 0.9, 0.74, 0.96, STEEL)
    p.box(0.02, 0.14, 0.98, bottom, c)
    p.box(0.08, 0.2, 0.92, bottom - 0.07, (60, 130, 205))
    p.poly([(0.08, bottom - 0.07), (0.34, 0.42), (0.52, bottom - 0.07)], (95, 190, 110))
    p.oval(0.74, 0.33, 0.07, 0.07, (250, 225, 90))


GLYPHS: tuple[Callable[[Pen, Colour, Sequence[float], str], None], ...] = (
    aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike, person,
    pottedplant, sheep, sofa, train, tvmonitor,
)  # fmt: skip
