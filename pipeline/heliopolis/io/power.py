"""Energy that the processor meters itself, where the system lets it be read.

Linux shows the counters of the running average power limit (RAPL) of Intel and AMD processors
under ``/sys/class/powercap``. A counter is that of the whole processor: a job is given the share
of it that its processor time has in the time that all cores were busy. RAPL agrees with meters at
the plug to a few per cent of the processor's part; what disks, fans and the power supply take is
not in it (Khan et al. 2018, RAPL in action, doi:10.1145/3177754).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POWERCAP, STAT = Path("/sys/class/powercap"), Path("/proc/stat")
#: Counters that are added up; those of cores are a part of their package.
_COUNTED = ("package", "dram")
_JOULES_PER_KWH = 3.6e6
METERED = "metered by the processor (RAPL), shared out by processor time"


@dataclass(frozen=True)
class PowerReading:
    """Counters at a moment.

    Attributes
    ----------
    joules
        Value and range of each counter [J]; past its range it begins at zero again.
    busy_s
        Time that all cores together have been busy since the start of the machine [s].
    """

    joules: dict[str, tuple[float, float]]
    busy_s: float


def read_power(powercap: Path = POWERCAP, stat: Path = STAT) -> PowerReading | None:
    """Read the counters; None where there are none, or none that may be read."""
    joules = {}
    try:
        for zone in sorted(powercap.glob("*:*")):
            if (zone / "name").read_text().strip().startswith(_COUNTED):
                value, most = (
                    float((zone / name).read_text()) / 1e6
                    for name in ("energy_uj", "max_energy_range_uj")
                )
                joules[zone.name] = (value, most)
        ticks = [int(word) for word in stat.read_text().split("\n", 1)[0].split()[1:]]
    except (OSError, ValueError):
        return None
    if not joules or len(ticks) < 5:
        return None
    idle = ticks[3] + ticks[4]
    return PowerReading(joules, (sum(ticks[:8]) - idle) / os.sysconf("SC_CLK_TCK"))


def energy_between(
    before: PowerReading | None, after: PowerReading | None, cpu_s: float
) -> float | None:
    """Energy of a job between two readings [kWh]; None where it was not metered.

    Parameters
    ----------
    before, after
        Readings at its start and end.
    cpu_s
        Its processor time [s].

    Examples
    --------
    >>> before = PowerReading({"intel-rapl:0": (100.0, 1000.0)}, 50.0)
    >>> after = PowerReading({"intel-rapl:0": (820.0, 1000.0)}, 70.0)
    >>> energy_between(before, after, 10.0) * 3.6e6
    360.0
    """
    if before is None or after is None or set(before.joules) != set(after.joules):
        return None
    used = 0.0
    for name, (end, most) in after.joules.items():
        spent = end - before.joules[name][0]
        used += spent if spent >= 0 else spent + most
    busy = after.busy_s - before.busy_s
    share = min(1.0, cpu_s / busy) if busy > 0 else 1.0
    return used * share / _JOULES_PER_KWH


def metered(energy: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Energy of the computation with what was metered in place of what was assumed.

    ``metered_share`` is the share of the processor time whose energy was metered.

    Parameters
    ----------
    energy
        Estimate for all jobs: ``energy_kwh``, ``core_power_w`` and ``method``.
    jobs
        Their records: ``cpu_seconds`` and, of those that were metered, ``energy_kwh``.
    """
    mine = [job for job in jobs if job.get("energy_kwh") is not None]
    if not mine:
        return {**energy, "metered_share": 0.0}
    total, known = (
        sum(float(job.get("cpu_seconds") or 0) for job in some) for some in (jobs, mine)
    )
    rest = (total - known) * float(energy["core_power_w"]) / _JOULES_PER_KWH
    method = METERED if len(mine) == len(jobs) else f"{METERED}; the rest: {energy['method']}"
    return {
        **energy,
        "energy_kwh": round(sum(float(job["energy_kwh"]) for job in mine) + rest, 6),
        "method": method,
        "metered_share": round(known / total, 4) if total else 1.0,
    }
