"""A procedural city whose truth is known: the same seed gives the same city.

The whole extent has land cover, relief and coarse buildings, for satellites; the core has roofs
plane by plane, chimneys, dormers and trees, for aerial images and point clouds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from odc.geo.geobox import GeoBox

from heliopolis.errors import ConfigError, GridError
from heliopolis.simulate import burning
from heliopolis.simulate.burning import F64
from heliopolis.simulate.details import detail_core
from heliopolis.simulate.development import Development, develop
from heliopolis.simulate.districts import draw_places
from heliopolis.simulate.landscape import Landscape
from heliopolis.simulate.materials import CODE
from heliopolis.simulate.roof_geometry import outline_of, place
from heliopolis.simulate.streets import KIND, KINDS, Streets, draw_streets, inset, quads

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class CitySpec:
    """What city to make.

    Attributes
    ----------
    seed
        Same seed, same city.
    size_m
        Side of the square extent [m].
    core_m
        Side of the central square with orthophoto, points and footprints [m].
    crs
        Metric coordinate reference system.
    origin
        Lower left corner of the extent [m].
    """

    seed: int = 1
    size_m: float = 8000.0
    core_m: float = 600.0
    crs: str = "EPSG:2154"
    origin: tuple[float, float] = (650_000.0, 6_860_000.0)

    def __post_init__(self) -> None:
        if not 0 < self.core_m <= 0.4 * self.size_m:
            raise ConfigError(
                f"the core of {self.core_m:.0f} m does not fit a city of {self.size_m:.0f} m",
                where="core_m",
                remedy="Choose a core of at most 0.4 of the extent",
            )

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north of the extent [m]."""
        x, y = self.origin
        return x, y, x + self.size_m, y + self.size_m

    @property
    def core_bounds(self) -> Bounds:
        """West, south, east, north of the core [m]."""
        margin = (self.size_m - self.core_m) / 2
        west, south, east, north = self.bounds
        return west + margin, south + margin, east - margin, north - margin


#: A city of 8 km with a core of 600 m.
DEMO = CitySpec()
#: A small city for tests.
TINY = CitySpec(size_m=3000.0, core_m=240.0)
PRESETS: dict[str, CitySpec] = {"demo": DEMO, "tiny": TINY}


