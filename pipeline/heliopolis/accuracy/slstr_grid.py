"""Scores of a gridded Sentinel-3 granule: values, place and clouds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Geod, Transformer

from heliopolis.accuracy.landsat_st import met
from heliopolis.errors import InputError
from heliopolis.io.raster import raster_grid, read_raster
from heliopolis.io.slstr import Swath, grid_swath, product_files, read_swath

Array = NDArray[Any]
#: What has to hold: median absolute difference [K], shift [pixel], cloud share (1).
BARS = {"median_absolute_k": 0.05, "shift_pixel": 0.3, "cloud_share": 0.02}
#: Towns in the granule: longitude, latitude [deg].
POINTS: dict[str, tuple[float, float]] = {
    "Paris": (2.35, 48.86),
    "Lyon": (4.84, 45.76),
    "Geneva": (6.14, 46.20),
    "Zurich": (8.54, 47.37),
    "Strasbourg": (7.75, 48.58),
    "Brussels": (4.35, 50.85),
    "Luxembourg": (6.13, 49.61),
    "Milan": (9.19, 45.46),
    "Turin": (7.69, 45.07),
    "Munich": (11.58, 48.14),
    "Bolzano": (11.35, 46.50),
}
_FOLDER = Path("satellite/s3a-slstr-lst-20240129")
_CRS = "EPSG:32633"
#: Step of the reference [deg].
_STEP = 1.0 / 112.0
#: Cells that the footprints are laid out on before they are compared [m].
_FINE_M = 100.0
#: Around each town cloud is counted to this distance [m].
_AROUND_M = 25_000.0
_SHIFTS = np.arange(-1.0, 1.01, 0.25)


def score_slstr_reference(data_dir: Path) -> dict[str, Any]:
    """Gridded temperature of a real granule beside an independent gridding of its edge.

    The reference holds the nearest sample at the centre of each cell, clouds included; so ours is
    laid out on cells of 100 m, clouds included, and read at the same places. Its cells are
    1/112 deg from its north-west corner: the file's georeference spreads them over the bounds
    that were asked for, which are no whole number of cells.

    Returns
    -------
    dict
        Number of cells, median absolute difference and bias [K], share of equal cells, and the
        shift (east, south) that makes the mean square difference least [pixel], with the bars.
    """
    folder, product = _product(data_dir)
    reference = folder / "sentinel3_edge_ref.tif"
    stated = raster_grid(reference)
    corner = stated.affine * (0, 0)
    lattice = Affine(_STEP, 0.0, corner[0], 0.0, -_STEP, corner[1])
    truth = read_raster(reference)["band_1"].to_numpy()
    swath = read_swath(product_files(product), stated.boundingbox.bbox)
    fine = _laid_out(replace(swath, clear=np.isfinite(swath.lst_k)), stated)
    error = _at_centres(fine, lattice, truth.shape) - truth
    known = np.isfinite(error)
    shift = _shift(fine, lattice, truth)
    median = float(np.median(np.abs(error[known])))
    farther = float(np.hypot(*shift))
    return {
        "n_cells": int(known.sum()),
        "n_cells_reference": int(np.isfinite(truth).sum()),
        "median_absolute_k": round(median, 4),
        "median_absolute_bar": met(median, BARS["median_absolute_k"]),
        "median_k": round(float(np.median(error[known])), 4),
        "equal_share": round(float((np.abs(error[known]) < 1e-3).mean()), 3),
        "shift_east_pixel": round(shift[0], 3),
        "shift_south_pixel": round(shift[1], 3),
        "shift_bar": met(farther, BARS["shift_pixel"]),
    }


def _product(data_dir: Path) -> tuple[Path, Path]:
    folder = data_dir / _FOLDER
    products = sorted(folder.glob("*.SEN3"))
    if not products:
        raise InputError("no granule found", where=str(folder),
                         remedy="Point to the data folder")  # fmt: skip
    return folder, products[0]


def _laid_out(swath: Swath, stated: GeoBox) -> xr.DataArray:
    """Footprints on fine cells of a metric grid around the reference."""
    west, south, east, north = stated.extent.to_crs(_CRS).boundingbox.bbox
    pad = 3000.0
    box = (west - pad, south - pad, east + pad, north + pad)
    grid = GeoBox.from_bbox(box, _CRS, resolution=_FINE_M)
    return grid_swath(swath, grid)["lst_k"]


def _at_centres(
    fine: xr.DataArray, lattice: Affine, shape: tuple[int, ...], east: float = 0, south: float = 0
) -> Array:
    """Fine cells at the centres of the reference's, moved by parts of a pixel."""
    j, i = np.meshgrid(np.arange(shape[1]) + 0.5 + east, np.arange(shape[0]) + 0.5 + south)
    transformer = Transformer.from_crs("EPSG:4326", _CRS, always_xy=True)
    x, y = transformer.transform(*(lattice * (j, i)))
    column, row = ~fine.odc.geobox.affine * (x, y)
    columns = np.clip(np.floor(column).astype(int), 0, fine.shape[1] - 1)
    rows = np.clip(np.floor(row).astype(int), 0, fine.shape[0] - 1)
    return np.asarray(fine.to_numpy()[rows, columns])


