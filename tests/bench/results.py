"""Whether two runs say the same: every raster and every layer of what they hand on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio

from heliopolis.io.raster import read_raster

#: Layers that tell about the run and not about the city.
_ABOUT = {"fields", "provenance", "layer_styles", "scenes"}
_PACKAGES = ("hot_zones.gpkg", "rooftop_pv.gpkg")


def differences(
    one: Path, two: Path, *, relative: float = 1e-6, names_of_zones: bool = True
) -> list[str]:
    """What two folders of results have not in common, a line for each band and column.

    Parameters
    ----------
    one, two
        Folders of results.
    relative
        By how much numbers may differ, and coordinates [m].
    names_of_zones
        Whether hot zones must also have the same identifiers.
    """
    found = [f"{name} is there once only" for name in sorted(_rasters(one) ^ _rasters(two))]
    for name in sorted(_rasters(one) & _rasters(two)):
        found += _bands(one / name, two / name, relative)
    for package in _PACKAGES:
        there = [(folder / package).is_file() for folder in (one, two)]
        if all(there):
            found += _layers(one / package, two / package, relative, names_of_zones)
        elif any(there):
            found.append(f"{package} is there once only")
    return found


def _rasters(results: Path) -> set[str]:
    paths = [*results.glob("*.tif"), *results.glob("scenes/*/*.tif")]
    return {str(path.relative_to(results)) for path in paths}


def _bands(one: Path, two: Path, relative: float) -> list[str]:
    first, second = read_raster(one), read_raster(two)
    if list(first) != list(second):
        return [f"{one.name} has other bands"]
    found = []
    for band in first:
        a, b = first[band].to_numpy(), second[band].to_numpy()
        if a.shape != b.shape:
            found.append(f"{one.name}:{band} has another grid")
        elif not np.allclose(a, b, rtol=relative, atol=relative, equal_nan=True):
            off = np.nanmax(np.abs(a.astype(float) - b.astype(float)))
            found.append(f"{one.name}:{band} differs by up to {off:g}")
    return found


def _layers(one: Path, two: Path, relative: float, names_of_zones: bool) -> list[str]:
    first, second = (set(pyogrio.list_layers(path)[:, 0]) - _ABOUT for path in (one, two))
    found = [f"{one.name}:{name} is there once only" for name in sorted(first ^ second)]
    for layer in sorted(first & second):
        a, b = (_table(path, layer, names_of_zones) for path in (one, two))
        if len(a) != len(b) or list(a.columns) != list(b.columns):
            found.append(f"{one.name}:{layer} has {len(a)} and {len(b)} rows, or other columns")
            continue
        found += [
            f"{one.name}:{layer}.{column} {told}"
            for column in a.columns
            if (told := _column(a[column], b[column], relative))
        ]
    return found


def _table(path: Path, layer: str, names_of_zones: bool) -> pd.DataFrame:
    """A layer in an order that its rows tell themselves."""
    table = pyogrio.read_dataframe(path, layer=layer)
    if not names_of_zones:
        table = table.drop(columns=[c for c in ("zone_id",) if c in table])
    keys = [column for column in table.columns if column.endswith("_id")]
    if keys and table[keys[0]].is_unique:
        return table.sort_values(keys[0]).reset_index(drop=True)
    if isinstance(table, gpd.GeoDataFrame) and not table.empty:
        middle = table.geometry.representative_point()
        order = np.lexsort((middle.y.round(3), middle.x.round(3)))
        return table.iloc[order].reset_index(drop=True)
    return table


def _column(a: Any, b: Any, relative: float) -> str:
    """How two columns differ; nothing where they do not."""
    if isinstance(a, gpd.GeoSeries):
        same = a.normalize().geom_equals_exact(b.normalize(), relative) | (a.isna() & b.isna())
        return "" if same.all() else f"differs in {int((~same).sum())} rows"
    if pd.api.types.is_numeric_dtype(a) and pd.api.types.is_numeric_dtype(b):
        x, y = a.to_numpy(dtype=float, na_value=np.nan), b.to_numpy(dtype=float, na_value=np.nan)
        same = np.isclose(x, y, rtol=relative, atol=relative, equal_nan=True)
        return "" if same.all() else f"differs in {int((~same).sum())} rows"
    same = (a == b) | (a.isna() & b.isna())
    return "" if same.all() else f"differs in {int((~same).sum())} rows"
