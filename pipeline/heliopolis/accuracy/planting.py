"""Cooling that a run expects of planting, against the simulated city with the trees planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from heliopolis.errors import InputError
from heliopolis.heat.actions import cooling, explain
from heliopolis.heat.cells import block_mean
from heliopolis.heat.greening import plantable_share
from heliopolis.io.raster import raster_grid, read_onto
from heliopolis.io.vector import read_layer
from heliopolis.simulate.city import CitySpec, build_city
from heliopolis.simulate.heat_truth import Ground, ground, sun, surface_temperature
from heliopolis.simulate.materials import CODE, MATERIALS
from heliopolis.simulate.satellites import overpasses

Array = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

#: What counts as pavement and bare ground, and how high the trees are [m].
PLANTABLE, TREE_M = ("asphalt", "concrete", "bare_soil", "stubble"), 8.0
_CELLS = 10


def score_planting(results: Path, data: Path) -> dict[str, Any]:
    """Plant the plantable ground of every zone of a run and compare its cooling with the range.

    The city is built again from its spec, and its energy balance solved for the dates of the run,
    as it is and with trees on all pavement and bare ground in the zones. The model is the run's, on
    the run's maps; the run knows footprints in the core only, so those of all zones are taken from
    the city. The planted share of each zone is given to the model: compared is the cooling.

    Returns
    -------
    dict
        ``within_range``: share of the zones whose true cooling lies within the stated range;
        ``true_k``, ``least_k``, ``most_k``: of each zone; ``drivers``: effects of the models;
        ``plantable_share_error``: mean absolute error of the plantable share.
    """
    label = data / "simulation.json"
    if not label.exists():
        raise InputError("this is no simulated city", where=str(data), remedy="Check --data")
    spec = json.loads(label.read_text(encoding="utf-8"))["spec"]
    city = build_city(CitySpec(**spec | {"origin": tuple(spec["origin"])}))
    here = ground(city)
    zones = read_layer(results / "hot_zones.gpkg", "hot_zones", crs=str(here.grid.crs))
    fine = _labels(zones, here.grid)
    planted = np.isin(here.code, [CODE[name] for name in PLANTABLE]) & (fine > 0)
    change = _change(here, ground(_PlantedCity(city, planted)))
    grid = raster_grid(results / "lst.tif")
    factor = round(grid.resolution.x / here.grid.resolution.x)
    fields = _fields(results, grid, here, factor)
    labels, part = _labels(zones, grid), block_mean(planted.astype("float64"), factor)
    found = explain(fields, factor=_CELLS, pixel_m=grid.resolution.x)
    if found is None:
        raise InputError("the run explains nothing", where=str(results), remedy="It needs NDVI")
    rows, errors = [], []
    for number in range(1, len(zones) + 1):
        inside = labels == number
        step = np.where(inside, part * (found.canopy - found.bare), 0.0)
        least, most = cooling(found, {"green": step}, inside, grid.resolution.x)
        rows.append((float(change[fine == number].mean()), least, most))
        errors.append(abs(float(np.nanmean(fields["plantable"][inside]) - part[inside].mean())))
    true, least_k, most_k = (
        np.array(column).round(2).tolist() for column in zip(*rows, strict=True)
    )
    within = [most <= value <= least for value, least, most in rows]
    return {
        "within_range": float(np.mean(within)),
        "n_zones": len(zones),
        "true_k": true,
        "least_k": least_k,
        "most_k": most_k,
        "plantable_share_error": round(float(np.mean(errors)), 3),
        "drivers": {
            f"model_{i}": dict(zip(one.names, one.effects.round(2).tolist(), strict=True))
            | {"held_out_r2": round(one.r2, 3)}
            for i, one in enumerate(found.models, start=1)
        },
    }


def _labels(zones: Any, grid: GeoBox) -> npt.NDArray[np.int32]:
    shapes = [(shape, number) for number, shape in enumerate(zones.geometry, start=1)]
    return np.asarray(rasterize(shapes, grid.shape, transform=grid.affine, dtype="int32"))


class _PlantedCity:
    """The city with trees; they shade, and cool the air beside them as its parks do."""

    def __init__(self, city: Any, planted: Mask) -> None:
        self._city, self._planted = city, planted
        self.spec, self.bounds = city.spec, city.bounds

    def landcover(self, grid: GeoBox) -> Any:
        """Class codes."""
        return np.where(self._planted, CODE["tree"], self._city.landcover(grid)).astype("uint8")

    def terrain(self, grid: GeoBox) -> Any:
        """Height of the ground [m]."""
        return self._city.terrain(grid)

    def surface(self, grid: GeoBox) -> Any:
        """Height of ground, buildings and trees [m]."""
        high = self._city.surface(grid)
        return np.where(self._planted, np.maximum(high, self.terrain(grid) + TREE_M), high)


def _change(before: Ground, after: Ground) -> Array:
    """Median over the dates of the change of the true temperature [K]."""
    changes = []
    for one in overpasses(before)["landsat"]:
        over = sun(one.weather, before.latitude_deg, before.longitude_deg)
        pair = [surface_temperature(g, one.weather, over, one.scene_id) for g in (after, before)]
        changes.append(pair[0] - pair[1])
    return np.asarray(np.median(changes, axis=0))


def _fields(results: Path, grid: GeoBox, here: Ground, factor: int) -> dict[str, Array]:
    lst = read_onto([results / "lst.tif"], grid, bands=["anomaly_c"])["anomaly_c"].to_numpy()
    names = ["ndvi", "albedo", "water", "built"]
    read = read_onto([results / "work" / "optical.tif"], grid, bands=names)
    fields = {name: read[name].to_numpy() for name in names}
    roofs = np.isin(here.code, [material.code for material in MATERIALS if material.is_roof])
    fields["roof"] = block_mean(roofs.astype("float64"), factor)
    fields["anomaly_c"] = np.where(fields["water"] > 0.5, np.nan, lst)
    fields["plantable"] = plantable_share(fields["ndvi"], fields["roof"], water=fields["water"])
    return fields
