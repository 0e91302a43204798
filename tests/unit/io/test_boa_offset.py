import logging

import numpy as np
import pytest

from heliopolis.errors import InputError
from heliopolis.io.boa_offset import decide_offset, metadata_offset, offset_present

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
#: Reflectance of surfaces by band (USGS spectral library, rounded).
PLANTS = dict(zip(BANDS, (0.03, 0.06, 0.03, 0.40, 0.20, 0.09), strict=True))
WATER = dict(zip(BANDS, (0.05, 0.05, 0.03, 0.02, 0.01, 0.005), strict=True))
SAND = dict(zip(BANDS, (0.16, 0.24, 0.32, 0.40, 0.50, 0.48), strict=True))
SNOW = dict(zip(BANDS, (0.95, 0.95, 0.93, 0.85, 0.12, 0.10), strict=True))
SCL = {"plants": 4, "sand": 5, "water": 6, "snow": 11}


def ground(offset=1000.0, haze=None, **counts):
    """Numbers and classes of pixels of surfaces, with some noise."""
    rng = np.random.default_rng(0)
    surfaces = {"plants": PLANTS, "water": WATER, "sand": SAND, "snow": SNOW}
    scl = np.concatenate([np.full(n, SCL[name]) for name, n in counts.items()])
    numbers = {}
    for band in BANDS:
        values = np.concatenate([np.full(n, surfaces[name][band]) for name, n in counts.items()])
        lift = (haze or {}).get(band, 0.0)
        noisy = values + lift + rng.normal(0, 0.005, values.size)
        numbers[band] = np.maximum(np.round(1e4 * noisy + offset), 1.0)
    return numbers, scl.astype("float32")


def item(baseline="05.11", **properties):
    return {"id": "S2A_TEST", "properties": {"s2:processing_baseline": baseline, **properties},
            "assets": {}}  # fmt: skip


@pytest.mark.parametrize("counts", [{"plants": 500, "sand": 5000}, {"plants": 500, "water": 500},
                                    {"plants": 4000}])  # fmt: skip
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_dark_ground_shows_the_offset(counts, offset):
    found = offset_present(*ground(offset, **counts))
    assert {"blue", "red"} <= set(found)
    assert set(found.values()) == {offset > 0}


@pytest.mark.parametrize("counts", [{"sand": 9000}, {"snow": 9000}, {"sand": 9000, "plants": 50}])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_desert_and_snow_show_nothing(counts, offset):
    assert offset_present(*ground(offset, **counts)) == {}


def test_water_alone_shows_only_that_the_offset_is_off():
    assert set(offset_present(*ground(0.0, water=900)).values()) == {False}
    assert offset_present(*ground(1000.0, water=900)) == {}


def test_glint_is_not_taken_for_an_offset():
    numbers, scl = ground(0.0, plants=900, water=900)
    for band in BANDS:
        numbers[band][scl == 6] += 1100
    assert set(offset_present(numbers, scl).values()) == {False}


def test_haze_is_not_taken_for_an_offset():
    haze = {"blue": 0.05, "green": 0.03, "red": 0.02}
    assert set(offset_present(*ground(0.0, haze=haze, plants=900)).values()) == {False}


def test_metadata_stand_where_the_pixels_agree_or_say_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        for counts in ({"plants": 900}, {"sand": 900}):
            made = decide_offset(item(), *ground(1000.0, **counts))
            assert {(o.value, o.decided_by) for o in made.values()} == {(-0.1, "metadata")}
            made = decide_offset(item("03.01"), *ground(0.0, **counts))
            assert {(o.value, o.decided_by) for o in made.values()} == {(0.0, "metadata")}
    assert not caplog.records


@pytest.mark.parametrize(
    ("flag", "offset", "value"),
    # Earth Search in 2022: the flag says applied and the 1000 is there, and the reverse.
    [(True, 1000.0, -0.1), (False, 0.0, 0.0)],
)
def test_pixels_overrule_a_wrong_flag(flag, offset, value, caplog):
    told = item("04.00", **{"earthsearch:boa_offset_applied": flag})
    with caplog.at_level(logging.WARNING):
        made = decide_offset(told, *ground(offset, plants=900, sand=9000))
    assert {(o.value, o.decided_by) for o in made.values()} == {(value, "pixels")}
    assert "S2A_TEST" in caplog.text


@pytest.mark.parametrize("odd", ["red", "nir", "swir22"])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_a_mixed_scene_is_refused(odd, offset):
    numbers, scl = ground(offset, plants=900, water=900)
    other, _ = ground(1000.0 - offset, plants=900, water=900)
    with pytest.raises(InputError, match=r"contradict.*S2A_TEST"):
        decide_offset(item(), {**numbers, odd: other[odd]}, scl)


def test_no_data_is_no_evidence():
    numbers, scl = ground(1000.0, plants=900)
    for values in numbers.values():
        values[:300] = np.nan
    assert set(offset_present(numbers, scl).values()) == {True}


def test_a_baseline_that_is_no_number():
    with pytest.raises(InputError, match="not a number"):
        metadata_offset(item("unknown"), "red")
