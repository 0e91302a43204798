from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from odc.geo.geom import box
from rasterio.io import MemoryFile
from rasterio.transform import from_bounds

from heliopolis.errors import ConfigError, NoDataError
from heliopolis.io.archives import acquire
from heliopolis.io.archives.ign import Ign
from heliopolis.io.archives.pdok import Pdok
from heliopolis.io.remote.client import CorruptError, OfflineError, RemoteError

CRS = "EPSG:2154"
AREA = box(652010, 6862020, 652050, 6862050, CRS)


def height(x: Any, y: Any) -> Any:
    return 100 + (x % 1000) * 0.25 + (y % 1000) * 0.5


def picture(
    bounds: tuple[float, ...], side: int, crs: str, *, image: bool, hole: bool = False
) -> bytes:
    west, _, east, north = bounds
    cell = (east - west) / side
    x = west + (np.arange(side) + 0.5) * cell
    y = north - (np.arange(side) + 0.5) * cell
    values = np.broadcast_to(height(x[None, :], y[:, None]), (side, side)).astype("float32").copy()
    if hole:
        values[:] = -9999
    bands = np.stack([values % 200] * 3).astype("uint8") if image else values[None]
    profile = {"driver": "GTiff", "width": side, "height": side, "count": len(bands)}
    transform = from_bounds(*bounds, side, side)
    with MemoryFile() as memory:
        with memory.open(**profile, dtype=bands.dtype, crs=crs, transform=transform) as sink:
            sink.write(bands)
        return bytes(memory.read())


def _map(asked: Any, **more: Any) -> bytes:
    bounds = tuple(float(v) for v in asked.query["BBOX"].split(","))
    assert asked.query["WIDTH"] == asked.query["HEIGHT"]
    image = "ORTHO" in asked.query["LAYERS"].upper()
    return picture(bounds, int(asked.query["WIDTH"]), asked.query["CRS"], image=image, **more)


@pytest.fixture
def ign(web: Any) -> Ign:
    web.routes["/wms"] = _map
    return Ign(wms_url=f"{web.url}/wms", side_px=40)


def _values(path: Path) -> tuple[Any, Any, Any]:
    with rasterio.open(path) as source:
        rows, columns = np.mgrid[0 : source.height, 0 : source.width]
        x, y = source.transform @ (columns + 0.5, rows + 0.5)
        return source.read(), x, y


def test_heights_are_those_of_the_service_at_each_cell(
    ign: Ign, store: Any, tmp_path: Path
) -> None:
    target = tmp_path / "dsm.tif"
    delivery = acquire("dsm", ign, AREA, CRS, target, store)
    values, x, y = _values(target)
    assert values.shape == (1, 60, 80)
    # The layer's cells are half a cell off the grid: bilinear is exact on a slope.
    np.testing.assert_allclose(values[0], height(x, y), atol=1e-3)
    with rasterio.open(target) as source:
        assert source.descriptions == ("dsm_m",)
        assert np.isnan(source.nodata)
        assert source.tags()["source"].startswith("IGNF_LIDAR-HD_MNS_ELEVATION")
    assert "Etalab" in delivery.licence and "100.0%" in delivery.note
    assert not list(tmp_path.glob(".dsm*"))


def test_coarser_cells_are_averages_across_the_squares(
    ign: Ign, store: Any, tmp_path: Path
) -> None:
    acquire("dtm", ign, AREA, CRS, tmp_path / "dtm.tif", store, resolution_m=5)
    values, x, y = _values(tmp_path / "dtm.tif")
    np.testing.assert_allclose(values[0], height(x, y), atol=0.2)


def test_neighbouring_areas_share_squares_and_offline_serves_them(
    ign: Ign, store: Any, offline: Any, web: Any, tmp_path: Path
) -> None:
    acquire("dsm", ign, AREA, CRS, tmp_path / "a.tif", store)
    web.forget()
    again = box(652012, 6862022, 652047, 6862049, CRS)
    acquire("dsm", ign, again, CRS, tmp_path / "b.tif", offline)
    assert not web.asked
    acquire("dsm", ign, AREA, CRS, tmp_path / "c.tif", offline)
    assert (tmp_path / "c.tif").read_bytes() == (tmp_path / "a.tif").read_bytes()
    with pytest.raises(OfflineError):
        acquire("dtm", ign, AREA, CRS, tmp_path / "d.tif", offline)
    assert not (tmp_path / "d.tif").exists()


def test_where_nothing_was_flown_there_is_no_file(
    ign: Ign, store: Any, web: Any, tmp_path: Path
) -> None:
    web.routes["/wms"] = lambda asked: _map(asked, hole=True)
    with pytest.raises(NoDataError, match="ign has no dsm over the area"):
        acquire("dsm", ign, AREA, CRS, tmp_path / "dsm.tif", store)
    assert list(tmp_path.glob("*.tif")) == []


