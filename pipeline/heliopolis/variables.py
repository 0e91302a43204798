"""The one dictionary of every table field and raster band: unit, meaning (en, fr), valid range.

The entries stand in ``variables.csv`` beside this module, one line for each field of each
layer. A column that is not declared there cannot leave the pipeline: `conform` refuses it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from heliopolis.errors import InputError

Language = Literal["en", "fr"]
#: How a declared type is held in a table, with NULL as a missing value.
_PANDAS = {"text": "object", "int": "Int64", "float": "float64", "bool": "boolean"}


@dataclass(frozen=True)
class Variable:
    """One field of a layer, or one band of a raster.

    Attributes
    ----------
    kind
        ``table`` or ``raster``.
    layer, field
        Where it stands.
    dtype
        ``text``, ``int``, ``float`` or ``bool``.
    unit
        Unit of the values; ``1`` for a pure number, empty for text.
    minimum, maximum
        Valid range, None where open.
    alias_en, alias_fr
        Short names for a legend or a table head, with the unit.
    meaning_en, meaning_fr
        One sentence.
    source
        What it is computed from.
    """

    kind: str
    layer: str
    field: str
    dtype: str
    unit: str
    minimum: float | None
    maximum: float | None
    alias_en: str
    alias_fr: str
    meaning_en: str
    meaning_fr: str
    source: str

    def alias(self, language: str) -> str:
        """Short name in ``language``."""
        return self.alias_fr if language == "fr" else self.alias_en

    def meaning(self, language: str) -> str:
        """Meaning in ``language``."""
        return self.meaning_fr if language == "fr" else self.meaning_en


@cache
def variables() -> tuple[Variable, ...]:
    """Every declared variable, in the order of the dictionary."""
    text = files("heliopolis").joinpath("variables.csv").read_text(encoding="utf-8")
    found = []
    for row in csv.DictReader(text.splitlines()):
        low, high = (float(row[key]) if row[key] else None for key in ("minimum", "maximum"))
        found.append(Variable(**{**row, "minimum": low, "maximum": high}))  # type: ignore[arg-type]
    return tuple(found)


@cache
def layer_fields(layer: str) -> dict[str, Variable]:
    """Declared fields of a table layer, in order; `InputError` for an unknown layer."""
    found = {one.field: one for one in variables() if (one.kind, one.layer) == ("table", layer)}
    if not found:
        raise InputError(
            f"the layer {layer!r} is not declared", remedy="Known layers: " + ", ".join(layers())
        )
    return found


@cache
def band_fields(raster: str) -> dict[str, Variable]:
    """Declared bands of a raster such as ``lst.tif`` or ``scenes/lst.tif``."""
    return {one.field: one for one in variables() if (one.kind, one.layer) == ("raster", raster)}


@cache
def codes(layer: str, field: str, language: str) -> dict[str, str]:
    """What the codes of a field of a layer mean, code to text; empty where it holds no codes."""
    text = files("heliopolis").joinpath("codes.csv").read_text(encoding="utf-8")
    return {
        row["code"]: row["fr" if language == "fr" else "en"]
        for row in csv.DictReader(text.splitlines())
        if row["field"] == field and row["layer"] in ("", layer)
    }


def layers() -> list[str]:
    """Declared table layers."""
    return list(dict.fromkeys(one.layer for one in variables() if one.kind == "table"))


def find(field: str, *layers_first: str) -> Variable | None:
    """First entry of that name, looked up in ``layers_first`` and then everywhere."""
    candidates = [one for one in variables() if one.field == field]
    for layer in layers_first:
        for one in candidates:
            if one.layer == layer:
                return one
    return candidates[0] if candidates else None


def conform(layer: str, table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Bring a table into the declared form of ``layer``.

    Missing columns are added as NULL, columns are ordered and cast, infinities become NULL.

    Parameters
    ----------
    layer
        Declared layer, such as ``hot_zones``.
    table
        Features with a CRS; may be empty.

    Returns
    -------
    GeoDataFrame
        A copy: the declared columns in order, then the geometry, under the name ``geometry``.

    Raises
    ------
    InputError
        For a column that is not declared, a value that does not fit its type, or a value
        outside the valid range.
    """
    declared = layer_fields(layer)
    geometry = table.geometry
    unknown = [str(c) for c in table.columns if c not in declared and c != geometry.name]
    if unknown:
        raise InputError(
            "undocumented column" + ("s " if len(unknown) > 1 else " ") + ", ".join(unknown),
            where=f"layer {layer}",
            remedy="Declare it in heliopolis/variables.csv with unit and meaning, or drop it",
        )
    columns = {name: _cast(table, one) for name, one in declared.items()}
    return gpd.GeoDataFrame(
        columns, geometry=gpd.GeoSeries(geometry.array, index=table.index), crs=table.crs
    )


def _cast(table: gpd.GeoDataFrame, variable: Variable) -> pd.Series:
    """One column in its declared type, NULL where there is nothing."""
    dtype = _PANDAS[variable.dtype]
    if variable.field not in table.columns:
        empty = None if variable.dtype == "text" else (np.nan if dtype == "float64" else pd.NA)
        return pd.Series([empty] * len(table), index=table.index, dtype=dtype)
    values = table[variable.field]
    try:
        if variable.dtype == "text":
            return _text(values)
        if variable.dtype == "bool":
            return values.astype("boolean")
        numbers = pd.to_numeric(values).astype("Float64").astype("float64")
        numbers = numbers.where(np.isfinite(numbers))
        _check_range(numbers, variable)
        return numbers.astype(dtype)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the column {variable.field} does not hold {variable.dtype} values",
            where=f"layer {variable.layer}",
            remedy=str(error),
        ) from error


def _text(values: pd.Series) -> pd.Series:
    """Strings with None where missing; a whole-number identifier loses its ``.0``."""
    if pd.api.types.is_float_dtype(values.dtype):
        values = values.astype("Int64") if (values.dropna() % 1 == 0).all() else values
    made = values.astype("object")
    return made.where(made.isna(), made.astype(str)).where(made.notna(), None)


def _check_range(numbers: pd.Series, variable: Variable) -> None:
    """Refuse values outside the valid range (with a tolerance for rounding)."""
    slack = 1e-6
    low = -np.inf if variable.minimum is None else variable.minimum - slack
    high = np.inf if variable.maximum is None else variable.maximum + slack
    wrong = numbers[(numbers < low) | (numbers > high)]
    if len(wrong):
        raise InputError(
            f"{len(wrong)} value(s) of {variable.field} lie outside "
            f"{variable.minimum}..{variable.maximum} {variable.unit}, such as {wrong.iloc[0]:g}",
            where=f"layer {variable.layer}",
            remedy="The step that computed it is at fault; report it with the configuration",
        )
