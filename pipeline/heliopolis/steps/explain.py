"""The story of one building: values, planes, inputs, constants, steps, uncertainties."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ValidationError

from heliopolis.config import Roofs, Solar
from heliopolis.errors import ConfigError, InputError
from heliopolis.io.vector import read_layer
from heliopolis.report.words import number
from heliopolis.solar.roof_use import POOR_SUN
from heliopolis.steps.building_table import FLAT_DEG, MIN_CAPACITY_KWP, MIN_COVERED, PEER_FACTOR
from heliopolis.steps.roof_prior import PEERS
from heliopolis.variables import layer_fields

#: Sections of the configuration that a building's numbers rest on.
_SECTIONS: dict[str, type[BaseModel]] = {"solar": Solar, "roofs": Roofs}
_DIGITS = {"kWh/year": 0, "kWh/month": 0, "kWh/kWp/year": 0, "kWh/m2/year": 0, "m2": 1, "1": 3}
_WORDS = {
    "building": ("Building", "Bâtiment"),
    "values": ("Values", "Valeurs"),
    "planes": ("Roof planes", "Pans de toiture"),
    "no_planes": ("No plane was fitted to this roof.", "Aucun pan n'a été ajusté à ce toit."),
    "zone": ("Hot zone", "Zone chaude"),
    "inputs": ("Inputs", "Données d'entrée"),
    "scenes": ("Scenes behind the temperature", "Scènes derrière la température"),
    "left_out": ("left out", "écartée"),
    "constants": ("Constants", "Constantes"),
    "steps": ("Steps", "Étapes"),
    "simulated": (
        "Simulated inputs: this building does not exist.",
        "Données d'entrée simulées : ce bâtiment n'existe pas.",
    ),
    "unknown": ("not known", "inconnu"),
    "from": ("from", "d'après"),
    "baseline": ("baseline", "version"),
    "step_outline": (
        "buildings: outline from {source}",
        "buildings : contour d'après {source}",
    ),
    "step_planes": (
        "roof_planes: planes fitted to the elevation data within the outline",
        "roof_planes : pans ajustés aux données altimétriques dans le contour",
    ),
    "step_horizon": (
        "horizon: skyline around the roof, followed for at most {distance} m in {n} directions",
        "horizon : ligne d'horizon autour du toit, suivie sur {distance} m au plus dans {n} "
        "directions",
    ),
    "step_yield": (
        "solar_yield: modules of {power} W placed on the usable parts; irradiance hour by hour, "
        "shade, losses and inverter; P90 adds the errors of model, weather and plane",
        "solar_yield : modules de {power} W placés sur les parties exploitables ; rayonnement "
        "heure par heure, ombrage, pertes et onduleur ; P90 ajoute les erreurs du modèle, de la "
        "météo et du pan",
    ),
    "step_prior": (
        "rooftop_pv: no plane could be fitted; a prior from the {peers} measured roofs of the "
        "nearest footprint, median and deciles of their yield for each square metre",
        "rooftop_pv : aucun pan ajusté ; estimation a priori d'après les {peers} toits mesurés à "
        "l'emprise la plus proche, médiane et déciles de leur production par mètre carré",
    ),
    "step_sum": (
        "rooftop_pv: planes summed up; P90 summed too, as errors go together; best use: the "
        "highest score, weighted by solar.use_weights; sun counts from {kwp} kWp and {share} % of "
        "the area's good specific yield, flat up to {flat}°; peers within a factor of {factor} of "
        "the footprint",
        "rooftop_pv : somme des pans ; P90 sommés aussi, car les erreurs vont de pair ; meilleur "
        "usage : le score le plus haut, pondéré par solar.use_weights ; le soleil compte à partir "
        "de {kwp} kWc et de {share} % du bon productible du territoire, plat jusqu'à {flat}° ; "
        "pairs dans un facteur {factor} de l'emprise",
    ),
    "step_heat": (
        "heat: mean of the cells of lst.tif weighted by the covered part of each; empty below "
        "{covered} % of valid cells; anomaly against {reference}",
        "chaleur : moyenne des cellules de lst.tif pondérée par la part couverte ; vide sous "
        "{covered} % de cellules valides ; écart par rapport à {reference}",
    ),
}


def explain_building(results: Path, building: str, *, language: str | None = None) -> str:
    """Text that tells where the numbers of a building come from.

    Parameters
    ----------
    results
        Folder with ``rooftop_pv.gpkg`` and ``run.json``.
    building
        Identifier.
    language
        ``en`` or ``fr``; by default that of the run.

    Raises
    ------
    InputError
        For an unknown identifier (near ones are named), or a folder without results.
    """
    path = results / "rooftop_pv.gpkg"
    if not path.is_file():
        raise InputError(
            "the folder holds no rooftop_pv.gpkg",
            where=str(results),
            remedy="Give the folder of a run that has finished its solar half",
        )
    run = _run(results)
    language = language or (run.get("config", {}).get("report") or {}).get("language") or "en"
    if language not in ("en", "fr"):
        raise ConfigError(f"the language {language!r} is not known", remedy="Use en or fr")
    table = read_layer(path, "buildings")
    row = _row(table, building, path)
    planes = read_layer(path, "roof_planes")
    planes = planes[planes["building_id"].astype(str) == building]
    lines = [f"{_say('building', language)} {building} ({run.get('title', results.name)})"]
    if run.get("simulated"):
        lines.append(_say("simulated", language))
    lines += _values(row, language)
    lines += _planes(planes, language)
    lines += _zone(results, row, language)
    lines += _inputs(run, row, language)
    lines += _constants(run, language)
    lines += _steps(run, row, bool(planes["tilt_deg"].isna().all()), language)
    return "\n".join(lines)


def _say(key: str, language: str, **values: object) -> str:
    return _WORDS[key][1 if language == "fr" else 0].format(**values)


def _run(results: Path) -> dict[str, Any]:
    path = results / "run.json"
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _row(table: pd.DataFrame, building: str, path: Path) -> Mapping[str, Any]:
    names = table["building_id"].astype(str)
    hits = table[names == building]
    if hits.empty:
        near = difflib.get_close_matches(building, list(names), n=5, cutoff=0.4)
        near = near or sorted(names)[:5]
        raise InputError(
            f"there is no building {building!r}",
            where=str(path),
            remedy="Near identifiers: " + ", ".join(near) if near else "The layer is empty",
        )
    return {str(name): value for name, value in hits.iloc[0].items()}


def _heading(key: str, language: str) -> list[str]:
    text = _say(key, language)
    return ["", text, "-" * len(text)]


def _format(value: Any, unit: str, language: str) -> str:
    if value is None or pd.isna(value):
        return _say("unknown", language)
    if isinstance(value, str | bool) or not unit:
        return str(value)
    whole = float(value).is_integer() and unit in ("1", "year", "%")
    text = str(int(value)) if whole else number(float(value), language, _DIGITS.get(unit, 2))
    return text if unit in ("1", "year") else f"{text} {unit}"


def _values(row: Mapping[str, Any], language: str) -> Iterator[str]:
    """Each value with its meaning and what it is computed from."""
    yield from _heading("values", language)
    for name, field in layer_fields("buildings").items():
        if name != "building_id" and not name.startswith("energy_kwh_month"):
            value = _format(row.get(name), field.unit, language)
            yield f"{name} = {value}"
            yield f"    {field.meaning(language)} ({_say('from', language)} {field.source})"


def _planes(planes: pd.DataFrame, language: str) -> Iterator[str]:
    yield from _heading("planes", language)
    fitted = planes[planes["tilt_deg"].notna()]
    if fitted.empty:
        yield _say("no_planes", language)
    shown = (
        *("tilt_deg", "tilt_sd_deg", "azimuth_deg", "azimuth_sd_deg", "area_m2", "usable_m2"),
        *("fit_rms_m", "quality", "poa_kwh_m2_year", "shading_loss", "n_panels"),
        *("energy_kwh_year_p50", "energy_kwh_year_p90"),
    )
    fields = layer_fields("roof_planes")
    for record in fitted.sort_values("plane_id").to_dict("records"):
        known = [name for name in shown if not pd.isna(record[name])]
        parts = [f"{name} = {_format(record[name], fields[name].unit, language)}" for name in known]
        yield f"{record['plane_id']}: " + ", ".join(parts)


def _zone(results: Path, row: Mapping[str, Any], language: str) -> Iterator[str]:
    path, key = results / "hot_zones.gpkg", row.get("zone_id")
    if key is None or pd.isna(key) or not path.is_file():
        return
    zones = read_layer(path, "hot_zones")
    hits = zones[zones["zone_id"].astype(str) == str(key)]
    yield from _heading("zone", language)
    fields = layer_fields("hot_zones")
    for record in hits.to_dict("records"):
        for name in ("zone_id", "rank", "anomaly_mean_c", "anomaly_sd_c", "confidence", "n_obs"):
            yield f"{name} = {_format(record[name], fields[name].unit, language)}"


def _inputs(run: Mapping[str, Any], row: Mapping[str, Any], language: str) -> Iterator[str]:
    yield from _heading("inputs", language)
    config = run.get("config") or {}
    for section in ("footprints", "imagery", "elevation", "weather"):
        given = config.get(section)
        for key in ("file", "files", "points", "dsm", "dtm", "year"):
            value = (given or {}).get(key)
            if value:
                text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
                yield f"{section}.{key} = {text}"
    if not pd.isna(row.get("lst_mean_c")):
        yield f"{_say('scenes', language)}:"
        for scene in run.get("scenes") or []:
            if scene["role"] == "thermal":
                used = "" if scene.get("used") else f", {_say('left_out', language)}"
                base = scene.get("processing_baseline") or _say("unknown", language)
                yield (
                    f"    {scene['id']}, {scene['acquired']}, "
                    f"{_say('baseline', language)} {base}{used}"
                )
    for credit in run.get("attribution") or []:
        yield f"(c) {credit}"


def _constants(run: Mapping[str, Any], language: str) -> Iterator[str]:
    yield from _heading("constants", language)
    for section in _SECTIONS:
        for key, value in _settings(run, section).items():
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
            yield f"{section}.{key} = {_say('unknown', language) if text is None else text}"
    versions = run.get("versions") or {}
    yield f"heliopolis {versions.get('heliopolis', '?')}, config {run.get('config_sha256')}"


def _settings(run: Mapping[str, Any], section: str) -> dict[str, Any]:
    """What a section of the configuration said, and the defaults of what it did not say."""
    said = dict((run.get("config") or {}).get(section) or {})
    try:
        return _SECTIONS[section].model_validate(said).model_dump(mode="json")
    except ValidationError:  # a run of another version
        return said


def _steps(
    run: Mapping[str, Any], row: Mapping[str, Any], no_planes: bool, language: str
) -> Iterator[str]:
    yield from _heading("steps", language)
    solar = _settings(run, "solar")
    unknown = _say("unknown", language)
    yield _say("step_outline", language, source=row.get("source") or unknown)
    if no_planes and not pd.isna(row.get("energy_kwh_year_p50")):
        yield _say("step_prior", language, peers=PEERS)
    else:
        yield _say("step_planes", language)
        yield _say(
            "step_horizon",
            language,
            distance=solar.get("horizon_distance_m", unknown),
            n=solar.get("directions", unknown),
        )
        yield _say("step_yield", language, power=solar.get("module_power_w", unknown))
    yield _say(
        "step_sum",
        language,
        kwp=f"{MIN_CAPACITY_KWP:g}",
        share=f"{100 * POOR_SUN:.0f}",
        flat=f"{FLAT_DEG:g}",
        factor=number(PEER_FACTOR, language, 1),
    )
    if not pd.isna(row.get("lst_mean_c")):
        told = (run.get("heat") or {}).get("reference") or unknown
        covered = f"{100 * MIN_COVERED:.0f}"
        yield _say("step_heat", language, covered=covered, reference=told)
