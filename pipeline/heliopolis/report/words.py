"""Words of the report in English and French, and how numbers are written."""

from __future__ import annotations

import csv
import math
from decimal import Decimal
from functools import cache
from importlib.resources import files


@cache
def _texts() -> dict[str, tuple[str, str]]:
    text = files("heliopolis.report").joinpath("words.csv").read_text(encoding="utf-8")
    return {row["key"]: (row["en"], row["fr"]) for row in csv.DictReader(text.splitlines())}


_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "fr": (
        *("janv.", "févr.", "mars", "avr.", "mai", "juin"),
        *("juil.", "août", "sept.", "oct.", "nov.", "déc."),
    ),
}


def say(key: str, language: str, **values: object) -> str:
    """Text in ``en`` or ``fr``, with ``values`` put in."""
    return _texts()[key][1 if language == "fr" else 0].format(**values)


def known(key: str, language: str) -> str | None:
    """Text in ``en`` or ``fr``; None where there is none for a value that comes from a user."""
    return say(key, language) if key in _texts() else None


def months(language: str) -> tuple[str, ...]:
    """Short names of the months."""
    return _MONTHS["fr" if language == "fr" else "en"]


def number(value: object, language: str, digits: int | None = 0) -> str:
    r"""A number as it is printed; an en dash where it is not known.

    With ``digits`` None it has as many as it needs, as on an axis.

    >>> number(12345.678, "en", 1), number(12345.678, "fr", 1), number(None, "en")
    ('12,345.7', '12\u202f345,7', '–')
    >>> number(0.000025, "en", None), number(1500.0, "en", None)
    ('0.000025', '1,500')
    """
    if value is None or not isinstance(value, int | float) or not math.isfinite(value):
        return "\N{EN DASH}"
    if digits is None:
        text = f"{Decimal(f'{value:.6g}'):,f}"
    else:
        text = f"{round(value, digits) + 0.0:,.{digits}f}"
    text = text.replace("-", "\N{MINUS SIGN}")
    if language == "fr":
        text = text.replace(",", "\N{NARROW NO-BREAK SPACE}").replace(".", ",")
    return text