@dataclass(frozen=True)
class City:
    """A city and its truth.

    Attributes
    ----------
    spec
        What it was made from.
    buildings
        ``building_id, use, roof, material (class name), eaves_m, height_m (ridge above ground),
        base_z_m, axis_deg (direction of the ridge), detailed, geometry`` (outline at the eaves);
        detailed are those that touch the core, the others are boxes.
    planes
        Roof planes of the detailed buildings: ``plane_id, building_id, part (main|dormer),
        tilt_deg, azimuth_deg (downslope, clockwise from north, NaN when flat), material, a, b, c
        (z = a x + b y + c), area_m2 (tilted), geometry`` (as seen from above).
    obstacles
        Parapets, chimneys and plant on detailed roofs: ``building_id, part, a, b, c, geometry``.
    existing_pv
        Panels that already lie on roofs in the core: ``pv_id, building_id, plane_id, area_m2
        (tilted), geometry``.
    trees
        ``radius_m, height_m, geometry`` (points); forests are land cover, not single trees.
    places
        ``place_id, name, kind (school|college|hospital|district), geometry``.
    """

    spec: CitySpec
    landscape: Landscape
    streets: Streets
    development: Development
    buildings: gpd.GeoDataFrame
    planes: gpd.GeoDataFrame
    obstacles: gpd.GeoDataFrame
    existing_pv: gpd.GeoDataFrame
    trees: gpd.GeoDataFrame
    places: gpd.GeoDataFrame

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north of the extent [m]."""
        return self.spec.bounds

    @property
    def core_bounds(self) -> Bounds:
        """West, south, east, north of the core [m]."""
        return self.spec.core_bounds

    @property
    def boundary(self) -> gpd.GeoDataFrame:
        """The extent as one polygon, with a name."""
        return gpd.GeoDataFrame(
            {"name": ["Simulated city"], "simulated": [True]},
            geometry=[shapely.box(*self.bounds)],
            crs=self.spec.crs,
        )

    def part(self, bounds: Bounds, around_m: float = 60.0) -> City:
        """The city with the buildings and trees alone that come within ``around_m`` of a box."""
        west, south, east, north = bounds
        box = slice(west - around_m, east + around_m), slice(south - around_m, north + around_m)
        names = ("buildings", "planes", "obstacles", "existing_pv", "trees")
        made = replace(self, **{name: getattr(self, name).cx[box] for name in names})
        # The ground is that of the whole: no part has to draw it anew.
        vars(made)["ground_layers"] = self.ground_layers
        return made

    def terrain(self, grid: GeoBox) -> npt.NDArray[np.float32]:
        """Height of the bare ground at the cell centres (y, x) [m]."""
        x, y = self._centres(grid)
        return self.landscape.terrain(x[None, :], y[:, None]).astype("float32")

    def surface(self, grid: GeoBox, *, trees: bool = True) -> npt.NDArray[np.float32]:
        """Height of the surface with buildings and (optionally) trees (y, x) [m]."""
        x, y = self._centres(grid)
        ground = self.landscape.terrain(x[None, :], y[:, None])
        top = ground.copy()
        coarse = self.buildings[~self.buildings["detailed"]]
        flat = np.zeros((len(coarse), 3))
        flat[:, 2] = coarse["base_z_m"] + 0.5 * (coarse["eaves_m"] + coarse["height_m"])
        burning.burn_planes(top, grid, coarse.geometry.to_numpy(), flat)
        for parts in (self.planes, self.obstacles):
            abc = parts[["a", "b", "c"]].to_numpy(dtype="float64")
            burning.burn_planes(top, grid, parts.geometry.to_numpy(), abc)
        if trees:
            self._plant(top, ground, grid, x, y)
        return top.astype("float32")

    def built_height(self, grid: GeoBox) -> npt.NDArray[np.float32]:
        """Height of buildings above ground at the cell centres, 0 beside them (y, x) [m]."""
        return np.maximum(self.surface(grid, trees=False) - self.terrain(grid), 0).astype("float32")

    def landcover(self, grid: GeoBox) -> npt.NDArray[np.uint8]:
        """Class codes of `materials` at the cell centres, seen from above (y, x).

        Raises `GridError` when the grid is not in the CRS of the city. Cells outside the extent
        are covered as far as the streets reach, else 0.
        """
        self._centres(grid)
        out = np.zeros(grid.shape, dtype="uint8")
        for polygons, codes in self.ground_layers:
            burning.burn(out, grid, polygons, codes)
        xy = shapely.get_coordinates(self.trees.geometry.to_numpy())
        radius = self.trees["radius_m"].to_numpy()
        burning.burn_discs(out, grid, xy[:, 0], xy[:, 1], radius, CODE["tree"])
        for table in (self.buildings, self.planes):
            codes = table["material"].map(CODE).to_numpy(dtype="uint8")
            burning.burn(out, grid, table.geometry.to_numpy(), codes)
        burning.burn(out, grid, self.existing_pv.geometry.to_numpy(), CODE["pv_panel"])
        return out

    @cached_property
    def ground_layers(self) -> list[tuple[npt.NDArray[np.object_], npt.NDArray[np.uint8]]]:
        """Polygons and codes of the ground, from the bottom to the top."""
        streets, urban = self.streets, self.streets.kind != KIND["rural"]
        field_codes = _field_codes(self.spec.seed, streets)
        inner = inset(streets.blocks[urban], 1.8)
        kinds = streets.kind[urban]
        return [
            (quads(streets.cells[~urban]), field_codes),
            (quads(streets.cells[urban]), np.full(urban.sum(), CODE["asphalt"], "uint8")),
            (quads(streets.blocks[urban]), np.full(urban.sum(), CODE["concrete"], "uint8")),
            (quads(inner), np.array([CODE[GROUND[KINDS[k]]] for k in kinds], "uint8")),
            (quads(self.development.patches), self.development.patch_codes.astype("uint8")),
            (
                np.array([self.landscape.river(self.spec.size_m)]),
                np.array([CODE["water"]], "uint8"),
            ),
            (self._bridges, np.full(len(self._bridges), CODE["asphalt"], "uint8")),
        ]

    @cached_property
    def _bridges(self) -> npt.NDArray[np.object_]:
        river = self.landscape.river(self.spec.size_m).buffer(5)
        over = shapely.intersection(self.streets.avenues, river)
        return shapely.buffer(over[~shapely.is_empty(over)], 7.5, cap_style="flat")

    def _plant(self, top: F64, ground: F64, grid: GeoBox, x: F64, y: F64) -> None:
        """Raise forests and tree crowns in place."""
        forest = np.zeros(grid.shape, dtype="uint8")
        polygons, codes = self.ground_layers[0]
        burning.burn(forest, grid, polygons[codes == CODE["forest"]], 1)
        canopy = ground + 14 + 2 * np.sin(x[None, :] / 3.1) * np.sin(y[:, None] / 2.7)
        np.maximum(top, canopy, out=top, where=forest == 1)
        xy = shapely.get_coordinates(self.trees.geometry.to_numpy())
        base = self.landscape.terrain(xy[:, 0], xy[:, 1])
        height = self.trees["height_m"].to_numpy()
        radius = self.trees["radius_m"].to_numpy()
        burning.burn_crowns(
            top, grid, xy[:, 0], xy[:, 1], radius, base + 0.35 * height, base + height
        )

    def _centres(self, grid: GeoBox) -> tuple[F64, F64]:
        if str(grid.crs) != self.spec.crs or grid.affine.b or grid.affine.d:
            raise GridError(
                f"the grid is not a north-up grid in {self.spec.crs}",
                where=str(grid.crs),
                remedy="Make the grid in the CRS of the city",
            )
        return burning.cell_centres(grid)


#: Ground of a block beside buildings and patches.
GROUND = {
    "rural": "grass", "dense": "concrete", "terraced": "grass", "detached": "grass",
    "slab": "grass", "industrial": "asphalt", "school": "grass", "park": "grass",
    "plaza": "concrete", "bank": "grass", "workshop": "concrete", "hospital": "grass",
}  # fmt: skip


def build_city(spec: CitySpec) -> City:
    """Make the city of ``spec``: same spec, same city."""
    rng = np.random.default_rng([spec.seed, 1])
    west, south, east, north = spec.bounds
    centre = ((west + east) / 2, (south + north) / 2)
    landscape = Landscape.draw(rng, centre, spec.size_m, spec.core_m)
    streets = draw_streets(rng, landscape, spec.bounds, spec.core_m)
    development = develop(spec.seed, inset(streets.blocks, 1.8), streets.kind)
    records = _standing(development.records, spec)
    buildings = _buildings(records, landscape, spec)
    planes, obstacles, panels = detail_core(records, buildings, spec.seed)
    buildings = _with_ridge(buildings, planes)
    return City(
        spec=spec,
        landscape=landscape,
        streets=streets,
        development=development,
        buildings=buildings,
        planes=planes,
        obstacles=obstacles,
        existing_pv=panels,
        trees=_trees(development.trees, buildings, spec),
        places=draw_places(spec.seed, spec.bounds, spec.crs, streets),
    )


def _standing(records: pd.DataFrame, spec: CitySpec) -> pd.DataFrame:
    """Records inside the extent that stand on none before them."""
    west, south, east, north = spec.bounds
    reach = np.hypot(records["length_m"], records["width_m"]) / 2 + records["wing_l_m"]
    inside = (
        (records["x"] - reach > west)
        & (records["x"] + reach < east)
        & (records["y"] - reach > south)
        & (records["y"] + reach < north)
    )
    records = records[inside].reset_index(drop=True)
    outlines = quads(_corners(records))
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    once = first < second
    first, second = first[once], second[once]
    shared = shapely.area(shapely.intersection(outlines[first], outlines[second]))
    return records[~records.index.isin(second[shared > 0.05])].reset_index(drop=True)


def _buildings(records: pd.DataFrame, landscape: Landscape, spec: CitySpec) -> gpd.GeoDataFrame:
    corners = _corners(records)
    geometry = quads(corners)
    core = shapely.box(*spec.core_bounds)
    detailed = shapely.intersects(geometry, core.buffer(6))
    shaped = detailed & records["roof"].isin(["ell", "courtyard", "flat_courtyard"]).to_numpy()
    for i in np.flatnonzero(shaped):
        r = records.iloc[i]
        wing = (r["wing_x_m"], r["wing_w_m"], r["wing_l_m"])
        outline = outline_of(r["roof"], r["length_m"], r["width_m"], wing, r["ring_m"])
        geometry[i] = place(outline, r["x"], r["y"], r["theta"])
    slope = np.tan(np.radians(records["pitch_deg"].to_numpy(dtype="float64")))
    names = {code: name for name, code in CODE.items()}
    return gpd.GeoDataFrame(
        {
            "building_id": [f"B{i + 1:06d}" for i in range(len(records))],
            "use": records["use"].to_numpy(),
            "roof": records["roof"].to_numpy(),
            "material": records["material"].map(names).to_numpy(),
            "eaves_m": records["eaves_m"].to_numpy(dtype="float64"),
            "height_m": records["eaves_m"].to_numpy(dtype="float64")
            + slope * records["width_m"].to_numpy(dtype="float64") / 2,
            "base_z_m": landscape.terrain(records["x"].to_numpy(), records["y"].to_numpy()),
            "axis_deg": (90.0 - np.degrees(records["theta"].to_numpy(dtype="float64"))) % 180.0,
            "detailed": detailed,
            "simulated": True,
        },
        geometry=geometry,
        crs=spec.crs,
    )


def _corners(records: pd.DataFrame) -> F64:
    """Corners of the main rectangles (n, 4, 2) [m]."""
    theta = records["theta"].to_numpy(dtype="float64")
    e = np.column_stack([np.cos(theta), np.sin(theta)]) * records[["length_m"]].to_numpy() / 2
    n = np.column_stack([-np.sin(theta), np.cos(theta)]) * records[["width_m"]].to_numpy() / 2
    middle = records[["x", "y"]].to_numpy(dtype="float64")
    return np.stack([middle - e - n, middle + e - n, middle + e + n, middle - e + n], axis=1)


def _with_ridge(buildings: gpd.GeoDataFrame, planes: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Replace the height of detailed buildings by that of their highest plane corner."""
    xy, owner = shapely.get_coordinates(planes.geometry.to_numpy(), return_index=True)
    abc = planes[["a", "b", "c"]].to_numpy()[owner]
    z = abc[:, 0] * xy[:, 0] + abc[:, 1] * xy[:, 1] + abc[:, 2]
    ridge = pd.Series(z).groupby(planes["building_id"].to_numpy()[owner]).max()
    above = buildings["building_id"].map(ridge) - buildings["base_z_m"]
    return buildings.assign(height_m=above.fillna(buildings["height_m"]))


