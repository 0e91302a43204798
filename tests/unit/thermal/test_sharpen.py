import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from scipy import ndimage

from heliopolis.thermal.conserve import Nesting
from heliopolis.thermal.fine_field import Flag
from heliopolis.thermal.planck import from_linear, to_linear
from heliopolis.thermal.sharpen import mass_residual_k, sharpen

COARSE = GeoBox.from_bbox((0, 0, 2400, 2400), "EPSG:2154", resolution=100)
FINE = GeoBox.from_bbox((0, 0, 2400, 2400), "EPSG:2154", resolution=10)


def pattern(seed, length=3.0):
    noise = np.random.default_rng(seed).standard_normal(FINE.shape)
    field = ndimage.gaussian_filter(noise, length)
    return field / field.std()


def coarse_of(kelvin):
    return from_linear(Nesting.between(COARSE, FINE).mean(to_linear(kelvin)))


@pytest.fixture(scope="module")
def linear_city():
    a, b = pattern(1, 4.0), pattern(2, 12.0)
    return 300.0 + 2.0 * a - 1.0 * b, {"a": a, "b": b}


def rmse(result, truth):
    return float(np.sqrt(np.nanmean((result.lst_k.values - truth) ** 2)))


def test_a_linear_field_is_recovered(linear_city):
    truth, predictors = linear_city
    seen = coarse_of(truth)
    result = sharpen(seen, np.full(seen.shape, 0.5), predictors, COARSE, FINE)
    plain = sharpen(seen, np.full(seen.shape, 0.5), {}, COARSE, FINE)
    assert result.method in ("ridge", "kernel")
    assert result.skill["skill_vs_smooth"] > 0.7
    assert rmse(result, truth) < 0.25 * rmse(plain, truth)
    assert 10.0 <= result.effective_resolution_m < 50.0
    assert plain.effective_resolution_m == 100.0
    assert np.corrcoef(result.lst_k.values.ravel(), truth.ravel())[0, 1] > 0.97


def test_mass_is_conserved(linear_city):
    truth, predictors = linear_city
    seen = coarse_of(truth)
    result = sharpen(seen, np.zeros(seen.shape), predictors, COARSE, FINE)
    again = coarse_of(result.lst_k.values.astype("float64"))
    assert np.abs(again - seen).max() < 0.01
    assert result.mass_residual_k < 0.01


def test_what_a_wider_footprint_saw_is_learnt_from_and_the_cells_own_means_are_kept(linear_city):
    truth, predictors = linear_city
    own = coarse_of(truth)
    seen = coarse_of(ndimage.gaussian_filter(truth, 4.2466, mode="nearest"))
    sd = np.full(seen.shape, 0.1)
    result = sharpen(seen, sd, predictors, COARSE, FINE, own_k=own, psf_fwhm_m=100.0)
    assert result.mass_residual_k < 0.01
    again = coarse_of(result.lst_k.values.astype("float64"))
    assert np.abs(again - own).max() < 0.01
    alone = sharpen(seen, sd, predictors, COARSE, FINE, psf_fwhm_m=100.0)
    assert rmse(result, truth) < rmse(alone, truth)


def test_noise_predictors_are_not_used(linear_city):
    truth, _ = linear_city
    seen = coarse_of(truth)
    noise = {f"n{i}": pattern(100 + i) for i in range(3)}
    result = sharpen(seen, np.zeros(seen.shape), noise, COARSE, FINE)
    assert result.method == "smooth"
    assert result.predictors == []
    assert result.skill["skill_vs_smooth"] == 0.0


def test_few_cells_are_only_interpolated(linear_city):
    truth, predictors = linear_city
    seen = coarse_of(truth)[:6, :6]
    small = {name: values[:60, :60] for name, values in predictors.items()}
    result = sharpen(seen, np.zeros((6, 6)), small, COARSE[:6, :6], FINE[:60, :60])
    assert result.method == "smooth"
    assert result.skill["tested"]


def test_holes_stay_holes_and_do_not_spread(linear_city):
    truth, predictors = linear_city
    seen = coarse_of(truth)
    seen[5:8, 10:13] = np.nan
    result = sharpen(seen, np.where(np.isfinite(seen), 0.5, np.nan), predictors, COARSE, FINE)
    holes = np.isnan(result.lst_k.values)
    assert holes.sum() == 9 * 100
    assert holes[50:80, 100:130].all()
    assert np.array_equal(holes, np.isnan(result.sd_k.values))
    nest = Nesting.between(COARSE, FINE)
    assert mass_residual_k(result.lst_k.values, seen, nest) < 0.01
    assert not np.isfinite(
        sharpen(np.full(seen.shape, np.nan), seen, {}, COARSE, FINE).lst_k.values
    ).any()


