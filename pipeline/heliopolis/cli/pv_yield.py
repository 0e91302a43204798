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
    muneer = "muneer"


class HorizonChoice(StrEnum):
    """What the horizon hides."""

    sky = "sky"
    beam = "beam"


_SKY_MODELS: dict[str, Literal["perez", "hay-davies", "muneer"]] = {
    "perez": "perez",
    "hay-davies": "hay-davies",
    "muneer": "muneer",
}


def _sky_model(choice: TranspositionChoice) -> Literal["perez", "hay-davies", "muneer"] | None:
    if choice is TranspositionChoice.auto:
        return None
    return _SKY_MODELS[choice.value]


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
    horizon_hides: Annotated[
        HorizonChoice,
        typer.Option(
            help="Beam and sky (near obstacles), or beam and circumsolar light alone, as PVGIS"
        ),
    ] = HorizonChoice.sky,
    model: Annotated[
        ModelChoice,
        typer.Option(help="Glass, cell temperature and module: those of PVGIS 5, or of PVWatts 5"),
    ] = ModelChoice.huld,
    transposition: Annotated[
        TranspositionChoice,
        typer.Option(help="Model of the sky; auto: perez where diffuse light is independent"),
    ] = TranspositionChoice.auto,
    degradation: Annotated[
        float, typer.Option(help="Loss of energy from year to year [%]", min=0, max=99)
    ] = 0.5,
    years: Annotated[int, typer.Option(help="Years of life for the sum of energy", min=1)] = 25,
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
        horizon_hides_sky=horizon_hides is HorizonChoice.sky,
        degradation_percent=degradation,
        years_of_life=years,
    )
    for note in told["weather"]["warnings"]:
        typer.echo(f"warning: {note}", err=True)
    energy = told["energy_kwh_year"]
    typer.echo(f"wrote {out}: {energy if energy is not None else 'unknown'} kWh a year", err=True)
