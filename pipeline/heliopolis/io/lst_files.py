"""Rasters that hold land-surface temperature already, in degrees Celsius or kelvin."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.limits import guarded
from heliopolis.io.raster import open_dataset, read_onto

_LANDSAT_ID = re.compile(r"L[A-Z]\d{2}_L\d[A-Z]{2}_\d{6}_(\d{8})")
_DAY = re.compile(r"(?<!\d)((?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)")
#: Surface temperatures outside this range are not believed [K].
PLAUSIBLE_K = (180.0, 400.0)
_ZERO_C_K = 273.15
_LST_NAMES = ("lst_c", "lst_median_c", "lst", "lst_k", "LST", "ST_B10")
_SD_NAMES = ("lst_sd_c", "lst_sd", "lst_sd_k", "sd")


def day_of(path: Path) -> datetime:
    """Day of acquisition, from a Landsat product id or the first YYYYMMDD in the name.

    >>> day_of(Path("LC09_L2SP_197024_20240625_20240626_02_T1_ST_B10.TIF")).date().isoformat()
    '2024-06-25'
    """
    match = _LANDSAT_ID.search(path.name) or _DAY.search(path.name)
    if match is None:
        raise InputError(
            "no date found in the name of the LST raster",
            where=str(path),
            remedy="Put the day of acquisition into the name as YYYYMMDD",
        )
    return datetime.strptime(match.group(1), "%Y%m%d").replace(tzinfo=UTC)


@guarded("the raster of temperature")
def read_lst_file(
    path: Path | str,
    grid: GeoBox,
    *,
    unit: str | None = None,
    sigma_k: float | None = None,
    chunks: int | None = None,
) -> xr.Dataset:
    """LST and its error on ``grid``.

    Parameters
    ----------
    path
        Raster; the band is the one called ``lst_c``, ``lst``..., else the first.
    grid
        Target; each cell takes the pixel that its centre lies in.
    unit
        ``degC`` or ``K``; by default the band's own unit, degC where it has none.
    sigma_k
        1-sigma error where the file carries no band for it [K]; NaN by default.
    chunks
        Side of a Dask chunk; eager when None.

    Returns
    -------
    Dataset
        ``lst_k``, ``sd_k`` [K], float32 (y, x), NaN where there is no data.
    """
    with open_dataset(path) as source:
        names = [text or f"band_{i}" for i, text in enumerate(source.descriptions, start=1)]
        own = dict(zip(names, source.units, strict=True))
        unset = source.nodata is None
    name = next((n for n in _LST_NAMES if n in names), names[0])
    error = next((n for n in _SD_NAMES if n in names), None)
    wanted = [name] if error is None else [name, error]
    read = read_onto([path], grid, bands=wanted, chunks=chunks)
    lst = _kelvin(read[name], unit or _unit(own[name]))
    low, high = PLAUSIBLE_K
    believed = (lst > low) & (lst < high)
    lst = lst.where(believed)
    sd = xr.full_like(lst, float("nan") if sigma_k is None else sigma_k)
    if error is not None:
        sd = read[error].where(read[error] >= 0)
    if unset:
        sd = sd.where(believed)
    lst.attrs, sd.attrs = {"units": "K"}, {"units": "K"}
    return xr.Dataset({"lst_k": lst, "sd_k": sd.where(believed)})


def _unit(text: str | None) -> str:
    known = {"": "degC", "degC": "degC", "C": "degC", "°C": "degC", "celsius": "degC",
             "Celsius": "degC", "K": "K", "kelvin": "K", "Kelvin": "K"}  # fmt: skip
    if (text or "") not in known:
        raise InputError(f"the unit {text!r} of the LST raster is not known",
                         remedy="Use degC or K")  # fmt: skip
    return known[text or ""]


def _kelvin(values: xr.DataArray, unit: str) -> xr.DataArray:
    if unit == "K":
        return values.copy()
    # Numbers such as 300 cannot be Celsius; a wrong unit would pass unseen through the chain.
    return values + _ZERO_C_K