def _shift(fine: xr.DataArray, lattice: Affine, truth: Array) -> tuple[float, float]:
    """Shift of the least mean square difference, by a paraboloid through shifts around none."""
    east, south = (a.ravel() for a in np.meshgrid(_SHIFTS, _SHIFTS))
    squares = np.array(
        [
            np.nanmean((_at_centres(fine, lattice, truth.shape, *move) - truth) ** 2)
            for move in zip(east, south, strict=True)
        ]
    )
    terms = np.column_stack([east**0, east, south, east**2, east * south, south**2])
    _, a, b, c, d, e = np.linalg.lstsq(terms, squares, rcond=None)[0]
    least = np.linalg.solve([[2 * c, d], [d, 2 * e]], [-a, -b])
    return float(least[0]), float(least[1])


def score_slstr_clouds(data_dir: Path) -> dict[str, Any]:
    """Cloud share of the real granule around eleven towns, beside the bare numbers of its flags.

    The other side takes the places of a separate interpolation of the geolocation and the masks
    as written in the file: summary cloud (16384), unfilled (32), and Bayesian, likelier than not
    by the nadir view (2).

    Returns
    -------
    dict
        For each town the cloud share (1) within 25 km and that of the bare numbers; the largest
        difference, and whether its bar is met.
    """
    folder, product = _product(data_dir)
    swath = read_swath(product_files(product))
    longitude, latitude, cloud = _bare(folder, product)
    out: dict[str, Any] = {}
    differences = []
    for town, place in POINTS.items():
        ours = _share(~swath.clear, swath.longitude, swath.latitude, place)
        bare = _share(cloud, longitude, latitude, place)
        out[town] = f"{ours:.3f} (bare flags {bare:.3f})"
        differences.append(abs(ours - bare))
    worst = float(np.max(differences))
    out["largest_difference"] = round(worst, 4)
    out["cloud_share_bar"] = met(worst, BARS["cloud_share"])
    return out


def _bare(folder: Path, product: Path) -> tuple[Array, Array, Array]:
    """Longitude, latitude [deg] and cloud, without the reader."""
    places = folder / "derived" / "geodetic_in_from_tx.nc"
    with (
        xr.open_dataset(places, engine="h5netcdf") as geodetic,
        xr.open_dataset(product / "flags_in.nc", engine="h5netcdf", mask_and_scale=False) as flags,
    ):
        confidence = flags["confidence_in"].to_numpy().astype(int)
        bayes = flags["bayes_in"].to_numpy().astype(int)
        cloud = (confidence & (16384 | 32)) + (bayes & 2) > 0
        at = (geodetic[name].to_numpy().ravel() for name in ("longitude_in", "latitude_in"))
        return (*at, cloud.ravel())  # type: ignore[return-value]


def _share(cloud: Array, longitude: Array, latitude: Array, place: tuple[float, float]) -> float:
    near = (np.abs(latitude - place[1]) < 0.4) & (np.abs(longitude - place[0]) < 0.7)
    count = int(near.sum())
    _, _, away = Geod(ellps="WGS84").inv(
        longitude[near], latitude[near], np.full(count, place[0]), np.full(count, place[1])
    )
    inside = np.asarray(away) <= _AROUND_M
    if not inside.any():
        return float("nan")
    return float(cloud[near][inside].mean())
