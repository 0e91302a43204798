"""An airborne laser scan of the core of the simulated city."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from odc.geo.geobox import GeoBox

from heliopolis.io.laz import write_laz
from heliopolis.simulate import burning
from heliopolis.simulate.burning import F64, I64
from heliopolis.simulate.city import Bounds, City
from heliopolis.simulate.materials import lookup

#: Standard deviation of the noise along the beam [m].
NOISE_M = 0.03
#: ASPRS classes.
GROUND, TREE, BUILDING = 2, 5, 6
_LOOKUP_M = 0.2


def write_lidar(city: City, path: Path, points_per_m2: float = 10.0) -> Path:
    """Write the points of the core as LAZ 1.4 with ASPRS classes 2, 5 and 6.

    Pulses fall about evenly. A plane is met exactly, plus noise; crowns let a part of the light
    through to the ground; walls get a few points.

    Parameters
    ----------
    city
        The simulated city.
    path
        Target, ``*.laz``.
    points_per_m2
        Pulses per square metre.
    """
    points = scan(city, points_per_m2)
    names = ("classification", "return_number", "number_of_returns", "intensity", "gps_time")
    return write_laz(
        path,
        points["x"].to_numpy(),
        points["y"].to_numpy(),
        points["z"].to_numpy(),
        city.spec.crs,
        attributes={name: points[name].to_numpy() for name in names},
        description="simulated, no real place",
        created=date(2025, 7, 1),
    )


def scan(city: City, points_per_m2: float, bounds: Bounds | None = None) -> pd.DataFrame:
    """Points of the core: ``x, y, z`` [m] and the attributes of LAS point format 6.

    ``bounds`` [m] scans a part of the core alone, in a flight of its own: a large city is
    scanned sheet by sheet.
    """
    sheet = [] if bounds is None else [round(value) for value in bounds[:2]]
    bounds = city.core_bounds if bounds is None else bounds
    rng = np.random.default_rng([city.spec.seed, 41, *sheet])
    x, y = _pulses(rng, bounds, points_per_m2)
    grid = GeoBox.from_bbox(bounds, city.spec.crs, resolution=_LOOKUP_M)
    col = ((x - grid.affine.c) / grid.affine.a).astype("int64").clip(0, grid.shape[1] - 1)
    row = ((y - grid.affine.f) / grid.affine.e).astype("int64").clip(0, grid.shape[0] - 1)
    ground = city.landscape.terrain(x, y)
    roof_of, planes = _roof_index(city, grid)
    plane = roof_of[row, col]
    abc = planes[np.maximum(plane, 0)]
    on_roof = plane >= 0
    z = np.where(on_roof, abc[:, 0] * x + abc[:, 1] * y + abc[:, 2], ground)
    kind = np.where(on_roof, BUILDING, GROUND)
    crown = _crowns(city, grid)[row, col]
    under = ~on_roof & (crown > ground + 1)
    draw = rng.random(len(x))
    hit, through = under & (draw < 0.75), under & (draw > 0.55) & (draw < 0.75)
    crown = np.maximum(crown, ground)
    depth = np.minimum(rng.exponential(0.5, len(x)), 0.6 * (crown - ground))
    z = np.where(hit, crown - depth, z)
    kind = np.where(hit, TREE, kind)
    first = _table(x, y, z, kind, 1, 1 + through, np.arange(len(x)))
    second = _table(x[through], y[through], ground[through], GROUND, 2, 2, np.flatnonzero(through))
    walls = _walls(city, rng, len(x), bounds)
    points = pd.concat([first, second, walls]).sort_values(
        ["pulse", "return_number"], kind="stable", ignore_index=True
    )
    points["z"] += rng.normal(0, NOISE_M, len(points))
    points["intensity"] = _intensity(city, grid, points, rng)
    points["gps_time"] = 3.0e8 + points.pop("pulse") * 2e-6
    return points


def _pulses(
    rng: np.random.Generator, bounds: tuple[float, float, float, float], density: float
) -> tuple[F64, F64]:
    """One pulse at a random place of each cell of a square lattice, row after row."""
    west, south, east, north = bounds
    rows, cols = (max(1, round(n * np.sqrt(density))) for n in (north - south, east - west))
    x = west + (np.arange(cols)[None, :] + rng.random((rows, cols))) * (east - west) / cols
    y = south + (np.arange(rows)[:, None] + rng.random((rows, cols))) * (north - south) / rows
    return x.ravel(), y.ravel()


def _roof_index(city: City, grid: GeoBox) -> tuple[I64, F64]:
    """Index of the plane or obstacle that is seen in each cell (-1: none), and all planes."""
    columns = ["a", "b", "c"]
    parts = pd.concat([city.planes, city.obstacles], ignore_index=True)
    index = np.full(grid.shape, -1, dtype="int64")
    burning.burn(index, grid, parts.geometry.to_numpy(), np.arange(len(parts)))
    return index, parts[columns].to_numpy(dtype="float64")


def _crowns(city: City, grid: GeoBox) -> F64:
    """Height of the crowns, -inf beside them."""
    top = np.full(grid.shape, -np.inf)
    xy = shapely.get_coordinates(city.trees.geometry.to_numpy())
    base = city.landscape.terrain(xy[:, 0], xy[:, 1])
    height = city.trees["height_m"].to_numpy()
    radius = city.trees["radius_m"].to_numpy()
    burning.burn_crowns(top, grid, xy[:, 0], xy[:, 1], radius, base + 0.35 * height, base + height)
    return top


def _walls(city: City, rng: np.random.Generator, pulses: int, bounds: Bounds) -> pd.DataFrame:
    """A few returns from facades, about one for each 4 m of wall."""
    core = shapely.box(*bounds)
    near = city.buildings[city.buildings["detailed"] & city.buildings.geometry.intersects(core)]
    rings = shapely.get_exterior_ring(near.geometry.to_numpy())
    count = rng.poisson(shapely.length(rings) / 4)
    owner = np.repeat(np.arange(len(rings)), count)
    at = shapely.line_interpolate_point(rings[owner], rng.random(len(owner)), normalized=True)
    xy = shapely.get_coordinates(at) + rng.normal(0, 0.03, (len(owner), 2))
    west, south, east, north = bounds
    inside = (xy[:, 0] > west) & (xy[:, 0] < east) & (xy[:, 1] > south) & (xy[:, 1] < north)
    base = near["base_z_m"].to_numpy()[owner]
    z = base + rng.uniform(0.3, 0.95, len(owner)) * near["eaves_m"].to_numpy()[owner]
    pulse = rng.integers(0, pulses, len(owner))
    xy, z, pulse = xy[inside], z[inside], pulse[inside]
    return _table(xy[:, 0], xy[:, 1], z, BUILDING, 1, 1, pulse)


def _table(
    x: F64, y: F64, z: F64, kind: npt.ArrayLike, number: int, total: npt.ArrayLike, pulse: I64
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "x": x,
            "y": y,
            "z": z,
            "classification": np.broadcast_to(kind, len(x)).astype("uint8"),
            "return_number": np.full(len(x), number, dtype="uint8"),
            "number_of_returns": np.broadcast_to(total, len(x)).astype("uint8"),
            "pulse": pulse,
        }
    )


def _intensity(
    city: City, grid: GeoBox, points: pd.DataFrame, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """Near infrared reflectance of what was hit, with speckle."""
    col = ((points["x"] - grid.affine.c) / grid.affine.a).astype("int64")
    row = ((points["y"] - grid.affine.f) / grid.affine.e).astype("int64")
    rows, cols = grid.shape
    code = city.landcover(grid)[row.clip(0, rows - 1), col.clip(0, cols - 1)]
    nir = np.nan_to_num(lookup("display")[code, 3], nan=0.2)
    noisy = nir * np.exp(rng.normal(0, 0.15, len(points))) * 30_000
    return noisy.clip(1, 65_535).astype("uint16")
