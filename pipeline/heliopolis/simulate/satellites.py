"""All satellite scenes of the simulated city: truth, products and their static STAC catalog.

A summer of 2025 over the city: six Landsat scenes (one almost all cloud; one also as Level-1),
three Sentinel-2 scenes and three Sentinel-3 scenes, one of them by night.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pystac
import xarray as xr
from odc.geo.xr import wrap_xr
from scipy import ndimage

from heliopolis.io.raster import write_cog
from heliopolis.simulate import landsat_scene, sentinel2_scene, slstr_scene
from heliopolis.simulate.heat_truth import City, Ground, Weather, ground
from heliopolis.simulate.optics import Field
from heliopolis.simulate.overpass import Overpass, View
from heliopolis.simulate.stac_catalog import write_catalog

Writer = Callable[[View, Path], pystac.Item]

#: Landsat: satellite, UTC, air mean [degC], amplitude [K], wind, vapour [hPa], water [mm],
#: moisture, cloud.
_LANDSAT = (
    ("landsat-8", "2025-06-05T10:40:12", 18.0, 6.0, 3.2, 13.0, 18.0, 0.95, 0.08),
    ("landsat-9", "2025-06-21T10:40:27", 22.5, 7.5, 2.4, 15.0, 22.0, 0.80, 0.00),
    ("landsat-9", "2025-07-07T10:40:31", 21.0, 6.5, 3.6, 16.0, 26.0, 0.72, 0.22),
    ("landsat-8", "2025-07-23T10:40:20", 23.0, 7.0, 2.8, 17.0, 29.0, 0.62, 0.93),
    ("landsat-8", "2025-08-08T10:40:24", 24.5, 8.0, 2.0, 16.0, 24.0, 0.55, 0.03),
    ("landsat-9", "2025-08-24T10:40:35", 19.5, 7.0, 3.0, 14.0, 19.0, 0.60, 0.12),
)
_SENTINEL2 = (
    ("sentinel-2a", "2025-06-19T10:56:20", 21.0, 7.0, 2.8, 14.0, 20.0, 0.82, 0.04),
    ("sentinel-2b", "2025-07-14T10:56:22", 22.0, 7.0, 2.8, 15.0, 24.0, 0.68, 0.25),
    ("sentinel-2b", "2025-08-13T10:56:23", 24.0, 7.5, 2.2, 15.0, 23.0, 0.55, 0.00),
)
_SLSTR = (
    ("Sentinel-3A", "2025-06-21T10:11:45", 22.5, 7.5, 2.4, 15.0, 22.0, 0.80, 0.06),
    ("Sentinel-3B", "2025-08-09T10:24:30", 24.5, 8.0, 2.2, 16.0, 25.0, 0.55, 0.15),
    ("Sentinel-3A", "2025-08-08T20:58:10", 24.5, 8.0, 1.8, 16.0, 24.0, 0.55, 0.05),
)

#: Hot zones of the truth: anomaly under Gaussian weights of this standard deviation [m], this
#: many standard deviations of that field above its mean, patches of at least this area [m2].
HOT_SCALE_M, HOT_DEVIATIONS, HOT_MIN_M2 = 100.0, 1.0, 20_000.0


def _weather(row: tuple[str, str, float, float, float, float, float, float, float]) -> Weather:
    acquired = datetime.fromisoformat(row[1]).replace(tzinfo=UTC)
    return Weather(acquired, *row[2:8])


def overpasses(over: Ground) -> dict[str, list[Overpass]]:
    """Overpasses by sensor: ``landsat``, ``sentinel2``, ``slstr``."""
    out: dict[str, list[Overpass]] = {"landsat": [], "sentinel2": [], "slstr": []}
    for row in _LANDSAT:
        weather = _weather(row)
        name = landsat_scene.scene_id(row[0], f"{weather.acquired:%Y%m%d}")
        out["landsat"].append(Overpass(row[0], name, weather, row[8]))
    for row in _SENTINEL2:
        weather = _weather(row)
        name = sentinel2_scene.scene_id(row[0], over, f"{weather.acquired:%Y%m%d}")
        out["sentinel2"].append(Overpass(row[0], name, weather, row[8]))
    for row in _SLSTR:
        weather = _weather(row)
        name = slstr_scene.scene_id(row[0], weather.acquired)
        out["slstr"].append(Overpass(row[0], name, weather, row[8]))
    return out


def write_satellites(city: City, out_dir: Path) -> None:
    """Write all scenes, their catalog and their truth.

    Parameters
    ----------
    city
        The simulated city.
    out_dir
        Folder that gets ``catalog/catalog.json`` with all products, and the truth:
        ``truth/scenes/<scene id>_lst.tif``, ``truth/lst_summer.tif``, ``truth/hot_zones.tif``.
    """
    over = ground(city)
    plan = overpasses(over)
    catalog, truth = out_dir / "catalog", out_dir / "truth"
    items: list[pystac.Item] = []
    summer: list[Field] = []
    for overpass in plan["landsat"]:
        view = View(overpass, over)
        items.append(landsat_scene.write_level2(view, catalog / "landsat-c2-l2"))
        items.append(landsat_scene.write_level1(view, catalog / "landsat-c2-l1"))
        _write_scene_truth(view, truth)
        summer.append(view.lst_k)
    for overpass in plan["sentinel2"]:
        view = View(overpass, over)
        items.append(sentinel2_scene.write_level2a(view, catalog / "sentinel-2-l2a"))
    for overpass in plan["slstr"]:
        view = View(overpass, over)
        name = "sentinel-3-slstr-lst-l2-netcdf"
        items.append(slstr_scene.write_lst_product(view, catalog / name))
        _write_scene_truth(view, truth)
    write_catalog(catalog, items)
    _write_summer_truth(View(plan["landsat"][0], over), summer, truth)


def _write_scene_truth(view: View, truth: Path) -> None:
    band = wrap_xr((view.lst_k - 273.15).astype("float32"), view.grid)
    band.attrs = {"units": "degC", "long_name": "True clear-sky land surface temperature"}
    tags = {
        "simulated": "true",
        "scene": view.overpass.scene_id,
        "acquired": view.overpass.weather.acquired.isoformat(),
        "averaging": "mean of T^4 over the cell",
    }
    path = truth / "scenes" / f"{view.overpass.scene_id}_lst.tif"
    write_cog(path, xr.Dataset({"lst_c": band}), tags=tags)


def _write_summer_truth(view: View, summer: list[Field], truth: Path) -> None:
    median_c = np.median(np.stack(summer), axis=0) - 273.15
    green = view.share("grass", "crop", "stubble", "tree", "forest") > 0.9
    anomaly = median_c - float(median_c[green].mean())
    bands = {}
    for name, values, text in (
        ("lst_c", median_c, "Median of the true temperature over the Landsat overpasses"),
        ("anomaly_c", anomaly, "Difference from the mean over non-built vegetation"),
    ):
        bands[name] = wrap_xr(values.astype("float32"), view.grid)
        bands[name].attrs = {"units": "degC" if name == "lst_c" else "K", "long_name": text}
    write_cog(truth / "lst_summer.tif", xr.Dataset(bands), tags={"simulated": "true"})
    hot = wrap_xr(hot_zones(anomaly.astype("float32"), 10.0).astype("uint8"), view.grid)
    hot.attrs = {"units": "1", "long_name": "Truly hot zone"}
    tags = {
        "simulated": "true",
        "definition": (
            f"true summer anomaly, averaged with Gaussian weights of {HOT_SCALE_M:.0f} m "
            f"standard deviation, at least {HOT_DEVIATIONS:.0f} standard deviation of the "
            f"averaged field above its mean; patches under {HOT_MIN_M2:.0f} m2 left out"
        ),
    }
    write_cog(truth / "hot_zones.tif", xr.Dataset({"hot": hot}), tags=tags, dtype="int16")


def hot_zones(anomaly_k: Field, cell_m: float) -> np.ndarray:
    """Where it is truly hot: see `HOT_SCALE_M`, `HOT_DEVIATIONS` and `HOT_MIN_M2`.

    Parameters
    ----------
    anomaly_k
        True anomaly [K] (y, x), without gaps.
    cell_m
        Cell size [m].

    Returns
    -------
    ndarray
        Boolean (y, x).
    """
    smooth = ndimage.gaussian_filter(anomaly_k, HOT_SCALE_M / cell_m, mode="nearest")
    hot = smooth >= smooth.mean() + HOT_DEVIATIONS * smooth.std()
    labels, count = ndimage.label(hot)
    areas = ndimage.sum_labels(hot, labels, np.arange(1, count + 1)) * cell_m**2
    return np.isin(labels, 1 + np.flatnonzero(areas >= HOT_MIN_M2))
