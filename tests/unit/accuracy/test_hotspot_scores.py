from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from odc.geo import resyx_
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.accuracy.hotspots import built_core, score_muenster
from heliopolis.io.raster import read_onto, write_cog
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.steps.heat import hot_zones


def test_core_is_the_largest_dense_group() -> None:
    grid = GeoBox.from_bbox((0, 0, 2000, 1000), crs="EPSG:32632", resolution=10)
    built = np.zeros(grid.shape, dtype=bool)
    built[10:40, 10:40] = True
    built[60:70, 100:110] = True
    built[20, 60:180] = True  # a road is no dense cell
    core = built_core(built, np.ones_like(built), grid)
    assert core.sum() == 900
    assert core[10:40, 10:40].all()


@pytest.mark.real
def test_zones_of_muenster_lie_on_the_built_up_core(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "satellite" / "muenster-landsat-st"
    grid = GeoBox.from_bbox(
        (396_800, 5_747_500, 415_000, 5_763_300), crs="EPSG:32632", resolution=resyx_(-20, 20)
    )
    dates = []
    for name in ("196024_20240626", "197024_20250620", "196024_20250621", "197024_20240625"):
        (file,) = folder.glob(f"LC*_{name}_*")
        one = read_onto([file], grid, resampling="bilinear")["band_1"].to_numpy()
        one[one < -100.0] = np.nan
        dates.append(one)
    codes = read_onto([folder / "Klassifikation_rf.tif"], grid)["band_1"].to_numpy()
    stack = np.stack(dates)
    lst = np.median(stack, axis=0)
    spread = stack - np.nanmean(stack, axis=(1, 2), keepdims=True)
    bands = {
        "lst_median_c": lst,
        "lst_sd_c": np.full_like(lst, 1.5),
        "anomaly_c": lst - np.nanmean(lst[codes == 4]),
        "n_obs": np.full_like(lst, 4.0),
        "effective_resolution_m": np.full_like(lst, 100.0),
        "persistence": (spread > np.nanstd(spread, axis=(1, 2), keepdims=True)).mean(axis=0),
    }
    results = tmp_path / "muenster"
    write_cog(
        results / "lst.tif", {k: wrap_xr(v.astype("float32"), grid) for k, v in bands.items()}
    )
    covers = {"water": codes == 2, "built": codes == 1}
    optical = {k: wrap_xr(v.astype("float32"), grid) for k, v in covers.items()}
    write_cog(results / "optical.tif", optical)
    box = gpd.GeoDataFrame(
        {"name": ["m"]}, geometry=[shapely.box(*grid.boundingbox.bbox)], crs="EPSG:32632"
    )
    write_layers(results / "boundary.gpkg", {"study_area": box})
    hot_zones(
        lst=results / "lst.tif", boundary=results / "boundary.gpkg",
        optical=results / "optical.tif", places=[], footprints=None,
        hot_zones=results / "hot_zones.gpkg", options={"heat": {}},
    )  # fmt: skip
    scores = score_muenster(results, data_dir)
    assert scores["core_covered"] > 0.9
    assert scores["built_enrichment"] > 3.0
    assert scores["zone_share_forest"] < 0.03
    assert scores["zone_share_water"] < 0.005
    assert scores["lst_mean_c_built"] > scores["lst_mean_c_field"] > scores["lst_mean_c_forest"]
    assert scores["odd_even_iou"] is None
    zones = read_layer(results / "hot_zones.gpkg", "hot_zones")
    assert zones["persistence"].iloc[0] > 0.5
    assert zones["zone_id"].is_unique
