"""Sentinel-3 SLSTR land surface temperature: a ``SL_2_LST`` product folder (``.SEN3``).

The swath lies askew, has no map projection and no cloud cut out: position comes from
``geodetic_in.nc``, clouds from ``flags_in.nc``. Names, types, scales and flags of ``LST_in``,
``flags_in``, ``geodetic_tx`` and ``geometry_tn`` are those of real granules of baseline 004.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pystac
import xarray as xr

from heliopolis.io.atomic import replacing, write_text
from heliopolis.simulate.overpass import View
from heliopolis.simulate.slstr_swath import SHAPE, TRACK_IN, TRACK_TX, SlstrPicture
from heliopolis.simulate.stac_catalog import file_asset, make_item

_CLOUD = (
    "visible 1.37_threshold 1.6_small_histogram 1.6_large_histogram 2.25_small_histogram "
    "2.25_large_histogram 11_spatial_coherence gross_cloud thin_cirrus medium_high "
    "fog_low_stratus 11_12_view_difference 3.7_11_view_difference thermal_histogram spare spare"
)
_CONFIDENCE = (
    "coastline ocean tidal land inland_water unfilled spare spare cosmetic duplicate day "
    "twilight sun_glint snow summary_cloud summary_pointing"
)
_BAYES = "single_low single_moderate dual_low dual_moderate spare spare spare spare"
_EXCEPTION = (
    "ISP_absent pixel_absent not_decompressed no_signal saturation invalid_radiance "
    "no_parameters unfilled_pixel LST_underflow LST_overflow biome"
)
_EXTENSIONS = (
    "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
)
#: Asset keys of Planetary Computer, the files, and what they say.
_FILES = {
    "lst-in": ("LST_in.nc", "Land Surface Temperature (LST) values"),
    "lst-ancillary-ds": ("LST_ancillary_ds.nc", "LST ancillary measurement dataset"),
    "slstr-flags-in": ("flags_in.nc", "Global flags for the 1km TIR grid, nadir view"),
    "slstr-geodetic-in": (
        "geodetic_in.nc",
        "Full resolution geodetic coordinates for the 1km TIR grid, nadir view",
    ),
    "slstr-geodetic-tx": ("geodetic_tx.nc", "16km geodetic coordinates"),
    "slstr-geometry-tn": (
        "geometry_tn.nc",
        "16km solar and satellite geometry annotations, nadir view",
    ),
    "slstr-met-tx": (
        "met_tx.nc",
        "Meteorological parameters regridded onto the 16km tie points",
    ),
    "slstr-time-in": ("time_in.nc", "Time annotations for the 1km grid"),
}


def scene_id(platform: str, acquired: datetime) -> str:
    """Identifier of the STAC item: the product's name without its tail."""
    start, stop = acquired - timedelta(seconds=90), acquired + timedelta(seconds=90)
    orbit = 127 if acquired.hour < 15 else 128
    times = f"{start:%Y%m%dT%H%M%S}_{stop:%Y%m%dT%H%M%S}"
    return f"S3{platform[-1]}_SL_2_LST_{times}_0179_{orbit}_122_2160"


def product_name(item_id: str, acquired: datetime) -> str:
    """Name of the product folder, ``S3A_SL_2_LST____..._PS1_O_NT_004.SEN3``."""
    head, tail = item_id[:3], item_id[13:]
    start, stop, rest = tail.split("_", 2)
    made = acquired + timedelta(hours=32)
    return f"{head}_SL_2_LST____{start}_{stop}_{made:%Y%m%dT%H%M%S}_{rest}_PS1_O_NT_004.SEN3"


# ------------------------------------------------------------------------------ files
_IN, _TX = ("rows", "columns"), ("rows", "columns")


def _packed(dtype: str, scale: float, offset: float, fill: int) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "scale_factor": np.float32(scale) if dtype == "int16" else scale,
        "add_offset": np.float32(offset) if dtype == "int16" else offset,
        "_FillValue": np.array(fill, dtype=dtype)[()],
        "zlib": True,
    }


