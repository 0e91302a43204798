"""Memory that the job of each rule takes, to plan with and to share out what there is."""

from __future__ import annotations

from heliopolis.study import Study

#: Largest memory of a job [MB]: at the start, and for 10^6 cells of the heat grid. Measured on
#: 0.09, 0.64 and 2.9 million cells.
_GRID = {
    "thermal_scene": (450.0, 20.0),
    "sharpen": (480.0, 250.0),
    "optical_composite": (300.0, 300.0),
    "composite": (500.0, 390.0),
    "hot_zones": (450.0, 200.0),
    "publish": (350.0, 135.0),
}
#: The same for 10^6 cells of a tile, of a tile with the ground that may shade it, and of the
#: net's grid. Measured on tiles of 200 to 1,000 m with cells of 0.5 and 1 m.
_TILE = {"surface_model": (400.0, 400.0), "roof_planes": (450.0, 400.0)}
_SHADED = {"solar_yield": (550.0, 50.0)}
_SEEN = {"roof_probability": (450.0, 43.0)}
#: What is added on purpose: other data than those measured.
_SPARE = 1.15


def job_memory_mb(study: Study, rule: str, tile_m: float | None = None) -> int:
    """Memory of the largest job of a rule [MB].

    Parameters
    ----------
    study
        Its grid, cells and tiles count.
    rule
        Rule of the workflow; one of which nothing is known takes what Python takes.
    tile_m
        Side of a tile instead of the study's own [m].
    """
    west, south, east, north = study.area.boundary.boundingbox.bbox
    side = min(tile_m or study.config.roofs.tile_m, max(east - west, north - south))
    if rule in _GRID:
        rows, columns = study.grid.shape
        start, growth = _GRID[rule]
        cells = rows * columns / 1e6
    elif rule in _SEEN:
        # Not at the top: the workflow is read without what science needs.
        from heliopolis.roofs.probability import HALO_M, WORKING_GSD_M

        start, growth = _SEEN[rule]
        cells = ((side + 2 * HALO_M) / WORKING_GSD_M) ** 2 / 1e6
    elif (rule in _TILE or rule in _SHADED) and study.config.elevation is not None:
        start, growth = (_TILE | _SHADED)[rule]
        reach = study.config.solar.horizon_distance_m if rule in _SHADED else 0.0
        cells = ((side + 2 * reach) / study.config.elevation.resolution_m) ** 2 / 1e6
    else:
        return 500
    return round(_SPARE * (start + growth * cells))


def largest_job_mb(study: Study, tile_m: float | None = None) -> int:
    """Memory of the largest job of a study [MB]; ``tile_m`` instead of its own tiles."""
    rules: list[str] = []
    if study.config.has_heat:
        rules += _GRID
    if study.config.elevation is not None:
        rules += [*_TILE, *_SHADED]
    if study.config.uses_net:
        rules += _SEEN
    return max((job_memory_mb(study, rule, tile_m) for rule in rules), default=500)
