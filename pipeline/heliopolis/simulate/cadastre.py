"""The cadastre of the simulated city: footprints with the errors that cadastres have."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from heliopolis.io.vector import write_layers
from heliopolis.simulate.city import City

#: Share of the buildings that the cadastre does not know.
MISSING = 0.05
#: Share of entries whose building no longer exists.
VANISHED = 0.03
#: Share of the footprints that lie clearly beside their building, and by how much [m].
SHIFTED, SHIFT_M, SMALL_SHIFT_M = 0.20, 2.0, 0.3
#: Buildings closer than this are surveyed together [m]: a row, or a house and its garage.
_TOGETHER_M = 0.6


def write_footprints(city: City, path: Path, seed: int) -> Path:
    """Write the cadastre as GeoPackage, layer ``footprints``."""
    return write_layers(path, {"footprints": footprints(city, seed)})


def core_buildings(city: City) -> gpd.GeoDataFrame:
    """Buildings that lie wholly in the core."""
    inside = shapely.within(city.buildings.geometry.to_numpy(), shapely.box(*city.core_bounds))
    return city.buildings[inside].reset_index(drop=True)


def footprints(city: City, seed: int) -> gpd.GeoDataFrame:
    """Footprints of the core as the cadastre has them: ``building_id, simulated, geometry``.

    Some buildings are missing, some entries have no building any more, some are shifted. Houses
    that touch are shifted together, as a survey would.
    """
    rng = np.random.default_rng([seed, 51])
    true = core_buildings(city)
    shift = _shifts(rng, true)
    xy, owner = shapely.get_coordinates(true.geometry.to_numpy(), return_index=True)
    moved = shapely.set_coordinates(true.geometry.to_numpy().copy(), xy + shift[owner])
    known = true.assign(geometry=moved)[["building_id", "simulated", "geometry"]]
    known = known[~_chosen(rng, len(known), MISSING)]
    gone = _vanished(rng, city, true, round(VANISHED * len(known)))
    out = pd.concat([known, gone], ignore_index=True)
    return gpd.GeoDataFrame(out, geometry="geometry", crs=city.spec.crs)


def _chosen(rng: np.random.Generator, count: int, share: float) -> np.ndarray:
    """Exactly the rounded share of ``count``, at random."""
    out = np.zeros(count, dtype=bool)
    out[rng.permutation(count)[: round(share * count)]] = True
    return out


def _shifts(rng: np.random.Generator, true: gpd.GeoDataFrame) -> np.ndarray:
    """Shift of each footprint (n, 2) [m], the same for buildings that touch."""
    geometry = true.geometry.to_numpy()
    count = len(geometry)
    i, j = shapely.STRtree(geometry).query(geometry, predicate="dwithin", distance=_TOGETHER_M)
    links = coo_array((np.ones(len(i)), (i, j)), shape=(count, count))
    groups, member = connected_components(links, directed=False)
    size = np.bincount(member, minlength=groups)
    order = rng.permutation(groups)
    before = np.cumsum(size[order]) - size[order]
    far = np.zeros(groups, dtype=bool)
    far[order] = before + size[order] / 2 < SHIFTED * count
    length = np.where(far, rng.uniform(0.7, SHIFT_M, groups), rng.uniform(0, SMALL_SHIFT_M, groups))
    turn = rng.uniform(0, 2 * np.pi, groups)
    shift = np.column_stack([length * np.cos(turn), length * np.sin(turn)])
    return np.asarray(shift[member])


def _vanished(
    rng: np.random.Generator, city: City, true: gpd.GeoDataFrame, count: int
) -> gpd.GeoDataFrame:
    """Footprints of houses that were pulled down, on ground that is free today."""
    west, south, east, north = city.core_bounds
    taken = shapely.STRtree(city.buildings.geometry.to_numpy())
    rows: list[shapely.Polygon] = []
    for _ in range(200 * max(1, count)):
        if len(rows) == count:
            break
        w, d = rng.uniform(6, 14, 2)
        x, y = rng.uniform(west + 12, east - 12), rng.uniform(south + 12, north - 12)
        turn = rng.uniform(0, 180)
        house = shapely.affinity.rotate(
            shapely.box(x - w / 2, y - d / 2, x + w / 2, y + d / 2), turn
        )
        clear = len(taken.query(house, predicate="dwithin", distance=2.5)) == 0
        if clear and all(house.distance(other) > 2 for other in rows):
            rows.append(house)
    ids = [f"B9{k + 1:05d}" for k in range(len(rows))]
    return gpd.GeoDataFrame(
        {"building_id": ids, "simulated": [True] * len(rows)}, geometry=rows, crs=city.spec.crs
    )