def _flag(values: np.ndarray[Any, Any], meanings: str, name: str | None = None) -> xr.Variable:
    masks = (1 << np.arange(len(meanings.split()), dtype="int64")).astype(values.dtype)
    attrs: dict[str, Any] = {"flag_masks": masks, "flag_meanings": meanings}
    if name:
        attrs |= {"long_name": name, "standard_name": "surface_temperature status_flags"}
    return xr.Variable(_IN, values, attrs, {"zlib": True, "_FillValue": None})


def _lst_in(picture: SlstrPicture) -> dict[str, xr.Variable]:
    name = "Gridded Land Surface Temperature"
    attrs = {"long_name": name, "standard_name": "surface_temperature", "units": "K"}
    sigma = {
        "long_name": f"{name} estimated total uncertainty",
        "standard_name": "surface_temperature_standard_error",
        "units": "K",
    }
    exception = picture.flags()["exception"]
    return {
        "LST": xr.Variable(_IN, picture.lst_k, attrs, _packed("int16", 0.002, 290.0, -32768)),
        "LST_uncertainty": xr.Variable(
            _IN, picture.sigma_k, sigma, _packed("int16", 0.002, 0.0, -32768)
        ),
        "exception": _flag(exception, _EXCEPTION, "Gridded LST pixel exception flags"),
    }


def _flags_in(picture: SlstrPicture) -> dict[str, xr.Variable]:
    flags = picture.flags()
    note = {"long_name": "Probability of cloud in pixel (single view)"}
    packing = _packed("int16", 0.005, 0.5, -32768)
    return {
        "cloud_in": _flag(flags["cloud_in"], _CLOUD),
        "confidence_in": _flag(flags["confidence_in"], _CONFIDENCE),
        "bayes_in": _flag(flags["bayes_in"], _BAYES),
        "probability_cloud_single_in": xr.Variable(_IN, flags["probability"], note, packing),
    }


def _ancillary(picture: SlstrPicture) -> dict[str, xr.Variable]:
    fraction = np.where(picture.unfilled, np.nan, picture.fraction())
    tcwv = np.where(picture.unfilled, np.nan, picture.view.overpass.weather.tcwv_mm)
    biome = np.where(picture.unfilled, 0, np.where(fraction > 0.6, 14, 22)).astype("uint8")
    return {
        "NDVI": xr.Variable(
            _IN, 0.12 + 0.68 * fraction, {"long_name": "NDVI", "units": "1"},
            _packed("int16", 0.0001, 0.0, -32768),
        ),
        "fraction": xr.Variable(
            _IN, fraction, {"long_name": "Vegetation fraction", "units": "1"},
            _packed("int16", 0.0001, 0.0, -32768),
        ),
        "TCWV": xr.Variable(
            _IN, tcwv, {"long_name": "Total column water vapour", "units": "kg m-2"},
            _packed("int16", 0.01, 0.0, -32768),
        ),
        "biome": xr.Variable(_IN, biome, {"long_name": "Biome"}, {"zlib": True}),
    }  # fmt: skip


def _position(lat: Any, lon: Any, tail: str, encoding: dict[str, Any]) -> dict[str, xr.Variable]:
    what = "of detector FOV centre on the earth's surface"
    return {
        f"latitude_{tail}": xr.Variable(
            _IN, lat,
            {"long_name": f"Latitude {what}", "standard_name": "latitude",
             "units": "degrees_north"},
            encoding,
        ),
        f"longitude_{tail}": xr.Variable(
            _IN, lon,
            {"long_name": f"Longitude {what}", "standard_name": "longitude",
             "units": "degrees_east"},
            encoding,
        ),
    }  # fmt: skip


