"""Retrieval from the Level-1 scene of the simulated city, against its truth."""

import numpy as np
import pytest

from heliopolis.accuracy.landsat_st import score_simulated_level1
from heliopolis.io.raster import read_onto, read_raster, write_cog
from heliopolis.simulate.materials import MATERIALS


def class_emissivity(city, folder):
    """Mean emissivity of the city's materials, from its true land cover."""
    cover = read_raster(city / "truth" / "landcover.tif")
    codes = cover[next(iter(cover.data_vars))]
    table = np.full((2, 256), np.nan, "float32")
    for material in MATERIALS:
        table[:, material.code] = material.emissivity_b10, material.emissivity_b11
    paths = []
    for row, number in enumerate((10, 11)):
        values = table[row][np.nan_to_num(codes.to_numpy()).astype(int)]
        path = folder / f"emissivity_{number}.tif"
        write_cog(path, codes.astype("float32").copy(data=values).to_dataset(name="emissivity"))
        paths.append(path)
    return lambda grid: tuple(
        read_onto([path], grid, resampling="average")["emissivity"] for path in paths
    )


@pytest.fixture(scope="module")
def scores(city, tmp_path_factory):
    known = class_emissivity(city, tmp_path_factory.mktemp("emissivity"))
    return (score_simulated_level1(city), score_simulated_level1(city, known))


def test_split_window_is_within_a_kelvin_where_the_emissivity_is_known(scores):
    (one,) = scores[1].values()
    assert one["water_vapour_mm"] < 30.0
    assert one["split_window"]["rmse_k"] <= 1.0
    assert one["smw"]["rmse_k"] <= 1.4


def test_emissivity_from_ndvi_costs_more_than_the_method(scores):
    (by_ndvi,), (known,) = (found.values() for found in scores)
    assert by_ndvi["split_window"]["rmse_k"] > 1.5 * known["split_window"]["rmse_k"]
