"""``heliopolis validate``: the code scored against answers that are known."""

from __future__ import annotations

import importlib
import operator
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from heliopolis.errors import ConfigError, HeliopolisError

#: Case -> module of heliopolis.accuracy, function, and whether it reads a run's results.
CASES: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "simulated": (("simulated", "score_simulated", True),),
    "sharpening": (
        ("sharpening", "score_muenster", False),
        ("sharpening", "score_zhangye", False),
    ),
    "landsat-st": (
        ("landsat_st", "score_rte", False),
        ("landsat_st", "score_smw", False),
        ("band_truth", "score_band_truth", False),
        ("level1", "score_simulated_level1", False),
    ),
    "slstr": (
        ("slstr_grid", "score_slstr_reference", False),
        ("slstr_grid", "score_slstr_clouds", False),
    ),
    "uncertainty": (("uncertainty", "score_uncertainty", False),),
    "next-day-pairs": (("next_day_pairs", "score_next_day_pairs", False),),
    "planes": (("planes", "score_zurich", False), ("planes", "score_delft", False)),
    "plane-sources": (("planes", "score_zurich_sources", False),),
    "roof-net": (
        ("roof_objects", "score_roof_objects", False),
        ("roof_objects", "score_likeness", False),
    ),
    "horizon": (("horizons", "score_horizon", False),),
    "irradiation": (("irradiation", "score_irradiation", False),),
    "yield": (
        ("solar", "score_pvgis", False),
        ("solar", "score_denver", False),
        ("solar", "score_knmi", False),
        ("solar", "score_try", False),
        ("pvgis_grid", "score_pvgis_grid", False),
    ),
    "hotspots": (("hotspots", "score_muenster", True),),
    "hot-spot-rates": (("hot_spot_rates", "score_rates", False),),
    "simulated-zones": (("hotspots", "score_simulated_zones", True),),
    "planting": (("planting", "score_planting", True),),
    "rooftops": (("rooftops", "score_delft", True),),
}
_DEFAULT_RESULTS = {
    "simulated": "demo",
    "simulated-zones": "demo",
    "planting": "demo",
    "hotspots": "muenster",
    "rooftops": "delft",
}
#: Cases that read the simulated city.
_SIMULATED = ("simulated", "simulated-zones", "uncertainty", "planting", "horizon", "irradiation")
_OPERATORS = {"<=": operator.le, ">=": operator.ge}


def validate(
    cases: Annotated[
        list[str] | None, typer.Argument(help="Cases; all by default.", metavar="[CASE...]")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the data; HELIOPOLIS_DATA, or the demo's, by default."),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Results of a run, for the cases that score one.")
    ] = None,
    area: Annotated[
        Path | None,
        typer.Option(
            help="Configuration of an area that was run, for the case roofs: the net against the "
            "area's own footprints, and whether it adds, only checks, or is left out."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Score the code against data with known answers.

    Example: heliopolis validate simulated --out metrics.json
    """
    from heliopolis.io.atomic import write_json

    if (cases == ["roofs"]) != (area is not None):
        raise ConfigError(
            "the case roofs and --area go together",
            remedy="heliopolis validate roofs --area CONFIG.yaml",
        )
    wanted = cases or list(CASES)
    if area is not None:
        from heliopolis.steps.roof_agreement import score_area

        found = score_area(area)
        _print("roofs", found)
        if out is not None:
            write_json(out, {"roofs": found})
        return
    unknown = [case for case in wanted if case not in CASES]
    if unknown:
        raise ConfigError(f"there is no case {unknown[0]!r}", remedy="Cases: " + ", ".join(CASES))
    metrics: dict[str, Any] = {}
    failed = []
    for case in wanted:
        try:
            metrics[case] = _score(case, data, results)
        except HeliopolisError as error:
            failed.append(case)
            print(f"heliopolis: {case}: {error}", file=sys.stderr)
            continue
        _print(case, metrics[case])
    if out is not None:
        write_json(out, metrics)
        if "hot-spot-rates" in metrics:
            from heliopolis.accuracy.hot_spot_rates import draw_power

            draw_power(metrics["hot-spot-rates"], out.with_name(f"{out.stem}-power.png"))
    if failed:
        raise typer.Exit(1)


def _score(case: str, data: Path | None, results: Path | None) -> dict[str, Any]:
    simulated = case in _SIMULATED
    default = "configs/demo/data" if simulated else os.environ.get("HELIOPOLIS_DATA")
    folder = data or Path(default or "../shared/data")
    if not folder.is_dir():
        raise ConfigError(
            "the data are not there",
            where=str(folder),
            remedy="Give --data, or set HELIOPOLIS_DATA",
        )
    found: dict[str, Any] = {}
    for module, function, reads_results in CASES[case]:
        score = getattr(importlib.import_module(f"heliopolis.accuracy.{module}"), function)
        run = results or Path("results") / _DEFAULT_RESULTS.get(case, case)
        values = score(run, folder) if reads_results else score(folder)
        several = len(CASES[case]) > 1
        found |= {function.removeprefix("score_"): values} if several else values
    return found


def _print(case: str, values: dict[str, Any], indent: str = "  ") -> None:
    from heliopolis.accuracy.simulated import BARS

    if indent == "  ":
        typer.echo(case)
    for name, value in values.items():
        if isinstance(value, dict):
            typer.echo(f"{indent}{name}")
            _print(case, value, indent + "  ")
            continue
        bar = BARS.get(name) if case == "simulated" else None
        text = ""
        if bar is not None:
            met = _OPERATORS[bar[0]](value, bar[1])
            text = f"   (bar {bar[0]} {bar[1]:g}: {'met' if met else 'NOT MET'})"
        typer.echo(f"{indent}{name:32} {value}{text}")
