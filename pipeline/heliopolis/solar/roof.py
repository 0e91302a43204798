"""All roof planes of a tile at once: modules, shading, irradiation, electricity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from heliopolis.solar.irradiance import (
    PlaneIrradiance,
    Shading,
    cos_incidence,
    lit_share,
    shading_of,
    transpose,
)
from heliopolis.solar.irradiance_map import sun_patches
from heliopolis.solar.layout import Layout, Mount, mount, place_modules, row_shading
from heliopolis.solar.sky import Sky, tree_transmissivity
from heliopolis.solar.uncertainty import light_sigma, quantile
from heliopolis.solar.yield_ import LOSSES_PERCENT, Mounting, pv_yield, yearly_sigma

FloatArray = np.ndarray[Any, np.dtype[Any]]

#: Relative standard deviation of the yield from errors of tilt and azimuth, by the quality of the
#: plane, beyond `light_sigma`, which was found on planes of quality HIGH; a judgement: 5 deg of
#: pitch and 10 deg of azimuth are about 3 %.
GEOMETRY_SIGMA = {"HIGH": 0.0, "MEDIUM": 0.06}
_UNKNOWN_SIGMA = 0.10
#: Planes times hours that are held in memory at one time.
_AT_ONCE = 1_500_000
#: Panels whose shading is held in memory at one time.
_PANELS_AT_ONCE = 2000
_MONTHS = [f"energy_kwh_month_{m:02d}" for m in range(1, 13)]
_PANEL_COLUMNS = [
    "panel_id",
    "plane_id",
    "building_id",
    "order",
    "orientation",
    "tilt_deg",
    "azimuth_deg",
    "power_w",
    "energy_kwh_year",
    "geometry",
]


@dataclass(frozen=True)
class CellHorizons:
    """Horizons of roof cells.

    Attributes
    ----------
    x, y
        Centres of the cells [m], dims (cell,).
    angles_deg
        Horizon [deg], dims (direction, cell).
    solid_deg
        The same with trees away, or None where there are none.
    resolution_m
        Side of a cell [m].
    """

    x: FloatArray
    y: FloatArray
    angles_deg: FloatArray
    solid_deg: FloatArray | None
    resolution_m: float

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Index of the centres."""
        centres = shapely.points(np.column_stack([self.x, self.y]))
        return shapely.STRtree(np.asarray(centres, dtype=object).tolist())


@dataclass(frozen=True)
class System:
    """The panels and what is assumed about them; see `heliopolis.solar.yield_`."""

    module_width_m: float = 1.134
    module_height_m: float = 1.762
    module_power_w: float = 430.0
    flat_tilt_deg: float = 12.0
    mounting: Mounting = "building"
    losses_percent: Mapping[str, float] = field(default_factory=lambda: dict(LOSSES_PERCENT))
    inverter_efficiency: float = 0.96
    albedo: float = 0.2
    facade_albedo: float = 0.0
    model_sigma: float = 0.05
    interannual_sigma: float = 0.05