def test_missing_predictor_pixels_are_given_with_a_larger_error(linear_city):
    truth, predictors = linear_city
    gap = {name: values.copy() for name, values in predictors.items()}
    gap["a"][:60, :60] = np.nan
    seen = coarse_of(truth)
    result = sharpen(seen, np.full(seen.shape, 0.2), gap, COARSE, FINE)
    assert np.isfinite(result.lst_k.values).all()
    assert np.median(result.sd_k.values[:60, :60]) > 1.5 * np.median(result.sd_k.values[100:, 100:])


def test_stated_error_covers(linear_city):
    truth, predictors = linear_city
    truth = truth + 0.7 * pattern(9, 2.0)
    seen = coarse_of(truth)
    result = sharpen(seen, np.zeros(seen.shape), predictors, COARSE, FINE)
    inside = np.abs(result.lst_k.values - truth) < result.sd_k.values
    assert 0.5 < inside.mean() < 0.95


def test_no_blocks_are_visible(linear_city):
    truth, _ = linear_city
    seen = coarse_of(truth)
    field = sharpen(seen, np.zeros(seen.shape), {}, COARSE, FINE).lst_k.values
    steps = np.abs(np.diff(field.astype("float64"), axis=1))
    across = steps[:, 9:-1:10].mean()
    beside = (steps[:, 8:-2:10].mean() + steps[:, 10::10].mean()) / 2
    # The slope is continuous; where it peaks at an edge, one pixel is a fifth of the way down.
    assert across < 1.25 * beside


def test_extrapolation_is_bounded(linear_city):
    truth, predictors = linear_city
    seen = coarse_of(truth)
    wild = {name: values.copy() for name, values in predictors.items()}
    wild["a"][120, 120] = 1e4
    result = sharpen(seen, np.zeros(seen.shape), wild, COARSE, FINE)
    span = seen.max() - seen.min()
    assert result.lst_k.values.max() < seen.max() + 1.5 * span


def test_classes_and_grids_that_do_not_nest():
    codes = (pattern(5, 8.0) > 0).astype(int)
    truth = np.where(codes == 1, 310.0, 300.0)
    fine30 = GeoBox.from_bbox((0, 0, 2400, 2400), "EPSG:2154", resolution=30)
    seen = coarse_of(truth)
    result = sharpen(seen, np.zeros(seen.shape), {}, COARSE, fine30, classes=codes[1::3, 1::3])
    assert result.lst_k.shape == (80, 80)
    assert result.method != "smooth"
    assert result.mass_residual_k < 0.01


@pytest.fixture(scope="module")
def town():
    """A bent relation, detail that no predictor knows, a gap in the cells and one in the fields."""
    a, b = pattern(11, 2.0), pattern(12, 6.0)
    truth = 303.0 + 3.0 * a + 1.0 * a**2 - 1.5 * b + 0.8 * pattern(13, 1.0)
    seen = coarse_of(truth)
    seen[4:6, 8:11] = np.nan
    fields = {"a": a.astype("float32"), "b": (3000 + 40 * b).astype("float32")}
    fields["b"][100:130, 40:55] = np.nan
    return truth, seen, fields


@pytest.mark.parametrize("side", [37, 64, 100])
def test_result_does_not_depend_on_the_windows(town, side):
    _, seen, fields = town
    kwargs = {"psf_fwhm_m": 100.0, "noise_k": 0.1}
    whole = sharpen(seen, np.full(seen.shape, 0.3), fields, COARSE, FINE, side=10_000, **kwargs)
    cut = sharpen(seen, np.full(seen.shape, 0.3), fields, COARSE, FINE, side=side, **kwargs)
    assert cut.method == whole.method != "smooth"
    for name in ("lst_k", "sd_k", "flags"):
        np.testing.assert_allclose(getattr(cut, name), getattr(whole, name), atol=1e-4)


