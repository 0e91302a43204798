"""What would help a school, a hospital, a district: the actions of `heliopolis.heat.actions`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from affine import Affine

from heliopolis.heat.actions import NEAR_M, Ground, action
from heliopolis.heat.places import place_ground

Array = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

_NUMBERS = ("area_m2", "cooling_least_k", "cooling_most_k", "cost_least_eur", "cost_most_eur",
            "cooled_k_km2_per_million_eur")  # fmt: skip
_COLUMNS = ("place_id", "name", "kind", "action", *_NUMBERS)


def place_action_table(
    places: gpd.GeoDataFrame,
    fields: Mapping[str, Array | None],
    ground: Ground | None,
    costs: pd.DataFrame,
    affine: Affine,
) -> gpd.GeoDataFrame:
    """What could be done at each place, ranked by cooled ground per euro.

    A place is the pixels whose centre lies in it, or the one below it where there is none. The
    same ground may belong to several places, such as a school and its district: their rows are
    not to be added up.

    Parameters
    ----------
    places
        ``place_id, name, kind`` and geometry, in the CRS of the grid.
    fields, ground, costs
        As for `heliopolis.heat.actions.action_table`; fields with dims (y, x).
    affine
        Transform of the grid.

    Returns
    -------
    GeoDataFrame
        ``place_id, name, kind, action, area_m2, cooling_least_k, cooling_most_k, cost_least_eur,
        cost_most_eur, cooled_k_km2_per_million_eur, rank, rank_in_kind``, the second among the
        places of a kind and their actions; no row where ground or effect are not known.
    """
    rows = []
    shape = next((one.shape for one in fields.values() if one is not None), (0, 0))
    shapes = np.asarray(place_ground(places.geometry).array)
    if ground is not None:
        for position, (window, inside) in enumerate(_windows(shapes, affine, shape)):
            for line in costs.itertuples() if inside.any() else ():
                row = action(line, inside, window, fields, ground, abs(affine.a))
                if row is not None:
                    rows.append({"position": position, **row})
    table = pd.DataFrame(rows, columns=["position", "action", *_NUMBERS])
    owner = places.iloc[table["position"].astype(int)].reset_index(drop=True)
    for name in ("place_id", "name", "kind"):
        table[name] = owner[name] if name in owner.columns else None
    table = table.sort_values(
        ["cooled_k_km2_per_million_eur", "position", "action"], ascending=[False, True, True]
    ).reset_index(drop=True)
    table["rank"] = pd.Series(np.arange(1, len(table) + 1), dtype="Int64")
    by_kind = table.groupby(table["kind"].fillna("").astype("object"))
    table["rank_in_kind"] = (by_kind.cumcount() + 1).astype("Int64")
    where = [places.geometry.iloc[int(one)] for one in table["position"]]
    geometry = gpd.GeoSeries(where, crs=places.crs, dtype="geometry")
    return gpd.GeoDataFrame(
        table[[*_COLUMNS, "rank", "rank_in_kind"]], geometry=geometry, crs=places.crs
    )


def _windows(
    shapes: npt.NDArray[np.object_], affine: Affine, shape: tuple[int, ...]
) -> Iterator[tuple[tuple[slice, slice], Mask]]:
    """For each place the window of the grid that its actions reach, and its own pixels there."""
    pixel = abs(affine.a)
    reach = int(NEAR_M / pixel) + 1
    for one in shapes:
        west, south, east, north = one.bounds
        left, right = (west - affine.c) / pixel, (east - affine.c) / pixel
        top, bottom = (affine.f - north) / pixel, (affine.f - south) / pixel
        rows, columns = (
            slice(int(np.clip(low - reach, 0, size)), int(np.clip(high + reach + 1, 0, size)))
            for low, high, size in ((top, bottom, shape[0]), (left, right, shape[1]))
        )
        x = affine.c + (np.arange(columns.start, columns.stop) + 0.5) * pixel
        y = affine.f - (np.arange(rows.start, rows.stop) + 0.5) * pixel
        shapely.prepare(one)
        inside = np.asarray(shapely.contains_xy(one, *np.meshgrid(x, y)), dtype=bool)
        if not inside.any() and inside.size:
            point = one.representative_point()
            i, j = int((affine.f - point.y) // pixel), int((point.x - affine.c) // pixel)
            if rows.start <= i < rows.stop and columns.start <= j < columns.stop:
                inside[i - rows.start, j - columns.start] = True
        yield (rows, columns), inside
