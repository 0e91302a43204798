"""The metadata file (MTL) of a simulated Landsat 8 or 9 product, as JSON and as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from odc.geo.geobox import GeoBox

from heliopolis.simulate.optics import ThermalBand

#: Planck constants of bands 10 and 11 as in the MTL files of the two satellites.
THERMAL = {
    "landsat-8": {10: ThermalBand(774.8853, 1321.0789), 11: ThermalBand(480.8883, 1201.1442)},
    "landsat-9": {10: ThermalBand(799.0284, 1329.2405), 11: ThermalBand(475.6581, 1198.3494)},
}
#: Gain of the thermal Level-1 bands [W m-2 sr-1 um-1]; the offset is 0.1 in all of them.
RADIANCE_MULT = {
    "landsat-8": {10: 3.3420e-4, 11: 3.3420e-4},
    "landsat-9": {10: 3.8000e-4, 11: 3.4900e-4},
}
RADIANCE_ADD = 0.1
#: Top-of-atmosphere reflectance of Level-1, before division by the sine of the sun's elevation.
REFLECTANCE_MULT, REFLECTANCE_ADD = 2.0e-5, -0.1
_ORIGIN = "Simulated by heliopolis; not a product of the U.S. Geological Survey"

Groups = dict[str, dict[str, str]]


def groups(
    product: str,
    acquired: datetime,
    grid: GeoBox,
    *,
    cloud_percent: float,
    sun_azimuth_deg: float,
    sun_elevation_deg: float,
    files: Mapping[str, str],
) -> Groups:
    """Groups of the MTL file of a Level-1 or Level-2 product.

    Parameters
    ----------
    product
        Product identifier, such as ``LC09_L2SP_199026_20250621_20250622_02_T1``.
    acquired
        Time of acquisition.
    grid
        Grid of the bands.
    cloud_percent
        Cloud cover [%].
    sun_azimuth_deg, sun_elevation_deg
        Position of the sun [deg].
    files
        Keys such as ``FILE_NAME_BAND_ST_B10`` and file names.
    """
    number, level = product[3], product[5:9]
    head = {
        "ORIGIN": _ORIGIN,
        "LANDSAT_PRODUCT_ID": product,
        "PROCESSING_LEVEL": level,
        "COLLECTION_NUMBER": "02",
        "COLLECTION_CATEGORY": "T1",
        "OUTPUT_FORMAT": "GEOTIFF",
        **files,
    }
    image = {
        "SPACECRAFT_ID": f"LANDSAT_{number}",
        "SENSOR_ID": "OLI_TIRS",
        "WRS_TYPE": "2",
        "WRS_PATH": str(int(product[10:13])),
        "WRS_ROW": str(int(product[13:16])),
        "NADIR_OFFNADIR": "NADIR",
        "DATE_ACQUIRED": f"{acquired:%Y-%m-%d}",
        "SCENE_CENTER_TIME": f"{acquired:%H:%M:%S.%f}0Z",
        "CLOUD_COVER": f"{cloud_percent:.2f}",
        "CLOUD_COVER_LAND": f"{cloud_percent:.2f}",
        "SUN_AZIMUTH": f"{sun_azimuth_deg:.8f}",
        "SUN_ELEVATION": f"{sun_elevation_deg:.8f}",
    }
    out: Groups = {
        "PRODUCT_CONTENTS": head,
        "IMAGE_ATTRIBUTES": image,
        "PROJECTION_ATTRIBUTES": _projection(grid),
    }
    if level == "L2SP":
        out |= _level2(product)
    return out | _level1(f"landsat-{number}")


def _projection(grid: GeoBox) -> dict[str, str]:
    half = abs(grid.resolution.x) / 2.0
    box = grid.boundingbox
    out = {
        "MAP_PROJECTION": "UTM",
        "DATUM": "WGS84",
        "ELLIPSOID": "WGS84",
        "UTM_ZONE": str((grid.crs.epsg or 0) % 100 if grid.crs is not None else 0),
        "ORIENTATION": "NORTH_UP",
    }
    for kind in ("REFLECTIVE", "THERMAL"):
        out[f"GRID_CELL_SIZE_{kind}"] = f"{abs(grid.resolution.x):.2f}"
        out[f"{kind}_LINES"], out[f"{kind}_SAMPLES"] = str(grid.height), str(grid.width)
    for name, x, y in (
        ("UL", box.left + half, box.top - half),
        ("UR", box.right - half, box.top - half),
        ("LL", box.left + half, box.bottom + half),
        ("LR", box.right - half, box.bottom + half),
    ):
        out[f"CORNER_{name}_PROJECTION_X_PRODUCT"] = f"{x:.3f}"
        out[f"CORNER_{name}_PROJECTION_Y_PRODUCT"] = f"{y:.3f}"
    return out


def _level2(product: str) -> Groups:
    processed = f"{product[26:30]}-{product[30:32]}-{product[32:34]}T12:00:00Z"
    bands = range(1, 8)
    return {
        "LEVEL2_PROCESSING_RECORD": {
            "ORIGIN": _ORIGIN,
            "LANDSAT_PRODUCT_ID": product,
            "PROCESSING_LEVEL": "L2SP",
            "DATE_PRODUCT_GENERATED": processed,
            "PROCESSING_SOFTWARE_VERSION": "heliopolis simulator",
        },
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {
            **{f"REFLECTANCE_MULT_BAND_{b}": "2.75e-05" for b in bands},
            **{f"REFLECTANCE_ADD_BAND_{b}": "-0.2" for b in bands},
        },
        "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": {
            "TEMPERATURE_MAXIMUM_BAND_ST_B10": "372.999941",
            "TEMPERATURE_MINIMUM_BAND_ST_B10": "149.003418",
            "QUANTIZE_CAL_MAXIMUM_BAND_ST_B10": "65535",
            "QUANTIZE_CAL_MINIMUM_BAND_ST_B10": "1",
            "TEMPERATURE_MULT_BAND_ST_B10": "0.00341802",
            "TEMPERATURE_ADD_BAND_ST_B10": "149.0",
        },
    }


def _level1(platform: str) -> Groups:
    rescaling: dict[str, str] = {}
    for band in (10, 11):
        rescaling[f"RADIANCE_MULT_BAND_{band}"] = f"{RADIANCE_MULT[platform][band]:.4E}"
        rescaling[f"RADIANCE_ADD_BAND_{band}"] = f"{RADIANCE_ADD:.5f}"
    for band in range(1, 10):
        rescaling[f"REFLECTANCE_MULT_BAND_{band}"] = f"{REFLECTANCE_MULT:.4E}"
        rescaling[f"REFLECTANCE_ADD_BAND_{band}"] = f"{REFLECTANCE_ADD:.6f}"
    constants = {
        f"{name}_CONSTANT_BAND_{band}": f"{value:.4f}"
        for band, k in THERMAL[platform].items()
        for name, value in (("K1", k.k1), ("K2", k.k2))
    }
    return {
        "LEVEL1_RADIOMETRIC_RESCALING": rescaling,
        "LEVEL1_THERMAL_CONSTANTS": constants,
        "LEVEL1_PROJECTION_PARAMETERS": {"RESAMPLING_OPTION": "CUBIC_CONVOLUTION"},
    }


def as_json(content: Groups) -> dict[str, Any]:
    """Content of ``*_MTL.json``."""
    return {"LANDSAT_METADATA_FILE": content}


def as_text(content: Groups) -> str:
    """Content of ``*_MTL.txt`` (ODL): numbers bare, all else in quotes.

    >>> print(as_text({"A": {"K": "1.5", "NAME": "x"}}))
    GROUP = LANDSAT_METADATA_FILE
      GROUP = A
        K = 1.5
        NAME = "x"
      END_GROUP = A
    END_GROUP = LANDSAT_METADATA_FILE
    END
    <BLANKLINE>
    """
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for name, entries in content.items():
        lines.append(f"  GROUP = {name}")
        lines += [f"    {key} = {_odl(key, value)}" for key, value in entries.items()]
        lines.append(f"  END_GROUP = {name}")
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])


def _odl(key: str, value: str) -> str:
    if key.startswith("DATE_ACQUIRED"):
        return value
    try:
        float(value)
    except ValueError:
        return f'"{value}"'
    return value