def power_at(field, period):
    """Mean power of rows and columns at one period [pixel]."""
    field = field - field.mean()
    found = []
    for rows in (field, field.T):
        spectrum = np.abs(np.fft.rfft(rows * np.hanning(rows.shape[1]), axis=1)) ** 2
        found.append(spectrum[:, round(rows.shape[1] / period)].mean())
    return float(np.mean(found))


@pytest.mark.parametrize("regression", [True, False])
def test_no_power_at_the_period_of_cells_or_windows(town, regression):
    truth, _, fields = town
    seen = coarse_of(truth)
    found = sharpen(
        seen, np.zeros(seen.shape), fields, COARSE, FINE, regression=regression, side=48
    ).lst_k.values
    for period in (10, 48):
        assert power_at(found, period) <= 1.05 * power_at(truth, period)


def test_flags_say_why(town):
    _, seen, fields = town
    wild = {name: values.copy() for name, values in fields.items()}
    wild["a"][200, 30] = 1e3
    result = sharpen(seen, np.full(seen.shape, 0.3), wild, COARSE, FINE)
    flags = result.flags.values
    assert flags[200, 30] & Flag.EXTRAPOLATED
    assert (flags[45, 75:80] & Flag.CLOUD_GAP).all()  # beside the gap
    assert (flags[40:60, 80:110] & Flag.CLOUD_GAP).all()  # in it
    assert (flags[100:130, 40:55] & Flag.LOW_SUPPORT).all()
    assert (flags == 0).mean() > 0.7
    plain = result.sd_k.values[flags == 0]
    assert np.median(result.sd_k.values[100:130, 40:55]) > 1.2 * np.median(plain)


def test_a_bent_relation_is_found_and_its_error_stated(town):
    truth, seen, fields = town
    result = sharpen(seen, np.zeros(seen.shape), fields, COARSE, FINE)
    assert result.method == "kernel"
    good = np.isfinite(result.lst_k.values)
    error = (result.lst_k.values - truth)[good]
    inside = np.abs(error) < result.sd_k.values[good]
    assert 0.6 < inside.mean() < 0.8


def test_a_pattern_of_another_date_is_tested_by_itself(town):
    truth, seen, fields = town
    other = 290.0 + 0.5 * (truth - 300.0) + 0.2 * pattern(20, 3.0)
    noise = 290.0 + pattern(21, 3.0)
    kept = sharpen(seen, np.zeros(seen.shape), {"b": fields["b"], "date": other}, COARSE, FINE,
                   pattern={"date": np.zeros(truth.shape)})  # fmt: skip
    left = sharpen(seen, np.zeros(seen.shape), {**fields, "date": noise}, COARSE, FINE,
                   pattern={"date": np.zeros(truth.shape)})  # fmt: skip
    assert kept.skill["pattern"]["used"]
    assert kept.skill["pattern"]["skill"] > 0.3
    assert "date" in kept.predictors
    assert not left.skill["pattern"]["used"]
    assert left.predictors == ["a", "b"]


def test_the_form_of_the_city_is_used_where_it_helps_only(town):
    _, seen, fields = town
    nothing = np.zeros(seen.shape)
    with_noise = {**fields, "height": pattern(22, 3.0)}
    useless = sharpen(seen, nothing, with_noise, COARSE, FINE, form=["height"])
    assert useless.predictors == ["a", "b"]
    useful = sharpen(seen, nothing, fields, COARSE, FINE, form=["b"])
    assert useful.predictors == ["a", "b"]


def test_the_error_of_a_pattern_is_handed_down(town):
    truth, seen, fields = town
    other = 290.0 + 0.5 * (truth - 300.0)
    names = {"b": fields["b"], "date": other}
    sds = [
        sharpen(seen, np.zeros(seen.shape), names, COARSE, FINE,
                pattern={"date": np.full(truth.shape, error)}).sd_k.values
        for error in (0.0, 0.5)
    ]  # fmt: skip
    added = np.sqrt(sds[1] ** 2 - sds[0] ** 2)
    # The pattern has half the amplitude of the scene, so its error counts about twice.
    assert 0.7 < np.nanmedian(added) < 1.1


def test_a_single_row_of_cells_and_no_value_at_all(town):
    truth, _, fields = town
    seen = coarse_of(truth)[:1]
    strip = {name: values[:10] for name, values in fields.items()}
    result = sharpen(seen, np.zeros(seen.shape), strip, COARSE[:1], FINE[:10])
    assert result.method == "smooth"
    assert np.isfinite(result.lst_k.values).all()
