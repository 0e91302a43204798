"""What is built and planted on each block: buildings, yards, trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from heliopolis.simulate.burning import F64, I64
from heliopolis.simulate.materials import CODE
from heliopolis.simulate.streets import KIND, KINDS

#: Columns of a building record. x, y: middle of the main rectangle [m]; theta: direction of its
#: long axis, counter-clockwise from east [rad]; wing_*: second wing of an L, protruding to the
#: left of the axis; ring_m: depth of the wings around a courtyard.
RECORD = (
    "x", "y", "theta", "length_m", "width_m", "eaves_m", "roof", "pitch_deg", "material",
    "wing_x_m", "wing_w_m", "wing_l_m", "ring_m", "strips", "use", "block",
)  # fmt: skip


@dataclass
class Site:
    """A block while it is being developed: its corners in, its content out.

    ``edge(k)`` gives a frame along edge k: origin, direction e, inward normal n, length, depth.
    """

    corners: F64
    index: int
    rng: np.random.Generator
    buildings: list[tuple[object, ...]] = field(default_factory=list)
    patches: list[tuple[F64, int]] = field(default_factory=list)
    trees: list[tuple[float, float, float, float]] = field(default_factory=list)

    def edge(self, k: int) -> Edge:
        """Frame along edge ``k`` (0 and 2 are the long ones)."""
        a, b = self.corners[k], self.corners[(k + 1) % 4]
        c, d = self.corners[(k + 2) % 4], self.corners[(k + 3) % 4]
        length = float(np.hypot(*(b - a)))
        e = (b - a) / length
        n = np.array([-e[1], e[0]])
        depth = float(min((c - a) @ n, (d - a) @ n))
        lean0 = max(0.0, float((d - a) @ e) / float((d - a) @ n))
        lean1 = max(0.0, -float((c - b) @ e) / float((c - b) @ n))
        return Edge(a, e, n, length, depth, lean0, lean1)

    def build(
        self,
        edge: Edge,
        s0: float,
        s1: float,
        d0: float,
        d1: float,
        *,
        eaves: float,
        roof: str,
        pitch: float = 0.0,
        material: str = "roof_tile",
        across: bool = False,
        wing: tuple[float, float, float] = (0.0, 0.0, 0.0),
        ring: float = 0.0,
        strips: int = 1,
        use: str = "house",
    ) -> None:
        """Add a building on the rectangle (s0..s1 along the edge, d0..d1 inwards) [m].

        The ridge runs along the edge, or at a right angle to it if ``across``.
        """
        middle = edge.at((s0 + s1) / 2, (d0 + d1) / 2)
        theta = float(np.arctan2(edge.e[1], edge.e[0]))
        length, width = s1 - s0, d1 - d0
        if across:
            theta, length, width = theta + np.pi / 2, width, length
        self.buildings.append(
            (
                middle[0], middle[1], theta, length, width, eaves, roof, pitch, CODE[material],
                *wing, ring, strips, use, self.index,
            )
        )  # fmt: skip

    def pave(self, edge: Edge, s0: float, s1: float, d0: float, d1: float, what: str) -> None:
        """Cover a rectangle with a class of ground."""
        ring = [edge.at(s0, d0), edge.at(s1, d0), edge.at(s1, d1), edge.at(s0, d1)]
        self.patches.append((np.array(ring), CODE[what]))

    def plant(self, count: int, low_m: float = 4.0, high_m: float = 11.0) -> None:
        """Scatter trees with heights in the range."""
        st = self.rng.uniform(0.04, 0.96, (count, 2))
        c = self.corners
        for s, t in st:
            xy = (c[0] * (1 - s) + c[1] * s) * (1 - t) + (c[3] * (1 - s) + c[2] * s) * t
            self._tree(xy, low_m, high_m)

    def plant_row(self, edge: Edge, d: float, step_m: float, low_m: float, high_m: float) -> None:
        """Trees in a row along an edge at distance ``d`` inwards."""
        for s in np.arange(step_m / 2, edge.length, step_m):
            if self.rng.random() < 0.8:
                self._tree(edge.at(s, d), low_m, high_m)

    def _tree(self, xy: F64, low_m: float, high_m: float) -> None:
        height = float(self.rng.uniform(low_m, high_m))
        radius = height * float(self.rng.uniform(0.2, 0.36))
        self.trees.append((float(xy[0]), float(xy[1]), max(0.9, radius), height))


@dataclass(frozen=True)
class Edge:
    """Frame along an edge of a block."""

    a: F64
    e: F64
    n: F64
    length: float
    depth: float
    lean0: float
    lean1: float

    def at(self, s: float, d: float) -> F64:
        """Point at ``s`` along the edge and ``d`` inwards."""
        return np.asarray(self.a + s * self.e + d * self.n)

    def span(self, depth: float) -> tuple[float, float]:
        """Usable range along the edge for rectangles that reach ``depth`` inwards."""
        return self.lean0 * depth + 1.0, self.length - self.lean1 * depth - 1.0


def _terraced(site: Site) -> None:
    rng = site.rng
    for k in (0, 2):
        edge = site.edge(k)
        depth = min(float(rng.uniform(8.5, 10.5)), edge.depth / 2 - 7)
        front = float(rng.uniform(0, 4))
        s, stop = edge.span(front + depth)
        if depth < 6:
            continue
        pitch = float(rng.choice([35.0, 40.0, 45.0]))
        material = str(rng.choice(["roof_tile", "roof_tile", "roof_slate"]))
        eaves = float(rng.uniform(5.2, 6.8))
        while stop - s > 6:
            for _ in range(int(rng.integers(4, 9))):
                width = float(rng.uniform(5.5, 7.5))
                if stop - s < width:
                    break
                step = eaves + float(rng.choice([-0.3, 0, 0, 0.3]))
                site.build(edge, s, s + width, front, front + depth, eaves=step, roof="gable",
                           pitch=pitch, material=material, use="terraced")  # fmt: skip
                if rng.random() < 0.3:
                    back = front + depth
                    w = width * float(rng.uniform(0.45, 0.7))
                    site.build(edge, s, s + w, back, back + float(rng.uniform(2.5, 4)), eaves=2.4,
                               roof="shed", pitch=float(rng.uniform(8, 18)),
                               material=str(rng.choice(["roof_tile", "roof_metal"])),
                               use="annex")  # fmt: skip
                elif rng.random() < 0.5:
                    site.pave(edge, s, s + width, front + depth, front + depth + 3, "concrete")
                _garden(site, edge, s, s + width, front + depth + 4)
                s += width
            s += float(rng.uniform(2.5, 7))
    site.plant(int(rng.integers(12, 30)), 3, 9)


def _garden(site: Site, edge: Edge, s0: float, s1: float, begin: float) -> None:
    """A back garden up to the middle of the block: lawn, bed or meadow, and a hedge."""
    stop = edge.depth / 2 - 0.5
    if stop - begin < 3:
        return
    what = str(site.rng.choice(["grass", "grass", "grass", "bare_soil"]))
    end = stop if what == "grass" else begin + 0.5 * (stop - begin)
    site.pave(edge, s0, s1, begin, end, what)
    if site.rng.random() < 0.6:
        site.pave(edge, s0 - 0.4, s0 + 0.4, begin - 3, stop, "tree")


def _detached(site: Site) -> None:
    rng = site.rng
    for k in (0, 2):
        edge = site.edge(k)
        front = float(rng.uniform(4, 7))
        room = edge.depth / 2 - front - 3
        s, stop = edge.span(edge.depth / 2)
        if room < 8:
            continue
        while True:
            lot = float(rng.uniform(15, 21))
            if stop - s < lot:
                break
            site.pave(edge, s, s + lot, -0.5, edge.depth / 2, "grass")
            if rng.random() < 0.7:
                site.pave(edge, s - 0.4, s + 0.4, 0, edge.depth / 2, "tree")
            _villa(site, edge, s, lot, front + float(rng.uniform(0, 1.5)), room)
            s += lot
    site.plant(int(rng.integers(25, 60)), 3, 12)


def _villa(site: Site, edge: Edge, s: float, lot: float, front: float, room: float) -> None:
    """One detached house on its lot, perhaps with a garage."""
    rng = site.rng
    width = float(rng.uniform(9, min(13, lot - 4)))
    depth = float(rng.uniform(7.5, min(9.5, room)))
    roof = str(rng.choice(["gable", "hip", "ell", "flat", "shed"], p=[0.34, 0.3, 0.2, 0.1, 0.06]))
    tile = "roof_tile" if rng.random() < 0.8 else "roof_slate"
    pitch = float(rng.choice([27.0, 30.0, 35.0, 40.0]))
    eaves = float(rng.choice([3.0, 3.2, 5.4, 5.8]))
    begin = s + 1.5
    if roof in ("flat", "shed"):
        tile = str(rng.choice(["roof_gravel", "roof_bitumen", "white_roof"]))
        pitch = 0.0 if roof == "flat" else float(rng.uniform(8, 20))
    if roof == "hip" and width < depth:
        width = depth + 1
    wing = (0.0, 0.0, 0.0)
    if roof == "ell":
        reach = min(float(rng.uniform(3, 5)), room - depth)
        if reach < 2:
            roof = "gable"
        else:
            wing_w = float(rng.uniform(5, min(depth, 7.0)))
            wing = ((width - wing_w) / 2 * float(rng.choice([-1, 1, 0.7])), wing_w, reach)
    site.build(edge, begin, begin + width, front, front + depth, eaves=eaves, roof=roof,
               pitch=pitch, material=tile, wing=wing, use="detached")  # fmt: skip
    drive = begin + width + 0.5
    if lot - width > 5.2 and rng.random() < 0.65:
        kind = str(rng.choice(["flat", "shed", "gable"]))
        site.pave(edge, drive, drive + 3, -2, front + 2, "concrete")
        site.build(edge, drive, drive + 3.1, front + 2, front + 7.5, eaves=2.4, roof=kind,
                   pitch={"flat": 0.0, "shed": 10.0, "gable": 30.0}[kind],
                   material="roof_bitumen" if kind == "flat" else "roof_tile", across=True,
                   use="garage")  # fmt: skip
    back = front + depth + (wing[2] if roof == "ell" else 0)
    if rng.random() < 0.4:
        site.pave(edge, begin + 1, begin + width - 1, back, back + 2.5, "concrete")
    if room - back + front > 7 and rng.random() < 0.25:
        site.pave(edge, begin + 0.5, begin + 8.5, back + 2.5, back + 6.5, "concrete")
        site.pave(edge, begin + 1, begin + 8, back + 3, back + 6, "water")


def _dense(site: Site) -> None:
    rng = site.rng
    edge = site.edge(0)
    low, high = edge.span(edge.depth)
    depth = edge.depth - 1
    if rng.random() < 0.75 and high - low > 34 and depth > 31:
        split = float(rng.uniform(32, min(44, high - low)))
        _courtyard(site, edge, low, low + split, depth)
        low += split
        rows: tuple[tuple[Edge, float, float], ...] = ((edge, low + 1, high),)
        across = site.edge(2)
        rows += ((across, across.length - high, across.length - low - 1),)
    else:
        rows = tuple((e, *e.span(14)) for e in (site.edge(0), site.edge(2)))
    for one, s, stop in rows:
        d = float(rng.uniform(11, 13))
        while stop - s > 8:
            width = min(float(rng.uniform(10, 22)), stop - s)
            if stop - s - width < 8:
                width = min(stop - s, 26.0)
            roof = str(rng.choice(["gable", "flat", "hip"], p=[0.6, 0.3, 0.1]))
            if roof == "hip" and width < d + 2:
                roof = "gable"
            cover = ["roof_gravel", "roof_bitumen", "white_roof"] if roof == "flat" else [
                "roof_metal", "roof_slate", "roof_tile"]  # fmt: skip
            site.build(one, s, s + width, 0.5, 0.5 + d, eaves=float(rng.uniform(11, 18)),
                       roof=roof, pitch=0.0 if roof == "flat" else float(rng.uniform(30, 42)),
                       material=str(rng.choice(cover)), use="apartments")  # fmt: skip
            s += width
    middle = edge.depth / 2
    if middle > 22 and high - low > 20:
        what = str(rng.choice(["grass", "grass", "asphalt"]))
        site.pave(edge, low + 4, high - 4, middle - 6, middle + 6, what)
    site.plant(int(rng.integers(5, 16)), 4, 11)


def _courtyard(site: Site, edge: Edge, s0: float, s1: float, depth: float) -> None:
    rng = site.rng
    pitched = bool(rng.random() < 0.65)
    ring = float(rng.uniform(9.5, min(11.5, depth / 2 - 5)))
    site.build(edge, s0, s1, 0.5, depth, eaves=float(rng.uniform(12, 17)), use="apartments",
               roof="courtyard" if pitched else "flat_courtyard",
               pitch=32.0 if pitched else 0.0, ring=ring,
               material="roof_tile" if pitched else "roof_gravel")  # fmt: skip


def _slab(site: Site) -> None:
    rng = site.rng
    for k in (0, 2):
        edge = site.edge(k)
        d = float(rng.uniform(11, 13))
        s, stop = edge.span(8 + d)
        if edge.depth < 2 * (d + 10) and k == 2:
            site.pave(edge, 4, edge.length - 4, 2, min(14, edge.depth / 3), "asphalt")
            continue
        while stop - s > 25:
            width = min(float(rng.uniform(30, 60)), stop - s)
            site.build(edge, s, s + width, 6, 6 + d, eaves=float(rng.choice([13, 16, 22, 28])),
                       roof="flat", material=str(rng.choice(["roof_gravel", "roof_bitumen"])),
                       use="apartments")  # fmt: skip
            s += width + float(rng.uniform(8, 16))
    site.plant(int(rng.integers(18, 40)), 6, 14)


def _halls(site: Site) -> None:
    """Industrial estate, or a workshop in the city: wide halls on paved ground."""
    rng = site.rng
    edge = site.edge(0)
    low, high = edge.span(edge.depth)
    s = low + 3
    while high - s > 18:
        width = min(float(rng.uniform(28, 75)), high - s - 2)
        depth = edge.depth - float(rng.uniform(14, 22))
        if depth < 12 or width < 15:
            break
        roof = str(rng.choice(["flat", "gable", "sawtooth"], p=[0.5, 0.3, 0.2]))
        cover = str(rng.choice(["roof_metal", "roof_bitumen", "roof_gravel", "white_roof"],
                               p=[0.35, 0.4, 0.15, 0.1]))  # fmt: skip
        if roof != "flat":
            cover = "roof_metal"
        site.build(edge, s, s + width, 8, 8 + depth, eaves=float(rng.uniform(6, 11)), roof=roof,
                   pitch={"flat": 0.0, "gable": 7.0, "sawtooth": 25.0}[roof], material=cover,
                   strips=max(2, round(width / 9)), across=roof == "gable" and depth > width,
                   use="industrial")  # fmt: skip
        s += width + float(rng.uniform(8, 16))
    site.plant(int(rng.integers(0, 5)), 4, 8)


def _workshop(site: Site) -> None:
    """Two halls side by side, one sawtooth and one low gable, whatever the dice say."""
    rng = site.rng
    edge = site.edge(0)
    low, high = edge.span(edge.depth)
    half = (high - low) / 2
    depth = edge.depth - 16
    if depth < 12:
        return
    site.build(edge, low + 3, low + half - 3, 7, 7 + depth, eaves=float(rng.uniform(6, 8)),
               roof="sawtooth", pitch=25.0, material="roof_metal", use="industrial",
               strips=max(2, round((half - 6) / 8)))  # fmt: skip
    site.build(edge, low + half + 3, high - 3, 7, 7 + depth, eaves=float(rng.uniform(5, 8)),
               roof="gable", pitch=8.0, material="roof_metal", use="industrial",
               across=depth > half - 6)  # fmt: skip


def _school(site: Site) -> None:
    rng = site.rng
    edge = site.edge(0)
    low, high = edge.span(edge.depth)
    long = min(high - low - 4, 62.0)
    site.pave(edge, low + 1, high - 1, 14, edge.depth - 2, "asphalt")
    site.build(edge, low + 2, low + long, 2, 14, eaves=float(rng.uniform(6, 9)), roof="flat",
               material=str(rng.choice(["roof_bitumen", "roof_gravel"])), use="school")  # fmt: skip
    if edge.depth > 40:
        site.build(edge, low + 2, low + 14, 14, 32, eaves=4.0, roof="flat",
                   material="roof_bitumen", use="school")  # fmt: skip
        site.build(edge, high - 24, high - 4, 18, min(44, edge.depth - 4), eaves=6.0, roof="gable",
                   pitch=18.0, material="roof_metal", across=True, use="school")  # fmt: skip
    site.plant_row(site.edge(2), 3.0, 12, 5, 9)


def _hospital(site: Site) -> None:
    edge = site.edge(0)
    low, high = edge.span(edge.depth)
    site.pave(edge, low, high, 4, edge.depth - 2, "asphalt")
    site.build(edge, low + 4, high - 4, 8, 26, eaves=21.0, roof="flat", material="roof_gravel",
               use="hospital")  # fmt: skip
    if edge.depth > 48:
        site.build(edge, low + 10, low + 28, 26, edge.depth - 6, eaves=13.0, roof="flat",
                   material="white_roof", use="hospital")  # fmt: skip


def _park(site: Site) -> None:
    site.plant(int(site.rng.integers(35, 60)), 6, 17)
    edge = site.edge(0)
    d = edge.depth * float(site.rng.uniform(0.3, 0.7))
    low, high = edge.span(edge.depth)
    site.pave(edge, low, high, d, d + 2.5, "bare_soil")


def _plaza(site: Site) -> None:
    edge = site.edge(0)
    for d in np.arange(6, edge.depth - 5, 15.0):
        site.plant_row(edge, float(d), 12, 6, 10)


def _bank(site: Site) -> None:
    site.plant(int(site.rng.integers(15, 40)), 6, 16)


DEVELOP: dict[str, tuple[Callable[[Site], None], str]] = {
    "terraced": (_terraced, "grass"),
    "detached": (_detached, "grass"),
    "dense": (_dense, "concrete"),
    "slab": (_slab, "grass"),
    "industrial": (_halls, "asphalt"),
    "workshop": (_workshop, "concrete"),
    "school": (_school, "grass"),
    "hospital": (_hospital, "grass"),
    "park": (_park, "grass"),
    "plaza": (_plaza, "concrete"),
    "bank": (_bank, "grass"),
}


@dataclass(frozen=True)
class Development:
    """Content of all blocks: building records, patches of ground, trees (x, y, radius, height)."""

    records: pd.DataFrame
    patches: F64
    patch_codes: F64
    trees: F64


def develop(seed: int, corners: F64, kind: I64) -> Development:
    """Build on every block; each block has its own random stream."""
    buildings: list[tuple[object, ...]] = []
    patches: list[tuple[F64, int]] = []
    trees: list[tuple[float, float, float, float]] = []
    for index in np.flatnonzero(kind != KIND["rural"]):
        site = Site(corners[index], int(index), np.random.default_rng([seed, 77, int(index)]))
        DEVELOP[KINDS[kind[index]]][0](site)
        if KINDS[kind[index]] in ("dense", "terraced", "slab") and site.rng.random() < 0.3:
            site.plant_row(site.edge(0), -1.0, 9, 5, 9)
        buildings += site.buildings
        patches += site.patches
        trees += site.trees
    return Development(
        pd.DataFrame(buildings, columns=list(RECORD)),
        np.array([p for p, _ in patches]).reshape(-1, 4, 2),
        np.array([code for _, code in patches]),
        np.array(trees).reshape(-1, 4),
    )
