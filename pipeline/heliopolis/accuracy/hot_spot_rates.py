"""False alarms and power of the hot zones, on random fields with the covariance of real scenes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from heliopolis.errors import InputError
from heliopolis.heat.cells import block_mean
from heliopolis.heat.hotspots import hot_spots
from heliopolis.heat.random_fields import covariance_profile, random_fields
from heliopolis.heat.zone_labels import hot_ground
from heliopolis.io.raster import read_raster

Array = npt.NDArray[np.floating[Any]]

_FOLDER = Path("satellite/muenster-landsat-st")
_FACTOR, _PIXEL_M = 3, 30.0
#: Fields without spots, and fields for each height of a planted spot.
FIELDS, PLANTED = 200, 20
#: Heights of the planted spots in standard deviations of the field, and their radius [m].
SIGMAS, RADIUS_M = tuple(range(1, 11)), 400.0
_DISTANCE_M, _ALPHA, _MIN_ZONE_M2 = 300.0, 0.05, 20_000.0


def score_rates(data_dir: Path, fields: int = FIELDS, planted: int = PLANTED) -> dict[str, Any]:
    """How often zones are found where there are none, and where there is one.

    Gaussian random fields are drawn with the covariance of each of the real scenes of Muenster, at
    90 m, over the same area, without any spot. Into others, one disc of 400 m radius is planted.

    Returns
    -------
    dict
        ``range_m``: median distance at which the scenes' correlation falls below 0.05;
        ``false_alarms_run``: share of the fields with any zone, as the run finds zones;
        ``false_alarms_command``: with any hot cell of q <= 0.05, as ``heliopolis hotspots`` tests
        them; ``power_<k>_sigma``: share of the spots of that height of which at least half lies
        in zones; ``false_share_<k>_sigma``: mean share of the zones' ground that lies more than
        one neighbourhood away from the spot, 0 where there is no zone.
    """
    scenes = _scenes(data_dir)
    profiles = [covariance_profile(scene) for scene in scenes]
    draws = _draws(profiles, (scenes[0].shape[0], scenes[0].shape[1]))
    gaps = np.isnan(scenes[0])
    run = command = 0
    for field in islice(draws, fields):
        field[gaps] = np.nan
        run += bool(_zones(field).any())
        spots = hot_spots(field, _FACTOR * _PIXEL_M, _DISTANCE_M)
        command += bool(((spots.q_value <= _ALPHA) & (spots.gi_z > 0)).any())
    ranges = [np.flatnonzero(one / one[0] < 0.05) for one in profiles]
    reach = [(r[0] if r.size else len(p)) for r, p in zip(ranges, profiles, strict=True)]
    return {
        "fields": fields,
        "range_m": float(np.median(reach)) * _FACTOR * _PIXEL_M,
        "false_alarms_run": run / fields,
        "false_alarms_command": command / fields,
        **_power(draws, gaps, planted),
    }


def _power(draws: Iterator[Array], gaps: npt.NDArray[np.bool_], planted: int) -> dict[str, float]:
    y, x = np.indices(gaps.shape)
    away = np.hypot(y - gaps.shape[0] // 2, x - gaps.shape[1] // 2) * _FACTOR * _PIXEL_M
    spot = (away <= RADIUS_M) & ~gaps
    found: dict[str, float] = {}
    for sigma in SIGMAS:
        hits, false = [], []
        for field in islice(draws, planted):
            field[gaps] = np.nan
            zones = _zones(field + sigma * float(np.nanstd(field)) * spot)
            hits.append((zones & spot).sum() >= 0.5 * spot.sum())
            elsewhere = (zones & (away > RADIUS_M + _DISTANCE_M)).sum()
            false.append(elsewhere / max(zones.sum(), 1))
        found[f"power_{sigma}_sigma"] = float(np.mean(hits))
        found[f"false_share_{sigma}_sigma"] = round(float(np.mean(false)), 4)
    return found


def _zones(field: Array) -> npt.NDArray[np.bool_]:
    cell_m = _FACTOR * _PIXEL_M
    found = hot_ground(
        field, pixel_m=cell_m, factor=1, distance_m=_DISTANCE_M, resolution_m=100.0, alpha=_ALPHA,
        min_area_m2=_MIN_ZONE_M2,
    )  # fmt: skip
    return np.asarray(found.labels > 0)


def _scenes(data_dir: Path) -> list[Array]:
    """Real scenes at 90 m [degC]."""
    files = sorted((data_dir / _FOLDER).glob("*_ST_B10.TIF"))
    if not files:
        raise InputError("the scenes are not there", where=str(data_dir), remedy="Check --data")
    scenes = []
    for file in files:
        values = read_raster(file)["band_1"].to_numpy()
        scenes.append(block_mean(np.where(values > -100.0, values, np.nan), _FACTOR, 0.5))
    return scenes


def _draws(profiles: list[Array], shape: tuple[int, int]) -> Iterator[Array]:
    """Random fields with each covariance in turn."""
    sources = [random_fields(one, shape, seed) for seed, one in enumerate(profiles, start=1)]
    while True:
        for source in sources:
            yield next(source)


def draw_power(values: dict[str, Any], path: Path) -> None:
    """Figure of the power and of the false share over the height of the planted spot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, text in (
        ("power", "spots found (half of the spot in zones)"),
        ("false_share", "zones' ground away from the spot"),
    ):
        axes.plot(SIGMAS, [values[f"{name}_{k}_sigma"] for k in SIGMAS], marker="o", label=text)
    axes.axhline(0.05, color="grey", linewidth=0.8, linestyle="--")
    axes.set(
        xlabel="height of the planted spot [standard deviations of the field]", ylabel="share",
        ylim=(-0.02, 1.02),
        title=f"False alarms without a spot: {values['false_alarms_run']:.1%} of "
        f"{values['fields']} fields",
    )  # fmt: skip
    axes.legend(loc="center right")
    figure.savefig(path, dpi=120)
