"""PVGIS 5.3 of the European Commission: hourly weather of a point.

Tools ``tmy`` and ``seriescalc``
(https://joint-research-centre.ec.europa.eu/pvgis-photovoltaic-geographical-information-system/
getting-started-pvgis/api-non-interactive-service_en); at most 30 requests a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from heliopolis.errors import ConfigError
from heliopolis.io.archives.answers import Question, kept, read_json, with_query
from heliopolis.io.archives.delivery import Delivery, Order
from heliopolis.io.atomic import replacing
from heliopolis.io.remote.client import CorruptError

_PRODUCTS = ("tmy", "hourly")


@dataclass(frozen=True)
class Pvgis:
    """Weather of the area's centre, as JSON of PVGIS.

    Attributes
    ----------
    api_url
        Address of the version used, which is the version in the cache.
    product
        ``tmy``: a typical year of 8760 hours out of many; ``hourly``: the years from
        ``start_year`` to ``end_year``, with beam and diffuse on the horizontal.
    start_year, end_year
        Years of ``hourly`` (needed) or the years that ``tmy`` is chosen from.
    database
        Radiation database, such as ``PVGIS-SARAH3``; the best for the place by default.
    horizon
        Whether PVGIS darkens the hours in which its terrain hides the sun. Off: the shading is
        computed here.
    """

    api_url: str = "https://re.jrc.ec.europa.eu/api/v5_3"
    product: str = "tmy"
    start_year: int | None = None
    end_year: int | None = None
    database: str | None = None
    horizon: bool = False
    name: str = "pvgis"
    kinds: tuple[str, ...] = ("weather",)

    def deliver(self, order: Order) -> Delivery:
        """Write what is ordered."""
        if self.product not in _PRODUCTS:
            raise ConfigError(
                f"PVGIS has no product {self.product!r}", remedy="Choose tmy or hourly"
            )
        if self.product == "hourly" and None in (self.start_year, self.end_year):
            raise ConfigError("hourly weather of PVGIS needs start_year and end_year")
        west, south, east, north = order.bounds("EPSG:4326")
        # Hundredths of a degree: the data have cells of 5 km or more.
        latitude, longitude = round((south + north) / 2, 2), round((west + east) / 2, 2)
        url = with_query(*self._query(latitude, longitude))
        what = f"PVGIS {self.product}, {latitude:.2f} N {longitude:.2f} E"
        version = self.api_url.rstrip("/").rsplit("/", 1)[-1]
        question = Question(
            self.name, what, url, version=version, check=lambda body: _checked(body, what)
        )
        body = kept(order.store, question)
        with replacing(order.target) as target:
            target.write_bytes(body)
        return self._delivery(_checked(body, what), latitude, longitude)

    def _query(self, latitude: float, longitude: float) -> tuple[str, dict[str, object]]:
        query: dict[str, object] = {
            "lat": f"{latitude:.2f}",
            "lon": f"{longitude:.2f}",
            "outputformat": "json",
            "usehorizon": int(self.horizon),
        }
        if self.database is not None:
            query["raddatabase"] = self.database
        for name, year in (("startyear", self.start_year), ("endyear", self.end_year)):
            if year is not None:
                query[name] = year
        if self.product == "tmy":
            return f"{self.api_url}/tmy", query
        return f"{self.api_url}/seriescalc", {**query, "components": 1, "angle": 0, "aspect": 0}

    def _delivery(self, record: dict[str, Any], latitude: float, longitude: float) -> Delivery:
        meteo = record.get("inputs", {}).get("meteo_data", {})
        database, last = meteo.get("radiation_db", "unknown"), meteo.get("year_max")
        years = f"{meteo.get('year_min', '?')} to {last if last is not None else '?'}"
        horizon = "with" if self.horizon else "without"
        return Delivery(
            "PVGIS © European Union",
            "Free use with the source named (European Commission)",
            int(last) if last is not None else None,
            f"{self.product} at {latitude:.2f} N {longitude:.2f} E, radiation {database}, years "
            f"{years}, {horizon} the terrain's horizon",
        )


def _checked(body: bytes, what: str) -> dict[str, Any]:
    record = read_json(body, what)
    outputs = record.get("outputs") if isinstance(record, dict) else None
    rows = (outputs or {}).get("tmy_hourly", (outputs or {}).get("hourly"))
    if not isinstance(rows, list) or len(rows) < 8760:
        raise CorruptError("the answer holds no whole year of hours", where=what)
    return dict(record)
