"""A simulated city whose scenes come one after the other, as they do in the year."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.workflow.conftest import HEAT_ONLY, demo_config, write_config

LANDSAT = "landsat-c2-l2"


class Arrivals:
    """A copy of the city's catalog that shows the Landsat scenes of some dates only."""

    def __init__(self, city: Path, folder: Path) -> None:
        self.data = folder / "data"
        shutil.copytree(city / "catalog", self.data / "catalog")
        for name in ("boundary.gpkg", "places.gpkg", "roads.gpkg"):
            shutil.copy(city / name, self.data / name)
        self._file = self.data / "catalog" / LANDSAT / "collection.json"
        self._whole = json.loads(self._file.read_text())

    @property
    def dates(self) -> list[str]:
        """All dates, as they stand in the names of the scenes."""
        found = (link["href"] for link in self._whole["links"] if link["rel"] == "item")
        return sorted({href.split("/")[-1].split("_")[3] for href in found})

    def show(self, dates: list[str]) -> None:
        """Show the scenes of these dates."""
        links = [
            link
            for link in self._whole["links"]
            if link["rel"] != "item" or any(f"_{date}_" in link["href"] for date in dates)
        ]
        self._file.write_text(json.dumps(self._whole | {"links": links}))

    def asset(self, date: str, band: str) -> Path:
        """File of a band of the scene of a date."""
        (found,) = (self._file.parent).glob(f"*_{date}_*/*{band}*")
        return found


def heat_config(arrivals: Arrivals, path: Path, **change: Any) -> Path:
    """A configuration of the heat half over Landsat alone."""
    record = demo_config(arrivals.data, name=path.stem, **HEAT_ONLY)
    catalog = record["thermal"]["sources"][0]["catalog"]
    record["thermal"]["sources"] = [{"kind": "stac", "catalog": catalog, "collections": [LANDSAT]}]
    return write_config(path, record | change)
