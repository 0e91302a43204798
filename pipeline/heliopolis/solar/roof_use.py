"""Best use of a roof: panels, green, both, white or none, by points that are shown.

The points and loads of each use stand in ``roof_uses.csv``, the weights of the criteria in the
configuration. The score of a use is the weighted sum of what it brings on this roof:

    score = w_energy * energy * sun + w_cooling * cooling * heat + w_greening * greening
            - w_cost * cost

A use that the roof cannot carry or that needs a flat roof where there is none has no score. The
best use has the highest score, and is ``none`` where no score reaches `LEAST_SCORE`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.floating[Any]]

#: Spare load that the classes stand for [kg/m2]: none (a coating), light (panels), heavy (green).
LOAD_KG_M2 = {"none": 0.0, "light": 50.0, "heavy": 150.0}
#: A roof is flat where at least half of its area is tilted by 10 degrees or less.
FLAT_SHARE = 0.5
#: Flat roofs of at least this footprint [m2] and at most this height [m] are taken for halls with
#: a light deck.
HALL_M2, HALL_HEIGHT_M = 1000.0, 12.0
#: Share of the area's good specific yield at which panels begin to be worth something.
POOR_SUN = 0.5
#: Score from which a use is proposed, and lead over the next from which it is called clear.
LEAST_SCORE, CLEAR_LEAD = 0.1, 0.15
#: Weights where none are given.
WEIGHTS = {"energy": 1.0, "cooling": 1.0, "greening": 1.0, "cost": 1.0}


@dataclass(frozen=True)
class Use:
    """Points of a use, 0 to 1, and what it asks of the roof; see `roof_uses`."""

    name: str
    energy: float
    cooling: float
    greening: float
    cost: float
    least_load_kg_m2: float
    needs_flat: bool


@cache
def roof_uses() -> tuple[Use, ...]:
    """The table ``roof_uses.csv``."""
    text = files("heliopolis.solar").joinpath("roof_uses.csv").read_text(encoding="utf-8")
    return tuple(
        Use(
            name=row["use"],
            energy=float(row["energy"]),
            cooling=float(row["cooling"]),
            greening=float(row["greening"]),
            cost=float(row["cost"]),
            least_load_kg_m2=float(row["least_load_kg_m2"]),
            needs_flat=row["needs_flat"] == "yes",
        )
        for row in csv.DictReader(text.splitlines())
    )


def load_class(
    flat_share: Array, footprint_m2: Array, height_m: Array, known: pd.Series | None = None
) -> pd.DataFrame:
    """Class of the load that a roof may still take.

    Parameters
    ----------
    flat_share, footprint_m2, height_m
        Share of flat area (1), footprint [m2], height [m], dims (roof,).
    known
        Classes that the input gives, of `LOAD_KG_M2`; anything else counts as not given.

    Returns
    -------
    DataFrame
        ``load_class`` and ``load_grade``: ``given``, or ``guess`` by form: pitched roofs and
        large low flat ones ``light``, other flat ones ``heavy``. None where nothing is known. No
        guess stands in for a structural survey.
    """
    flat = flat_share >= FLAT_SHARE
    hall = flat & (footprint_m2 >= HALL_M2) & ~(height_m > HALL_HEIGHT_M)
    guess = np.where(flat & ~hall, "heavy", "light").astype(object)
    guess[np.isnan(flat_share)] = None
    grade = np.full(guess.shape, "guess", dtype=object)
    grade[np.isnan(flat_share)] = None
    made = pd.DataFrame({"load_class": guess, "load_grade": grade}, dtype=object)
    if known is not None:
        given = known.reset_index(drop=True).isin(LOAD_KG_M2)
        made.loc[given, "load_class"] = known.reset_index(drop=True)[given]
        made.loc[given, "load_grade"] = "given"
    return made


def sun_score(best_kwh_kwp: pd.Series, capacity_kwp: pd.Series) -> pd.Series:
    """How good the sun is on the best plane of each roof, 0 to 1; shade is in the yield.

    Parameters
    ----------
    best_kwh_kwp
        Specific yield of the roof's best plane on which at least a small system fits
        [kWh/kWp/year]; NaN where there is none.
    capacity_kwp
        Of the whole roof [kWp]; NaN where the roof has no plane.

    Returns
    -------
    Series
        0 at half of the area's good yield (the 90th percentile) or without such a plane, 1 at
        all of it; NaN where the roof has no plane.
    """
    best = best_kwh_kwp.astype("float64")
    share = (best / best.quantile(0.9) - POOR_SUN) / (1.0 - POOR_SUN)
    return share.clip(0.0, 1.0).fillna(0.0).where(capacity_kwp.notna())


def best_use(table: pd.DataFrame, weights: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Scores of the uses of each roof, and the best.

    Parameters
    ----------
    table
        ``sun_score, heat_score`` (0 to 1, NaN where not known), ``flat_share, load_class``.
    weights
        Of `WEIGHTS`; what is left out counts 1.

    Returns
    -------
    DataFrame
        Index of ``table``: ``score_<use>`` (1), ``best_use`` and ``use_grade``: ``clear`` or
        ``close``, by the lead over the next. Where the heat is not known only panels have a
        score, with grade ``heat_unknown``; None where the roof has no plane.
    """
    weight = {**WEIGHTS, **(weights or {})}
    sun, heat = (table[name].astype("float64") for name in ("sun_score", "heat_score"))
    flat = table["flat_share"] >= FLAT_SHARE
    spare = table["load_class"].map(LOAD_KG_M2).astype("float64")
    made = pd.DataFrame(index=table.index)
    for use in roof_uses():
        score = (
            weight["energy"] * use.energy * sun
            + weight["cooling"] * use.cooling * heat.fillna(0.0)
            + weight["greening"] * use.greening
            - weight["cost"] * use.cost
        )
        fits = (spare >= use.least_load_kg_m2) & (flat | (not use.needs_flat))
        if use.energy > 0:
            fits &= sun > 0
        if use.cooling > 0:
            fits &= heat.notna()
        made[f"score_{use.name}"] = score.where(fits)
    return made.join(_chosen(made, heat.isna(), table["flat_share"].isna()))


def _chosen(scores: pd.DataFrame, heatless: pd.Series, planeless: pd.Series) -> pd.DataFrame:
    """Best use and its grade."""
    none = pd.DataFrame({"score_none": LEAST_SCORE}, index=scores.index)
    values = pd.concat([none, scores], axis=1)
    filled = values.fillna(-np.inf)
    names = [str(name).removeprefix("score_") for name in filled.columns]
    highest = np.array(names, dtype=object)[filled.to_numpy().argmax(axis=1)]
    best = pd.Series(highest, scores.index, dtype=object)
    ordered = np.sort(filled.to_numpy(), axis=1)
    lead = ordered[:, -1] - ordered[:, -2]
    grade = pd.Series(np.where(lead >= CLEAR_LEAD, "clear", "close"), scores.index, dtype=object)
    grade = grade.mask(heatless, "heat_unknown")
    unknown = planeless | (heatless & (best == "none"))
    return pd.DataFrame(
        {"best_use": best.mask(unknown, None), "use_grade": grade.mask(unknown, None)}
    )
