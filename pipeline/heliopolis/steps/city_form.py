"""The form of the city on cells that shadows can be told on, and what a scene sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.io.raster import read_onto, write_cog
from heliopolis.solar.horizon import horizon
from heliopolis.solar.sky import sun_position
from heliopolis.steps.optical import options_grid
from heliopolis.thermal import city_form as forms

Array = np.ndarray[Any, Any]
#: Cells of the city's form along the side of a cell of the study grid.
FACTOR = 2
#: The sky that a cell sees is judged in so many directions, as far as this [m].
_DIRECTIONS, _SKY_M = 16, 200.0
#: Rows that are worked on at once [cells].
_STRIP = 512
_BANDS = {"dsm_m": "m", "dtm_m": "m", "tree": "1", "sky_view": "1"}


def city_form(*, surfaces: list[Path], form: Path, options: dict[str, Any]) -> None:
    """Mosaic the surface models of all tiles on cells half as large as those of the study.

    Parameters
    ----------
    surfaces
        Surface models of the tiles: bands ``dsm_m``, ``dtm_m``, ``tree``.
    form
        Target, a COG: the same bands, averaged, and ``sky_view``, the share of the sky that each
        cell sees. Its tag ``covered`` is the share of the study grid that has heights.
    options
        ``{"grid": ...}``.
    """
    grid = form_grid(options_grid(options))
    names = ["dsm_m", "dtm_m", "tree"]
    read = read_onto(surfaces, grid, bands=names, resampling="average")
    fields = {name: read[name].to_numpy() for name in names}
    fields["sky_view"] = sky_view(fields["dsm_m"], abs(grid.resolution.x))
    bands = {name: wrap_xr(fields[name].astype("float32"), grid) for name in _BANDS}
    for name, units in _BANDS.items():
        bands[name].attrs = {"units": units}
    known = np.isfinite(fields["dsm_m"]) & np.isfinite(fields["dtm_m"])
    write_cog(form, bands, tags={"covered": f"{known.mean():.4f}"})


def form_grid(grid: GeoBox) -> GeoBox:
    """Grid of the city's form under a study grid."""
    shape = (grid.shape[0] * FACTOR, grid.shape[1] * FACTOR)
    return GeoBox(shape, grid.affine * grid.affine.scale(1.0 / FACTOR), grid.crs)


def sky_view(dsm_m: Array, resolution_m: float) -> Array:
    """`heliopolis.thermal.city_form.sky_view` of a surface (y, x), strip by strip."""
    halo = int(np.ceil(_SKY_M / resolution_m))
    out = np.full(dsm_m.shape, np.nan, dtype="float32")
    for top in range(0, dsm_m.shape[0], _STRIP):
        first = max(top - halo, 0)
        strip = dsm_m[first : top + _STRIP + halo]
        wanted = np.zeros(strip.shape, dtype=bool)
        wanted[top - first : top - first + _STRIP] = True
        seen = forms.sky_view(horizon(strip, resolution_m, _DIRECTIONS, _SKY_M, where=wanted))
        out[top : top + _STRIP] = seen[top - first : top - first + _STRIP]
    return out


def form_predictors(
    heights: Mapping[str, Array], grid: GeoBox, acquired: datetime
) -> dict[str, Array]:
    """Predictors of a scene (y, x) on the study ``grid``, from the bands of `city_form`."""
    centre = grid.extent.centroid.to_crs("EPSG:4326").coords[0]
    times = pd.DatetimeIndex([pd.Timestamp(acquired)])
    sun = sun_position(times, centre[1], centre[0]).iloc[0]
    place = 90.0 - float(sun["zenith_deg"]), float(sun["azimuth_deg"])
    return forms.predictors(heights, abs(grid.resolution.x) / FACTOR, FACTOR, place)


def read_form(form: Path, grid: GeoBox) -> dict[str, Array]:
    """Bands of `city_form` under a study ``grid``."""
    read = read_onto([form], form_grid(grid), bands=list(_BANDS))
    return {name: read[name].to_numpy() for name in _BANDS}
