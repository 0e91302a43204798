"""Steps from aerial images and footprints to buildings."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo import resyx_
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.config import Footprints, Imagery, Roofs
from heliopolis.errors import InputError
from heliopolis.io.imagery import Range, brightness_range, colour_indexes, colour_view, nir_index
from heliopolis.io.raster import band_names, raster_grid, read_onto, read_tags, write_cog
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.roofs import fusion
from heliopolis.roofs.agreement import Agreement, agreement
from heliopolis.roofs.field import Floats, RoofRaster
from heliopolis.roofs.outline import Rules, outlines_and_originals
from heliopolis.roofs.probability import FAR_M, HALO_M, WORKING_GSD_M, answers, is_strange, load_net
from heliopolis.roofs.registration import Shift, estimate_shifts
from heliopolis.steps.tiles import tile_bounds

_LOG = logging.getLogger(__name__)
_BAND = "roof_probability"
#: Bands of a tile, in the order of the net's heads: unit, long name, value of an answer of 1.
_BANDS = {
    _BAND: ("1", "probability that the pixel is roof", 1.0),
    "edge_probability": ("1", "probability that an edge of a building is here", 1.0),
    "edge_distance_m": ("m", "distance to the building's edge, at most 4 m", FAR_M),
    "panel_probability": ("1", "probability of solar panels", 1.0),
}
#: Steps in which an answer is kept: a byte, of which 0 is no image.
_STEPS = 254
#: Least area of panels on a roof [m2].
_PANELS_M2 = 2.0


def roof_probability(
    *,
    tiles: Path,
    images: list[Path],
    probability: Path,
    tile: str,
    options: dict[str, Any],
    brightness: list[float] | None = None,
) -> None:
    """Write what the net says of one tile, on the 0.25 m working grid, in steps of 0.4 %.

    Parameters
    ----------
    tiles
        ``tiles.json``, a list of ``{"id", "bounds"}``.
    images
        Georeferenced images in reach of the tile, in any CRS, first one on top.
    probability
        GeoTIFF to write: bands ``roof_probability``, ``edge_probability``, ``edge_distance_m``,
        ``panel_probability``; the tags ``unlike_share`` and ``unsure_share`` say how much of it
        lies in pictures unlike those of the training, and of how much of what may be roof the
        net is not sure.
    tile
        Identifier of the tile.
    options
        ``imagery``, ``roofs``, ``crs``.
    brightness
        Values of all images that stand for black and white; by default those of these images.
    """
    imagery = Imagery.model_validate(options["imagery"])
    near_infrared = Roofs.model_validate(options["roofs"]).near_infrared
    west, south, east, north = tile_bounds(tiles, tile)
    halo = np.ceil(HALO_M / WORKING_GSD_M) * WORKING_GSD_M
    core = _grid((west, south, east, north), options["crs"])
    wide = _grid((west - halo, south - halo, east + halo, north + halo), options["crs"])
    span = brightness_range(images) if brightness is None else Range(*brightness)
    image = _brightness(images, wide, imagery, span, near_infrared=near_infrared)
    pad = round(halo / WORKING_GSD_M)
    net = load_net(threads=1)
    seen = net.seen()
    made = answers(
        image,
        WORKING_GSD_M,
        corner_m=(wide.affine.c, wide.affine.f),
        core=(slice(pad, pad + core.height), slice(pad, pad + core.width)),
        net=net,
        seen=seen,
    )
    bands = {}
    for values, (name, (unit, long_name, top)) in zip(made, _BANDS.items(), strict=True):
        bands[name] = wrap_xr(values * np.float32(top), core)
        bands[name].attrs = {"units": unit, "long_name": long_name}
        bands[name].encoding = {"scale_factor": top / _STEPS, "add_offset": -top / _STEPS}
    tags = {
        "threshold": str(net.weights.threshold),
        "outline_probability": str(net.weights.outline_probability),
        "weights_sha256": net.weights.sha256[net.weights.onnx.name],
        "panel_threshold": str(net.weights.panel_threshold or ""),
        "unlike_share": f"{seen.unlike_share(net.weights.unlike_limit):.3f}",
        "unsure_share": f"{seen.unsure_share():.3f}",
        "unsure_limit": str(net.weights.unsure_limit),
        "like_roof_px": str(seen.like_roof),
    }
    write_cog(probability, bands, tags=tags, dtype="uint8")


def roof_outlines(*, probabilities: list[Path], outlines: Path, options: dict[str, Any]) -> None:
    """Write the outlines of the roofs in the mosaic of all tiles.

    Layer ``outlines`` holds them with right angles where that is true to the image, layer
    ``originals`` the lines as found, with the same ``outline_id``.
    """
    roofs = Roofs.model_validate(options["roofs"])
    if not probabilities:
        _LOG.warning("no image lies in the study area: no roof is looked for")
        none = gpd.GeoDataFrame(geometry=[], crs=options["crs"])
        write_layers(outlines, {"outlines": none, "originals": none})
        return
    warn_of_strange(probabilities)
    rules = Rules(
        threshold_of(probabilities, roofs),
        roofs.min_area_m2,
        min_probability=_least_mean(probabilities, roofs),
    )
    found, originals = outlines_and_originals(Tiles(probabilities), rules)
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
        roof = Tiles(probabilities).raster(_BAND, threshold_of(probabilities, roofs))
        if known is not None:
            shift, layers["image_shifts"] = estimate_shifts(known, roof)
    if known is None and found is None:
        raise InputError(
            "there is nothing to take buildings from",
            where="footprints, imagery",
            remedy="Give footprints, or imagery with roofs.net: auto",
        )
    if known is not None and found is not None and roof is not None:
        agreed = agreement(known, found, roof, shift)
        layers["agreement"] = _agreement_layer(agreed, roof.grid)
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
    made["existing_pv"] = _existing_panels(made, probabilities, shift) if roof else None
    made["built_year"] = _built_years(made, known, section)
    made["image_shift_x_m"] = np.nan if shift is None else shift.x_m
    made["image_shift_y_m"] = np.nan if shift is None else shift.y_m
    if shift is not None:
        _LOG.info(
            "the image lies %.2f m east, %.2f m north of the footprints", shift.x_m, shift.y_m
        )
    write_layers(buildings, {"buildings": made, **layers})


def _built_years(
    made: gpd.GeoDataFrame, known: gpd.GeoDataFrame | None, section: Footprints | None
) -> pd.Series:
    """Year of construction by the building's own id; NULL where the footprints do not tell."""
    unknown = pd.Series(np.nan, index=made.index, dtype="float64")
    if known is None or section is None or section.year_field is None:
        return unknown
    missing = [
        name for name in (section.year_field, section.id_field or "id_field") if name not in known
    ]
    if missing:
        raise InputError(
            f"the footprints have no field {missing[0]!r}, to know the year of construction by",
            where="footprints.year_field",
            remedy="Its fields are: " + ", ".join(str(name) for name in known.columns),
        )
    text = known[section.year_field].astype(str)
    years = text.str.extract(r"(?<!\d)(1\d{3}|20\d{2})(?!\d)", expand=False).astype("float64")
    by_id = years.groupby(known[section.id_field].astype(str)).max()
    return made["building_id"].astype(str).map(by_id).astype("float64")