def _trees(trees: F64, buildings: gpd.GeoDataFrame, spec: CitySpec) -> gpd.GeoDataFrame:
    """Trees inside the extent whose crowns touch no building."""
    west, south, east, north = spec.bounds
    x, y = trees[:, 0], trees[:, 1]
    trees = trees[(x > west) & (x < east) & (y > south) & (y < north)]
    points = np.asarray(shapely.points(trees[:, :2]))
    index = shapely.STRtree(buildings.geometry.to_numpy())
    touching = index.query(points, predicate="dwithin", distance=trees[:, 2] + 0.4)[0]
    keep = np.ones(len(trees), dtype=bool)
    keep[touching] = False
    return gpd.GeoDataFrame(
        {"radius_m": trees[keep, 2], "height_m": trees[keep, 3], "simulated": True},
        geometry=points[keep],
        crs=spec.crs,
    )


def _field_codes(seed: int, streets: Streets) -> npt.NDArray[np.uint8]:
    """Cover of the rural blocks: fields of a few blocks each, forests in large patches."""
    rural = streets.kind == KIND["rural"]
    fields, member = np.unique(streets.field[rural], return_inverse=True)
    rng = np.random.default_rng([seed, 5])
    names = ["crop", "stubble", "grass", "bare_soil"]
    codes = np.array([CODE[n] for n in names])[
        rng.choice(len(names), len(fields), p=[0.45, 0.25, 0.22, 0.08])
    ]
    out = codes[member].astype("uint8")
    centres = streets.centres[rural]
    u = (centres - centres.mean(axis=0)) / 700.0
    p = rng.uniform(0, 2 * np.pi, 3)
    patch = np.sin(u[:, 0] * 1.3 + p[0]) + np.sin(u[:, 1] * 1.1 + p[1])
    patch += np.sin((u[:, 0] + u[:, 1]) * 0.8 + p[2])
    out[(patch > 0.9) & (streets.level[rural] > 1.08)] = CODE["forest"]
    return out
