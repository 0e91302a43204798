import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from heliopolis.errors import InputError
from heliopolis.thermal.emissivity import (
    SOURCES,
    aster,
    city_emissivity,
    ndvi_threshold,
    vegetation_cover,
)
from heliopolis.thermal.planck import radiance
from heliopolis.thermal.retrieval import rte

SOIL = xr.DataArray(0.0)
K1, K2 = 774.8853, 1321.0789


def row(*values):
    return xr.DataArray(np.array([values], dtype="float64"), dims=("y", "x"))


def ged(e13, e14, index):
    return xr.Dataset({"emissivity_13": row(*e13), "emissivity_14": row(*e14), "ndvi": row(*index)})


def test_bare_ground_of_aster_by_hand():
    # ASTER saw f = ((0.53 - 0.2) / 0.66)^2 = 0.25 plants: (0.96 - 0.2475) / 0.75 = 0.95 and
    # (0.97 - 0.2475) / 0.75 = 0.963333; 0.682 x 0.95 + 0.2578 x 0.963333 + 0.0584 = 0.954647.
    seen = ged((0.96,), (0.97,), (0.53,))
    bare, sd, weight = aster(row(0.1), seen)
    assert bare.item() == pytest.approx(0.954647, abs=1e-6)
    assert weight.item() == 1.0
    # Bare at the date: 0.7291 (slope of both bands) x 0.015 / 0.75.
    assert sd.item() == pytest.approx(0.01458, abs=2e-5)
    # Green at the date by a quarter: 0.99 x 0.25 + 0.75 x 0.954647.
    assert aster(row(0.53), seen)[0].item() == pytest.approx(0.963485, abs=1e-6)
    assert aster(row(0.9), seen)[0].item() == pytest.approx(0.99)


def test_plants_that_hid_the_ground_leave_nothing_to_divide_by():
    value, _, weight = aster(row(0.1, 0.1), ged((0.985, 0.985), (0.985, 0.985), (0.86, 0.95)))
    assert value.isnull().all()
    assert (weight == 0.0).all()
    made = city_emissivity(
        row(0.1, 0.1), row(0.1, 0.1), sealed=SOIL, ged=ged((0.98,) * 2, (0.98,) * 2, (1, 1))
    )
    assert made["emissivity_source"].values.tolist() == [[SOURCES["ndvi"]] * 2]
    np.testing.assert_allclose(made["emissivity"], 0.973 - 0.0047, atol=1e-6)


def test_aster_replaces_ndvi_where_it_is_valid():
    index, red = row(0.1, 0.1, 0.1, 0.1), row(0.1, 0.1, 0.1, 0.1)
    seen = ged((0.95, 0.55, np.nan, 0.80), (0.95, 0.58, np.nan, 0.80), (0.0, 0.0, 0.0, 0.0))
    made = city_emissivity(index, red, ged=seen)
    sources = [SOURCES[name] for name in ("aster", "ndvi", "ndvi", "aster")]
    assert made["emissivity_source"].values.tolist() == [sources]
    # Metal by ASTER's own account is kept as it is and flagged, believed or not.
    assert made["untrusted"].values.tolist() == [[False, True, False, True]]
    assert made["emissivity"].values[0, 3] == pytest.approx(0.81024, abs=1e-5)
    with pytest.raises(InputError, match="LANDSAT_3"):
        city_emissivity(index, red, ged=seen, spacecraft="LANDSAT_3")


def test_no_jump_along_the_vegetation_index():
    index = row(*np.linspace(-0.2, 0.95, 2301))
    for red in (0.05, 0.3):
        made = city_emissivity(index, index * 0 + red, water=index > 2.0, sealed=SOIL)[
            "emissivity"
        ].values[0]
        assert np.abs(np.diff(made)).max() < 1e-4
        assert made[0] == pytest.approx(0.973 - 0.047 * red, abs=1e-6)
        assert made[-1] == pytest.approx(0.9863, abs=1e-6)


def test_ground_between_the_plants_is_soil_or_stone():
    index, red = row(0.1, 0.1), row(0.0, 0.0)
    made = city_emissivity(index, red, sealed=row(0.0, 1.0))
    np.testing.assert_allclose(made["emissivity"].values[0], [0.973, 0.944], atol=1e-6)
    np.testing.assert_allclose(made["emissivity_sd"].values[0], [0.012, 0.017205], atol=1e-6)
    unknown = city_emissivity(index, red)
    assert unknown["emissivity"].values[0, 0] == pytest.approx(0.9585, abs=1e-6)
    # sqrt(0.006^2 + 0.0086^2 + 0.0145^2): one sigma reaches to either.
    assert unknown["emissivity_sd"].values[0, 0] == pytest.approx(0.017893, abs=1e-5)


def test_band_11_has_no_aster():
    made = city_emissivity(row(0.1), row(0.1), band=11, ged=ged((0.9,), (0.9,), (0.0,)))
    assert made["emissivity_source"].item() == SOURCES["ndvi"]


