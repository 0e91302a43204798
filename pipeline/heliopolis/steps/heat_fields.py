"""What the hot zones are made from: fields of the study area on one grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.geobox import GeoBox

from heliopolis.config import Footprints, Heat
from heliopolis.errors import InputError
from heliopolis.heat.coverage import coverage
from heliopolis.heat.greening import plantable_share, vegetation_share
from heliopolis.io.raster import band_names, read_onto
from heliopolis.io.vector import read_layer

Array = npt.NDArray[np.floating[Any]]
#: Beyond this distance from the hull of the footprints [m] nothing is known of roofs: a cadastre
#: of one quarter says nothing of the next.
SURVEY_MARGIN_M = 250.0
Fields = dict[str, Array | None]

#: A pixel with more water than this is water.
WATER = 0.5
_LST_BANDS = {
    "lst_median_c": "lst_c",
    "lst_sd_c": "lst_sd_c",
    "anomaly_c": "anomaly_c",
    "n_obs": "n_obs",
    "persistence": "persistence",
    "effective_resolution_m": "effective_resolution_m",
}
#: Field and the optical bands that can hold it, best first.
_OPTICAL_BANDS = {
    "ndvi": ("ndvi",),
    "albedo": ("albedo",),
    "built": ("built", "class_built"),
    "water": ("water", "class_water"),
    "farmland": ("class_field",),
    "forest": ("class_forest",),
}


def heat_fields(lst: Path, optical: Path | None, form: Path | None, grid: GeoBox) -> Fields:
    """Fields on the grid of ``lst``, float32, None where there is no such band or file."""
    wanted = [band for band in _LST_BANDS if band in band_names(lst)]
    for band in ("lst_median_c", "anomaly_c"):
        if band not in wanted:
            raise InputError(
                f"the raster has no band {band!r}",
                where=str(lst),
                remedy="Give the composite that the workflow writes, lst.tif",
            )
    read = read_onto([lst], grid, bands=wanted)
    fields: Fields = dict.fromkeys(_LST_BANDS.values())
    fields |= {_LST_BANDS[band]: read[band].to_numpy() for band in wanted}
    fields |= dict.fromkeys(_OPTICAL_BANDS)
    if optical is not None:
        present = band_names(optical)
        chosen = {
            name: band
            for name, bands in _OPTICAL_BANDS.items()
            for band in [next((one for one in bands if one in present), None)]
            if band is not None
        }
        if chosen:
            found = read_onto([optical], grid, bands=list(dict.fromkeys(chosen.values())))
            fields |= {name: found[band].to_numpy() for name, band in chosen.items()}
    fields["sky_view"] = None
    if form is not None:
        seen = read_onto([form], grid, bands=["sky_view"], resampling="average")
        fields["sky_view"] = seen["sky_view"].to_numpy()
    return fields


def mask(fields: Fields, area: gpd.GeoDataFrame, grid: GeoBox) -> None:
    """Set to NaN what lies outside the study area (by the centre of the cell)."""
    union = shapely.union_all(np.asarray(area.geometry.array))
    inside = _centres_in(union, grid)
    for name, field in fields.items():
        if field is not None:
            fields[name] = np.where(inside, field, np.float32(np.nan)).astype("float32", copy=False)


def _centres_in(geometry: Any, grid: GeoBox) -> npt.NDArray[np.bool_]:
    shapely.prepare(geometry)
    rows, cols = grid.shape
    x = grid.affine.c + (np.arange(cols) + 0.5) * grid.affine.a
    out = np.zeros((rows, cols), dtype=bool)
    for row in range(rows):
        y = grid.affine.f + (row + 0.5) * grid.affine.e
        out[row] = shapely.contains_xy(geometry, x, np.full(cols, y))
    return out


def dry_land(field: Array | None, fields: Fields) -> Array | None:
    """``field`` without water."""
    water = fields["water"]
    if field is None or water is None or field is water:
        return field
    return np.where(water > WATER, np.asarray(np.nan, dtype=field.dtype), field)


class DryLand(Mapping[str, Array | None]):
    """Fields without water, each made when it is asked for and not kept."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> Array | None:
        """One field without water."""
        return dry_land(self._fields[name], self._fields)

    def __iter__(self) -> Iterator[str]:
        """Names of the fields."""
        return iter(self._fields)

    def __len__(self) -> int:
        """Number of the fields."""
        return len(self._fields)


def add_ground(
    fields: Fields, footprints: Path | None, options: dict[str, Any], grid: GeoBox
) -> None:
    """Add the shares of vegetation, roofs and plantable ground, where they can be known."""
    fields |= {"vegetation": None, "roof": None, "plantable": None, "bare": None, "road": None}
    if fields["ndvi"] is not None:
        fields["vegetation"] = vegetation_share(fields["ndvi"]).astype("float32")
    fields["road"] = _road_share(Heat.model_validate(options["heat"]), grid)
    if footprints is None:
        return
    section = options.get("footprints")
    layer = Footprints.model_validate(section).layer if section else None
    table = read_layer(footprints, layer, crs=str(grid.crs))
    table = table[table.geom_type.isin(["Polygon", "MultiPolygon"])]
    shapes = table.geometry.force_2d().make_valid(method="structure")
    roof = coverage(shapes, (grid.height, grid.width), grid.affine).union_share()
    surveyed = shapely.buffer(shapely.convex_hull(shapes.union_all()), SURVEY_MARGIN_M)
    outside = coverage(
        gpd.GeoSeries([surveyed], crs=str(grid.crs)), (grid.height, grid.width), grid.affine
    )
    roof = np.where(outside.union_share() > 0.5, roof, np.nan).astype("float32")
    fields["roof"] = roof
    if fields["ndvi"] is not None:
        taken = {"water": fields["water"], "roads": fields["road"]}
        fields["bare"] = plantable_share(fields["ndvi"], roof, **taken).astype("float32")
        fields["plantable"] = plantable_share(
            fields["ndvi"], roof, **taken, excluded=fields["farmland"]
        ).astype("float32")


def _road_share(heat: Heat, grid: GeoBox) -> Array | None:
    """Share of each pixel along the middle of a road; None where no roads are given."""
    if heat.roads is None:
        return None
    table = read_layer(Path(heat.roads), crs=str(grid.crs))
    flat = table.geometry[~table.geometry.is_empty & table.geometry.notna()].force_2d()
    is_line = flat.geom_type.isin(["LineString", "MultiLineString"])
    strips = flat.where(~is_line, flat.buffer(heat.road_strip_m / 2.0, cap_style="flat"))
    strips = strips[strips.geom_type.isin(["Polygon", "MultiPolygon"])]
    made = strips.make_valid(method="structure")
    share = coverage(made, (grid.height, grid.width), grid.affine).union_share()
    return share.astype("float32")
