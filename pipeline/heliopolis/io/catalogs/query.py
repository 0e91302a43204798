"""What is searched for: collections, place, season, hours, cloud, orbit."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from heliopolis.errors import InputError
from heliopolis.io.catalogs.providers import SENSORS
from heliopolis.scene import Sensor

TimeOfDay = Literal["day", "night", "both"]


@dataclass(frozen=True, kw_only=True)
class Query:
    """A search for scenes.

    Attributes
    ----------
    collections
        Names of collections, of those in `heliopolis.io.catalogs.providers.SENSORS`; a provider
        that calls the same product otherwise is asked for its own name.
    bounds
        West, south, east, north in EPSG:4326 [deg].
    start, end
        First and last day, UTC, both included.
    months
        Months (1 to 12, UTC) that count.
    max_cloud_percent
        Items with a larger ``eo:cloud_cover`` are dropped; items without one are kept.
    orbit
        ``"ascending"``, ``"descending"``, or the number of a relative orbit or WRS path.
    time_of_day
        By the local mean solar time at the middle of the bounds; day is 6 h to 18 h.
    surface_temperature
        Landsat Level-2 items without the band of surface temperature (L2SR) are dropped.
    """

    collections: tuple[str, ...]
    bounds: tuple[float, float, float, float]
    start: date
    end: date
    months: tuple[int, ...] = tuple(range(1, 13))
    max_cloud_percent: float = 100.0
    orbit: str | None = None
    time_of_day: TimeOfDay = "both"
    surface_temperature: bool = True

    def __post_init__(self) -> None:
        unknown = [name for name in self.collections if name not in SENSORS]
        if unknown:
            raise InputError(
                f"the collection {unknown[0]!r} is not one that heliopolis reads",
                where="collections",
                remedy="Known collections: " + ", ".join(sorted(SENSORS)),
            )

    @property
    def sensors(self) -> frozenset[Sensor]:
        """Sensors of the collections."""
        return frozenset(SENSORS[name] for name in self.collections)

    @property
    def longitude(self) -> float:
        """Middle of the bounds [deg]."""
        west, _, east, _ = self.bounds
        middle = (west + east) / 2 if west <= east else (west + east + 360) / 2
        return (middle + 180.0) % 360.0 - 180.0

    def in_season(self, moment: datetime) -> bool:
        """Whether the day lies in the period and in one of its months (UTC)."""
        day = moment.astimezone(UTC).date()
        return self.start <= day <= self.end and day.month in self.months

    def intervals(self) -> list[tuple[date, date]]:
        """Runs of days (first, last) that make up the season, in order."""
        runs: list[tuple[date, date]] = []
        year, month = self.start.year, self.start.month
        while (year, month) <= (self.end.year, self.end.month):
            if month in self.months:
                first = max(self.start, date(year, month, 1))
                last = min(self.end, date(year, month, calendar.monthrange(year, month)[1]))
                if runs and runs[-1][1] + timedelta(days=1) == first:
                    runs[-1] = (runs[-1][0], last)
                else:
                    runs.append((first, last))
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        return runs


def solar_time(moment: datetime, longitude: float) -> datetime:
    """Local mean solar time: UTC plus four minutes for each degree east; without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None) + timedelta(minutes=4.0 * longitude)


def is_day(acquired: datetime, longitude: float) -> bool:
    """Whether local mean solar time lies between 6 h and 18 h.

    >>> is_day(datetime(2025, 6, 21, 10, 30, tzinfo=UTC), longitude=7.6)
    True
    """
    return 6 <= solar_time(acquired, longitude).hour < 18
