"""A study: a configuration made concrete: its area, grid, and the options of each rule."""

from __future__ import annotations

import glob
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from odc.geo import CRS, Geometry
from odc.geo.geobox import GeoBox

from heliopolis import __version__
from heliopolis.area import StudyArea
from heliopolis.config import ACQUIRED, CATALOGS, Config, expand, load_config
from heliopolis.errors import ConfigError
from heliopolis.grid import metric_crs, study_grid
from heliopolis.io.vector import read_layer

#: Sections of the configuration that each rule depends on; an edit elsewhere does not rerun it.
SECTIONS: dict[str, tuple[str, ...]] = {
    "study_area": ("area",),
    "search": ("area", "period", "thermal", "optical"),
    "thermal_scene": ("area", "thermal", "land_cover"),
    "optical_composite": ("area", "optical", "land_cover"),
    "city_form": (),
    "sharpen": ("thermal",),
    "composite": ("thermal", "heat", "period"),
    "hot_zones": ("area", "heat", "places", "footprints", "report"),
    "tiles": ("area", "footprints", "imagery", "elevation", "roofs", "solar"),
    "roof_probability": ("imagery", "roofs"),
    "roof_outlines": ("imagery", "roofs"),
    "buildings": ("imagery", "footprints", "roofs"),
    "surface_model": ("elevation", "roofs"),
    "roof_planes": ("elevation", "roofs"),
    "solar_yield": ("elevation", "roofs", "solar"),
    "rooftop_pv": ("area", "roofs", "solar", "elevation", "imagery", "report"),
}


#: Heights on a smaller share of the study grid are no predictors of its temperature.
MIN_COVERED = 0.95
#: Variable that tells the jobs of a run in which folder it was called.
RUN_FOLDER = "HELIOPOLIS_RUN_FOLDER"
#: Endings of the files that make up a module, with the tables and templates it reads.
_SOURCES = (".py", ".csv", ".j2", ".css", ".js", ".yaml")


@dataclass(frozen=True)
class Study:
    """A validated configuration and what follows from it."""

    config: Config
    config_path: Path

    @classmethod
    def load(cls, path: Path) -> Study:
        """From a configuration file."""
        return cls(load_config(path), path.resolve())

    @cached_property
    def area(self) -> StudyArea:
        """Boundary of the study, in the metric CRS."""
        return read_area(self.config)

    @cached_property
    def grid(self) -> GeoBox:
        """Grid of the heat products."""
        area = self.config.area
        return study_grid(self.area, area.crs, area.resolution_m)

    @cached_property
    def bounds_lonlat(self) -> tuple[float, float, float, float]:
        """West, south, east, north [deg]."""
        west, south, east, north = self.area.to_crs("EPSG:4326").boundingbox.bbox
        return west, south, east, north

    @property
    def results(self) -> Path:
        """Folder of the results of this study; everything that is written lies below it."""
        # Jobs on other machines begin in another folder than the run.
        base = os.environ.get(RUN_FOLDER, "")
        return Path(base) / self.config.results / self.config.name

    def files(self, section: str, key: str = "files") -> list[str]:
        """Input files of a section, globs expanded; empty where the section is absent."""
        value = getattr(self.config, section)
        patterns = getattr(value, key) if value is not None else ()
        if patterns and patterns[0] in ACQUIRED.values():
            return list(patterns)
        return [str(path) for path in expand(patterns, f"{section}.{key}")] if patterns else []

    def file(self, section: str) -> list[str]:
        """The one file of a section, as a list that is empty where the section is absent."""
        value = getattr(self.config, section)
        return [value.file] if value is not None else []

    def catalog_files(self) -> list[str]:
        """Local files that a search reads: a new one among them makes the search run again."""
        found: list[str] = []
        sources = self.config.thermal.sources if self.config.thermal else ()
        for source in sources:
            if source.files:
                found += [str(p) for p in expand(source.files, "thermal.sources.files")]
            for catalog in source.catalog:
                found += _items_below(catalog)
        if self.config.optical.stac is not None:
            for catalog in self.config.optical.stac.catalog:
                found += _items_below(catalog)
        return list(dict.fromkeys(found))

    @property
    def asks_archives(self) -> bool:
        """Whether a search of this study goes over the network."""
        thermal, optical = self.config.thermal, self.config.optical.stac
        named = [one for source in (thermal.sources if thermal else ()) for one in source.catalog]
        named += optical.catalog if optical is not None else ()
        return any(is_remote(one) for one in named)

    def covered_by(self, tiles: Sequence[Mapping[str, Any]]) -> bool:
        """Whether tiles may hold heights for nearly all of the study grid."""
        whole = self.grid.boundingbox
        area = 0.0
        for tile in tiles:
            west, south, east, north = tile["bounds"]
            wide = min(east, whole.right) - max(west, whole.left)
            high = min(north, whole.top) - max(south, whole.bottom)
            area += max(wide, 0.0) * max(high, 0.0)
        return area >= MIN_COVERED * whole.span_x * whole.span_y

    def publication(self) -> dict[str, Any]:
        """Options of the rule that writes what people read: the whole configuration."""
        record = self.config.model_dump(mode="json")
        return {
            **record,
            "provenance": self.provenance,
            "config_sha256": self.config_sha256,
            "written": self.written,
            "crs": self.config.area.crs,
            "jobs": "work/jobs",
        }

    def options(self, rule: str) -> dict[str, Any]:
        """Parameters of a rule: its own sections, the grid, and the run's credits."""
        options = {name: self.config.section(name) for name in SECTIONS[rule]}
        options["crs"] = self.config.area.crs
        options["grid"] = {
            "crs": self.config.area.crs,
            "resolution_m": self.config.area.resolution_m,
            "bounds": [float(value) for value in self.grid.boundingbox.bbox],
        }
        if rule in ("solar_yield", "composite", "hot_zones", "rooftop_pv"):
            west, south, east, north = self.bounds_lonlat
            site = self.config.weather
            latitude = site.latitude if site and site.latitude is not None else (south + north) / 2
            longitude = site.longitude if site and site.longitude is not None else (west + east) / 2
            options["latitude"], options["longitude"] = round(latitude, 5), round(longitude, 5)
        if rule in ("hot_zones", "rooftop_pv"):
            options["provenance"] = self.provenance
        return options

    def acquisition(self, kind: str) -> dict[str, Any]:
        """Parameters of the rule that brings ``kind`` in from its archive."""
        config = self.config
        reach = config.solar.horizon_distance_m + 100 if kind in ("dsm", "dtm") else 0.0
        resolution = None
        if kind == "imagery" and config.imagery is not None:
            resolution = config.imagery.archive_resolution_m
        elif kind in ("dsm", "dtm") and config.elevation is not None:
            resolution = config.elevation.resolution_m
        return {
            "kind": kind,
            "archive": config.acquired()[kind],
            "crs": config.area.crs,
            "margin_m": reach,
            "resolution_m": resolution,
        }

    @property
    def provenance(self) -> dict[str, Any]:
        """What every output says about where it comes from."""
        return {
            "software": "heliopolis",
            "version": __version__,
            "name": self.config.name,
            "title": self.config.report.title or self.config.name,
            "config_sha256": self.config_sha256,
            "attribution": list(self.config.report.attribution),
            "simulated": self.config.simulated,
        }

    @cached_property
    def written(self) -> dict[str, Any]:
        """The configuration as its author wrote it: no path of this machine is added."""
        text = self.config_path.read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(json.dumps(yaml.safe_load(text), default=str))
        return found

    @property
    def config_sha256(self) -> str:
        """Digest of the configuration as it was written, layout and comments apart."""
        return digest(self.written, length=64)


