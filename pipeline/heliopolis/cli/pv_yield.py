"""``heliopolis yield``: what one photovoltaic system produces."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer


class MountingChoice(StrEnum):
    """How the modules are cooled."""

    free = "free"
    building = "building"


class ModelChoice(StrEnum):
    """Model of the module."""

    huld = "huld"
    pvwatts = "pvwatts"


class TranspositionChoice(StrEnum):
    """Model of the diffuse sky."""

    auto = "auto"
    perez = "perez"
    hay_davies = "hay-davies"


def _sky_model(choice: TranspositionChoice) -> Literal["perez", "hay-davies"] | None:
    if choice is TranspositionChoice.auto:
        return None
    return "perez" if choice is TranspositionChoice.perez else "hay-davies"


def pv_yield(
    weather: Annotated[
        list[Path], typer.Option(help="Weather file(s): CSV, EPW, PVGIS, DWD TRY; UTC")
    ],
    lat: Annotated[float, typer.Option(help="Latitude [deg]")],
    lon: Annotated[float, typer.Option(help="Longitude [deg]")],
    tilt: Annotated[float, typer.Option(help="Tilt of the modules [deg], 0 is horizontal")],
    azimuth: Annotated[float, typer.Option(help="Direction they face [deg], clockwise from north")],
    kwp: Annotated[float, typer.Option(help="Nominal power [kWp]", min=0)],
    out: Annotated[Path, typer.Option(help="JSON to write")],
    losses: Annotated[
        float | None,
        typer.Option(
            help="All system losses behind the module, inverter included [%]; itemised by default",
            min=0,
            max=100,
        ),
    ] = None,
    mounting: Annotated[
        MountingChoice, typer.Option(help="Free-standing, or on or in a roof")
    ] = MountingChoice.free,
    horizon: Annotated[
        Path | None, typer.Option(help="CSV of the horizon: azimuth_deg,elevation_deg")
    ] = None,
    poa: Annotated[
        bool, typer.Option("--poa", help="The weather holds gb_i, gd_i, gr_i in the plane already")
    ] = False,
    model: Annotated[ModelChoice, typer.Option(help="Model of the module")] = ModelChoice.huld,
    transposition: Annotated[
        TranspositionChoice,
        typer.Option(help="Model of the sky; auto: perez where diffuse light is independent"),
    ] = TranspositionChoice.auto,
) -> None:
    """Compute the yield of a PV system in a mean first year.

    Example: heliopolis yield --weather weather.csv --lat 51.96 --lon 4.45 --tilt 35 --azimuth 180
    --kwp 1 --losses 14 --out yield.json
    """
    from heliopolis.steps.solar_files import yield_file

    told = yield_file(
        weather,
        out,
        latitude=lat,
        longitude=lon,
        tilt_deg=tilt,
        azimuth_deg=azimuth,
        capacity_kwp=kwp,
        losses_percent=losses,
        mounting=mounting.value,
        horizon=horizon,
        in_plane=poa,
        model=model.value,
        transposition=_sky_model(transposition),
    )
    for note in told["weather"]["warnings"]:
        typer.echo(f"warning: {note}", err=True)
    energy = told["energy_kwh_year"]
    typer.echo(f"wrote {out}: {energy if energy is not None else 'unknown'} kWh a year", err=True)