def test_a_message_instead_of_a_picture_is_told(
    ign: Ign, store: Any, web: Any, tmp_path: Path
) -> None:
    web.routes["/wms"] = lambda _: b"<ServiceExceptionReport>LayerNotDefined</...>"
    with pytest.raises(RemoteError, match="LayerNotDefined"):
        acquire("dsm", ign, AREA, CRS, tmp_path / "dsm.tif", store)
    assert store.cache.size_bytes() == 0


def test_a_picture_of_another_place_or_size_is_refused(
    ign: Ign, store: Any, web: Any, tmp_path: Path
) -> None:
    def moved(asked: Any) -> bytes:
        bounds = tuple(float(v) + 20 for v in asked.query["BBOX"].split(","))
        return picture(bounds, 40, CRS, image=False)

    web.routes["/wms"] = moved
    with pytest.raises(CorruptError, match="elsewhere"):
        acquire("dsm", ign, AREA, CRS, tmp_path / "dsm.tif", store)
    web.routes["/wms"] = lambda _: picture((0, 0, 20, 20), 41, CRS, image=False)
    with pytest.raises(CorruptError, match="41 x 41"):
        acquire("dtm", ign, AREA, CRS, tmp_path / "dtm.tif", store)


def test_images_are_bytes_with_named_bands_and_black_that_is_not_nodata(
    ign: Ign, store: Any, web: Any, tmp_path: Path
) -> None:
    target = tmp_path / "ortho.tif"
    acquire("imagery", ign, AREA, CRS, target, store)
    with rasterio.open(target) as source:
        assert source.descriptions == ("red", "green", "blue")
        assert source.dtypes == ("uint8",) * 3
        assert source.nodata == 0
        assert source.res == (0.2, 0.2)
        assert source.read().min() >= 1
    asked = web.asked[0].query
    assert asked["LAYERS"] == "HR.ORTHOIMAGERY.ORTHOPHOTOS"
    assert asked["FORMAT"] == "image/geotiff"


def test_squares_of_the_lidar_layers_lie_on_their_own_cells(
    ign: Ign, store: Any, web: Any, tmp_path: Path
) -> None:
    acquire("dtm", ign, AREA, CRS, tmp_path / "dtm.tif", store)
    for asked in web.asked:
        west, south, east, north = (float(v) for v in asked.query["BBOX"].split(","))
        assert (west + 0.25) % 20 == 0 and (south - 0.25) % 20 == 0
        assert (east - west, north - south) == (20, 20)


def test_beyond_france_is_said_before_anything_is_asked(
    ign: Ign, store: Any, web: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="outside mainland France"):
        acquire(
            "dsm", ign, box(13.3, 52.4, 13.31, 52.41, "EPSG:4326"), "EPSG:25833", tmp_path, store
        )
    assert not web.asked


def test_dutch_heights_come_from_the_coverage_service(web: Any, store: Any, tmp_path: Path) -> None:
    seen = []

    def route(asked: Any) -> bytes:
        seen.append(asked.query)
        # Of two subsets the query that was parsed keeps the first, that of x.
        west = float(asked.query["SUBSET"].removeprefix("x(").split(",")[0])
        return picture((west, 446000, west + 20, 446020), 40, "EPSG:28992", image=False)

    web.routes["/wcs"] = route
    pdok = Pdok(wcs_url=f"{web.url}/wcs", side_px=40)
    area = box(85001, 446001, 85039, 446019, "EPSG:28992")
    delivery = acquire("dtm", pdok, area, "EPSG:28992", tmp_path / "dtm.tif", store)
    values, x, y = _values(tmp_path / "dtm.tif")
    known = np.isfinite(values[0])
    np.testing.assert_allclose(values[0][known], height(x, y)[known], rtol=1e-6)
    assert seen[0]["COVERAGEID"] == "dtm_05m" and seen[0]["VERSION"] == "2.0.1"
    assert "under buildings" in delivery.note


@pytest.mark.parametrize(("cell", "layer"), [(0.25, "Actueel_ortho25"), (0.1, "Actueel_orthoHR")])
def test_dutch_images_of_the_layer_that_is_fine_enough(
    cell: float, layer: str, web: Any, store: Any, tmp_path: Path
) -> None:
    web.routes["/wms"] = _map
    pdok = Pdok(wms_url=f"{web.url}/wms", side_px=40)
    area = box(85001, 446001, 85009, 446009, "EPSG:28992")
    acquire("imagery", pdok, area, "EPSG:28992", tmp_path / "o.tif", store, resolution_m=cell)
    assert {a.query["LAYERS"] for a in web.asked} == {layer}
    with rasterio.open(tmp_path / "o.tif") as source:
        assert source.res == (cell, cell)
