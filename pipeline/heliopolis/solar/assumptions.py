"""Prices, tariffs and carbon that are assumed: one table with places, years and sources.

``assumptions.csv`` beside this module is the table that is used where none is given; rows of an
own table take the place of those of the same quantity and country.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Checked = Literal["source", "quoted", "no"]

#: Columns of the table.
COLUMNS = (
    *("quantity", "country", "from_kwp", "value", "low", "high"),
    *("unit", "year", "checked", "source"),
)


@dataclass(frozen=True)
class Assumption:
    """A row of the table.

    Attributes
    ----------
    quantity
        What it is; its unit is part of the name.
    country
        ISO 3166 code of two letters; empty: any country.
    from_kwp
        Least size of the systems that it holds for [kWp].
    value, low, high
        Central value and its range.
    unit, year, source
        Unit, year that it holds for, and who says so.
    checked
        ``source``: read in the source; ``quoted``: read where others quote it; ``no``: neither.
    """

    quantity: str
    country: str
    from_kwp: float
    value: float
    low: float
    high: float
    unit: str
    year: int
    checked: Checked
    source: str

    def told(self) -> str:
        """Value, range, year and source in one line."""
        known = "" if self.low == self.high else f" ({self.low:g} to {self.high:g})"
        return f"{self.value:g}{known} {self.unit}, {self.year}, {self.source}"


class Bounds(NamedTuple):
    """Central values and their range, dims (system,)."""

    value: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Assumptions:
    """The rows of a table, from small to large systems."""

    rows: tuple[Assumption, ...]

    def bands(self, quantity: str, country: str | None) -> tuple[Assumption, ...]:
        """Rows of a quantity: those of the country, else those of any; empty where none is held."""
        mine = [row for row in self.rows if row.quantity == quantity]
        own = [row for row in mine if row.country and row.country == (country or "").upper()]
        return tuple(own or [row for row in mine if not row.country])

    def find(self, quantity: str, country: str | None, kwp: float = 0.0) -> Assumption | None:
        """Row for a system of a size [kWp], or None.

        >>> default_assumptions().find("feed_in_eur_kwh", "FR", 12.0).value
        0.0761
        """
        held = [row for row in self.bands(quantity, country) if row.from_kwp <= kwp]
        return held[-1] if held else None

    def of_systems(self, quantity: str, country: str | None, kwp: Array) -> Bounds:
        """Values for systems of sizes ``kwp``, dims (system,) [kWp]; NaN where none is held."""
        bands = self.bands(quantity, country)
        if not bands:
            unknown = np.full(np.shape(kwp), np.nan)
            return Bounds(unknown, unknown, unknown)
        index = np.searchsorted([row.from_kwp for row in bands], kwp, side="right") - 1
        picked = [
            np.array([getattr(row, name) for row in bands])[index]
            for name in ("value", "low", "high")
        ]
        return Bounds(*(np.where(index >= 0, values, np.nan) for values in picked))

    def with_own(self, own: Assumptions) -> Assumptions:
        """``own`` rows, and those of this table whose quantity and country it does not hold."""
        held = {(row.quantity, row.country) for row in own.rows}
        kept = [row for row in self.rows if (row.quantity, row.country) not in held]
        return _sorted([*kept, *own.rows])


def read_assumptions(text: str) -> Assumptions:
    """The table in a CSV text.

    Raises
    ------
    ValueError
        Where a column is missing, a number is none, or a value lies outside its range.
    """
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"the table lacks the columns {', '.join(missing)}")
    return _sorted([_row(number, record) for number, record in enumerate(reader, start=2)])


@cache
def default_assumptions() -> Assumptions:
    """The table that comes with the program."""
    path = files("heliopolis.solar").joinpath("assumptions.csv")
    return read_assumptions(path.read_text(encoding="utf-8"))


def _sorted(rows: list[Assumption]) -> Assumptions:
    return Assumptions(tuple(sorted(rows, key=lambda r: (r.quantity, r.country, r.from_kwp))))


def _row(line: int, record: dict[str, str]) -> Assumption:
    try:
        value = float(record["value"])
        low, high = (float(record[name] or value) for name in ("low", "high"))
        year, from_kwp = int(record["year"]), float(record["from_kwp"] or 0)
    except (TypeError, ValueError) as error:
        raise ValueError(f"line {line} holds something that is no number: {error}") from error
    if not low <= value <= high:
        raise ValueError(f"line {line}: {value:g} lies outside {low:g} to {high:g}")
    if record["checked"] not in ("source", "quoted", "no"):
        raise ValueError(f"line {line}: checked must be source, quoted or no")
    if not record["source"]:
        raise ValueError(f"line {line} names no source")
    return Assumption(
        quantity=record["quantity"],
        country=record["country"].upper(),
        from_kwp=from_kwp,
        value=value,
        low=low,
        high=high,
        unit=record["unit"],
        year=year,
        checked=cast(Checked, record["checked"]),
        source=record["source"],
    )
