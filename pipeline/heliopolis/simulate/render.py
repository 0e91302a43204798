"""An aerial camera over the simulated city: shading, shadows, texture, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.geobox import GeoBox
from scipy import ndimage, sparse

from heliopolis.simulate.burning import F64, burn, burn_crowns, burn_planes, cell_centres
from heliopolis.simulate.city import City
from heliopolis.simulate.materials import CODE, lookup
from heliopolis.simulate.shadows import cast_shadow
from heliopolis.simulate.streets import quads
from heliopolis.simulate.traffic import CAR_COLOURS, parked_cars, road_marks

F32 = npt.NDArray[np.float32]

#: Code of facades and cars, which are no class of land cover.
WALL, CAR = 200, 201


@dataclass(frozen=True)
class Look:
    """How an image looks: light, season, camera.

    Attributes
    ----------
    sun_azimuth_deg, sun_elevation_deg
        Position of the sun.
    sky
        Diffuse light over direct light on a plane that faces the sun [1].
    dryness
        0 for green grass, 1 for a parched summer.
    roof_variety
        Standard deviation of the logarithm of roof colours from building to building.
    lean
        Displacement of tops per metre of height, east and north [m m-1].
    gain
        Gain of red, green, blue, nir.
    haze
        Light added by the air, in reflectance.
    gamma
        Exponent of the tone curve is 1 / gamma.
    blur_px, noise
        Width of the point spread [pixel] and noise [1 of full scale].
    """

    sun_azimuth_deg: float = 145.0
    sun_elevation_deg: float = 52.0
    sky: float = 0.22
    dryness: float = 0.35
    roof_variety: float = 0.10
    lean: tuple[float, float] = (0.0, 0.0)
    gain: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 0.55)
    haze: float = 0.006
    gamma: float = 2.0
    blur_px: float = 0.6
    noise: float = 0.008


@dataclass
class _Canvas:
    """Layers that are painted object by object (y, x)."""

    code: npt.NDArray[np.uint8]
    bright: F32
    tint: F32
    slope_x: F32
    slope_y: F32
    axis: F32
    top: F64
    edge: npt.NDArray[np.uint8]
    roof: npt.NDArray[np.uint8]
    house: npt.NDArray[np.uint16]
    crown: npt.NDArray[np.uint8] = field(init=False)

    def paint(
        self,
        grid: GeoBox,
        polygons: npt.NDArray[np.object_],
        codes: npt.ArrayLike,
        rng: np.random.Generator,
        sigma: float,
    ) -> None:
        """Burn a class with a random brightness and tint for each polygon."""
        count = len(polygons)
        burn(self.code, grid, polygons, codes)
        burn(self.bright, grid, polygons, rng.normal(0, sigma, count))
        burn(self.tint, grid, polygons, rng.normal(0, sigma, count))


@dataclass(frozen=True)
class Picture:
    """What the camera sees, and where the roofs and panels are in it.

    ``image``: uint8 (4: red, green, blue, nir; y, x); ``roof``, ``panel``: bool (y, x);
    ``house``: number of the building whose roof is seen, 0 elsewhere (y, x); ``height``: of what
    is seen above the ground [m] (y, x).
    """

    image: npt.NDArray[np.uint8]
    roof: npt.NDArray[np.bool_]
    panel: npt.NDArray[np.bool_]
    house: npt.NDArray[np.uint16]
    height: npt.NDArray[np.float32]


def render(city: City, grid: GeoBox, look: Look, seed: int, *, margin_m: float = 45.0) -> Picture:
    """Take a picture of the city on ``grid``.

    ``margin_m`` is how far beyond the grid buildings are drawn for the shadows they cast into it.
    """
    rng = np.random.default_rng([seed, 21])
    pad = int(np.ceil(margin_m / abs(grid.resolution.x)))
    wide = grid.pad(pad)
    near = _nearby(city, wide)
    canvas = _paint(near, wide, look, rng)
    light = _light(canvas, wide, look)
    reflectance = _texture(canvas, wide, look, rng)
    image = _expose(reflectance * light, look, rng)
    inner = (slice(pad, -pad), slice(pad, -pad))
    x, y = cell_centres(grid)
    ground = city.landscape.terrain(x[None, :], y[:, None])
    return Picture(
        np.ascontiguousarray(image[(slice(None), *inner)]),
        canvas.roof[inner] == 1,
        (canvas.code[inner] == CODE["pv_panel"]) & (canvas.roof[inner] == 1),
        np.ascontiguousarray(canvas.house[inner]),
        (canvas.top[inner] - ground).astype("float32"),
    )


@dataclass(frozen=True)
class _Near:
    """The part of a city that may show on a grid."""

    city: City
    box: shapely.Polygon

    def of(self, table):  # type: ignore[no-untyped-def]
        """Rows of a table whose geometry touches the box."""
        return table[shapely.intersects(table.geometry.to_numpy(), self.box)]


def _nearby(city: City, grid: GeoBox) -> _Near:
    return _Near(city, shapely.box(*grid.boundingbox.bbox).buffer(10))


def _paint(near: _Near, grid: GeoBox, look: Look, rng: np.random.Generator) -> _Canvas:
    x, y = cell_centres(grid)
    shape = grid.shape

    def zeros() -> F32:
        return np.zeros(shape, dtype="float32")

    ground = near.city.landscape.terrain(x[None, :], y[:, None])
    canvas = _Canvas(
        np.zeros(shape, dtype="uint8"), zeros(), zeros(), zeros(), zeros(), zeros(),
        ground.copy(), np.zeros(shape, dtype="uint8"), np.zeros(shape, dtype="uint8"),
        np.zeros(shape, dtype="uint16"),
    )  # fmt: skip
    for polygons, codes in near.city.ground_layers:
        keep = shapely.intersects(polygons, near.box)
        canvas.paint(grid, polygons[keep], codes[keep], rng, 0.10)
    _paint_streets(canvas, near, grid, rng)
    _paint_trees(canvas, near, grid, rng)
    _paint_buildings(canvas, near, grid, look, rng)
    return canvas


def _paint_streets(canvas: _Canvas, near: _Near, grid: GeoBox, rng: np.random.Generator) -> None:
    marks = road_marks(near.city.streets, near.box)
    burn(canvas.bright, grid, marks, 1.3)
    cars, colours = parked_cars(near.city.streets, near.city.development, near.box, rng)
    ground = near.city.landscape.terrain(*cars.mean(axis=1).T)
    for low, high, height in ((0.0, 1.0, 1.0), (0.25, 0.8, 1.5)):
        along = cars[:, [1, 1]] - cars[:, [0, 0]]
        shape = cars.copy()
        shape[:, [0, 3]] = cars[:, [0, 3]] + low * along
        shape[:, [1, 2]] = cars[:, [0, 3]] + high * along
        polygons = quads(shape)
        burn(canvas.code, grid, polygons, CAR)
        burn(canvas.bright, grid, polygons, CAR_COLOURS[colours, 0] * (1 if low == 0 else 0.7))
        burn(canvas.tint, grid, polygons, CAR_COLOURS[colours, 1])
        flat = np.zeros((len(cars), 3))
        flat[:, 2] = ground + height
        burn_planes(canvas.top, grid, polygons, flat)


def _paint_trees(canvas: _Canvas, near: _Near, grid: GeoBox, rng: np.random.Generator) -> None:
    """Crowns as clumps of smaller crowns."""
    trees = near.of(near.city.trees)
    xy = shapely.get_coordinates(trees.geometry.to_numpy())
    count, lobes = len(xy), 7
    radius = trees["radius_m"].to_numpy()[:, None]
    height = trees["height_m"].to_numpy()[:, None]
    angle = rng.uniform(0, 2 * np.pi, (count, lobes))
    far = radius * rng.uniform(0.25, 0.62, (count, lobes))
    x, y = xy[:, :1] + far * np.cos(angle), xy[:, 1:] + far * np.sin(angle)
    size = radius * rng.uniform(0.35, 0.6, (count, lobes))
    base = near.city.landscape.terrain(xy[:, 0], xy[:, 1])[:, None]
    tip = base + height * rng.uniform(0.75, 1.0, (count, lobes))
    before = canvas.top.copy()
    flat = [v.ravel() for v in (x, y, size, base + 0.35 * height + 0 * x, tip)]
    burn_crowns(canvas.top, grid, *flat)
    canvas.crown = (canvas.top > before).astype("uint8")
    crown = canvas.crown == 1
    canvas.code[crown] = CODE["tree"]
    discs = shapely.buffer(shapely.points(xy), trees["radius_m"].to_numpy() * 1.2, quad_segs=3)
    shade, hue = canvas.bright.copy(), canvas.tint.copy()
    burn(shade, grid, discs, rng.normal(0, 0.16, count))
    burn(hue, grid, discs, rng.normal(0, 0.10, count))
    canvas.bright[crown], canvas.tint[crown] = shade[crown], hue[crown]


def _paint_buildings(
    canvas: _Canvas, near: _Near, grid: GeoBox, look: Look, rng: np.random.Generator
) -> None:
    city = near.city
    buildings = near.of(city.buildings).set_index("building_id", drop=False)
    style = near_style(rng, len(buildings), look.roof_variety)
    row_of = {b: k for k, b in enumerate(buildings.index)}
    height = buildings["eaves_m"].to_numpy()
    shift = height[:, None] * np.array(look.lean)
    outline = buildings.geometry.to_numpy()
    burn(canvas.code, grid, outline, WALL)
    burn(canvas.bright, grid, outline, style[:, 0])
    coarse = ~buildings["detailed"].to_numpy()
    flat = np.zeros((len(buildings), 3))
    flat[:, 2] = buildings["base_z_m"] + 0.5 * (buildings["eaves_m"] + buildings["height_m"])
    _roofs(canvas, grid, outline[coarse], flat[coarse], shift[coarse], style[coarse],
           buildings["material"][coarse].map(CODE), buildings["axis_deg"][coarse],
           np.flatnonzero(coarse) + 1)  # fmt: skip
    for table in (city.planes, city.obstacles, city.existing_pv):
        parts = table[table["building_id"].isin(buildings.index)]
        if table is city.existing_pv:
            parts = parts.merge(city.planes[["plane_id", "a", "b", "c"]], on="plane_id")
            codes = np.full(len(parts), CODE["pv_panel"])
        elif table is city.obstacles:
            tops = {"parapet": "concrete", "plant": "roof_metal", "chimney": "bare_soil"}
            codes = parts["part"].map(tops).map(CODE).to_numpy()
        else:
            codes = parts["material"].map(CODE).to_numpy()
        rows = parts["building_id"].map(row_of).to_numpy(dtype="int64")
        look_of = style[rows] * (0.3 if table is city.existing_pv else 1.0)
        abc = parts[["a", "b", "c"]].to_numpy(dtype="float64")
        axis = buildings["axis_deg"].to_numpy()[rows]
        _roofs(canvas, grid, parts.geometry.to_numpy(), abc, shift[rows], look_of, codes, axis,
               rows + 1)  # fmt: skip
        if table is city.planes:
            lines = _moved(shapely.buffer(shapely.boundary(parts.geometry.to_numpy()), 0.12),
                           shift[rows])  # fmt: skip
            burn(canvas.edge, grid, lines, 1)


def near_style(rng: np.random.Generator, count: int, variety: float) -> F64:
    """Brightness and tint of each building (n, 2), in logarithms."""
    return rng.normal(0, 1, (count, 2)) * [1.6 * variety, variety]


def _moved(polygons: npt.NDArray[np.object_], shift: F64) -> npt.NDArray[np.object_]:
    """Polygons moved by their own shift (n, 2)."""
    if not np.any(shift):
        return polygons
    xy, owner = shapely.get_coordinates(polygons, return_index=True)
    return np.asarray(shapely.set_coordinates(polygons.copy(), xy + shift[owner]))


def _roofs(
    canvas: _Canvas,
    grid: GeoBox,
    polygons: npt.NDArray[np.object_],
    abc: F64,
    shift: F64,
    style: F64,
    codes: npt.ArrayLike,
    axis: npt.ArrayLike,
    house: npt.ArrayLike,
) -> None:
    """Paint roof planes, displaced by the lean of the camera."""
    polygons = _moved(polygons, shift)
    abc = abc.copy()
    abc[:, 2] -= (abc[:, :2] * shift).sum(axis=1)
    turn = np.radians(90.0 - np.asarray(axis, dtype="float64"))
    steep = np.hypot(abc[:, 0], abc[:, 1]) > 1e-6
    turn[steep] = np.arctan2(abc[steep, 0], -abc[steep, 1])
    burn(canvas.code, grid, polygons, np.asarray(codes))
    burn(canvas.bright, grid, polygons, style[:, 0])
    burn(canvas.tint, grid, polygons, style[:, 1])
    burn(canvas.slope_x, grid, polygons, abc[:, 0])
    burn(canvas.slope_y, grid, polygons, abc[:, 1])
    burn(canvas.axis, grid, polygons, turn)
    burn(canvas.roof, grid, polygons, 1)
    burn(canvas.house, grid, polygons, np.asarray(house))
    burn_planes(canvas.top, grid, polygons, abc)


def _light(canvas: _Canvas, grid: GeoBox, look: Look) -> F32:
    """Light on each cell over that on a sunlit horizontal plane (y, x)."""
    step = abs(grid.resolution.x)
    top = canvas.top.astype("float32")
    gx, gy = canvas.slope_x.copy(), canvas.slope_y.copy()
    crown = (canvas.crown == 1) & (canvas.roof == 0)
    rows, cols = np.gradient(top, step)
    gx[crown], gy[crown] = np.clip(cols[crown], -2, 2), np.clip(-rows[crown], -2, 2)
    azimuth, elevation = np.radians([look.sun_azimuth_deg, look.sun_elevation_deg])
    east, north = np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation)
    facing = (-gx * east - gy * north + np.sin(elevation)) / np.sqrt(1 + gx**2 + gy**2)
    shadow = cast_shadow(top, step, look.sun_azimuth_deg, look.sun_elevation_deg)
    lit = ndimage.gaussian_filter((~shadow).astype("float32"), 0.6)
    around = ndimage.uniform_filter(top, int(6 / step))
    open_sky = 1 - np.clip((around - top) / 14, 0, 0.55)
    horizontal = np.sin(elevation) + look.sky
    light = (np.clip(facing, 0, None) * lit + look.sky * open_sky) / horizontal
    return light.astype("float32")


def _waves(rng: np.random.Generator, shape: tuple[int, int], cell_px: float) -> F32:
    """Smooth noise with unit variance and features of ``cell_px``."""
    down, across = (_splines(n, cell_px) for n in shape)
    knots = rng.normal(0, 1, (down.shape[1], across.shape[1])).astype("float32")
    smooth = (across @ (down @ knots).T).T
    return np.asarray(smooth / np.std(smooth), dtype="float32")


def _splines(count: int, cell_px: float) -> sparse.csr_array:
    """Weights of uniform cubic B-splines (count, knots), ``cell_px`` apart."""
    at = np.arange(count) / cell_px
    first = np.floor(at).astype("int64")
    t = (at - first).astype("float32")
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    )
    columns = first[:, None] + np.arange(4)
    rows = np.repeat(np.arange(count), 4)
    shape = (count, int(columns.max()) + 1)
    return sparse.csr_array((weights.ravel() / 6, (rows, columns.ravel())), shape=shape)


def _texture(canvas: _Canvas, grid: GeoBox, look: Look, rng: np.random.Generator) -> F32:
    """Reflectance of each cell (4, y, x), with the texture of its material."""
    step = abs(grid.resolution.x)
    shape = (int(grid.shape[0]), int(grid.shape[1]))
    code = canvas.code
    colours = np.nan_to_num(lookup("display"))
    colours[WALL] = (0.34, 0.32, 0.29, 0.40)
    colours[CAR] = (0.22, 0.22, 0.22, 0.25)
    base = np.moveaxis(colours[code], -1, 0).copy()
    fine = rng.normal(0, 1, shape).astype("float32")
    middle, broad = _waves(rng, shape, 1.5 / step), _waves(rng, shape, 12 / step)
    amount = np.full(256, 0.05, dtype="float32")
    for name, value in (("grass", 0.14), ("tree", 0.20), ("roof_gravel", 0.12), ("water", 0.02),
                        ("pv_panel", 0.02), ("roof_tile", 0.08), ("forest", 0.2)):  # fmt: skip
        amount[CODE[name]] = value
    mix = amount[code] * (0.6 * fine + 0.7 * middle) + 0.06 * broad
    mix += canvas.bright + _pattern(canvas, grid)
    factor = np.exp(np.clip(mix, -1.5, 1.5))
    base *= factor
    tint = canvas.tint
    base[0] *= np.exp(0.5 * tint)
    base[2] *= np.exp(-0.5 * tint)
    _dry(base, code, look.dryness, broad + 0.5 * middle)
    return base


def _pattern(canvas: _Canvas, grid: GeoBox) -> F32:
    """Rows of tiles, seams of sheet metal, frames of modules, ridges (y, x), in logarithms."""
    x, y = cell_centres(grid)
    u = (x - x[0]).astype("float32")[None, :]
    v = (y - y[0]).astype("float32")[:, None]
    out = np.zeros(canvas.code.shape, dtype="float32")
    where = np.nonzero(canvas.roof)
    cos, sin = np.cos(canvas.axis[where]), np.sin(canvas.axis[where])
    along = u[0, where[1]] * cos + v[where[0], 0] * sin
    down = v[where[0], 0] * cos - u[0, where[1]] * sin
    code = canvas.code[where]
    value = np.zeros(len(code), dtype="float32")
    tiles = (code == CODE["roof_tile"]) | (code == CODE["roof_slate"])
    value = np.where(tiles, 0.07 * np.sin(2 * np.pi * down / 0.55), value)
    value = np.where((code == CODE["roof_metal"]) & (along % 0.8 < 0.2), -0.10, value)
    value = np.where((code == CODE["roof_bitumen"]) & (along % 3.0 < 0.2), 0.12, value)
    frame = (along % 1.05 < 0.2) | (down % 1.7 < 0.2)
    value = np.where((code == CODE["pv_panel"]) & frame, 0.45, value)
    pitched = np.hypot(canvas.slope_x[where], canvas.slope_y[where]) > 0.05
    value += np.where((canvas.edge[where] == 1) & pitched, 0.22, 0.0)
    out[where] = value
    return out


def _dry(base: F32, code: npt.NDArray[np.uint8], dryness: float, patches: F32) -> None:
    """Turn part of the grass yellow, in place."""
    grass = code == CODE["grass"]
    share = np.clip(dryness + 0.22 * patches[grass], 0, 0.95)
    straw = np.array([0.17, 0.145, 0.085, 0.27], dtype="float32")
    base[:, grass] = base[:, grass] * (1 - share) + straw[:, None] * share


def _expose(radiance: F32, look: Look, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Point spread, air light, tone curve, noise; 0 is kept for no data."""
    out = np.empty(radiance.shape, dtype="uint8")
    air = np.array([0.7, 1.0, 1.6, 0.4]) * look.haze
    for band, (gain, haze) in enumerate(zip(look.gain, air, strict=True)):
        seen = ndimage.gaussian_filter(radiance[band], look.blur_px) + haze
        tone = np.clip(2.0 * gain * seen, 0, None) ** (1 / look.gamma)
        tone = tone / (1 + 0.12 * tone**4)
        tone += rng.normal(0, look.noise, tone.shape).astype("float32")
        out[band] = np.clip(np.rint(tone * 255), 1, 255).astype("uint8")
    return out
