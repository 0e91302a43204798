"""Steps from aerial images and footprints to buildings."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo import resyx_
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.config import Footprints, Imagery, Roofs
from heliopolis.errors import InputError
from heliopolis.io.imagery import brightness_range, colour_indexes, colour_view
from heliopolis.io.raster import band_names, raster_grid, read_onto, read_tags, write_cog
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.roofs import fusion
from heliopolis.roofs.agreement import Agreement, agreement
from heliopolis.roofs.outline import outlines_and_originals
from heliopolis.roofs.probability import HALO_M, WORKING_GSD_M, load_net
from heliopolis.roofs.probability import roof_probability as probability_of
from heliopolis.roofs.registration import estimate_block_shifts, estimate_shift

_LOG = logging.getLogger(__name__)
_BAND = "roof_probability"


def roof_probability(
    *, tiles: Path, images: list[Path], probability: Path, tile: str, options: dict[str, Any]
) -> None:
    """Write the roof probability of one tile, on the 0.25 m working grid.

    Parameters
    ----------
    tiles
        ``tiles.json``, a list of ``{"id", "bounds"}``.
    images
        Georeferenced images in any CRS, first one on top.
    probability
        GeoTIFF to write, band ``roof_probability``.
    tile
        Identifier of the tile.
    options
        ``imagery``, ``roofs``, ``crs``.
    """
    imagery = Imagery.model_validate(options["imagery"])
    west, south, east, north = _bounds(tiles, tile)
    halo = np.ceil(HALO_M / WORKING_GSD_M) * WORKING_GSD_M
    core = _grid((west, south, east, north), options["crs"])
    wide = _grid((west - halo, south - halo, east + halo, north + halo), options["crs"])
    image = _brightness(images, wide, imagery)
    pad = round(halo / WORKING_GSD_M)
    net = load_net(threads=1)
    values = probability_of(
        image,
        WORKING_GSD_M,
        corner_m=(wide.affine.c, wide.affine.f),
        core=(slice(pad, pad + core.height), slice(pad, pad + core.width)),
        net=net,
    )
    band = wrap_xr(values, core)
    band.attrs = {"units": "1", "long_name": "probability that the pixel is roof"}
    tags = {
        "threshold": str(net.weights.threshold),
        "outline_probability": str(net.weights.outline_probability),
        "weights_sha256": net.weights.sha256[net.weights.onnx.name],
    }
    write_cog(probability, {_BAND: band}, tags=tags)


def roof_outlines(*, probabilities: list[Path], outlines: Path, options: dict[str, Any]) -> None:
    """Write the outlines of the roofs in the mosaic of all tiles.

    Layer ``outlines`` holds them with right angles where that is true to the image, layer
    ``originals`` the lines as found, with the same ``outline_id``.
    """
    roofs = Roofs.model_validate(options["roofs"])
    values, grid = mosaic(probabilities)
    found, originals = outlines_and_originals(
        values,
        grid,
        threshold_of(probabilities, roofs),
        roofs.min_area_m2,
        min_probability=_least_mean(probabilities, roofs),
    )
    _LOG.info("%d roofs were found in the images", len(found))
    write_layers(outlines, {"outlines": found, "originals": originals})


def buildings(
    *,
    footprints: Path | None,
    outlines: Path | None,
    probabilities: list[Path],
    buildings: Path,
    options: dict[str, Any],
) -> None:
    """Write the layer ``buildings`` from footprints, from roofs found in images, or from both.

    ``image_shift_x_m`` and ``image_shift_y_m`` say how far the image was found to lie from the
    footprints; NULL where that could not be told. Layers ``image_shifts`` (block by block) and
    ``agreement`` (scores against the footprints, and whether the net adds buildings, only checks
    footprints, or is left out) are written where there are both images and footprints.
    """
    crs, roofs = options["crs"], Roofs.model_validate(options["roofs"])
    section = (
        None
        if options.get("footprints") is None
        else Footprints.model_validate(options["footprints"])
    )
    known = None
    if footprints is not None:
        known = read_layer(footprints, section.layer if section else None, crs=crs)
    id_field = section.id_field if section else None
    if known is not None and id_field is not None and id_field not in known:
        _LOG.warning("%s has no field %r: identifiers come from positions", footprints, id_field)
    found = None if outlines is None else read_layer(outlines, "outlines", crs=crs)
    roof, shift, layers = None, None, dict[str, gpd.GeoDataFrame]()
    if probabilities:
        values, grid = mosaic(probabilities)
        roof = fusion.RoofRaster(values, grid, threshold_of(probabilities, roofs))
        if known is not None:
            shift = estimate_shift(known, values, grid)
            layers["image_shifts"] = estimate_block_shifts(known, values, grid)
    if known is None and found is None:
        raise InputError(
            "there is nothing to take buildings from",
            where="footprints, imagery",
            remedy="Give footprints, or imagery with roofs.net: auto",
        )
    if known is not None and found is not None and roof is not None:
        agreed = agreement(known, found, roof, shift)
        layers["agreement"] = _agreement_layer(agreed, grid)
        _LOG.info("images against footprints: %s", agreed.as_dict())
        if agreed.role in ("checks", "left out"):
            _LOG.warning(
                "the net finds too little in this area that the footprints hold: no roof "
                "is added from the images (%s)",
                agreed.role,
            )
            found = None
        roof = None if agreed.role == "left out" else roof
    made = fusion.fuse(
        known, found, roof, id_field=id_field, min_area_m2=roofs.min_area_m2, shift=shift
    )
    made["image_shift_x_m"] = np.nan if shift is None else shift.x_m
    made["image_shift_y_m"] = np.nan if shift is None else shift.y_m
    if shift is not None:
        _LOG.info(
            "the image lies %.2f m east, %.2f m north of the footprints", shift.x_m, shift.y_m
        )
    write_layers(buildings, {"buildings": made, **layers})


def _agreement_layer(agreed: Agreement, grid: GeoBox) -> gpd.GeoDataFrame:
    """One row over the mosaic with the scores and the role of the net."""
    return gpd.GeoDataFrame([agreed.as_dict()], geometry=[grid.extent.geom], crs=str(grid.crs))


def _bounds(tiles: Path, tile: str) -> tuple[float, float, float, float]:
    for one in json.loads(tiles.read_text(encoding="utf-8")):
        if one["id"] == tile:
            west, south, east, north = one["bounds"]
            return (west, south, east, north)
    raise InputError(f"there is no tile {tile!r}", where=str(tiles), remedy="Run the rule tiles")


def _grid(bounds: tuple[float, float, float, float], crs: str) -> GeoBox:
    """Working grid over ``bounds``, snapped outwards to whole cells."""
    cell = WORKING_GSD_M
    low = [np.floor(v / cell + 1e-6) * cell for v in bounds[:2]]
    high = [np.ceil(v / cell - 1e-6) * cell for v in bounds[2:]]
    return GeoBox.from_bbox((*low, *high), crs=crs, resolution=resyx_(-cell, cell))


def _brightness(images: list[Path], grid: GeoBox, imagery: Imagery) -> NDArray[np.float32]:
    """Red, green, blue (band, y, x) in 0..1 on ``grid``; NaN where no image is."""
    indexes = colour_indexes(images[0], imagery.bands)
    names = band_names(images[0])
    wanted = [names[i - 1] for i in indexes]
    views = [colour_view(path, indexes, imagery.bands) for path in images]
    source = raster_grid(images[0])
    factor = source.extent.to_crs(str(grid.crs)).area ** 0.5 / (source.width * source.height) ** 0.5
    kind = "average" if factor < 0.6 * WORKING_GSD_M else "bilinear"
    read = read_onto(views, grid, bands=wanted, resampling=kind)
    values = np.stack([read[name].to_numpy() for name in wanted])
    missing = ~np.isfinite(values).any(axis=0)
    scaled = brightness_range(images).scaled(np.nan_to_num(values))
    scaled[:, missing] = np.nan
    return scaled


def mosaic(probabilities: list[Path]) -> tuple[NDArray[np.float32], GeoBox]:
    """All tiles on one grid."""
    grids = [raster_grid(path) for path in probabilities]
    boxes = [grid.boundingbox for grid in grids]
    bounds = (
        min(b.left for b in boxes),
        min(b.bottom for b in boxes),
        max(b.right for b in boxes),
        max(b.top for b in boxes),
    )
    grid = _grid(bounds, str(grids[0].crs))
    return read_onto(probabilities, grid, bands=[_BAND])[_BAND].to_numpy(), grid


def threshold_of(probabilities: list[Path], roofs: Roofs) -> float:
    """Threshold of the configuration, else that of the weights which made the tiles."""
    if roofs.threshold is not None:
        return roofs.threshold
    return float(read_tags(probabilities[0])["threshold"])


def _least_mean(probabilities: list[Path], roofs: Roofs) -> float:
    """Mean probability that an outline needs; none for a user's own threshold."""
    if roofs.threshold is not None:
        return 0.0
    return float(read_tags(probabilities[0])["outline_probability"])
