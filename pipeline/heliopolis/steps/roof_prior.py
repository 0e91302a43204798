"""What a roof without heights may yield: what the measured roofs of its size in the run yield.

Plain tables in and out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from heliopolis.steps.building_table import MONTHS

FloatArray = np.ndarray[Any, np.dtype[Any]]

#: Measured roofs that a prior rests on: the nearest in size, and the least number of all.
PEERS, MIN_PEERS = 100, 30
_ENERGY = "energy_kwh_year"
#: Fields that grow with the footprint.
_SCALED = ("usable_m2", "capacity_kwp", f"{_ENERGY}_p50", *MONTHS)
#: Standard deviations between the median of a normal law and its decile.
_DECILE = 1.2816


def with_priors(
    planes: pd.DataFrame, footprint_m2: pd.Series, without: Collection[str] = ()
) -> pd.DataFrame:
    """Roof planes, with a prior in the rows of quality BASE.

    A roof without heights takes the median of the 100 measured roofs that are nearest to it in
    footprint, for each square metre of footprint; its P90 and P10 are their deciles, widened by
    the weather and the model as theirs are. The spread holds what is not known of the roof: its
    shape, its orientation and its shade.

    Parameters
    ----------
    planes
        Layer ``roof_planes`` of the whole run, so that a prior does not depend on the tiles.
    footprint_m2
        Footprint of each building [m2], the index is ``building_id``.
    without
        Buildings that get no prior: they may not be there.

    Returns
    -------
    DataFrame
        As ``planes``; NULL stays where fewer than 30 roofs of the run were measured.
    """
    if f"{_ENERGY}_p50" not in planes.columns:
        return planes
    keys = planes["building_id"].astype(str)
    base = planes["quality"].eq("BASE")
    wanted = base & ~keys.isin(without) & keys.isin(footprint_m2.index)
    peers = measured_roofs(planes[~keys.isin(keys[base])], footprint_m2)
    if not wanted.any() or len(peers) < MIN_PEERS:
        return planes
    area = footprint_m2.loc[keys[wanted]].to_numpy(dtype="float64")
    found = prior_of(area, peers)
    made = planes.copy()
    for name, values in found.items():
        made.loc[wanted, name] = values
    capacity = np.where(found["capacity_kwp"] > 0, found["capacity_kwp"], np.nan)
    made.loc[wanted, "specific_yield_kwh_kwp"] = found[f"{_ENERGY}_p50"] / capacity
    return made


def measured_roofs(planes: pd.DataFrame, footprint_m2: pd.Series) -> pd.DataFrame:
    """Fields that grow with the footprint, for each square metre of it, of buildings with planes.

    Columns ``footprint_m2`` [m2], the fields, and ``sigma``: relative standard deviation of the
    yearly energy, 0 where there is none. The index is ``building_id``, sorted.
    """
    keys = planes["building_id"].astype(str)
    wanted = [*_SCALED, f"{_ENERGY}_p90"]
    sums = planes[wanted].astype("float64").groupby(keys).sum(min_count=1)
    sums["footprint_m2"] = footprint_m2.reindex(sums.index)
    sums = sums[(sums["footprint_m2"] > 0) & sums[f"{_ENERGY}_p50"].notna()].sort_index()
    p50, p90 = sums[f"{_ENERGY}_p50"], sums.pop(f"{_ENERGY}_p90")
    made = sums.div(sums["footprint_m2"], axis=0).assign(footprint_m2=sums["footprint_m2"])
    return made.assign(sigma=((p50 - p90) / p50.where(p50 > 0) / _DECILE).fillna(0.0))


def prior_of(
    footprint_m2: FloatArray, peers: pd.DataFrame, *, leave_out: bool = False
) -> dict[str, FloatArray]:
    """Prior of roofs of a given footprint.

    Parameters
    ----------
    footprint_m2
        Footprints [m2].
    peers
        As `measured_roofs` gives them.
    leave_out
        The footprints are those of the peers themselves: each is judged by the others alone.

    Returns
    -------
    dict
        Usable area [m2], capacity [kWp], energy by month and year [kWh]: median, P90 and P10.
    """
    extra = int(leave_out)
    count = min(PEERS + extra, len(peers))
    tree = cKDTree(np.log(peers[["footprint_m2"]].to_numpy()))
    _, near = tree.query(np.log(footprint_m2)[:, None], k=count)
    near = np.asarray(near).reshape(len(footprint_m2), count)
    if leave_out:
        own = near == np.arange(len(footprint_m2))[:, None]
        own[~own.any(axis=1), -1] = True
        near = near[~own].reshape(len(footprint_m2), count - 1)
    year = peers[f"{_ENERGY}_p50"].to_numpy()[near] * footprint_m2[:, None]
    low, median, high = np.quantile(year, [0.1, 0.5, 0.9], axis=1)
    weather = _DECILE * np.median(peers["sigma"].to_numpy()[near], axis=1) * median
    made = {
        name: np.median(peers[name].to_numpy()[near], axis=1) * footprint_m2
        for name in ("usable_m2", "capacity_kwp")
    }
    # Months as their shares of the year, so that they sum up to it.
    months = np.stack([peers[name].to_numpy()[near].sum(axis=1) for name in MONTHS])
    whole = months.sum(axis=0)
    shares = np.divide(months, whole, out=np.zeros_like(months), where=whole > 0)
    made |= {name: share * median for name, share in zip(MONTHS, shares, strict=True)}
    return made | {
        f"{_ENERGY}_p50": median,
        f"{_ENERGY}_p90": np.maximum(median - np.hypot(median - low, weather), 0.0),
        f"{_ENERGY}_p10": median + np.hypot(high - median, weather),
    }
