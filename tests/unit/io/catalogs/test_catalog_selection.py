"""From items to scenes: overpasses, versions, days, orbits."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from typing import Any

import pytest
from tests.unit.io.catalogs.items import AREA, Item, landsat, ring

from heliopolis.errors import InputError
from heliopolis.io.catalogs.query import Query, is_day
from heliopolis.io.catalogs.selection import acquired, choose, footprint, platform
from heliopolis.scene import Scene


def query(**change: Any) -> Query:
    wanted: dict[str, Any] = {
        "collections": ("landsat-c2-l2", "sentinel-2-l2a", "sentinel-3-slstr-lst-l2-netcdf"),
        "bounds": AREA,
        "start": date(2025, 6, 1),
        "end": date(2025, 8, 31),
        **change,
    }
    return Query(**wanted)


def chosen(items: list[Item], **change: Any) -> list[Scene]:
    return choose(items, query(**change), lambda item, sensor: item)


def names(items: list[Item], **change: Any) -> list[str]:
    return [scene.id for scene in chosen(items, **change)]


def slstr(name: str, moment: str, **change: Any) -> Item:
    item = landsat(name, moment, platform=change.pop("platform", "Sentinel-3A"), **change)
    item["assets"] = {"lst": {"href": "https://example.org/LST_in.nc"}}
    return {**item, "collection": "sentinel-3-slstr-lst-l2-netcdf"}


def sentinel2(name: str, moment: str, tile: str = "31UDQ", **change: Any) -> Item:
    more = {"grid:code": f"MGRS-{tile}", "platform": "sentinel-2a", **change}
    item = landsat(name, moment, assets=("red", "scl"), **more)
    return {**item, "collection": "sentinel-2-l2a"}


def test_place_time_and_cloud() -> None:
    items = [
        landsat("right", "2025-06-21T10:30:00Z"),
        landsat("elsewhere", "2025-06-22T10:30:00Z", box=(9, 48, 10, 49)),
        landsat("cloudy", "2025-06-23T10:30:00Z", cloud=80.0),
        landsat("unknown", "2025-06-24T10:30:00Z", cloud=None),
        landsat("winter", "2025-01-21T10:30:00Z"),
        landsat("last_day", "2025-08-31T23:00:00Z"),
        landsat("day_after", "2025-09-01T00:00:00Z"),
    ]
    assert names(items, max_cloud_percent=50.0) == ["right", "unknown", "last_day"]
    assert names(items, max_cloud_percent=50.0, months=(8,)) == ["last_day"]
    assert names(items, time_of_day="night") == ["last_day"]


def test_order_of_the_items_does_not_matter() -> None:
    items = [
        landsat(f"r{row}-{day}", f"2025-07-{day:02d}T10:3{row}:00Z", cloud=float(day % 3),
                box=(1, 47.04 + row, 3, 48.06 + row), **{"landsat:wrs_path": "199",
                                                        "landsat:wrs_row": f"02{row}"})
        for row in (0, 1) for day in range(1, 9)
    ]  # fmt: skip
    whole = [scene.to_dict() for scene in chosen(items)]
    assert len(whole) == 8
    assert all(len(scene["parts"]) == 1 for scene in whole)
    for seed in range(5):
        random.Random(seed).shuffle(items)
        assert [scene.to_dict() for scene in chosen(items)] == whole


def test_rows_of_one_overpass_are_one_scene() -> None:
    items = [
        landsat("south", "2025-07-01T10:30:24Z", box=(1, 46, 3, 48.03)),
        landsat("north", "2025-07-01T10:30:00Z", box=(1, 48.02, 3, 50)),
        landsat("other", "2025-07-01T10:31:00Z", box=(1, 47.5, 3, 49), platform="landsat-8"),
    ]
    scenes = chosen(items)
    assert [scene.id for scene in scenes] == ["north", "other"]
    assert [part["id"] for part in scenes[0].parts] == ["south"]


def test_a_neighbour_that_adds_nothing_is_left_out() -> None:
    whole = landsat("whole", "2025-07-01T10:30:00Z", cloud=30.0)
    corner = landsat("corner", "2025-07-01T10:30:24Z", cloud=0.0, box=(1, 46, 3, 48.03))
    (scene,) = chosen([corner, whole])
    assert (scene.id, scene.parts) == ("whole", ())
    # Footprints are rough: near an edge the neighbour is taken too.
    near = landsat("near", "2025-07-01T10:30:00Z", box=(1, 47, 3, 48.105))
    beyond = landsat("beyond", "2025-07-01T10:30:24Z", box=(1, 48, 3, 50))
    (scene,) = chosen([near, beyond])
    assert len(scene.items) == 2


def test_one_a_day_the_clearest_over_the_area() -> None:
    items = [
        landsat("corner", "2025-07-01T09:00:00Z", cloud=0.0, box=(1, 46, 3, 48.01)),
        landsat("whole", "2025-07-01T11:00:00Z", cloud=20.0),
        landsat("next", "2025-07-02T10:30:00Z", cloud=60.0),
    ]
    assert names(items) == ["whole", "next"]


def test_day_and_night_of_the_same_date_both_stay() -> None:
    items = [
        slstr("day", "2025-07-01T10:00:00Z"),
        slstr("evening", "2025-07-01T21:00:00Z"),
        slstr("midnight", "2025-07-02T00:30:00Z", cloud=90.0),
        slstr("other", "2025-07-01T10:10:00Z", platform="Sentinel-3B"),
    ]
    assert names(items) == ["day", "other", "evening"]


@pytest.mark.parametrize(
    ("moment", "longitude", "day"),
    [
        ("2025-06-21T10:30:00+00:00", 7.6, True),
        ("2025-06-21T22:00:00+00:00", 2.0, False),
        ("2025-06-21T22:00:00+00:00", -120.0, True),
        ("2025-06-21T10:00:00+12:00", 178.0, True),
    ],
)
def test_night_is_told_by_the_sun_not_by_utc(moment: str, longitude: float, day: bool) -> None:
    assert is_day(datetime.fromisoformat(moment), longitude) is day


def test_the_newest_version_of_an_image() -> None:
    strip = {"s2:datastrip_id": "S2A_OPER_MSI_L2A_DS_2APS_X_S20250701T105031_N05.11"}
    old = sentinel2("S2A_0_L2A", "2025-07-01T10:56:20Z", cloud=1.0, **strip,
                    **{"s2:processing_baseline": "05.10"})  # fmt: skip
    new = sentinel2("S2A_1_L2A", "2025-07-01T10:56:21Z", cloud=2.0, **strip,
                    **{"s2:processing_baseline": "05.11"})  # fmt: skip
    (scene,) = chosen([new, old])
    assert (scene.id, scene.parts) == ("S2A_1_L2A", ())


def test_two_strips_of_a_tile_belong_together() -> None:
    first = sentinel2("S2A_0_L2A", "2025-07-01T10:56:20Z", box=(1, 47, 3, 48.04),
                      **{"s2:datastrip_id": "X_S20250701T105031_N05.11"})  # fmt: skip
    second = sentinel2("S2A_1_L2A", "2025-07-01T10:56:02Z", box=(1, 48.03, 3, 49),
                       **{"s2:datastrip_id": "X_S20250701T104900_N05.11"})  # fmt: skip
    (scene,) = chosen([first, second])
    assert len(scene.items) == 2


def test_final_products_before_provisional_ones() -> None:
    place = {"landsat:wrs_path": "199", "landsat:wrs_row": "026"}
    provisional = landsat("LC09_L2SP_199026_20250701_02_RT", "2025-07-01T10:30:00Z",
                          created="2026-01-01", **place)  # fmt: skip
    final = landsat("LC09_L2SP_199026_20250701_02_T1", "2025-07-01T10:30:00Z",
                    created="2025-07-20", **place)  # fmt: skip
    assert names([provisional, final]) == [final["id"]]
    frame = "S3A_SL_2_LST____20250701T100000_20250701T100300_{}_0179_127_122_2160_{}_004"
    fast = slstr(frame.format("20250701T121848", "PS1_O_NR"), "2025-07-01T10:01:30Z")
    slow = slstr(frame.format("20250702T121848", "PS1_O_NT"), "2025-07-01T10:01:30Z")
    (scene,) = chosen([fast, slow])
    assert scene.item["id"] == slow["id"]
    assert scene.id == "S3A_SL_2_LST_20250701T100000_20250701T100300_0179_127_122_2160"


def test_footprints_of_swaths_are_not_trusted() -> None:
    granule = slstr("granule", "2025-07-01T10:00:00Z")
    granule["geometry"] = ring(5, 50, 6, 51)
    assert names([granule]) == ["granule"]
    assert names([{**granule, "bbox": [5, 50, 6, 51]}]) == []
    row = landsat("row", "2025-07-01T10:00:00Z")
    row["geometry"] = ring(5, 50, 6, 51)
    assert names([row]) == []


@pytest.mark.parametrize(
    ("orbit", "found"),
    [
        ("199", ["path"]),
        ("094", ["relative"]),
        ("94", ["relative"]),
        ("51", ["by_name"]),
        ("descending", ["path", "relative", "by_name"]),
        ("ascending", ["night"]),
        ("7", []),
    ],
)
def test_orbits(orbit: str, found: list[str]) -> None:
    named = {"s2:product_uri": "S2A_MSIL2A_20250703T1_N0511_R051_T31UDQ_20250703T1.SAFE"}
    items = [
        landsat("path", "2025-07-01T10:30:00Z", **{"landsat:wrs_path": "199"}),
        sentinel2("relative", "2025-07-02T10:30:00Z",
                  **{"sat:relative_orbit": 94, "sat:orbit_state": "descending"}),
        sentinel2("by_name", "2025-07-03T10:30:00Z", **named),
        slstr("night", "2025-07-04T21:00:00Z"),
    ]  # fmt: skip
    assert names(items, orbit=orbit) == found


def test_landsat_without_temperature() -> None:
    items = [landsat("LC09_L2SR_1", "2025-07-01T10:30:00Z", assets=("red", "qa_pixel"))]
    assert names(items) == []
    assert names(items, surface_temperature=False) == ["LC09_L2SR_1"]


def test_time_from_start_and_end() -> None:
    item = landsat("x", "", start_datetime="2025-07-01T10:00:00Z")
    assert acquired(item) == datetime(2025, 7, 1, 10, tzinfo=UTC)
    item["properties"]["end_datetime"] = "2025-07-01T10:04:00Z"
    assert acquired(item) == datetime(2025, 7, 1, 10, 2, tzinfo=UTC)
    item["properties"]["datetime"] = "2025-07-01T12:00:00"
    assert acquired(item) == datetime(2025, 7, 1, 12, tzinfo=UTC)
    for wrong in ({}, {"datetime": "yesterday"}):
        with pytest.raises(InputError, match="time"):
            acquired({**item, "properties": wrong})


def test_platforms_go_by_one_name() -> None:
    told = ("landsat-8", "LANDSAT_8", "Landsat-8")
    assert {platform({"properties": {"platform": p}}) for p in told} == {"landsat-8"}
    by_id = [platform({"id": i}) for i in ("LC09_L2SP_1", "S2C_MSIL2A_1", "S3B_SL_2", "x")]
    assert by_id == ["landsat-9", "sentinel-2c", "sentinel-3b", "unknown"]


def test_a_footprint_across_the_date_line() -> None:
    item = landsat("x", "2025-07-01T22:00:00Z")
    corners = [[179, 10], [-179, 10], [-179, 12], [179, 12], [179, 10]]
    item["geometry"] = {"type": "Polygon", "coordinates": [corners]}
    assert footprint(item).bounds == (-181, 10, 181, 12)
    assert names([item], bounds=(179.5, 11, 179.8, 11.5)) == ["x"]
    assert names([item], bounds=(-179.8, 11, -179.5, 11.5)) == ["x"]
    assert names([item], bounds=(0, 11, 1, 11.5)) == []
    del item["geometry"]
    assert names([{**item, "bbox": [179, 10, -179, 12]}], bounds=(0, 11, 1, 11.5)) == []


def test_runs_of_months() -> None:
    asked = query(start=date(2024, 11, 15), end=date(2025, 2, 10), months=(12, 1, 2))
    assert asked.intervals() == [(date(2024, 12, 1), date(2025, 2, 10))]
    assert query(months=(1,)).intervals() == []
