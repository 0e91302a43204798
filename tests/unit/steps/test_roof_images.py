"""From images to buildings, through files."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo import Geometry
from odc.geo.geobox import GeoBox
from odc.geo.xr import rasterize, wrap_xr
from shapely import MultiPolygon, affinity, box

from heliopolis.errors import GridError, InputError
from heliopolis.io.raster import read_raster, write_cog
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.steps.roof_images import buildings, roof_outlines, roof_probability
from heliopolis.steps.segment_image import segment_image
from heliopolis.steps.surface import newer_than

OPTIONS = {
    "imagery": {"files": ["ortho.tif"]},
    "footprints": None,
    "roofs": {"min_area_m2": 12},
    "crs": "EPSG:2154",
}


def write_image(path: Path, crs: str | None = "EPSG:2154", size: int = 400) -> Path:
    """One red-roofed hall in the middle of a lawn, 0.2 m, its centre at (500, 500)."""
    rng = np.random.default_rng(2)
    image = np.empty((3, size, size))
    image[:] = np.array([90, 110, 65])[:, None, None]
    low, high = size // 2 - 60, size // 2 + 60
    image[:, high : high + 12, low : high + 8] *= 0.4
    image[:, low:high, low:high] = np.array([175, 100, 75])[:, None, None]
    image[:, low : size // 2, low:high] *= 0.75
    image = np.clip(image + rng.normal(0, 5, image.shape), 1, 255).astype("uint8")
    half = size * 0.1
    where = (
        {}
        if crs is None
        else {"crs": crs, "transform": Affine(0.2, 0, 500 - half, 0, -0.2, 500 + half)}
    )
    with rasterio.open(
        path, "w", driver="GTiff", width=size, height=size, count=3, dtype="uint8", **where
    ) as sink:
        sink.write(image)
    return path


def test_hall_on_the_corner_of_four_tiles_is_one_building(tmp_path: Path) -> None:
    image = write_image(tmp_path / "ortho.tif")
    tiles = [
        {"id": f"t{x}{y}", "bounds": [x, y, x + 50, y + 50]} for x in (450, 500) for y in (450, 500)
    ]
    (tmp_path / "tiles.json").write_text(
        json.dumps([*tiles, {"id": "all", "bounds": [450, 450, 550, 550]}])
    )
    paths = {}
    for tile in [*(t["id"] for t in tiles), "all"]:
        paths[tile] = tmp_path / f"{tile}.tif"
        roof_probability(
            tiles=tmp_path / "tiles.json",
            images=[image],
            probability=paths[tile],
            tile=str(tile),
            options=OPTIONS,
        )
    whole = read_raster(paths.pop("all"))["roof_probability"]
    part = read_raster(paths["t450500"])["roof_probability"]
    np.testing.assert_allclose(part.values, whole.values[:200, :200], atol=1e-5)
    roof_outlines(
        probabilities=list(paths.values()), outlines=tmp_path / "outlines.gpkg", options=OPTIONS
    )
    found = read_layer(tmp_path / "outlines.gpkg", "outlines")
    inside = found[found.intersects(found.geometry.iloc[0].representative_point())]
    assert len(inside) == 1
    assert len(found[found["footprint_m2"] > 100]) == 1
    assert found["footprint_m2"].max() == pytest.approx(24 * 24, rel=0.15)
    buildings(
        footprints=None,
        outlines=tmp_path / "outlines.gpkg",
        probabilities=list(paths.values()),
        buildings=tmp_path / "buildings.gpkg",
        options=OPTIONS,
    )
    made = read_layer(tmp_path / "buildings.gpkg", "buildings")
    assert set(made["source"]) == {"cnn"}
    assert len(made) == len(found)


def test_segment_plain_image(tmp_path: Path) -> None:
    image = write_image(tmp_path / "plain.tif", crs=None, size=300)
    with pytest.raises(GridError, match="--gsd"):
        segment_image(image, tmp_path / "p.tif")
    count = segment_image(image, tmp_path / "p.tif", polygons=tmp_path / "p.gpkg", gsd_m=0.2)
    with rasterio.open(tmp_path / "p.tif") as made:
        assert made.shape == (300, 300)
        assert made.descriptions == ("roof_probability",)
        values = made.read(1)
    assert values.min() >= 0
    assert values.max() <= 1
    assert count is not None
    assert count >= 1


@pytest.mark.parametrize("block_px", [97, 160])
def test_answer_is_the_same_to_the_byte_for_any_block(
    tmp_path: Path, monkeypatch, block_px
) -> None:
    image = write_image(tmp_path / "ortho.tif", size=300)
    segment_image(image, tmp_path / "whole.tif")
    monkeypatch.setattr("heliopolis.steps.segment_image._BLOCK_PX", block_px)
    segment_image(image, tmp_path / "blocks.tif")
    with (
        rasterio.open(tmp_path / "whole.tif") as one,
        rasterio.open(tmp_path / "blocks.tif") as two,
    ):
        assert one.read(1).tobytes() == two.read(1).tobytes()


def test_segment_in_feet_gives_the_same_as_in_metres(tmp_path: Path) -> None:
    metric = write_image(tmp_path / "m.tif", size=300)
    with rasterio.open(metric) as source:
        profile, values = source.profile, source.read()
    foot = 0.3048
    profile["crs"] = "EPSG:2994"
    profile["transform"] = (
        profile["transform"].scale(1) and Affine.scale(1 / foot) * profile["transform"]
    )
    with rasterio.open(tmp_path / "ft.tif", "w", **profile) as sink:
        sink.write(values)
    segment_image(metric, tmp_path / "pm.tif", polygons=tmp_path / "m.gpkg")
    segment_image(tmp_path / "ft.tif", tmp_path / "pf.tif", polygons=tmp_path / "f.gpkg")
    with rasterio.open(tmp_path / "pm.tif") as one, rasterio.open(tmp_path / "pf.tif") as other:
        np.testing.assert_allclose(one.read(1), other.read(1), atol=1e-3)
    in_m, in_ft = (read_layer(tmp_path / f"{k}.gpkg", "roofs") for k in "mf")
    assert in_ft.area.sum() * foot**2 == pytest.approx(in_m.area.sum(), rel=1e-3)


def test_coarse_image_is_refused(tmp_path: Path) -> None:
    image = write_image(tmp_path / "plain.tif", crs=None, size=64)
    with pytest.raises(InputError, match="net can work on"):
        segment_image(image, tmp_path / "p.tif", gsd_m=10)


@pytest.mark.parametrize("marked_alpha", [True, False])
def test_near_infrared_is_not_taken_for_transparency(tmp_path: Path, marked_alpha: bool) -> None:
    plain = write_image(tmp_path / "rgb.tif")
    with rasterio.open(plain) as source:
        profile, values = source.profile, source.read()
    profile.update(count=4, nodata=0, alpha="YES" if marked_alpha else "NO")
    with rasterio.open(tmp_path / "rgbi.tif", "w", **profile) as sink:
        sink.write(np.concatenate([values, values[:1] // 2 + 20]))
    tiles = [{"id": "t", "bounds": [480, 480, 510, 510]}]
    (tmp_path / "tiles.json").write_text(json.dumps(tiles))
    made = []
    for name, bands in (
        ("rgb", ["red", "green", "blue"]),
        ("rgbi", ["red", "green", "blue", "nir"]),
    ):
        roof_probability(
            tiles=tmp_path / "tiles.json",
            images=[tmp_path / f"{name}.tif"],
            probability=tmp_path / f"{name}_p.tif",
            tile="t",
            options={**OPTIONS, "imagery": {"files": ["x"], "bands": bands}},
        )
        made.append(read_raster(tmp_path / f"{name}_p.tif")["roof_probability"].values)
    np.testing.assert_allclose(made[0], made[1], atol=5e-3)


@pytest.mark.parametrize(
    ("east", "role", "panel"), [(0, "adds", "0.5"), (20, "left out", "0.5"), (0, "adds", "")]
)
def test_net_is_used_as_far_as_it_agrees_with_the_footprints(tmp_path, east, role, panel) -> None:
    places = [(x, y) for x in range(20, 270, 40) for y in range(20, 270, 40)]
    houses = [box(x, y, x + 12, y + 9) for x, y in places]
    seen = [*(affinity.translate(h, east, 0) for h in houses[1:]), box(270, 270, 290, 290)]
    grid = GeoBox.from_bbox((0, 0, 300, 300), "EPSG:2154", resolution=0.25)
    mask = rasterize(Geometry(MultiPolygon(seen), "EPSG:2154"), grid).to_numpy()
    said = {"roof_probability": (0.9, 0.02), "edge_probability": (0.0, 0.0),
            "edge_distance_m": (4.0, 0.0), "panel_probability": (0.8, 0.0)}  # fmt: skip
    bands = {
        name: wrap_xr(np.where(mask, *values).astype("float32"), grid)
        for name, values in said.items()
    }
    tags = {"threshold": "0.5", "outline_probability": "0.5", "panel_threshold": panel}
    write_cog(tmp_path / "t.tif", bands, tags=tags)
    known = gpd.GeoDataFrame(
        {"building_id": [str(i) for i in range(len(houses))]}, geometry=houses, crs="EPSG:2154"
    )
    write_layers(tmp_path / "footprints.gpkg", {"footprints": known})
    outlines = tmp_path / "outlines.gpkg"
    roof_outlines(probabilities=[tmp_path / "t.tif"], outlines=outlines, options=OPTIONS)
    assert len(read_layer(outlines, "originals")) == len(read_layer(outlines, "outlines"))
    made = tmp_path / "buildings.gpkg"
    buildings(
        footprints=tmp_path / "footprints.gpkg",
        outlines=outlines,
        probabilities=[tmp_path / "t.tif"],
        buildings=made,
        options=OPTIONS | {"footprints": {"file": "footprints.gpkg"}},
    )
    table = read_layer(made, "buildings")
    assert read_layer(made, "agreement")["role"].tolist() == [role]
    assert len(read_layer(made, "image_shifts")) == 4
    if role == "adds":
        assert table["existing_pv"].sum() == (49 if panel else 0)
        assert table["existing_pv"].isna().all() == (not panel)
        assert table["change"].value_counts().to_dict() == {"none": 48, "gone": 1, "new": 1}
    else:
        assert table["change"].isna().all()
        assert table["existing_pv"].isna().all()
        assert set(table["building_id"]) == set(known["building_id"])


def test_years_of_construction_come_along(tmp_path: Path) -> None:
    table = gpd.GeoDataFrame(
        {"key": ["a", "b", "c"], "built": ["1931", "2024-05-01", None]},
        geometry=[box(20.0 * k, 0, 20.0 * k + 10, 10) for k in range(3)],
        crs="EPSG:2154",
    )
    write_layers(tmp_path / "f.gpkg", {"f": table})

    def made(field: str) -> gpd.GeoDataFrame:
        section = {"file": "f.gpkg", "id_field": "key", "year_field": field}
        buildings(
            footprints=tmp_path / "f.gpkg",
            outlines=None,
            probabilities=[],
            buildings=tmp_path / "b.gpkg",
            options={**OPTIONS, "imagery": None, "footprints": section},
        )
        return read_layer(tmp_path / "b.gpkg", "buildings")

    found = made("built").set_index("building_id")["built_year"]
    assert found["a"] == 1931
    assert found["b"] == 2024
    assert np.isnan(found["c"])
    assert newer_than(made("built"), 2022) == {"b"}
    assert newer_than(made("built"), None) == set()
    with pytest.raises(InputError, match="no field 'year'"):
        made("year")
