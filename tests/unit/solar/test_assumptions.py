"""The table of prices, tariffs and carbon."""

from __future__ import annotations

import numpy as np
import pytest

from heliopolis.solar.assumptions import COLUMNS, default_assumptions, read_assumptions

HEAD = ",".join(COLUMNS) + "\n"


def test_every_row_has_a_range_a_year_and_a_source():
    rows = default_assumptions().rows
    assert len({(r.quantity, r.country, r.from_kwp) for r in rows}) == len(rows)
    for row in rows:
        assert row.low <= row.value <= row.high
        assert row.year > 2000
        assert len(row.source) > 10
        assert row.unit


def test_bands_by_size_and_country():
    table = default_assumptions()
    tariffs = table.of_systems("feed_in_eur_kwh", "fr", np.array([9.0, 9.1, 100.0, 101.0]))
    assert tariffs.value.tolist() == [0.04, 0.0761, 0.0761, 0.095]
    assert np.isnan(table.of_systems("feed_in_eur_kwh", "NL", np.array([3.0])).value).all()
    anywhere = table.of_systems("invest_eur_kwp", "NL", np.array([29.9, 30.0]))
    assert anywhere.low.tolist() == [1000.0, 900.0]


def test_own_rows_take_the_place_of_those_of_their_quantity_and_country():
    own = read_assumptions(HEAD + "feed_in_eur_kwh,FR,0,0.1,,,EUR/kWh,2026,source,The town\n")
    table = default_assumptions().with_own(own)
    assert table.find("feed_in_eur_kwh", "FR", 200.0).value == 0.1
    assert table.find("retail_eur_kwh", "FR") == default_assumptions().find("retail_eur_kwh", "FR")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,FR,0,dear,,,EUR,2024,no,me", "no number"),
        ("x,FR,0,1,2,3,EUR,2024,no,me", "outside"),
        ("x,FR,0,1,,,EUR,2024,maybe,me", "checked"),
        ("x,FR,0,1,,,EUR,2024,no,", "source"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(row, message):
    with pytest.raises(ValueError, match=f"line 2.*{message}"):
        read_assumptions(HEAD + row + "\n")


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="source"):
        read_assumptions("quantity,value\n")
