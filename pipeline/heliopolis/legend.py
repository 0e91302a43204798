"""What maps show: fixed classes, colours and words, the same in QGIS and in the report.

Colours are perceptually uniform and can be told apart by colour-blind readers. Heat runs from
yellow over red to near black (inferno): darker is hotter, on every map. Solar runs from dark
to light green: brighter yields more. No map of one can be taken for the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from heliopolis.variables import find

_HEAT = ("#f8cd37", "#f78410", "#d74b3f", "#a02a63", "#62146e")
_SOLAR = ("#155132", "#0f6f49", "#118e66", "#28ae86", "#4bcdaa", "#76ebcf")
_ANOMALY = ("#1b5a9c", "#529dc8", "#b8d8e9", "#f7f6f6", "#f9c6ac", "#dc6e57", "#a21328")
_TRUST = ("#eef1f6", "#c5d0df", "#97a9c4", "#667fa6", "#3a5685", "#16305e")
_LST = (
    "#f3f68a",
    "#fac228",
    "#f98c0a",
    "#e65d2f",
    "#c43c4e",
    "#982766",
    "#6c186e",
    "#3d0965",
    "#10092d",
)


@dataclass(frozen=True)
class Scale:
    """Classes of one field on a map.

    Attributes
    ----------
    field
        The field or band that is shown.
    breaks
        Inner class limits, ascending; one fewer than colours.
    colours
        ``#rrggbb``, from the lowest class to the highest.
    unit_label
        Unit as it is printed.
    """

    field: str
    breaks: tuple[float, ...]
    colours: tuple[str, ...]
    unit_label: str = ""
    unit_label_fr: str = ""

    def labels(self, language: str) -> list[str]:
        """One label for each class, with the unit.

        >>> Scale("x", (1, 2), ("#000000", "#777777", "#ffffff"), "K").labels("en")
        ['below 1 K', '1 to 2 K', '2 K and above']
        """
        french = language == "fr"
        unit = (self.unit_label_fr or self.unit_label) if french else self.unit_label
        unit = f" {unit}" if unit else ""
        below, to, above = ("moins de", "à", "et plus") if french else ("below", "to", "and above")
        texts = [_number(limit, french) for limit in self.breaks]
        middle = [f"{a} {to} {b}{unit}" for a, b in pairwise(texts)]
        return [f"{below} {texts[0]}{unit}", *middle, f"{texts[-1]}{unit} {above}"]

    def filters(self) -> list[str]:
        """One expression for each class, each feature in exactly one, NULL in none."""
        name = f'"{self.field}"'
        limits = [f"{limit:g}" for limit in self.breaks]
        middle = [f"{name} >= {a} AND {name} < {b}" for a, b in pairwise(limits)]
        return [f"{name} < {limits[0]}", *middle, f"{name} >= {limits[-1]}"]

    def title(self, language: str, layer: str) -> str:
        """Name of the field, with its unit."""
        known = find(self.field, layer)
        return known.alias(language) if known else self.field


#: Between groups of three digits, as ISO 80000-1 has it.
_THOUSANDS = "\N{NARROW NO-BREAK SPACE}"


def _number(value: float, french: bool) -> str:
    text = f"{value:g}" if abs(value) < 10_000 else f"{value:,.0f}".replace(",", _THOUSANDS)
    text = text.replace("-", "\N{MINUS SIGN}")
    return text.replace(".", ",") if french else text


SCALES: dict[str, Scale] = {
    "hot_zones": Scale("anomaly_mean_c", (2, 4, 6, 8), _HEAT, "K"),
    "heat_cells": Scale("anomaly_mean_c", (-4, -2, 0, 2, 4, 6), _ANOMALY, "K"),
    "places": Scale("percentile_in_kind", (20, 40, 60, 80), _HEAT, "%"),
    "buildings": Scale(
        "specific_yield_kwh_kwp", (600, 700, 800, 900, 1000), _SOLAR, "kWh/kWp", "kWh/kWc"
    ),
    "roof_planes": Scale(
        "poa_kwh_m2_year", (600, 800, 1000, 1200, 1400), _SOLAR, "kWh/m²/year", "kWh/m²/an"
    ),
    "solar_cells": Scale(
        "energy_kwh_year_p50", (10e3, 30e3, 100e3, 200e3, 400e3), _SOLAR, "kWh/year", "kWh/an"
    ),
    "lst.tif": Scale("lst_median_c", (20, 24, 28, 32, 36, 40, 44, 48), _LST, "°C"),
}

#: What is drawn of the bands of rasters. Signs of trust run from pale to dark blue, so that no
#: map of them looks like one of heat or of the sun.
BANDS: dict[str, Scale] = {
    "lst_median_c": SCALES["lst.tif"],
    "lst_c": SCALES["lst.tif"],
    "anomaly_c": Scale("anomaly_c", (-4, -2, 0, 2, 4, 6), _ANOMALY, "K"),
    "lst_sd_c": Scale("lst_sd_c", (0.5, 1, 1.5, 2, 3), _TRUST, "K"),
    "n_obs": Scale("n_obs", (2, 3, 5, 8, 12), _TRUST),
    "effective_resolution_m": Scale("effective_resolution_m", (20, 40, 60, 100, 200), _TRUST, "m"),
}

_WORDS: dict[str, tuple[str, str]] = {
    "hot_zones": ("Hot zones", "Zones chaudes"),
    "heat_cells": ("Heat by cell", "Chaleur par cellule"),
    "places": ("Places among their like", "Lieux parmi leurs semblables"),
    "buildings": ("Buildings: what the roof yields", "Bâtiments : productible du toit"),
    "roof_planes": ("Roof planes: irradiation", "Pans de toiture : irradiation"),
    "solar_cells": ("Roofs by hectare: energy", "Toits par hectare : énergie"),
    "panels": ("Panels", "Panneaux"),
    "study_area": ("Study area", "Territoire d'étude"),
    "lst.tif": (
        "Surface temperature, median (not air temperature)",
        "Température de surface, médiane (et non de l'air)",
    ),
    "fields": ("Meaning of the fields", "Signification des champs"),
    "heat": ("Heat", "Chaleur"),
    "solar": ("Solar", "Solaire"),
    "both": ("Heat and solar", "Chaleur et solaire"),
    "no_value": ("no value", "sans valeur"),
    "yes": ("yes", "oui"),
    "no": ("no", "non"),
    "unknown": ("not known", "non connu"),
    "dates": ("Dates", "Dates"),
    "certainty": ("Temperature: how sure", "Température : fiabilité"),
    "layout_heat": ("City: heat, A3", "Ville : chaleur, A3"),
    "layout_solar": ("City: solar, A3", "Ville : solaire, A3"),
    "layout_atlas": ("Atlas of districts, A4", "Atlas des quartiers, A4"),
    "caution_heat": (
        "Surface temperature seen from space on clear days, not the temperature of the air.",
        "Température de surface vue de l'espace par temps clair, et non température de l'air.",
    ),
    "caution_solar": (
        "What the shape and the shade of each roof allow, computed; not an offer.",
        "Ce que la forme et l'ombre de chaque toit permettent, par calcul ; pas une offre.",
    ),
    "explain": ("Where do these numbers come from?", "D'où viennent ces nombres ?"),
    "hottest": ("Hottest zones", "Zones les plus chaudes"),
    "form_identity": ("Overview", "Aperçu"),
    "form_heat": ("Heat", "Chaleur"),
    "form_certainty": ("How sure", "Fiabilité"),
    "form_ground": ("Ground", "Sol"),
    "form_action": ("What can be done", "Ce qui peut être fait"),
    "form_people": ("People", "Habitants"),
    "form_roof": ("Roof", "Toit"),
    "form_yield": ("Solar yield", "Productible"),
    "form_months": ("Months", "Mois"),
    "form_use": ("Best use", "Meilleur usage"),
    "form_money": ("Costs and carbon", "Coûts et carbone"),
    "form_survey": ("Survey", "Relevé"),
    "form_other": ("More", "Autres"),
}


def word(key: str, language: str) -> str:
    """Name of a layer, group or class in ``en`` or ``fr``."""
    return _WORDS[key][1 if language == "fr" else 0]
