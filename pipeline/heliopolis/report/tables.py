"""Tables of declared fields, as text in one language."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from heliopolis.report.words import number
from heliopolis.variables import layer_fields

DASH = "\N{EN DASH}"
#: Fields and their standard uncertainties, in the same unit.
_ERRORS = {"lst_mean_c": "lst_sd_c", "anomaly_mean_c": "anomaly_sd_c"}


def columns(
    table: pd.DataFrame, layer: str, language: str, digits: Mapping[str, int | None]
) -> tuple[list[str], list[list[str]], frozenset[int]]:
    """Head, rows and numeric columns of some declared fields; digits None for text.

    A value with a standard uncertainty is followed by it.
    """
    head = [layer_fields(layer)[name].alias(language) for name in digits]
    rows = [
        [_with_error(record, name, language, places) for name, places in digits.items()]
        for record in table.to_dict("records")
    ]
    numeric = frozenset(i for i, places in enumerate(digits.values()) if places is not None)
    return head, rows, numeric


def _with_error(
    record: Mapping[Hashable, Any], name: str, language: str, digits: int | None
) -> str:
    text = cell(record[name], language, digits)
    error = record.get(_ERRORS.get(name, ""))
    if text == DASH or error is None or pd.isna(error):
        return text
    return f"{text} ± {cell(error, language, digits)}"


def cell(value: Any, language: str, digits: int | None) -> str:
    """One value as text, an en dash where it is not known."""
    if digits is not None:
        return number(None if pd.isna(value) else float(value), language, digits)
    return DASH if value is None or pd.isna(value) else str(value)
