import dask
import numpy as np
import pytest
import xarray as xr

from heliopolis.quality import dilate_m, landsat_classes, scl_classes, slstr_classes
from heliopolis.thermal.clouds import (
    city_clear,
    clear_count,
    clear_level,
    recoverable,
    static_brightness,
    throws_shadow,
)

CELL_M = 30.0
SUN = {"sun_elevation_deg": 60.0, "sun_azimuth_deg": 150.0}
ROOF, BURIED, COOL = (
    (slice(40, 48), slice(30, 40)),
    (slice(82, 88), slice(90, 97)),
    (slice(20, 26), slice(100, 108)),
)


def grid(values):
    return xr.DataArray(np.asarray(values), dims=("y", "x"))


@pytest.fixture(scope="module")
def scene():
    """Three bright roofs on a city of 0.1; a cold cloud with thin edges over one of them."""
    rng = np.random.default_rng(5)
    ground = 0.10 + 0.01 * rng.standard_normal((130, 150))
    for roof, bright in ((ROOF, 0.55), (BURIED, 0.55), (COOL, 0.75)):
        ground[roof] = bright
    lst = 308.0 + 2.5 * rng.standard_normal(ground.shape)
    lst[ROOF] = lst[BURIED] = 322.0
    lst[COOL] = 306.5
    rows, columns = np.indices(ground.shape)
    away = np.hypot(rows - 85, columns - 94)
    opacity = np.clip((22.0 - away) / 10.0, 0.0, 1.0)
    shadow = np.roll(opacity, (-round(25 * np.cos(np.radians(150))), 12), axis=(0, 1))
    brightness = (ground * (1 - 0.6 * shadow)) * (1 - opacity) + 0.78 * opacity
    lst = (lst - 4.0 * shadow) * (1 - opacity) + 272.0 * opacity
    roofs = ground > 0.4
    cloud = (opacity > 0.1) | roofs
    classes = xr.Dataset(
        {
            "cloud": grid(cloud),
            "shadow": grid((shadow > 0.1) & (opacity <= 0.1)),
            **{name: grid(np.zeros_like(cloud)) for name in ("missing", "cirrus", "snow")},
        }
    )
    others = ground + 0.01 * rng.standard_normal((5, *ground.shape))
    others[1, 30:60, 20:50] = 0.8
    static = static_brightness(xr.DataArray(others, dims=("time", "y", "x")))
    return {
        "classes": classes, "lst": grid(lst), "brightness": grid(brightness), "static": static,
        "opacity": opacity,
    }  # fmt: skip


def back(scene, **more):
    return recoverable(
        scene["classes"], scene["lst"], scene["brightness"], scene["static"],
        resolution_m=CELL_M, **(SUN | more),
    )  # fmt: skip


def test_hot_and_cool_bright_roofs_come_back_and_clouds_do_not(scene):
    found = back(scene).values
    assert found[ROOF].all()
    assert found[COOL].all()
    assert not found[scene["opacity"] > 0.0].any()
    assert found.sum() == found[ROOF].sum() + found[COOL].sum()


def test_a_roof_under_the_cloud_stays_masked(scene):
    assert not back(scene).values[BURIED].any()


def test_clear_mask_grows_what_is_left(scene):
    kept = city_clear(scene["classes"], resolution_m=CELL_M, recovered=back(scene))
    clear = kept["clear"].values
    assert clear[ROOF].all()
    assert kept["recovered"].values[ROOF].all()
    assert not clear[scene["opacity"] > 0.0].any()
    lost = city_clear(scene["classes"], resolution_m=CELL_M)["clear"].values
    assert not lost[38:50, 28:42].any()
    assert clear.mean() > lost.mean()


def test_cold_or_brighter_than_usual_is_never_given_back(scene):
    cold = scene | {"lst": scene["lst"].where(scene["static"]["level"] < 0.4, 290.0)}
    assert not back(cold).values.any()
    dark_before = scene | {"static": scene["static"].assign(level=scene["static"]["level"] * 0.2)}
    assert not back(dark_before).values.any()
    two = scene | {"static": scene["static"].assign(n_dates=scene["static"]["n_dates"] * 0 + 2)}
    assert not back(two).values.any()


def test_a_real_shadow_where_a_cloud_would_throw_it_speaks_for_cloud(scene):
    # 600 m high: 346 m away from the sun, 10 rows north and 5.8 columns west of the roof.
    step = 600.0 / np.tan(np.radians(60.0)) / CELL_M
    rows = slice(44 - round(step * np.cos(np.radians(30))) - 4, 44 - round(step * 0.866) + 4)
    columns = slice(35 - round(step * 0.5) - 5, 35 - round(step * 0.5) + 5)
    shadow, brightness = scene["classes"]["shadow"].copy(), scene["brightness"].copy()
    shadow[rows, columns] = True
    false_one = scene | {"classes": scene["classes"].assign(shadow=shadow)}
    assert back(false_one).values[ROOF].all()
    brightness[rows, columns] *= 0.4
    real = false_one | {"brightness": brightness}
    assert not back(real).values[ROOF].all()
    assert back(real).values[COOL].all()
    assert back(real, sun_azimuth_deg=None).values[ROOF].all()