def _geodetic_in(picture: SlstrPicture) -> dict[str, xr.Variable]:
    lat, lon = picture.swath.degrees(*picture.swath.pixels)
    height = np.full(SHAPE, round(float(np.median(picture.view.ground.dtm))), dtype="int16")
    attrs = {"long_name": "Surface elevation", "standard_name": "surface_altitude", "units": "m"}
    return {
        **_position(lat, lon, "in", _packed("int32", 1e-6, 0.0, -(2**31))),
        "elevation_in": xr.Variable(_IN, height, attrs, {"zlib": True, "_FillValue": -32768}),
    }


def _geometry(picture: SlstrPicture) -> dict[str, xr.Variable]:
    _, cols = picture.swath.ties
    sun = picture.view.sun
    offset = cols - TRACK_IN
    zenith = np.degrees(np.arctan2(np.abs(offset), 815.0))
    side = picture.swath.directions[1] + np.where(offset > 0, 180.0, 0.0)
    return {
        name: xr.Variable(_TX, values, {"units": "degrees"}, {"_FillValue": np.nan, "zlib": True})
        for name, values in (
            ("sat_zenith_tn", zenith),
            ("sat_azimuth_tn", side % 360.0),
            ("solar_zenith_tn", np.full(cols.shape, 90.0 - sun.elevation_deg)),
            ("solar_azimuth_tn", np.full(cols.shape, sun.azimuth_deg)),
        )
    }


def _meteorology(picture: SlstrPicture) -> dict[str, xr.Variable]:
    weather = picture.view.overpass.weather
    _, cols = picture.swath.ties
    water = np.full((1, *cols.shape), weather.tcwv_mm, dtype="float32")
    attrs = {"long_name": "Total column water vapour", "units": "kg m-2"}
    return {"total_column_water_vapour_tx": xr.Variable(("t_series", *_TX), water, attrs)}


def _time(picture: SlstrPicture) -> dict[str, xr.Variable]:
    since = picture.view.overpass.weather.acquired - datetime(2000, 1, 1, tzinfo=UTC)
    step = np.arange(SHAPE[0]) - SHAPE[0] // 2
    stamps = np.int64(since.total_seconds() * 1e6) + (step * 150_000).astype("int64")
    attrs = {"long_name": "Time of the scan", "comment": "microseconds since 2000-01-01 00:00:00"}
    return {"time_stamp_i": xr.Variable(("rows",), stamps, attrs)}


def _contents(picture: SlstrPicture) -> dict[str, Mapping[str, xr.Variable]]:
    swath = picture.swath
    return {
        "LST_in.nc": _lst_in(picture),
        "flags_in.nc": _flags_in(picture),
        "LST_ancillary_ds.nc": _ancillary(picture),
        "geodetic_in.nc": _geodetic_in(picture),
        "geodetic_tx.nc": _position(
            *swath.degrees(*swath.ties), "tx", {"_FillValue": np.nan, "zlib": True}
        ),
        "geometry_tn.nc": _geometry(picture),
        "met_tx.nc": _meteorology(picture),
        "time_in.nc": _time(picture),
    }


def write_lst_product(view: View, folder: Path) -> pystac.Item:
    """Write a product folder into ``folder/<item id>`` and return its item."""
    picture = SlstrPicture(view)
    acquired = view.overpass.weather.acquired
    product = product_name(view.overpass.scene_id, acquired)
    home = folder / view.overpass.scene_id / product
    for name, variables in _contents(picture).items():
        tie = name.endswith(("_tx.nc", "_tn.nc"))
        attrs = _global_attributes(product, acquired, tie)
        with replacing(home / name) as target:
            xr.Dataset(dict(variables), attrs=attrs).to_netcdf(target, engine="h5netcdf")
    write_text(home / "xfdumanifest.xml", _manifest(product, view, picture))
    assets = {
        key: file_asset(home / name, "application/x-netcdf", f"{text} (simulated)", "data")
        for key, (name, text) in _FILES.items()
    }
    assets["safe-manifest"] = file_asset(
        home / "xfdumanifest.xml", "application/xml", "SAFE product manifest (simulated)"
    )
    return make_item(
        view.overpass.scene_id,
        "sentinel-3-slstr-lst-l2-netcdf",
        acquired,
        picture.swath.outline,
        _properties(picture),
        assets,
        _EXTENSIONS,
    )


