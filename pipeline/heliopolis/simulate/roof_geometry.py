"""Roofs in closed form: from a building record to its outline, planes and things on top.

Local frame of a building: x along the ridge, y to its left, origin in the middle of the main
rectangle, z above the eaves. Every plane is z = a x + b y + c.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
import shapely
from shapely import Polygon, box

#: Width of the parapet of a flat roof [m].
PARAPET_M = 0.3


@dataclass(frozen=True)
class Part:
    """One plane: what it is, its outline in the local frame and its coefficients."""

    part: str
    polygon: Polygon
    a: float
    b: float
    c: float

    def to_world(
        self, x: float, y: float, theta: float, eaves_z: float
    ) -> tuple[Polygon, float, float, float]:
        """Outline and coefficients in map coordinates, for eaves at the height ``eaves_z``."""
        cos, sin = np.cos(theta), np.sin(theta)
        a = self.a * cos - self.b * sin
        b = self.a * sin + self.b * cos
        return (
            place(self.polygon, x, y, theta),
            float(a),
            float(b),
            float(self.c + eaves_z - a * x - b * y),
        )


@dataclass
class Roof:
    """Outline at the eaves, planes, and obstacles (parapets, chimneys, plant)."""

    outline: Polygon
    planes: list[Part]
    obstacles: list[Part] = field(default_factory=list)


def place(polygon: Polygon, x: float, y: float, theta: float) -> Polygon:
    """Turn a polygon of the local frame by ``theta`` [rad] and move it to (x, y)."""
    turn = np.array([[np.cos(theta), np.sin(theta)], [-np.sin(theta), np.cos(theta)]])
    moved: Polygon = shapely.transform(polygon, lambda xy: xy @ turn + [x, y])
    return moved


def outline_of(
    roof: str, length: float, width: float, wing: tuple[float, float, float], ring: float
) -> Polygon:
    """Outline at the eaves in the local frame."""
    main = box(-length / 2, -width / 2, length / 2, width / 2)
    if roof == "ell":
        x, w, reach = wing
        across = box(x - w / 2, width / 2 - 1, x + w / 2, width / 2 + reach)
        return Polygon(shapely.get_exterior_ring(main.union(across)))
    if roof in ("courtyard", "flat_courtyard"):
        hole = _rectangle(length - 2 * ring, width - 2 * ring)
        return Polygon(main.exterior, [hole.exterior])
    return main


def build_roof(
    rng: np.random.Generator,
    roof: str,
    length: float,
    width: float,
    pitch_deg: float,
    wing: tuple[float, float, float],
    ring: float,
    strips: int,
) -> Roof:
    """Roof of the kind ``roof`` with random chimneys, dormers, parapets and plant."""
    slope = float(np.tan(np.radians(pitch_deg)))
    outline = outline_of(roof, length, width, wing, ring)
    if roof in ("flat", "flat_courtyard"):
        return _flat(rng, outline)
    planes = {
        "gable": lambda: _gable(length, width, slope),
        "hip": lambda: _hip(length, width, slope),
        "shed": lambda: [Part("main", outline, 0.0, slope, slope * width / 2)],
        "ell": lambda: _ell(length, width, slope, wing),
        "courtyard": lambda: _courtyard(length, width, slope, ring),
        "sawtooth": lambda: _sawtooth(length, width, slope, strips),
    }[roof]()
    made = Roof(outline, planes)
    if roof == "gable" and pitch_deg >= 33 and width >= 8 and rng.random() < 0.45:
        _add_dormers(rng, made, length, width, slope)
    if roof in ("gable", "hip", "ell") and pitch_deg > 20 and width > 6 and rng.random() < 0.75:
        _add_chimney(rng, made, max(1.0, length - width if roof == "hip" else length), slope, width)
    return made


def _rectangle(length: float, width: float) -> Polygon:
    return box(-length / 2, -width / 2, length / 2, width / 2)


def _flat(rng: np.random.Generator, outline: Polygon) -> Roof:
    """Flat roof behind a parapet, with plant on the larger ones."""
    inner = outline.buffer(-PARAPET_M, join_style="mitre")
    if outline.area < 40 or inner.is_empty:
        return Roof(outline, [Part("main", outline, 0.0, 0.0, 0.0)])
    parapet = Part(
        "parapet", cast(Polygon, outline.difference(inner)), 0.0, 0.0, float(rng.uniform(0.3, 0.9))
    )
    roof = Roof(outline, [Part("main", inner, 0.0, 0.0, 0.0)], [parapet])
    west, south, east, north = inner.bounds
    for _ in range(int(rng.poisson(min(4.0, outline.area / 180)))):
        w, d = rng.uniform(1.0, 3.0, 2)
        x, y = rng.uniform(west + 1, east - 1), rng.uniform(south + 1, north - 1)
        plant = box(x - w / 2, y - d / 2, x + w / 2, y + d / 2)
        if inner.buffer(-0.5).contains(plant):
            roof.obstacles.append(Part("plant", plant, 0.0, 0.0, float(rng.uniform(0.8, 2.4))))
    return roof


def _gable(length: float, width: float, slope: float) -> list[Part]:
    rise = slope * width / 2
    return [
        Part("main", box(-length / 2, -width / 2, length / 2, 0), 0.0, slope, rise),
        Part("main", box(-length / 2, 0, length / 2, width / 2), 0.0, -slope, rise),
    ]


def _hip(length: float, width: float, slope: float) -> list[Part]:
    h, w = length / 2, width / 2
    r = h - w
    return [
        Part("main", Polygon([(-h, -w), (h, -w), (r, 0), (-r, 0)]), 0.0, slope, slope * w),
        Part("main", Polygon([(h, w), (-h, w), (-r, 0), (r, 0)]), 0.0, -slope, slope * w),
        Part("main", Polygon([(h, -w), (h, w), (r, 0)]), -slope, 0.0, slope * h),
        Part("main", Polygon([(-h, w), (-h, -w), (-r, 0)]), slope, 0.0, slope * h),
    ]


def _ell(length: float, width: float, slope: float, wing: tuple[float, float, float]) -> list[Part]:
    """Two gables of the same pitch that meet in two valleys; the wing is the narrower one."""
    x, w, reach = wing
    low, high = _gable(length, width, slope)
    y = width / 2
    tip = (x, y - w / 2)
    cut = Polygon([(x - w / 2, y), (x + w / 2, y), tip])
    left = Polygon([(x - w / 2, y), tip, (x, y + reach), (x - w / 2, y + reach)])
    right = Polygon([tip, (x + w / 2, y), (x + w / 2, y + reach), (x, y + reach)])
    main = shapely.difference(high.polygon, cut)
    pieces = [p for p in shapely.get_parts(main) if p.area > 0.05]
    return [
        low,
        *(Part("main", piece, high.a, high.b, high.c) for piece in pieces),
        Part("main", left, slope, 0.0, slope * (w / 2 - x)),
        Part("main", right, -slope, 0.0, slope * (w / 2 + x)),
    ]


def _courtyard(length: float, width: float, slope: float, ring: float) -> list[Part]:
    """Four wings around a yard, each with an outer and an inner slope, mitred corners."""
    parts = []
    for inner in (False, True):
        h0, w0 = length / 2 - (ring if inner else 0), width / 2 - (ring if inner else 0)
        h1, w1 = length / 2 - ring / 2, width / 2 - ring / 2
        s = -slope if inner else slope
        for sign in (-1, 1):
            long = Polygon([(-h0, sign * w0), (h0, sign * w0), (h1, sign * w1), (-h1, sign * w1)])
            parts.append(Part("main", long, 0.0, -sign * s, s * w0))
            short = Polygon([(sign * h0, -w0), (sign * h0, w0), (sign * h1, w1), (sign * h1, -w1)])
            parts.append(Part("main", short, -sign * s, 0.0, s * h0))
    return parts


def _sawtooth(length: float, width: float, slope: float, strips: int) -> list[Part]:
    step = length / strips
    parts = []
    for k in range(strips):
        x0 = -length / 2 + k * step
        parts.append(
            Part("main", box(x0, -width / 2, x0 + step, width / 2), slope, 0.0, -slope * x0)
        )
    return parts


def _add_dormers(
    rng: np.random.Generator, roof: Roof, length: float, width: float, slope: float
) -> None:
    """Cut flat-topped dormers into one or both slopes of a gable roof."""
    front, wall, top = 1.0, 1.5, 0.15
    back = front + wall / (slope - top)
    if back > width / 2 - 0.5:
        return
    sides = [0] if rng.random() < 0.6 else [0, 1]
    count = max(1, int(length / 5))
    for side in sides:
        sign = -1 if side == 0 else 1
        for k in range(count):
            x = -length / 2 + (k + 0.5) * length / count
            y0, y1 = sign * (width / 2 - front), sign * (width / 2 - back)
            shape = box(x - 0.85, min(y0, y1), x + 0.85, max(y0, y1))
            base = slope * front + wall
            dormer = Part("dormer", shape, 0.0, -sign * top, base + top * (width / 2 - front))
            main = roof.planes[side]
            cut = cast(Polygon, main.polygon.difference(shape))
            roof.planes[side] = Part("main", cut, main.a, main.b, main.c)
            roof.planes.append(dormer)


def _add_chimney(
    rng: np.random.Generator, roof: Roof, ridge: float, slope: float, width: float
) -> None:
    x = float(rng.uniform(-0.45, 0.45)) * ridge
    y = float(rng.choice([-1, 1])) * float(rng.uniform(0.5, 1.4))
    shape = box(x - 0.45, y - 0.3, x + 0.45, y + 0.3)
    top = slope * width / 2 + float(rng.uniform(0.5, 1.1))
    if roof.outline.contains(shape):
        roof.obstacles.append(Part("chimney", shape, 0.0, 0.0, top))