def test_shadow_geometry():
    shadow = np.zeros((60, 60), dtype=bool)
    shadow[30, 30] = True
    # Sun in the south at 45 degrees: the cloud stands south of its shadow.
    thrown = throws_shadow(grid(shadow), sun_elevation_deg=45.0, sun_azimuth_deg=180.0,
                           resolution_m=100.0, heights_m=(500.0, 1500.0)).values  # fmt: skip
    assert np.argwhere(thrown).tolist() == [[row, 30] for row in range(35, 46)]
    low = throws_shadow(grid(shadow), sun_elevation_deg=5.0, sun_azimuth_deg=180.0,
                        resolution_m=100.0)  # fmt: skip
    assert not low.values.any()


def test_cloud_distance_of_the_provider(scene):
    far = grid(np.full((130, 150), 20.0))
    far[:, :10] = 0.1
    far[36:52, 26:44] = 0.05
    kept = city_clear(scene["classes"], resolution_m=CELL_M, recovered=back(scene),
                      cloud_distance_km=far)["clear"].values  # fmt: skip
    assert not kept[:, :10].any()
    assert kept[ROOF].all()


def test_lazy_is_eager_for_any_chunks(scene):
    def run(cut):
        def lazy(array):
            return array.chunk(cut) if cut else array

        return city_clear(
            lazy(scene["classes"]), resolution_m=CELL_M,
            recovered=recoverable(
                lazy(scene["classes"]), lazy(scene["lst"]), lazy(scene["brightness"]),
                lazy(scene["static"]), resolution_m=CELL_M, **SUN,
            ),
        )  # fmt: skip

    eager = run(None)
    for cut in ({"y": 40, "x": 33}, {"y": 130, "x": 12}):
        with dask.config.set(scheduler=_forbidden):
            made = run(cut)
            assert all(made[name].chunks is not None for name in made)
        for name in eager:
            np.testing.assert_array_equal(made[name].values, eager[name].values)


def _forbidden(*args, **kwargs):
    raise AssertionError("computed in library code")


def test_clear_level_and_count():
    lst = grid(np.linspace(290.0, 310.0, 400).reshape(20, 20))
    level = clear_level(lst, lst > 300.0)
    assert float(level["median"]) == pytest.approx(305.0, abs=0.1)
    stack = xr.DataArray(np.array([[[True, False]], [[True, True]]]), dims=("time", "y", "x"))
    assert clear_count(stack).values.tolist() == [[2, 1]]
    assert np.isnan(clear_level(lst, lst > 400.0)["median"])


def test_growth_is_a_disc_in_metres():
    mask = np.zeros((21, 21), dtype=bool)
    mask[10, 10] = True
    grown = dilate_m(grid(mask), 95.0, 30.0).values
    assert grown[10, 13] and grown[12, 12] and not grown[13, 13] and not grown[10, 14]


def test_classes_of_the_three_providers():
    words = xr.DataArray(
        [[21824.0, 22280.0, 23888.0, 54596.0, 30048.0, 1.0, np.nan]], dims=("y", "x")
    )
    landsat = landsat_classes(words)
    assert landsat["cloud"].values[0].tolist() == [False, True, False, False, False, False, False]
    assert landsat["shadow"].values[0].tolist()[2]
    assert landsat["cirrus"].values[0].tolist()[3]
    assert landsat["snow"].values[0].tolist()[4]
    assert landsat["missing"].values[0].tolist() == [False] * 5 + [True] * 2
    scl = scl_classes(xr.DataArray([[*range(12)]], dims=("y", "x")) * 1.0)
    assert np.flatnonzero(scl["cloud"].values[0]).tolist() == [8, 9]
    assert np.flatnonzero(scl["missing"].values[0]).tolist() == [0, 1]
    names = "coastline ocean inland_water unfilled snow summary_cloud"
    confidence = xr.DataArray(
        np.array([[0, 8, 32, 2]], dtype="uint16"), dims=("y", "x"),
        attrs={"flag_meanings": names, "flag_masks": [1, 2, 4, 8, 16, 32]},
    )  # fmt: skip
    bayes = xr.DataArray(
        np.array([[2, 0, 0, 0]], dtype="uint8"), dims=("y", "x"),
        attrs={"flag_meanings": "single_low single_moderate", "flag_masks": [1, 2]},
    )  # fmt: skip
    assert slstr_classes(confidence)["cloud"].values[0].tolist() == [False, False, True, False]
    both = slstr_classes(confidence, bayes)
    assert both["cloud"].values[0].tolist() == [True, False, True, False]
    assert both["missing"].values[0].tolist() == [False, True, False, False]
    assert not city_clear(both, resolution_m=1000.0, grow_m=0.0)["clear"].values[0, :3].any()
