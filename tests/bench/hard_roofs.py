"""Draw the roofs that are explained worst, to be looked at.

Usage: ``python -m tests.bench.hard_roofs DATA OUT [COUNT]``: one PNG for each roof of Delft, the
worst first, with the points by height, the planes over them, and the points that lie on none.
"""

from __future__ import annotations

import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from heliopolis.accuracy.planes import delft
from heliopolis.roofs.planes import NOT_ROOF, Heights, roof_planes

_ON_PLANE_M = 0.15


def draw_hard_roofs(data_dir: Path, out_dir: Path, count: int = 20) -> list[Path]:
    """Draw the ``count`` buildings with the most unexplained roof, in square metres."""
    table, heights = delft(data_dir)
    planes = roof_planes(table[["building_id", "geometry"]], heights).roof_planes
    share = planes.groupby("building_id")["explained_share"].first()
    area = table.set_index("building_id").geometry.area
    worst = ((1 - share) * area).fillna(area).sort_values(ascending=False).index[:count]
    out_dir.mkdir(parents=True, exist_ok=True)
    return [
        _draw(table, heights, planes[planes["building_id"] == name], str(name), rank, out_dir)
        for rank, name in enumerate(worst, start=1)
    ]


def _draw(
    table: gpd.GeoDataFrame,
    heights: Heights,
    planes: gpd.GeoDataFrame,
    name: str,
    rank: int,
    out_dir: Path,
) -> Path:
    footprint = table.set_index("building_id").geometry[name]
    points = heights.within(footprint)
    points = points.take(~np.isin(points.classification, NOT_ROOF))
    figure = Figure(figsize=(12, 6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    dots = left.scatter(points.x, points.y, c=points.z, s=4, cmap="viridis")
    figure.colorbar(dots, ax=left, label="height [m]")
    planes.plot(ax=right, column="plane_id", cmap="tab20", alpha=0.5, edgecolor="k")
    away = _nearest_plane_m(points, planes)
    off = np.abs(away) > _ON_PLANE_M
    dots = right.scatter(
        *(points.x[off], points.y[off]), c=away[off], s=8, cmap="coolwarm", vmin=-2, vmax=2
    )
    figure.colorbar(dots, ax=right, label="distance from the plane [m]")
    for row in planes.itertuples():
        _label(right, row)
    share = float(planes["explained_share"].iloc[0])
    left.set_title(f"{name}: {footprint.area:.0f} m2, {share:.2f} explained")
    for axes in (left, right):
        gpd.GeoSeries([footprint]).boundary.plot(ax=axes, color="k", linewidth=0.8)
        axes.set_aspect("equal")
    target = out_dir / f"{rank:02d}_{name}.png"
    figure.savefig(target, dpi=70)
    return target


def _nearest_plane_m(points: Heights, planes: gpd.GeoDataFrame) -> np.ndarray:
    """Distance of each point from the plane of the building that is nearest to it [m]."""
    best = np.full(len(points), np.inf)
    for row in planes.itertuples():
        over = row.slope_x * (points.x - row.xc_m) + row.slope_y * (points.y - row.yc_m)
        away = (points.z - row.z0_m - over) * np.cos(np.radians(row.tilt_deg))
        best = np.where(np.abs(away) < np.abs(best), away, best)
    return best


def _label(axes: Axes, row: object) -> None:
    centre = row.geometry.representative_point()  # type: ignore[attr-defined]
    azimuth = row.azimuth_deg  # type: ignore[attr-defined]
    text = f"{row.tilt_deg:.0f}" + ("" if np.isnan(azimuth) else f"/{azimuth:.0f}")  # type: ignore[attr-defined]
    axes.text(centre.x, centre.y, text, ha="center", fontsize=8)


if __name__ == "__main__":
    for picture in draw_hard_roofs(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:4])):
        print(picture)
