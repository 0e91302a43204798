"""Relief and river of the simulated city, as functions of the coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from heliopolis.simulate.burning import F64


@dataclass(frozen=True)
class Landscape:
    """Gentle hills and a river that winds past the centre.

    Attributes
    ----------
    centre
        Centre of the city [m].
    angle, offset_m, amplitude_m, wavelengths_m, phases
        Course of the river in a frame that is turned by ``angle`` [rad] about the centre.
    half_width_m
        Half the width of the river.
    hills
        Rows of amplitude [m], wave number in x and y [rad m-1], phase [rad].
    """

    centre: tuple[float, float]
    angle: float
    offset_m: float
    amplitude_m: float
    wavelengths_m: tuple[float, float]
    phases: tuple[float, float]
    half_width_m: float
    hills: F64

    @classmethod
    def draw(
        cls, rng: np.random.Generator, centre: tuple[float, float], size_m: float, core_m: float
    ) -> Landscape:
        """Random landscape; the river stays clear of the core."""
        offset = 0.17 * size_m
        bend = max(0.0, min(0.05 * size_m, (offset - 0.75 * core_m - 60) / 1.4))
        if offset < 0.75 * core_m + 60:
            offset = 0.75 * core_m + 60
        waves = rng.uniform(2500, 6000, 4)
        turn = rng.uniform(0, 2 * np.pi, 4)
        hills = np.column_stack(
            [
                rng.uniform(3, 8, 4),
                2 * np.pi / waves * np.cos(turn),
                2 * np.pi / waves * np.sin(turn),
                rng.uniform(0, 2 * np.pi, 4),
            ]
        )
        return cls(
            centre=centre,
            angle=float(rng.uniform(-0.5, 0.5) + np.pi * rng.integers(2)),
            offset_m=offset,
            amplitude_m=bend,
            wavelengths_m=(0.45 * size_m, 0.19 * size_m),
            phases=(float(rng.uniform(0, 6.28)), float(rng.uniform(0, 6.28))),
            half_width_m=float(np.clip(0.003 * size_m, 12, 26)),
            hills=hills,
        )

    def _course(self, along: F64) -> F64:
        long, short = self.wavelengths_m
        return (
            self.offset_m
            + self.amplitude_m * np.sin(2 * np.pi * along / long + self.phases[0])
            + 0.4 * self.amplitude_m * np.sin(2 * np.pi * along / short + self.phases[1])
        )

    def terrain(self, x: F64, y: F64) -> F64:
        """Height of the ground [m] at coordinates that broadcast."""
        u, v = np.asarray(x) - self.centre[0], np.asarray(y) - self.centre[1]
        z = np.full(np.broadcast_shapes(u.shape, v.shape), 85.0)
        for amplitude, kx, ky, phase in self.hills:
            z += amplitude * np.sin(kx * u + ky * v + phase)
        along = u * np.cos(self.angle) + v * np.sin(self.angle)
        across = v * np.cos(self.angle) - u * np.sin(self.angle)
        z -= 9.0 * np.exp(-(((across - self._course(along)) / 500.0) ** 2))
        return z

    def river(self, reach_m: float) -> shapely.Polygon:
        """Water surface within ``reach_m`` of the centre, as one polygon."""
        along = np.linspace(-reach_m, reach_m, max(100, int(reach_m / 15)))
        across = self._course(along)
        c, s = np.cos(self.angle), np.sin(self.angle)
        xy = np.column_stack(
            [self.centre[0] + c * along - s * across, self.centre[1] + s * along + c * across]
        )
        return shapely.LineString(xy).buffer(self.half_width_m, quad_segs=4)