def _existing_panels(
    made: gpd.GeoDataFrame, probabilities: list[Path], shift: Shift | None
) -> pd.Series:
    """Whether each building carries panels; NULL where the net or the image cannot tell."""
    threshold = read_tags(probabilities[0]).get("panel_threshold", "")
    if not threshold:
        return pd.Series(pd.NA, index=made.index, dtype="boolean")
    seen = Tiles(probabilities).raster("panel_probability", float(threshold))
    panels = fusion.moved(seen, shift)
    area = pd.Series(fusion.panel_area_m2(made, panels), index=made.index)
    return (area >= _PANELS_M2).astype("boolean").mask(area.isna())


def _agreement_layer(agreed: Agreement, grid: GeoBox) -> gpd.GeoDataFrame:
    """One row over the mosaic with the scores and the role of the net."""
    return gpd.GeoDataFrame([agreed.as_dict()], geometry=[grid.extent.geom], crs=str(grid.crs))


def _grid(bounds: tuple[float, float, float, float], crs: str) -> GeoBox:
    """Working grid over ``bounds``, snapped outwards to whole cells."""
    cell = WORKING_GSD_M
    low = [np.floor(v / cell + 1e-6) * cell for v in bounds[:2]]
    high = [np.ceil(v / cell - 1e-6) * cell for v in bounds[2:]]
    return GeoBox.from_bbox((*low, *high), crs=crs, resolution=resyx_(-cell, cell))


