"""Named places: districts that tile the extent, schools, a college, a hospital."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely

from heliopolis.simulate.streets import KIND, Streets

_FIRST = ("Bel", "Clair", "Mont", "Saint", "Haut", "Bois", "Pont", "Grand", "Val", "Champ")
_LAST = ("air", "fleuri", "joli", "-Aubin", "mare", "-Remy", "court", "vert", "eaux", "brun")


def draw_places(
    seed: int, bounds: tuple[float, float, float, float], crs: str, streets: Streets
) -> gpd.GeoDataFrame:
    """Places of the city: ``place_id, name, kind, geometry``."""
    rng = np.random.default_rng([seed, 3])
    rows: list[tuple[str, str, str, shapely.Polygon]] = []
    for k, cell in enumerate(_districts(rng, bounds)):
        rows.append((f"D{k + 1:02d}", _name(rng), "district", cell))
    for label, kind in (("school", "S"), ("hospital", "H")):
        which = np.flatnonzero(streets.kind == KIND[label])
        near = which[np.argsort(streets.level[which], kind="stable")]
        for k, ground in enumerate(streets.polygons()[near]):
            college = label == "school" and k % 5 == 4
            what = "college" if college else label
            title = {"school": "Ecole", "college": "College", "hospital": "Hopital"}[what]
            rows.append((f"{kind}{k + 1:03d}", f"{title} {_name(rng)}", what, ground))
    inside = shapely.box(*bounds)
    rows = [row for row in rows if inside.contains(row[3].buffer(-0.1))]
    table = gpd.GeoDataFrame(
        [row[:3] for row in rows],
        columns=["place_id", "name", "kind"],
        geometry=[row[3] for row in rows],
        crs=crs,
    )
    return table.assign(simulated=True)


def _districts(
    rng: np.random.Generator, bounds: tuple[float, float, float, float]
) -> list[shapely.Polygon]:
    """Cells of a Voronoi diagram, cut to the extent: smaller ones near the centre."""
    west, south, east, _ = bounds
    half = (east - west) / 2
    count = int(np.clip(round((2 * half / 1000) ** 2 / 4), 6, 20))
    distance = half * np.sqrt(rng.uniform(0.01, 0.8, count))
    angle = np.arange(count) * 2.39996 + rng.uniform(0, 6.28)
    points = shapely.points(
        west + half + distance * np.cos(angle), south + half + distance * np.sin(angle)
    )
    box = shapely.box(*bounds)
    cells = shapely.voronoi_polygons(shapely.multipoints(points), extend_to=box)
    return [cell.intersection(box) for cell in cells.geoms]


def _name(rng: np.random.Generator) -> str:
    return str(rng.choice(_FIRST)) + str(rng.choice(_LAST))
