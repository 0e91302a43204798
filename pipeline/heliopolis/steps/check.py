"""Everything that can be found wrong before a run starts."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import shapely
from odc.geo import CRS

from heliopolis.config import ACQUIRED, Footprints, Thermal, expand
from heliopolis.errors import ConfigError, HeliopolisError
from heliopolis.grid import metric_crs
from heliopolis.io.catalogs import PROVIDERS
from heliopolis.io.raster import raster_grid
from heliopolis.io.remote.cache import default_cache
from heliopolis.io.remote.client import Client, OfflineError
from heliopolis.io.remote.manners import Manners
from heliopolis.io.vector import read_layer
from heliopolis.steps.building_solar import read_load_classes, read_table
from heliopolis.study import Study

#: Least room asked for on the disk of the results [bytes].
_LEAST_DISK = 2_000_000_000


def problems(study: Study) -> list[str]:
    """All problems of a configuration and its inputs, one paragraph each; empty when sound."""
    found: list[str] = []
    for test in _tests(study):
        try:
            test()
        except HeliopolisError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def _tests(study: Study) -> Iterable[Callable[[], object]]:
    config = study.config
    yield lambda: study.grid
    yield lambda: _disk(study.results)
    if config.thermal is not None:
        yield study.catalog_files
        for one in config.thermal.sources:
            if one.files:
                yield partial(_rasters, study, list(one.files), "thermal.sources.files")
        yield lambda: _rasters(study, [p.file for p in config.optical.predictors], "optical")
        yield lambda: _rasters(study, study.file("land_cover"), "land_cover")
        yield lambda: _emissivity(study, config.thermal)
        layer = config.places.layer if config.places is not None else None
        yield lambda: _layer(study, _own(study.file("places")), layer)
        roads, terrain = config.heat.roads, config.heat.terrain
        yield lambda: _layer(study, [roads] if roads else [], None)
        yield lambda: _rasters(study, [terrain] if terrain else [], "heat.terrain")
    images = _own(config.imagery.files) if config.imagery else []
    yield lambda: _rasters(study, images, "imagery")
    if config.footprints is not None and config.footprints.archive is None:
        section = config.footprints
        yield lambda: footprints_in_metres(Path(section.file), section)
        yield lambda: _layer(study, [section.file], section.layer)
    yield lambda: study.files("elevation", "points")
    if config.elevation is not None:
        heights = _own([*config.elevation.dsm, *config.elevation.dtm])
        yield lambda: _rasters(study, heights, "elevation")
    yield lambda: study.files("weather")
    yield lambda: read_table(config.solar)
    yield lambda: read_load_classes(config.solar)


def _own(files: Iterable[str]) -> list[str]:
    """Files that are there already, and are not brought in by the run."""
    return [file for file in files if file not in ACQUIRED.values()]


def footprints_in_metres(file: Path, section: Footprints) -> None:
    """Refuse footprints in degrees, declared or undeclared, unless the user accepts them."""
    frame = read_layer(file, section.layer)
    crs = CRS(str(frame.crs))
    west, south, east, north = frame.total_bounds
    looks_geographic = -180 <= west <= east <= 180 and -90 <= south <= north <= 90
    if crs.geographic and not section.reproject:
        raise ConfigError(
            f"the footprints are in degrees ({frame.crs.to_string()})",
            where=str(file),
            remedy="Give them in a metric CRS (ogr2ogr -t_srs EPSG:2154 out.gpkg in.geojson), or "
            "set footprints.reproject: true to have them transformed",
        )
    if crs.projected and looks_geographic and len(frame):
        raise ConfigError(
            f"the footprints claim {frame.crs.to_string()}, but their coordinates are degrees",
            where=str(file),
            remedy="Assign the CRS that they are really in (ogr2ogr -a_srs EPSG:4326), then "
            "reproject them",
        )


def _rasters(study: Study, files: list[str], what: str) -> None:
    if not files:
        return
    area, crs = study.area.boundary, metric_crs(study.config.area.crs)
    touching = []
    for path in expand(files, what):
        extent = raster_grid(path).extent.to_crs(crs)
        touching.append(extent.geom.intersects(area.geom))
    if not any(touching):
        raise ConfigError(
            "no raster touches the study area",
            where=f"{what}: {', '.join(files)}",
            remedy="Check area.bbox or the boundary, and the CRS of the rasters",
        )


def _emissivity(study: Study, thermal: Thermal | None) -> None:
    from heliopolis.thermal.materials import MATERIALS

    if thermal is None or (not thermal.aster_ged and thermal.materials is None):
        return
    if thermal.emissivity != "city" or thermal.method == "product":
        raise ConfigError(
            "aster_ged and materials are given, but the temperature is not computed with them",
            where="thermal",
            remedy="Set thermal.emissivity: city and thermal.method: rte, smw or split-window",
        )
    expand(thermal.aster_ged, "thermal.aster_ged")
    if thermal.materials is not None:
        unknown = sorted(set(thermal.materials.classes) - set(MATERIALS))
        if unknown:
            raise ConfigError(
                f"no emissivity is known of {', '.join(unknown)}",
                where="thermal.materials.classes",
                remedy="Choose from: " + ", ".join(sorted(MATERIALS)),
            )
        _rasters(study, [thermal.materials.file], "thermal.materials")


def _layer(study: Study, files: list[str], layer: str | None) -> None:
    for file in files:
        frame = read_layer(Path(file), layer, crs=study.config.area.crs)
        area = study.area.boundary.geom
        if not shapely.box(*frame.total_bounds).intersects(area):
            raise ConfigError(
                "no feature lies in the study area",
                where=file,
                remedy="Check area.bbox or the boundary, and the CRS of this file",
            )


def _disk(results: Path) -> None:
    folder = results.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < _LEAST_DISK:
        raise ConfigError(
            f"only {free / 1e9:.1f} GB are free on the disk of the results",
            where=str(results),
            remedy="Free some space or set results to a folder on another disk",
        )


_PACKAGES = (
    *("numpy", "xarray", "dask", "rasterio", "geopandas", "pyogrio", "shapely", "odc-geo"),
    *("snakemake", "pvlib", "laspy", "onnxruntime", "scikit-learn", "numba", "torch"),
)


def environment() -> tuple[list[str], bool]:
    """Lines about the environment, and whether all that a run needs is there."""
    import rasterio
    from rasterio.drivers import raster_driver_extensions

    lines = [f"python {sys.version.split()[0]}"]
    healthy = True
    for name in _PACKAGES:
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} MISSING" + (" (only for training)" if name == "torch" else ""))
            healthy = healthy and name == "torch"
    drivers = set(raster_driver_extensions().values())
    lines.append(f"GDAL {rasterio.__gdal_version__}: GTiff {'GTiff' in drivers}")
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    lines.append(f"cores {os.cpu_count()}, memory {memory:.1f} GB, free disk {free:.1f} GB")
    cache = default_cache()
    lines.append(f"cache of fetched imagery: {cache.size_bytes() / 1e9:.2f} GB")
    return [*lines, *archives()], healthy


#: A catalog that does not answer within this is told to be out of reach [s].
_REACH_S = 5.0


def archives() -> list[str]:
    """One line for each catalog that is known by name: whether it answers now."""
    manners = Manners(attempts=1, connect_timeout_s=_REACH_S, read_timeout_s=_REACH_S)
    client = Client(manners)

    def line(name: str) -> str:
        try:
            client.get(PROVIDERS[name].url, what=f"catalog {name}")
        except OfflineError:
            return f"catalog {name}: not asked (offline)"
        except HeliopolisError as error:
            return f"catalog {name}: out of reach ({error.what})"
        return f"catalog {name}: answers"

    with ThreadPoolExecutor(len(PROVIDERS)) as pool:
        return list(pool.map(line, PROVIDERS))
