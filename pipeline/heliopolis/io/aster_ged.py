"""ASTER Global Emissivity Dataset: tiles of the archive, or rasters that keep its bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from pyproj import Transformer
from scipy import ndimage

from heliopolis.errors import InputError, NoDataError
from heliopolis.io.limits import guarded
from heliopolis.io.raster import band_names, read_onto

Array = NDArray[Any]
#: Variables of an AG100 v003 tile: dataset in the file, plane of it (bands are 10 to 14), scale
#: (Hulley et al. 2015, doi:10.1002/2015GL065564; the archive's doi is
#: 10.5067/Community/ASTER_GED/AG100.003).
_TILE: Mapping[str, tuple[str, int | None, float]] = {
    "emissivity_13": ("Emissivity/Mean", 3, 1e-3),
    "emissivity_14": ("Emissivity/Mean", 4, 1e-3),
    "sdev_13": ("Emissivity/SDev", 3, 1e-4),
    "sdev_14": ("Emissivity/SDev", 4, 1e-4),
    "ndvi": ("NDVI/Mean", None, 1e-2),
}
_FILL = -9999
#: The same in rasters exported with the names of the archive's bands.
_RASTER: Mapping[str, str] = {
    "emissivity_13": "emissivity_band13",
    "emissivity_14": "emissivity_band14",
    "sdev_13": "emissivity_sdev_band13",
    "sdev_14": "emissivity_sdev_band14",
    "ndvi": "ndvi",
}
_NEEDED = ("emissivity_13", "emissivity_14", "ndvi")
_CELL_DEG = 0.001
#: Cells read around the window, so that interpolation has both neighbours at its rim.
_MARGIN = 3
#: Least weight of known cells in an interpolated one (1).
_LEAST = 0.25
#: Above this an emissivity is still in the archive's thousandths.
_PHYSICAL = 2.0


@guarded("the emissivity file")
def read_aster_ged(paths: Sequence[Path], grid: GeoBox) -> xr.Dataset:
    """ASTER GED over a grid, interpolated bilinearly.

    Parameters
    ----------
    paths
        Tiles ``AG100.v003.*.h5``, or rasters with bands ``emissivity_band13``,
        ``emissivity_band14``, ``ndvi`` and, if they have them, ``emissivity_sdev_band13``,
        ``emissivity_sdev_band14``, in physical units or in the archive's integers. All of one
        kind.
    grid
        Where it is wanted, in any CRS.

    Returns
    -------
    Dataset
        ``emissivity_13``, ``emissivity_14``, ``ndvi`` and, where known, ``emissivity_sd`` (the
        larger of the two bands'), dims (y, x), 1, NaN where the archive has nothing.

    Raises
    ------
    InputError
        Where a file cannot be read as ASTER GED.
    NoDataError
        Where no file reaches the grid.
    """
    tiles = [path for path in paths if path.suffix.lower() in (".h5", ".hdf5")]
    if tiles and len(tiles) < len(paths):
        raise InputError("ASTER GED is given partly as tiles, partly as rasters",
                         where="thermal.aster_ged", remedy="Give one kind")  # fmt: skip
    found = _from_tiles(tiles, grid) if tiles else _from_rasters(paths, grid)
    out = {name: found[name] for name in _NEEDED}
    if "sdev_13" in found and "sdev_14" in found:
        out["emissivity_sd"] = xr.apply_ufunc(np.maximum, found["sdev_13"], found["sdev_14"])
    for array in out.values():
        array.attrs = {"units": "1"}
    return xr.Dataset(out)


def _from_rasters(paths: Sequence[Path], grid: GeoBox) -> dict[str, xr.DataArray]:
    names = band_names(paths[0])
    wanted = {key: name for key, name in _RASTER.items() if name in names}
    lacking = [_RASTER[key] for key in _NEEDED if key not in wanted]
    if lacking:
        raise InputError("bands of ASTER GED are missing: " + ", ".join(lacking),
                         where=str(paths[0]), remedy="It has: " + ", ".join(names))  # fmt: skip
    read = read_onto(list(paths), grid, bands=list(wanted.values()), resampling="bilinear")
    out = {key: read[name] for key, name in wanted.items()}
    out = {key: array.where(array > _FILL) for key, array in out.items()}
    largest = float(out["emissivity_13"].max())
    if not np.isfinite(largest):
        raise NoDataError("ASTER GED has nothing over the area", where=str(paths[0]))
    if largest > _PHYSICAL:
        out = {key: array * _TILE[key][2] for key, array in out.items()}
    return out


def _from_tiles(paths: Sequence[Path], grid: GeoBox) -> dict[str, xr.DataArray]:
    """The tiles that reach the grid, joined before they are interpolated."""
    west, south, east, north = grid.extent.to_crs("EPSG:4326").boundingbox.bbox
    first_row = int(np.floor(-north / _CELL_DEG)) - _MARGIN
    first_col = int(np.floor(west / _CELL_DEG)) - _MARGIN
    shape = (
        int(np.ceil(-south / _CELL_DEG)) + _MARGIN - first_row,
        int(np.ceil(east / _CELL_DEG)) + _MARGIN - first_col,
    )
    joined = {key: np.full(shape, np.nan, dtype="float32") for key in _TILE}
    reached = [_paste(path, joined, first_row, first_col) for path in sorted(paths)]
    if not any(reached):
        raise NoDataError(
            "no tile of ASTER GED reaches the area", where=", ".join(str(p) for p in paths[:3]),
            remedy=f"The area is at {south:.2f} to {north:.2f} N, {west:.2f} to {east:.2f} E",
        )  # fmt: skip
    rows, cols = _positions(grid, first_row, first_col)
    return {key: _interpolated(values, rows, cols, grid) for key, values in joined.items()}


def _interpolated(values: Array, rows: Array, cols: Array, grid: GeoBox) -> xr.DataArray:
    """Bilinear means at fractional rows and columns; what is not known has no weight."""
    known = np.isfinite(values)

    def at(cells: Array) -> Array:
        found = ndimage.map_coordinates(cells, (rows, cols), order=1, mode="nearest")
        return np.asarray(found, dtype="float64")

    weight = at(known.astype("float64"))
    total = at(np.where(known, values, 0.0).astype("float64"))
    mean = np.divide(total, weight, out=np.full(weight.shape, np.nan), where=weight >= _LEAST)
    return wrap_xr(mean.astype("float32"), grid)


def _positions(grid: GeoBox, first_row: int, first_col: int) -> tuple[Array, Array]:
    """Fractional rows and columns of the joined cells at the centres of ``grid``."""
    x, y = (grid.coordinates[name].values for name in reversed(grid.dims))
    there = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    longitude, latitude = there.transform(*np.meshgrid(x, y))
    return (
        -latitude / _CELL_DEG - first_row - 0.5,
        longitude / _CELL_DEG - first_col - 0.5,
    )


def _paste(path: Path, joined: Mapping[str, Array], first_row: int, first_col: int) -> bool:
    """Put one tile's cells where they belong; False where it does not reach."""
    try:
        with h5py.File(path, "r") as file:
            corner = (float(file["Geolocation/Latitude"][0, 0]),
                      float(file["Geolocation/Longitude"][0, 0]))  # fmt: skip
            size = file["NDVI/Mean"].shape
            row = round(-corner[0] / _CELL_DEG) - first_row
            col = round(corner[1] / _CELL_DEG) - first_col
            height, width = joined["ndvi"].shape
            rows = slice(max(row, 0), min(row + size[0], height))
            cols = slice(max(col, 0), min(col + size[1], width))
            if rows.start >= rows.stop or cols.start >= cols.stop:
                return False
            part = (slice(rows.start - row, rows.stop - row),
                    slice(cols.start - col, cols.stop - col))  # fmt: skip
            for key, (name, plane, scale) in _TILE.items():
                raw = file[name][part if plane is None else (plane, *part)]
                joined[key][rows, cols] = np.where(raw == _FILL, np.nan, raw * scale)
    except (OSError, KeyError) as error:
        raise InputError(
            "the file is no tile of ASTER GED (AG100 v003)",
            where=str(path),
            remedy="Fetch it again, or take it out of thermal.aster_ged",
        ) from error
    return True


def tile_name(latitude: float, longitude: float) -> str:
    """Name of the AG100 tile that holds a place: its north-west corner, whole degrees.

    >>> tile_name(45.9, 6.1), tile_name(-12.3, -77.0)
    ('AG100.v003.46.006.0001.h5', 'AG100.v003.-12.-077.0001.h5')
    """
    north, west = int(np.ceil(latitude)), int(np.floor(longitude))
    return f"AG100.v003.{north:02d}.{west:0{4 if west < 0 else 3}d}.0001.h5"