def read_area(config: Config) -> StudyArea:
    """Study area of a configuration, in its metric CRS."""
    section = config.area
    crs = metric_crs(section.crs)
    if section.bbox is not None:
        west, south, east, north = section.bbox
        ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        boundary = Geometry({"type": "Polygon", "coordinates": [ring]}, CRS(section.bbox_crs))
        resolution = max(east - west, north - south) / 50
        boundary = boundary.segmented(resolution).to_crs(crs)
    else:
        frame = read_layer(Path(str(section.boundary)), section.layer, crs=section.crs)
        boundary = Geometry(frame.geometry.union_all().__geo_interface__, crs)
    return StudyArea(config.name, boundary)


def is_remote(catalog: str) -> bool:
    """Whether a catalog is asked over the network."""
    return catalog in CATALOGS or catalog.startswith(("http://", "https://"))


def _items_below(catalog: str) -> list[str]:
    """Files of a local catalog, or the files and folders that a glob matches."""
    if is_remote(catalog):
        return []
    path = Path(catalog)
    if path.suffix == ".json" and path.is_file():
        return [str(item) for item in sorted(path.parent.rglob("*.json"))]
    found = sorted(glob.glob(catalog, recursive=True))
    if not found:
        raise ConfigError(
            "the catalog does not exist",
            where=catalog,
            remedy="Give the path of a catalog.json, a folder or glob of products, the URL of a "
            "STAC service, or one of: " + ", ".join(CATALOGS),
        )
    return found


def digest(value: Any, length: int = 16) -> str:
    """Digest of a JSON value: SHA-256, cut to ``length`` hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def source_digest(*modules: str) -> str:
    """Digest of the source of packages or modules.

    Snakemake does not see edits of imported modules; as a parameter of a rule this makes it
    rerun when the science it uses has changed.
    """
    found = hashlib.sha256()
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        files: Iterable[Path] = (
            sorted(f for f in origin.parent.rglob("*") if f.suffix in _SOURCES)
            if origin.name == "__init__.py"
            else [f for f in (origin, origin.with_suffix(".csv")) if f.is_file()]
        )
        for file in files:
            found.update(file.read_bytes())
    return found.hexdigest()[:16]
