"""Streets: a warped, irregular grid of blocks, and what each block is used for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from heliopolis.simulate.burning import F64, I64
from heliopolis.simulate.landscape import Landscape

#: Uses of a block. Bank is green land along the river.
KINDS = (
    "rural", "dense", "terraced", "detached", "slab", "industrial", "school", "park", "plaza",
    "bank", "workshop", "hospital",
)  # fmt: skip
KIND = {name: code for code, name in enumerate(KINDS)}

#: Uses in the core, from the centre outwards, so that each kind of roof is found there.
_CORE_FIRST = ("school", "terraced", "dense", "detached", "workshop", "slab")
_CORE_THEN = ("terraced", "detached", "dense", "terraced", "detached", "detached", "park", "slab")


@dataclass(frozen=True)
class Streets:
    """Blocks of the whole extent.

    Attributes
    ----------
    cells
        Corners of each block to the middle of the streets (n, 4, 2), counter-clockwise [m].
    blocks
        Corners without the carriageway (n, 4, 2) [m].
    kind
        Index into `KINDS` (n,).
    field
        Number of the field a rural block belongs to (n,).
    level
        Distance from the centre over the radius of the city in that direction (n,) [1].
    avenues
        Middle lines of the wide streets.
    lanes
        Middle lines of all streets, one segment for each edge of a block (m, 2, 2) [m].
    """

    cells: F64
    blocks: F64
    kind: I64
    field: I64
    level: F64
    avenues: npt.NDArray[np.object_]
    lanes: F64

    @property
    def centres(self) -> F64:
        """Mean of the corners (n, 2) [m]."""
        return np.asarray(self.cells.mean(axis=1))

    def polygons(self, which: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.object_]:
        """Blocks without carriageway as polygons."""
        corners = self.blocks if which is None else self.blocks[which]
        return quads(corners)


def quads(corners: F64) -> npt.NDArray[np.object_]:
    """Polygons from corners (n, 4, 2)."""
    if len(corners) == 0:
        return np.array([], dtype=object)
    return np.asarray(shapely.polygons(np.concatenate([corners, corners[:, :1]], axis=1)))


def inset(corners: F64, margin_m: float) -> F64:
    """Move the corners of quadrilaterals inwards by about ``margin_m`` from each edge."""
    du = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
    dv = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1)
    s, t = margin_m / du, margin_m / dv
    return _bilinear(corners, s, 1 - s, t, 1 - t)


def _bilinear(corners: F64, s0: F64, s1: F64, t0: F64, t1: F64) -> F64:
    out = np.empty_like(corners)
    for k, (s, t) in enumerate([(s0, t0), (s1, t0), (s1, t1), (s0, t1)]):
        s, t = s[:, None], t[:, None]
        bottom = corners[:, 0] * (1 - s) + corners[:, 1] * s
        top = corners[:, 3] * (1 - s) + corners[:, 2] * s
        out[:, k] = bottom * (1 - t) + top * t
    return out


def draw_streets(
    rng: np.random.Generator,
    landscape: Landscape,
    bounds: tuple[float, float, float, float],
    core_m: float,
) -> Streets:
    """Random street network over ``bounds``, with block uses."""
    size = bounds[2] - bounds[0]
    reach = 0.75 * size + 200
    u, half_u = _lines(rng, reach, 85, 150)
    v, half_v = _lines(rng, reach, 54, 84)
    nodes = _warp(rng, landscape.centre, u, v)
    cells = np.stack(
        [nodes[:-1, :-1], nodes[1:, :-1], nodes[1:, 1:], nodes[:-1, 1:]], axis=2
    ).reshape(-1, 4, 2)
    i, j = (k.ravel() for k in np.meshgrid(range(len(u) - 1), range(len(v) - 1), indexing="ij"))
    du = np.linalg.norm(cells[:, 1] - cells[:, 0], axis=1)
    dv = np.linalg.norm(cells[:, 3] - cells[:, 0], axis=1)
    blocks = _bilinear(
        cells, half_u[i] / du, 1 - half_u[i + 1] / du, half_v[j] / dv, 1 - half_v[j + 1] / dv
    )
    keep = shapely.intersects(quads(cells), shapely.box(*bounds))
    field = (i // 3) * 10_000 + j // 3
    avenues = [shapely.LineString(nodes[k]) for k in np.flatnonzero(half_u > 6)]
    avenues += [shapely.LineString(nodes[:, k]) for k in np.flatnonzero(half_v > 6)]
    lanes = np.concatenate([cells[keep][:, [0, 1]], cells[keep][:, [0, 3]]])
    kind, level = _uses(rng, landscape, cells[keep], field[keep], size, core_m)
    return Streets(
        cells[keep], blocks[keep], kind, field[keep], level, np.array(avenues, dtype=object), lanes
    )


def _lines(rng: np.random.Generator, reach: float, low: float, high: float) -> tuple[F64, F64]:
    """Positions of parallel streets [m] and half their width [m]; about each fifth is wide."""
    steps = rng.uniform(low, high, int(2 * reach / low) + 2)
    at = np.cumsum(steps) - reach
    at = at[at <= reach]
    at -= at[np.argmin(np.abs(at))] + steps[0] / 2
    half = np.full(len(at), 4.0)
    half[:: int(rng.integers(4, 7))] = 7.5
    return at, half


def _warp(rng: np.random.Generator, centre: tuple[float, float], u: F64, v: F64) -> F64:
    """Nodes of the grid (nu, nv, 2): turned, and bent by long waves so that no two run alike."""
    uu, vv = np.meshgrid(u, v, indexing="ij")
    phase = rng.uniform(0, 2 * np.pi, 4)
    x = uu + 70 * np.sin(2 * np.pi * vv / 1900 + phase[0]) + 25 * np.sin(vv / 130 + phase[1])
    y = vv + 90 * np.sin(2 * np.pi * uu / 2300 + phase[2]) + 18 * np.sin(uu / 160 + phase[3])
    jitter = rng.normal(0, 2.0, (2, *uu.shape))
    turn = rng.uniform(-0.6, 0.6)
    x, y = x + jitter[0], y + jitter[1]
    return np.stack(
        [
            centre[0] + x * np.cos(turn) - y * np.sin(turn),
            centre[1] + x * np.sin(turn) + y * np.cos(turn),
        ],
        axis=-1,
    )


def _uses(
    rng: np.random.Generator,
    landscape: Landscape,
    cells: F64,
    field: I64,
    size: float,
    core_m: float,
) -> tuple[I64, F64]:
    """Use of each block, and its level (distance over the radius of the city)."""
    centre = np.array(landscape.centre)
    offset = cells.mean(axis=1) - centre
    distance = np.hypot(*offset.T)
    bearing = np.arctan2(offset[:, 1], offset[:, 0])
    p = rng.uniform(0, 2 * np.pi, 2)
    radius = (
        0.36 * size * (1 + 0.13 * np.sin(3 * bearing + p[0]) + 0.08 * np.sin(5 * bearing + p[1]))
    )
    level = distance / radius
    kind = _by_level(rng, level)
    green = rng.uniform(0, 2 * np.pi, 3)
    for angle, far, wide in zip(green, (0.3, 0.55, 0.75), (0.045, 0.06, 0.07), strict=True):
        middle = far * 0.36 * size * np.array([np.cos(angle), np.sin(angle)])
        kind[np.hypot(*(offset - middle).T) < wide * 0.72 * size] = KIND["park"]
    estate = rng.uniform(0, 2 * np.pi)
    for angle, far, wide in ((estate, 0.72, 0.26), (estate + 2.4, 0.9, 0.16)):
        middle = far * 0.36 * size * np.array([np.cos(angle), np.sin(angle)])
        kind[np.hypot(*(offset - middle).T) < wide * 0.36 * size] = KIND["industrial"]
    urban = level < 1
    schools = urban & (rng.random(len(kind)) < 0.013) & (kind != KIND["industrial"])
    kind[schools] = KIND["school"]
    kind[~urban] = KIND["rural"]
    near = np.argsort(np.where(urban, np.abs(level - 0.45), np.inf), kind="stable")
    kind[near[0]] = KIND["hospital"]
    _core_uses(kind, offset, core_m)
    river = landscape.river(size).buffer(20)
    kind[shapely.intersects(quads(cells), river) & urban] = KIND["bank"]
    return kind, level


def _by_level(rng: np.random.Generator, level: F64) -> I64:
    """Draw the use of a block from shares that change from the centre outwards."""
    names = ("dense", "terraced", "detached", "slab", "plaza", "park", "workshop")
    shares = np.where(
        (level < 0.25)[:, None],
        [0.70, 0.10, 0.0, 0.08, 0.07, 0.04, 0.01],
        np.where(
            (level < 0.55)[:, None],
            [0.10, 0.48, 0.20, 0.12, 0.02, 0.04, 0.04],
            [0.0, 0.20, 0.64, 0.07, 0.01, 0.05, 0.03],
        ),
    )
    pick = (rng.random(len(level))[:, None] > np.cumsum(shares, axis=1)).sum(axis=1)
    codes = np.array([KIND[name] for name in names])
    return codes[np.minimum(pick, len(names) - 1)]


def _core_uses(kind: I64, offset: F64, core_m: float) -> None:
    """Give the blocks of the core a mix of uses, in place."""
    inside = np.flatnonzero(np.abs(offset).max(axis=1) < core_m / 2 + 30)
    order = inside[np.argsort(np.hypot(*offset[inside].T), kind="stable")]
    for rank, index in enumerate(order):
        if rank < len(_CORE_FIRST):
            kind[index] = KIND[_CORE_FIRST[rank]]
        else:
            kind[index] = KIND[_CORE_THEN[(rank - len(_CORE_FIRST)) % len(_CORE_THEN)]]
