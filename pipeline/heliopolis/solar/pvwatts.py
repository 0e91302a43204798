"""The chain of PVWatts 5: glass, cell temperature, module; the declared alternative to PVGIS's.

Reference: Dobos (2014), "PVWatts Version 5 Manual", doi:10.2172/1158421. Its standard module has
plain glass, a temperature coefficient of -0.47 %/K and no loss in low light.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pvlib

from heliopolis.solar.irradiance import PlaneIrradiance
from heliopolis.solar.sky import Sky

FloatArray = np.ndarray[Any, np.dtype[Any]]

#: Temperature coefficient of the standard module [1/K].
GAMMA = -0.0047
#: Installed nominal operating cell temperature [degC]: open rack, and on a roof.
INSTALLED_NOCT_C = {"free": 45.0, "building": 49.0}
#: Height of the array, and of the wind where it was measured [m].
_ARRAY_HEIGHT_M, _WIND_HEIGHT_M = 5.0, 10.0
_GLASS_INDEX = 1.526


def behind_glass(irradiance: PlaneIrradiance) -> FloatArray:
    """Irradiance that passes the glass [W m-2]: Fresnel and absorption for the beam alone."""
    angle = np.degrees(np.arccos(np.clip(irradiance.cos_incidence, -1.0, 1.0)))
    passed = pvlib.iam.physical(angle, n=_GLASS_INDEX)
    return np.asarray(irradiance.beam * passed + irradiance.sky + irradiance.ground)


def cell_temperature(
    sky: Sky,
    total: FloatArray,
    tilt_deg: FloatArray,
    mounting: str | Sequence[str],
    wind_m_s: FloatArray,
) -> FloatArray:
    """Temperature of the cells [degC], dims (plane, time), after Fuentes (1987), SAND85-0330.

    Nights are left out of the record; after so long a time nothing is left of the evening's heat.
    """
    kinds = [mounting] * total.shape[0] if isinstance(mounting, str) else list(mounting)
    order = np.argsort(sky.times.asi8, kind="stable")
    index = pd.DatetimeIndex(sky.times[order])
    out = np.empty_like(total)
    for i, kind in enumerate(kinds):
        found = pvlib.temperature.fuentes(
            pd.Series(total[i, order], index=index),
            pd.Series(sky.temp_air_c[order], index=index),
            pd.Series(wind_m_s[order], index=index),
            INSTALLED_NOCT_C[kind],
            module_height=_ARRAY_HEIGHT_M,
            wind_height=_WIND_HEIGHT_M,
            surface_tilt=float(tilt_deg[i]),
        )
        out[i, order] = found.to_numpy()
    return out


def module_power(effective: FloatArray, cell_c: FloatArray) -> FloatArray:
    """Power over nominal power; the shape of ``effective`` [W m-2]."""
    return np.asarray(pvlib.pvsystem.pvwatts_dc(effective, cell_c, 1.0, GAMMA))