def _brightness(
    images: list[Path], grid: GeoBox, imagery: Imagery, span: Range, *, near_infrared: bool
) -> NDArray[np.float32]:
    """Red, green, blue, nir where wanted and there (band, y, x) in 0..1; NaN where no image is."""
    indexes: tuple[int, ...] = colour_indexes(images[0], imagery.bands)
    fourth = nir_index(images[0], imagery.bands) if near_infrared else None
    indexes = indexes if fourth is None else (*indexes, fourth)
    names = band_names(images[0])
    wanted = [names[i - 1] for i in indexes]
    views = [colour_view(path, indexes, imagery.bands) for path in images]
    source = raster_grid(images[0])
    factor = source.extent.to_crs(str(grid.crs)).area ** 0.5 / (source.width * source.height) ** 0.5
    kind = "average" if factor < 0.6 * WORKING_GSD_M else "bilinear"
    read = read_onto(views, grid, bands=wanted, resampling=kind)
    values = np.stack([read[name].to_numpy() for name in wanted])
    missing = ~np.isfinite(values).any(axis=0)
    scaled = span.scaled(np.nan_to_num(values))
    scaled[:, missing] = np.nan
    return scaled


class Tiles:
    """What the net says, in the files of the tiles: a `heliopolis.roofs.field.Field`."""

    def __init__(self, probabilities: list[Path]) -> None:
        grids = [raster_grid(path) for path in probabilities]
        self._paths = list(zip(probabilities, (g.boundingbox for g in grids), strict=True))
        boxes = [box for _, box in self._paths]
        bounds = (
            min(b.left for b in boxes),
            min(b.bottom for b in boxes),
            max(b.right for b in boxes),
            max(b.top for b in boxes),
        )
        self.grid = _grid(bounds, str(grids[0].crs))

    def read(self, rows: slice, columns: slice) -> Floats:
        """Window (layer, y, x): probability of roof, of an edge, distance to it [m]."""
        return self.bands(list(_BANDS)[:3], self.grid[rows, columns])

    def bands(self, names: list[str], grid: GeoBox) -> Floats:
        """Bands (band, y, x) on a part of the grid."""
        window = grid.boundingbox
        near = [
            path
            for path, box in self._paths
            if box.left < window.right
            and box.right > window.left
            and box.bottom < window.top
            and box.top > window.bottom
        ]
        if not near:
            return np.full((len(names), *grid.shape), np.nan, "float32")
        read = read_onto(near, grid, bands=names)
        return np.stack([read[name].to_numpy() for name in names])

    def raster(self, band: str, threshold: float) -> RoofRaster:
        """One band, with the probability from which a pixel counts."""

        def read(rows: slice, columns: slice) -> Floats:
            return self.bands([band], self.grid[rows, columns])[0]

        return RoofRaster(self.grid, threshold, read)


def warn_of_strange(probabilities: list[Path]) -> None:
    """Warn where the images are unlike those that the net was trained on."""
    tags = [read_tags(path) for path in probabilities]
    tags = [one for one in tags if one.get("unlike_share", "nan") != "nan"]
    if not tags:
        return
    unlike, unsure, like = (
        np.array([float(one[name]) for one in tags])
        for name in ("unlike_share", "unsure_share", "like_roof_px")
    )
    share = float(np.nansum(unsure * like) / max(like.sum(), 1.0))
    if is_strange(float(unlike.mean()), share, float(tags[0]["unsure_limit"])):
        _LOG.warning(
            "%.0f %% of the image is unlike the images that the net was trained on, and of %.0f %% "
            "of what may be roof it is not sure: look at its roofs before they are used, or set "
            "roofs.net: off",
            100 * unlike.mean(),
            100 * share,
        )


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
