"""A whole simulated data set, as a city would have it on its disk."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from heliopolis import __version__
from heliopolis.errors import ConfigError
from heliopolis.io.atomic import replacing, write_json
from heliopolis.simulate.aerial import write_aerial
from heliopolis.simulate.city import PRESETS, CitySpec, build_city

#: Says what a folder holds; its absence means that the folder is not ours.
_LABEL = "simulation.json"


def spec_of(
    preset: str, seed: int = 1, size_m: float | None = None, core_m: float | None = None
) -> CitySpec:
    """Spec of a preset, with changes; raises `ConfigError` for an unknown preset."""
    if preset not in PRESETS:
        raise ConfigError(
            f"there is no preset {preset!r}",
            where="preset",
            remedy="Use one of: " + ", ".join(PRESETS),
        )
    base = PRESETS[preset]
    return replace(base, seed=seed, size_m=size_m or base.size_m, core_m=core_m or base.core_m)


def simulate(
    out_dir: Path,
    preset: str = "demo",
    seed: int = 1,
    size_m: float | None = None,
    core_m: float | None = None,
) -> Path:
    """Write a simulated city: satellite scenes, aerial data, weather, places, and the truth.

    The folder appears whole or not at all. Where it holds the same simulation already nothing
    is done.

    Parameters
    ----------
    out_dir
        Folder to make; it may exist if it is empty or holds an earlier simulation.
    preset
        ``demo`` (8 km, core 600 m) or ``tiny`` (3 km, core 240 m).
    seed
        Same seed, same city.
    size_m, core_m
        Side of the extent and of the core [m]; those of the preset by default.

    Raises
    ------
    ConfigError
        When the preset is unknown, or ``out_dir`` holds something else.
    """
    from heliopolis.simulate.satellites import write_satellites

    spec = spec_of(preset, seed, size_m, core_m)
    label: dict[str, Any] = {
        "simulated": True,
        "heliopolis": __version__,
        "preset": preset,
        "spec": asdict(spec) | {"origin": list(spec.origin)},
    }
    if _holds(out_dir, label):
        return out_dir
    city = build_city(spec)
    with replacing(out_dir) as folder:
        folder.mkdir(parents=True)
        write_aerial(city, folder)
        write_satellites(city, folder)
        write_json(folder / _LABEL, label)
    return out_dir


def _holds(out_dir: Path, label: dict[str, Any]) -> bool:
    """Whether the folder holds this very simulation; raises where it holds something else."""
    if not out_dir.exists() or (out_dir.is_dir() and not any(out_dir.iterdir())):
        return False
    file = out_dir / _LABEL
    if not file.is_file():
        raise ConfigError(
            "the folder exists and holds no simulation",
            where=str(out_dir),
            remedy="Name a folder that does not exist yet, or empty this one",
        )
    return bool(json.loads(file.read_text(encoding="utf-8")) == label)