def test_known_materials_count_by_their_share():
    known = xr.Dataset(
        {
            "emissivity": row(0.94, 0.94, np.nan),
            "emissivity_sd": row(0.01, 0.01, np.nan),
            "known": row(1.0, 0.25, 0.0),
            "low": row(0.0, 0.06, 0.0),
        }
    )
    made = city_emissivity(row(0.1, 0.1, 0.1), row(0.0, 0.0, 0.0), materials=known, sealed=SOIL)
    np.testing.assert_allclose(
        made["emissivity"].values[0], [0.94, 0.75 * 0.973 + 0.25 * 0.94, 0.973], atol=1e-6
    )
    assert made["emissivity_source"].values[0].tolist() == [3, 1, 1]
    assert made["untrusted"].values[0].tolist() == [False, True, False]


def test_water_and_snow():
    made = city_emissivity(
        row(-0.3, -0.3, 0.0, np.nan), row(0.05, 0.05, 0.8, np.nan),
        water=row(1, 0, 0, 0) > 0, sealed=SOIL, snow=row(0, 0, 1, 0) > 0,
    )  # fmt: skip
    # A dark roof has a negative index too: it is no water where the water is known.
    expected = [0.99, 0.973 - 0.047 * 0.05, 0.989, np.nan]
    np.testing.assert_allclose(made["emissivity"].values[0], expected, atol=1e-6)
    assert made["emissivity_source"].values[0].tolist() == [4, 1, 5, 0]
    assert city_emissivity(row(-0.3), row(0.05))["emissivity"].item() == pytest.approx(0.99)
    assert made["emissivity_source"].attrs["flag_meanings"].split()[4] == "water"


def test_a_hot_metal_roof_keeps_its_temperature_and_is_flagged():
    metal = xr.Dataset(
        {"emissivity": row(0.155), "emissivity_sd": row(0.15), "known": row(1.0), "low": row(1.0)}
    )
    made = city_emissivity(row(-0.05), row(0.3), materials=metal, water=row(0) > 0)
    assert made["emissivity"].item() == pytest.approx(0.155)
    assert made["untrusted"].item()
    for truth_k in (273.15 + 56.7, 273.15 + 56.8, 345.0):
        seen = 0.85 * (0.155 * radiance(row(truth_k), K1, K2) + 0.845 * 1.5) + 1.2
        lst, sd = rte(seen, row(1.2), row(1.5), row(0.85), made["emissivity"], K1, K2,
                      made["emissivity_sd"])  # fmt: skip
        assert lst.item() == pytest.approx(truth_k, abs=0.05)
        assert sd.item() > 5.0


@settings(max_examples=60, deadline=None)
@given(
    index=st.floats(-1, 1), red=st.floats(0, 1), e13=st.floats(0.3, 1.0), e14=st.floats(0.3, 1.0),
    then=st.floats(-1, 1),
)  # fmt: skip
def test_bounds(index, red, e13, e14, then):
    made = city_emissivity(row(index), row(red), ged=ged((e13,), (e14,), (then,)))
    assert 0.5 < made["emissivity"].item() <= 1.0
    assert 0.0 < made["emissivity_sd"].item() < 0.2
    assert 0.0 <= vegetation_cover(row(index)).item() <= 1.0
    assert 0.9 < ndvi_threshold(row(index), row(red)).item() <= 0.99


def test_lazy_is_eager():
    rng = np.random.default_rng(1)

    def field(low, high):
        return xr.DataArray(rng.uniform(low, high, (40, 50)), dims=("y", "x"))

    index, red = field(-0.3, 0.95), field(0.0, 0.6)
    seen = xr.Dataset(
        {"emissivity_13": field(0.5, 1.0), "emissivity_14": field(0.5, 1.0), "ndvi": field(0, 1)}
    )
    known = xr.Dataset(
        {"emissivity": field(0.2, 1.0), "emissivity_sd": field(0.01, 0.3), "known": field(0, 1),
         "low": field(0, 0.2)}
    )  # fmt: skip
    wet = field(0, 1) > 0.9
    eager = city_emissivity(
        index, red, ged=seen, materials=known, water=wet, snow=~wet & (red > 0.59)
    )
    for size in (7, 25):
        cut = {"y": size, "x": size}
        with dask.config.set(scheduler=_forbidden):
            lazy = city_emissivity(
                index.chunk(cut), red.chunk(cut), ged=seen.chunk(cut), materials=known.chunk(cut),
                water=wet.chunk(cut), snow=(~wet & (red > 0.59)).chunk(cut),
            )  # fmt: skip
            assert all(lazy[name].chunks is not None for name in eager)
        for name in eager:
            np.testing.assert_array_equal(lazy[name].values, eager[name].values, err_msg=name)
            assert str(lazy[name].attrs) == str(eager[name].attrs)


def _forbidden(*args, **kwargs):
    raise AssertionError("computed in library code")