def _global_attributes(product: str, acquired: datetime, tie: bool) -> dict[str, Any]:
    half = timedelta(seconds=90)
    return {
        "product_name": product,
        "title": "SLSTR Level 2 Product, Land Surface Temperature measurement (simulated)",
        "source": "heliopolis simulator; not measured by a satellite",
        "processing_baseline": "SL__LST.004.07.02",
        "resolution": "[ 16000 1000 ]" if tie else "[ 1000 1000 ]",
        "start_time": f"{acquired - half:%Y-%m-%dT%H:%M:%S.%f}Z",
        "stop_time": f"{acquired + half:%Y-%m-%dT%H:%M:%S.%f}Z",
        "start_offset": np.int32(0),
        "track_offset": np.int32(TRACK_TX if tie else TRACK_IN),
    }


def _properties(picture: SlstrPicture) -> dict[str, Any]:
    view, half = picture.view, timedelta(seconds=90)
    acquired = view.overpass.weather.acquired
    seen = picture.clouds.cloud[~picture.unfilled]
    return {
        "start_datetime": f"{acquired - half:%Y-%m-%dT%H:%M:%S.%f}Z",
        "end_datetime": f"{acquired + half:%Y-%m-%dT%H:%M:%S.%f}Z",
        "platform": view.overpass.platform,
        "constellation": "Sentinel-3",
        "instruments": ["SLSTR"],
        "eo:cloud_cover": round(100.0 * float(seen.mean()), 4),
        "sat:orbit_state": "descending" if view.sun.is_up else "ascending",
        "sat:relative_orbit": 122,
        "s3:product_type": "SL_2_LST___",
        "s3:product_name": "slstr-lst",
        "s3:processing_timeliness": "NT",
        "s3:shape": [SHAPE[1], SHAPE[0]],
    }


def _manifest(product: str, view: View, picture: SlstrPicture) -> str:
    """Minimal SAFE manifest: name, time, footprint and the files."""
    acquired, half = view.overpass.weather.acquired, timedelta(seconds=90)
    ring = picture.swath.outline.to_crs("EPSG:4326").exterior.coords
    corners = " ".join(f"{lat:.5f} {lon:.5f}" for lon, lat in ring)
    files = "\n".join(
        f'    <dataObject ID="{name[:-3].upper()}_Data"><byteStream mimeType="application/'
        f'x-netcdf"><fileLocation locatorType="URL" href="{name}"/></byteStream></dataObject>'
        for name, _ in _FILES.values()
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" \
xmlns:sentinel-safe="http://www.esa.int/safe/sentinel/1.1" \
xmlns:gml="http://www.opengis.net/gml" \
xmlns:sentinel3="http://www.esa.int/safe/sentinel/sentinel-3/1.0" \
version="esa/safe/sentinel/sentinel-3/slstr/level-2/1.0">
  <!-- Simulated by heliopolis; not a product of ESA. -->
  <metadataSection>
    <sentinel3:productName>{escape(product)}</sentinel3:productName>
    <sentinel-safe:startTime>{acquired - half:%Y-%m-%dT%H:%M:%S.%f}Z</sentinel-safe:startTime>
    <sentinel-safe:stopTime>{acquired + half:%Y-%m-%dT%H:%M:%S.%f}Z</sentinel-safe:stopTime>
    <gml:posList>{corners}</gml:posList>
  </metadataSection>
  <dataObjectSection>
{files}
  </dataObjectSection>
</xfdu:XFDU>
"""