def roof_yield(
    planes: gpd.GeoDataFrame,
    usable: gpd.GeoDataFrame,
    cells: CellHorizons,
    sky: Sky,
    latitude: float,
    system: System,
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Yield of roof planes and their panels.

    Parameters
    ----------
    planes
        Layer ``roof_planes``: ``plane_id, building_id, tilt_deg, azimuth_deg, quality``, polygons
        in plan.
    usable
        ``plane_id`` and polygon of the part that can carry panels.
    cells
        Horizons of the cells of the roofs, in the CRS of ``planes``.
    sky
        Sun, sky and weather of the site.
    latitude
        Of the site [deg].
    system
        Panels and assumptions.

    Returns
    -------
    planes, panels
        ``planes`` with ``poa_kwh_m2_year`` (in the plane of the panels: on flat roofs that of
        the racks, with the shade that rows throw on each other), ``shading_loss`` and
        ``sky_view`` (obstacles alone), monthly and yearly energy, ``n_panels``,
        ``capacity_kwp``, ``specific_yield_kwh_kwp``; and the panels of each plane, best first.

    Notes
    -----
    A plane whose tilt is not known (quality BASE) gets NULL everywhere: its yield depends on the
    orientation by a factor of two. A plane on which no panel fits has energy 0.
    """
    out = planes.reset_index(drop=True).copy()
    tilt, azimuth = (out[c].to_numpy(dtype=float) for c in ("tilt_deg", "azimuth_deg"))
    rows = np.flatnonzero(np.isfinite(tilt) & ~out.geometry.is_empty)
    areas = _usable_parts(out, usable)
    mounts = [
        mount(out.geometry.iloc[i], tilt[i], azimuth[i], system.flat_tilt_deg, latitude)
        for i in rows
    ]
    layouts = [
        place_modules(areas[i], how, system.module_width_m, system.module_height_m)
        for i, how in zip(rows, mounts, strict=True)
    ]
    stand = [out.geometry.iloc[i] if areas[i].is_empty else areas[i] for i in rows]
    figures = _figures(stand, mounts, cells, sky, latitude, system)
    counts = np.array([len(layout.modules) for layout in layouts], dtype=float)
    _fill(out, rows, counts, figures, sky, system)
    panels = _panels(out, rows, mounts, layouts, cells, sky, latitude, system.module_power_w)
    return out, panels


def _usable_parts(planes: gpd.GeoDataFrame, usable: gpd.GeoDataFrame) -> list[BaseGeometry]:
    """Usable polygon of each plane, cut by the plane; empty where it has none."""
    by_plane = usable[["plane_id", usable.geometry.name]].dissolve("plane_id").geometry
    parts = shapely.make_valid(by_plane.reindex(planes["plane_id"]).to_numpy())
    cut = shapely.intersection(parts, planes.geometry.to_numpy())
    return [shapely.Polygon() if one is None else one for one in cut]


def _cells_of(shapes: list[BaseGeometry], cells: CellHorizons) -> tuple[FloatArray, FloatArray]:
    """Pairs (shape, cell) of the cells within each shape, or of the nearest to a small one."""
    if not shapes or cells.x.size == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    group, cell = cells.tree.query(shapes, predicate="contains")
    missing = np.setdiff1d(np.arange(len(shapes)), group)
    if missing.size:
        small, near = cells.tree.query_nearest(
            [shapes[i] for i in missing], max_distance=1.5 * cells.resolution_m, all_matches=False
        )
        group, cell = np.append(group, missing[small]), np.append(cell, near)
    order = np.lexsort((cell, group))
    return group[order], cell[order]


def _shading(shapes: list[BaseGeometry], mounts: list[Mount], cells: CellHorizons) -> Shading:
    group, cell = _cells_of(shapes, cells)
    return shading_of(
        cells.angles_deg[:, cell],
        group,
        np.array([how.tilt_deg for how in mounts], dtype=float),
        np.array([how.azimuth_deg for how in mounts], dtype=float),
        None if cells.solid_deg is None else cells.solid_deg[:, cell],
    )


def _figures(
    shapes: list[BaseGeometry],
    mounts: list[Mount],
    cells: CellHorizons,
    sky: Sky,
    latitude: float,
    system: System,
) -> dict[str, FloatArray]:
    """Irradiation, loss and yield for each kWp of every plane, a batch at a time."""
    batch = max(1, _AT_ONCE // max(1, sky.hours.size))
    through = tree_transmissivity(sky.month, latitude)
    parts: list[dict[str, FloatArray]] = [_nothing()]
    for first in range(0, len(shapes), batch):
        part = slice(first, first + batch)
        parts.append(_batch(shapes[part], mounts[part], cells, sky, through, system))
    return {key: np.concatenate([p[key] for p in parts]) for key in parts[0]}


def _nothing() -> dict[str, FloatArray]:
    single = {key: np.empty(0) for key in ("poa", "loss", "view", "year")}
    return {**single, "month": np.empty((0, 12))}


def _batch(
    shapes: list[BaseGeometry],
    mounts: list[Mount],
    cells: CellHorizons,
    sky: Sky,
    through: FloatArray,
    system: System,
) -> dict[str, FloatArray]:
    shading = _shading(shapes, mounts, cells)
    tilt = np.array([how.tilt_deg for how in mounts], dtype=float)
    azimuth = np.array([how.azimuth_deg for how in mounts], dtype=float)
    free = transpose(sky, tilt, azimuth, albedo=system.albedo).total @ sky.hours
    shaded = transpose(
        *(sky, tilt, azimuth, shading, through, system.albedo),
        facade_albedo=system.facade_albedo,
    )
    loss = 1.0 - (shaded.total @ sky.hours) / free
    kinds: list[Mounting] = ["free" if how.racked else system.mounting for how in mounts]
    found = pv_yield(
        sky,
        _rows(shaded, sky, mounts),
        tilt,
        mounting=kinds,
        losses_percent=system.losses_percent,
        inverter_efficiency=system.inverter_efficiency,
    )
    weight = sky.isotropic * sky.hours
    leafy = float((through * weight).sum() / weight.sum())
    return {
        "poa": found.poa_kwh_m2_year,
        "loss": np.clip(loss, 0.0, 1.0),
        "view": shading.sky_view + leafy * (shading.sky_view_solid - shading.sky_view),
        "year": found.energy_kwh_kwp_year,
        "month": found.energy_kwh_kwp_month,
    }


def _rows(irradiance: PlaneIrradiance, sky: Sky, mounts: list[Mount]) -> PlaneIrradiance:
    """Irradiance with the shade of rows of racks on each other."""
    racked = np.flatnonzero([how.racked for how in mounts])
    if racked.size == 0:
        return irradiance
    beam, diffuse = irradiance.beam.copy(), irradiance.sky.copy()
    for i in racked:
        lit, seen = row_shading(sky.zenith_deg, sky.azimuth_deg, mounts[i])
        beam[i] *= lit
        diffuse[i] *= seen
    return PlaneIrradiance(beam, diffuse, irradiance.ground, irradiance.cos_incidence)


def _fill(
    out: gpd.GeoDataFrame,
    rows: FloatArray,
    counts: FloatArray,
    figures: dict[str, FloatArray],
    sky: Sky,
    system: System,
) -> None:
    """Write the columns of the planes at ``rows``; NaN elsewhere."""
    capacity = counts * system.module_power_w / 1000.0
    empty = counts == 0
    p50 = np.where(empty, 0.0, capacity * figures["year"])
    months = np.where(empty[:, None], 0.0, capacity[:, None] * figures["month"])
    geometry = out["quality"].iloc[rows].map(GEOMETRY_SIGMA).fillna(_UNKNOWN_SIGMA).to_numpy()
    yearly = yearly_sigma(sky.yearly_ghi_kwh_m2, system.interannual_sigma)
    sigmas = (system.model_sigma, yearly, geometry, light_sigma(figures["loss"]))
    columns: dict[str, FloatArray] = {
        "poa_kwh_m2_year": figures["poa"],
        "shading_loss": figures["loss"],
        "sky_view": figures["view"],
        **{name: months[:, m] for m, name in enumerate(_MONTHS)},
        "energy_kwh_year_p50": p50,
        "energy_kwh_year_p90": quantile(p50, 0.1, *sigmas),
        "energy_kwh_year_p10": quantile(p50, 0.9, *sigmas),
        "n_panels": counts,
        "capacity_kwp": capacity,
        "specific_yield_kwh_kwp": np.where(empty, np.nan, figures["year"]),
    }
    for name, values in columns.items():
        full = np.full(len(out), np.nan)
        full[rows] = values
        out[name] = full
    out["n_panels"] = out["n_panels"].astype("Int64")


def _panels(
    planes: gpd.GeoDataFrame,
    rows: FloatArray,
    mounts: list[Mount],
    layouts: list[Layout],
    cells: CellHorizons,
    sky: Sky,
    latitude: float,
    power_w: float,
) -> gpd.GeoDataFrame:
    """Panels of all planes, those with the most light first."""
    owner = np.repeat(np.arange(len(rows)), [len(layout.modules) for layout in layouts])
    shapes = [module for layout in layouts for module in layout.modules]
    if not shapes:
        return gpd.GeoDataFrame(
            {name: [] for name in _PANEL_COLUMNS}, geometry="geometry", crs=planes.crs
        )
    of_plane = planes.iloc[rows[owner]]
    hows = [mounts[i] for i in owner]
    parts = [
        slice(first, first + _PANELS_AT_ONCE) for first in range(0, len(shapes), _PANELS_AT_ONCE)
    ]
    light = np.concatenate(
        [_relative_light(shapes[part], hows[part], cells, sky, latitude) for part in parts]
    )
    table = pd.DataFrame(
        {
            "plane_id": of_plane["plane_id"].to_numpy(),
            "building_id": of_plane["building_id"].to_numpy(),
            "orientation": [layouts[i].orientation for i in owner],
            "tilt_deg": [how.tilt_deg for how in hows],
            "azimuth_deg": [how.azimuth_deg for how in hows],
            "power_w": power_w,
            "light": light,
            "geometry": shapes,
        }
    )
    mean = table.groupby("plane_id")["light"].transform("mean")
    each = (of_plane["energy_kwh_year_p50"] / of_plane["n_panels"].astype(float)).to_numpy()
    table["energy_kwh_year"] = each * (table["light"] / mean)
    key = (-table["light"].round(4)).groupby(table["plane_id"]).rank(method="first")
    table["order"] = key.fillna(0).astype(int)
    table["panel_id"] = table["plane_id"].astype(str) + "/" + table["order"].astype(str)
    table = table.sort_values(["plane_id", "order"], kind="stable").reset_index(drop=True)
    return gpd.GeoDataFrame(table[_PANEL_COLUMNS], geometry="geometry", crs=planes.crs)


def _relative_light(
    shapes: list[BaseGeometry],
    mounts: list[Mount],
    cells: CellHorizons,
    sky: Sky,
    latitude: float,
) -> FloatArray:
    """Yearly beam and even sky that each panel sees [kWh m-2], by patches of the sky."""
    through = tree_transmissivity(sky.month, latitude)
    patches = sun_patches(sky, through)
    shading = _shading(shapes, mounts, cells)
    tilt, azimuth = (
        np.array([getattr(how, name) for how in mounts], dtype=float)
        for name in ("tilt_deg", "azimuth_deg")
    )
    zenith = 90.0 - patches.elevation_deg
    cosine = np.maximum(cos_incidence(zenith, patches.azimuth_deg, tilt, azimuth), 0.0)
    lit = lit_share(shading.lit, patches.azimuth_deg, patches.elevation_deg)
    light = (cosine * lit) @ patches.energy_kwh_m2
    if shading.lit_solid is not shading.lit:
        solid = lit_share(shading.lit_solid, patches.azimuth_deg, patches.elevation_deg)
        light += (cosine * (solid - lit)) @ patches.through_trees_kwh_m2
    even = float((sky.isotropic * sky.hours).sum() / 1000.0)
    return np.asarray(light + even * 0.5 * (1.0 + np.cos(np.radians(tilt))) * shading.sky_view)
