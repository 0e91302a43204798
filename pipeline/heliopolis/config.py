"""The configuration: one validated, frozen value; every key documented, none ignored."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from heliopolis.area import safe_name
from heliopolis.documents import plain_yaml
from heliopolis.errors import ConfigError, HeliopolisError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | Path) else value


#: One path or glob, or a list of them; relative to the folder of the configuration file.
Paths = Annotated[tuple[str, ...], BeforeValidator(_listed)]


#: Largest configuration that is read [bytes].
LARGEST_CONFIG = 2_000_000
#: Catalogs of satellite scenes that are known by name.
CATALOGS = ("earth-search", "planetary-computer", "copernicus")
#: Where a run puts what it brings in from an archive, below its results.
ACQUIRED = {
    "imagery": "work/inputs/imagery.tif",
    "dsm": "work/inputs/dsm.tif",
    "dtm": "work/inputs/dtm.tif",
    "footprints": "work/inputs/footprints.gpkg",
    "places": "work/inputs/places.gpkg",
    "weather": "work/inputs/weather.json",
}


class Section(BaseModel):
    """Base of all sections: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Area(Section):
    """Where."""

    boundary: str | None = Field(None, description="Vector file with the boundary polygon(s)")
    layer: str | None = Field(None, description="Layer of the boundary file")
    bbox: tuple[float, float, float, float] | None = Field(
        None, description="West, south, east, north, in bbox_crs; instead of a boundary file"
    )
    bbox_crs: str = Field("EPSG:4326", description="CRS of bbox")
    crs: str = Field(description="Metric CRS of every output, such as EPSG:2154")
    resolution_m: Positive = Field(10.0, description="Cell of the heat grid [m]; divides 100")

    @model_validator(mode="after")
    def _one_boundary(self) -> Area:
        if (self.boundary is None) == (self.bbox is None):
            raise ValueError("give either boundary or bbox")
        if self.bbox is not None and not (
            self.bbox[0] < self.bbox[2] and self.bbox[1] < self.bbox[3]
        ):
            raise ValueError(
                "bbox must be west, south, east, north with west < east, south < north"
            )
        return self


class Period(Section):
    """When: which scenes are considered."""

    start: date = Field(description="First day")
    end: date = Field(description="Last day")
    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = Field(
        (5, 6, 7, 8, 9), description="Months of the hot season"
    )
    time_of_day: Literal["day", "night", "both"] = Field(
        "day", description="Overpasses used in the heat map (local solar time 6 h to 18 h is day)"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Period:
        if self.end < self.start:
            raise ValueError("end lies before start")
        return self


class ThermalSource(Section):
    """A source of thermal scenes: a STAC catalog, or files that hold LST already."""

    kind: Literal["stac", "lst_files"]
    catalog: Paths = Field(
        (),
        description="For kind: stac: name (" + ", ".join(CATALOGS) + "), URL or path of a STAC "
        "catalog, or a glob of product folders; of several, the next is asked when one is down",
    )
    collections: tuple[str, ...] = Field(
        ("landsat-c2-l2", "sentinel-3-slstr-lst-l2-netcdf"), description="STAC collections"
    )
    orbit: str | None = Field(
        None, description="Only this orbit: ascending, descending, or a relative orbit or path"
    )
    files: Paths = Field((), description="Rasters of LST, one for each date (kind: lst_files)")
    unit: Literal["degC", "K"] = Field("degC", description="Unit of the rasters in files")
    native_resolution_m: Positive = Field(
        100.0, description="True cell of the sensor behind files [m]"
    )
    sigma_k: Positive = Field(
        1.5, description="1-sigma error of the LST in files, where they carry none [K]"
    )
    max_cloud_percent: Annotated[float, Field(ge=0, le=100)] = Field(
        70, description="Scenes with more cloud in their metadata are not read"
    )

    @model_validator(mode="after")
    def _complete(self) -> ThermalSource:
        if self.kind == "stac" and not self.catalog:
            raise ValueError("kind: stac needs catalog")
        if self.kind == "lst_files" and not self.files:
            raise ValueError("kind: lst_files needs files")
        return self


class Materials(Section):
    """A class map of roof and ground materials, for their emissivity."""

    file: str
    classes: dict[str, tuple[int, ...]] = Field(
        description="Codes of the map for each material: asphalt, brick, concrete, stone, "
        "roof_tile, roof_slate, roof_gravel, metal, metal_bare, metal_coated, white_roof, "
        "pv_panel, green_roof, bare_soil, vegetation, water, built"
    )


class Thermal(Section):
    """From thermal scenes to a composite of land-surface temperature."""

    sources: tuple[ThermalSource, ...] = Field(description="Where the scenes come from")
    method: Literal["product", "rte", "smw", "split-window"] = Field(
        "product",
        description="How LST is computed from Landsat; smw and split-window from Level-1 too",
    )
    emissivity: Literal["product", "city"] = Field(
        "product",
        description="For rte and smw: of the product, or from the date's NDVI, for cities",
    )
    aster_ged: Paths = Field(
        (),
        description="For emissivity: city: tiles AG100.v003.*.h5 of ASTER GED, or rasters with "
        "its bands",
    )
    materials: Materials | None = Field(
        None, description="For emissivity: city: map of roof and ground materials"
    )
    bright_roofs: bool = Field(
        True,
        description="Give back bright roofs that the mask takes for cloud, where they are warm "
        "and look the same on other dates",
    )
    tcwv_mm: Positive | None = Field(
        None,
        description="Water vapour of the air for smw and split-window [mm]; by default from the "
        "product's transmittance, else a climatology",
    )
    sharpen: bool = Field(True, description="Sharpen with optical predictors where that has skill")
    min_clear_share: Share = Field(
        0.2, description="Scenes that are clear over less of the area are left out"
    )
    composite_sensors: tuple[str, ...] = Field(
        ("landsat-c2-l2", "landsat-c2-l1", "lst-raster"),
        description="Sensors whose scenes enter the composite; others are delivered by scene",
    )


class OpticalSource(Section):
    """Sentinel-2 scenes from a STAC catalog."""

    catalog: Paths = Field(description="As thermal.sources.catalog")
    collection: str = Field("sentinel-2-l2a", description="STAC collection")
    orbit: str | None = Field(None, description="As thermal.sources.orbit")
    max_cloud_percent: Annotated[float, Field(ge=0, le=100)] = Field(
        60, description="Scenes with more cloud in their metadata are not read"
    )
    min_clear_share: Share = Field(
        0.1, description="Scenes that are clear over less of the area are left out"
    )


class Predictor(Section):
    """A raster of the user's own that helps to sharpen, such as a band or an index."""

    file: str
    band: int = Field(1, ge=1, description="Band number")
    name: str = Field(description="Short name in the outputs")


class Optical(Section):
    """Optical predictors."""

    stac: OpticalSource | None = Field(None, description="Sentinel-2 source")
    predictors: tuple[Predictor, ...] = Field((), description="Rasters of the user's own")


class LandCover(Section):
    """A class map of the user's own: which codes mean what."""

    file: str
    classes: dict[Literal["built", "water", "forest", "field", "bare"], tuple[int, ...]] = Field(
        description="Codes of the map for each meaning"
    )


class Places(Section):
    """Places to be ranked among their like."""

    file: str = Field("", description="Vector file; or give archive")
    archive: Literal["osm", "overture"] | None = Field(
        None, description="Schools, colleges, hospitals from this archive, instead of a file"
    )
    layer: str | None = None
    id_field: str = "place_id"
    name_field: str = "name"
    kind_field: str | None = Field("kind", description="Field that holds the kind")
    kind: str | None = Field(None, description="Kind of all places, where no field holds it")
    people_field: str | None = Field(None, description="Field with the number of people there")
    over_65_field: str | None = Field(None, description="Field with those over 65")
    under_6_field: str | None = Field(None, description="Field with those under 6")


class Heat(Section):
    """Hot zones."""

    distance_m: Positive = Field(300.0, description="Neighbourhood of the hot-spot statistic [m]")
    alpha: Share = Field(0.05, description="False discovery rate of hot cells")
    min_zone_m2: Positive = Field(20_000.0, description="Smallest zone [m2]")
    min_anomaly_k: float = Field(
        1.0, description="A zone is at least this much hotter than the reference [K]"
    )
    reference: Literal["vegetation", "area_median"] = Field(
        "vegetation", description="What the anomaly is measured against"
    )
    cell_m: Positive = Field(100.0, description="Cell of the layer heat_cells [m]")
    action_table: str | None = Field(
        None,
        description="CSV with your own costs and weights of actions; "
        "a copy of heliopolis/heat/action_table.csv",
    )
    terrain: str | None = Field(
        None, description="Raster of the height of the ground, for the heat island [m]"
    )
    local_climate_zones: str | None = Field(
        None, description="Raster of local climate zones (codes of WUDAPT), for the heat island"
    )
    latitude_gradient_k: float = Field(
        0.0,
        description="Fall of surface temperature with each degree of latitude away from the "
        "equator, taken out of the heat island [K]; matters for areas of many kilometres",
    )
    roads: str | None = Field(
        None, description="Vector file of the middle lines of roads, or of their surface"
    )
    road_strip_m: Positive = Field(
        6.0, description="Strip along the middle of a road that is not to be planted [m]"
    )
    heat_wave_days: tuple[str, ...] = Field(
        (), description="Days of heat waves, YYYY-MM-DD, to be compared with other summer days"
    )


class Imagery(Section):
    """Aerial images."""

    files: Paths = Field((), description="Images, georeferenced; or give archive")
    archive: Literal["swisstopo", "ign", "pdok"] | None = Field(
        None, description="National archive to bring the images from, instead of files"
    )
    archive_resolution_m: Positive = Field(
        0.25, description="Pixel of the images brought from the archive [m]"
    )
    bands: tuple[str, ...] = Field(
        ("red", "green", "blue"), description="Meaning of the bands, in order"
    )
    year: int | None = Field(None, description="Year of the flight")


class Footprints(Section):
    """Building footprints of a cadastre or of OpenStreetMap."""

    file: str = Field("", description="Vector file; or give archive")
    archive: Literal["ign", "pdok", "overture"] | None = Field(
        None, description="Archive to bring the footprints from, instead of a file"
    )
    layer: str | None = None
    id_field: str | None = Field("building_id", description="Field with the building's own id")
    year_field: str | None = Field(
        None,
        description="Field with the year or date of construction: a building newer than "
        "elevation.year gets no planes",
    )
    reproject: bool = Field(
        False, description="Accept footprints in degrees; their accuracy is then yours to judge"
    )


class Elevation(Section):
    """LiDAR points, or rasters of surface and terrain."""

    points: Paths = Field((), description="LAZ or LAS files")
    dsm: Paths = Field((), description="Rasters of surface height [m]")
    dtm: Paths = Field((), description="Rasters of terrain height [m]")
    archive: Literal["swisstopo", "ign", "pdok"] | None = Field(
        None, description="National archive to bring dsm and dtm from, instead of files"
    )
    crs: str | None = Field(None, description="CRS of the points, where the header has none")
    unit: Literal["metre", "foot", "us_survey_foot"] | None = Field(
        None, description="Unit of x, y and z, where it is not that of the CRS"
    )
    resolution_m: Positive = Field(0.5, description="Cell of the surface model [m]")
    year: int | None = Field(None, description="Year of the survey")

    @model_validator(mode="after")
    def _something(self) -> Elevation:
        if not self.points and not self.dsm and not self.archive:
            raise ValueError("give points, dsm, or archive")
        if self.dsm and not self.points and not self.dtm:
            raise ValueError("dsm needs dtm beside it")
        return self


class Roofs(Section):
    """Buildings and their roof planes."""

    net: Literal["auto", "off"] = Field(
        "auto", description="Whether the net looks for roofs in the images"
    )
    threshold: Share | None = Field(
        None, description="Probability above which a pixel is roof; the net's own by default"
    )
    near_infrared: bool = Field(
        False,
        description="Whether the net also looks at the near infrared of the images; it learned "
        "that band from simulated images alone",
    )
    min_area_m2: Positive = Field(12.0, description="Smallest building [m2]")
    min_plane_m2: Positive = Field(2.0, description="Smallest roof plane [m2]")
    setback_m: Annotated[float, Field(ge=0)] = Field(
        0.3, description="Strip kept free along the edges of a plane [m]"
    )
    tile_m: Positive = Field(600.0, description="Side of a work tile [m]")


class Weather(Section):
    """Weather files, one or more years."""

    files: Paths = Field((), description="CSV, EPW, PVGIS or DWD TRY files; or give archive")
    archive: Literal["pvgis"] | None = Field(
        None, description="Bring the typical year of the place from this archive"
    )
    latitude: float | None = Field(
        None, ge=-90, le=90, description="Of the weather's site, where it stands in for the area's"
    )
    longitude: float | None = Field(
        None, ge=-180, le=180, description="As latitude; give both or none"
    )


class UseWeights(Section):
    """Weights of the criteria of the best use of a roof."""

    energy: NotNegative = Field(1.0, description="Electricity of panels")
    cooling: NotNegative = Field(1.0, description="Cooling, where it is hot")
    greening: NotNegative = Field(1.0, description="Green for rain water and wildlife")
    cost: NotNegative = Field(1.0, description="Cost and upkeep, which count against")


class Solar(Section):
    """Sun and panels."""

    directions: int = Field(36, ge=8, le=360, description="Directions of the horizon")
    horizon_distance_m: Positive = Field(
        400.0, description="How far shading is followed at most [m]"
    )
    lowest_sun_deg: Annotated[float, Field(gt=0, lt=90)] = Field(
        5.0, description="Shading is followed to where the tallest thing rises to this [deg]"
    )
    albedo: Share = Field(0.2, description="Reflectance of the ground")
    facade_albedo: Share = Field(
        0.0, description="Reflectance of what hides the sky: walls, trees; 0 leaves its light out"
    )
    module_width_m: Positive = Field(1.134, description="Short side of a module [m]")
    module_height_m: Positive = Field(1.762, description="Long side of a module [m]")
    module_power_w: Positive = Field(430.0, description="Nominal power of a module [W]")
    flat_tilt_deg: Annotated[float, Field(ge=0, le=45)] = Field(
        12.0, description="Tilt of modules on flat roofs [deg]"
    )
    mounting: Literal["free", "building"] = Field(
        "building", description="How the modules on pitched roofs are cooled"
    )
    losses_percent: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        default_factory=lambda: {
            "soiling": 2.0,
            "snow": 0.0,
            "mismatch": 2.0,
            "wiring": 2.0,
            "connections": 0.5,
            "light_induced_degradation": 1.5,
            "nameplate": 1.0,
            "availability": 3.0,
        },
        description="Losses after the module, without shading, which is modelled [%]",
    )
    inverter_efficiency: Share = Field(0.96, description="Nominal efficiency of the inverter")
    model_sigma: Share = Field(0.05, description="1-sigma error of the yield model, relative")
    interannual_sigma: Share = Field(
        0.05, description="1-sigma of a year's irradiation where fewer than five years are given"
    )
    country: str | None = Field(None, description="ISO code, for the carbon of the grid: FR, NL...")
    co2_method: Literal["average", "marginal", "residual"] = Field(
        "average", description="Which carbon intensity of the grid is replaced"
    )
    assumptions: str | None = Field(
        None,
        description="CSV with your own prices, tariffs and carbon, with years and sources; rows as "
        "in heliopolis/solar/assumptions.csv, in place of those of the same quantity and country",
    )
    load_classes: str | None = Field(
        None,
        description="CSV with building_id and load_class: none, light or heavy, the load that the "
        "roof may still take; guessed from its form where left out",
    )
    use_weights: UseWeights = UseWeights()


class Report(Section):
    """What people read."""

    language: Literal["en", "fr"] = Field("en", description="Language of project and report")
    title: str | None = Field(None, description="Title; the name of the area by default")
    attribution: tuple[str, ...] = Field((), description="Credits of the data, printed everywhere")
    base_map: Literal["osm", "ign_plan", "ign_photo"] | None = Field(
        None, description="Online map below the layers of the QGIS project; QGIS fetches its tiles"
    )
    web: tuple[Literal["geoparquet", "pmtiles"], ...] = Field(
        (), description="Also write the layers for web maps and notebooks, into web/"
    )


class Network(Section):
    """What may be asked over the network."""

    hosts: tuple[str, ...] = Field(
        (), description="Hosts that may be asked, * for any part; empty: any public host"
    )


class Schedule(Section):
    """Runs on a schedule (heliopolis run --scheduled)."""

    keep: int = Field(12, ge=1, description="Results that are kept in history/, the last ones")


class Dask(Section):
    """A Dask cluster for the work inside a job; threads of the job's machine by default."""

    scheduler: str | None = Field(
        None, pattern=r"^(tcp|tls|ucx)://", description="Address of a running scheduler, tcp://..."
    )
    jobqueue: str | None = Field(
        None,
        pattern=r"^[A-Z]\w*Cluster$",
        description="Or a class of dask_jobqueue, such as SLURMCluster, to start one for the run",
    )
    workers: int = Field(2, ge=1, description="Workers that a jobqueue starts")
    options: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="Arguments of that class: queue, cores, memory, walltime"
    )

    @model_validator(mode="after")
    def _one(self) -> Dask:
        if self.scheduler and self.jobqueue:
            raise ValueError("give scheduler or jobqueue, not both")
        return self


class Config(Section):
    """A run."""

    name: str = Field(description="Name of the area: the results are in results/<name>")
    results: str = Field("results", description="Folder of all results")
    simulated: bool = Field(
        False, description="The inputs are simulated, and every output is to say so"
    )
    area: Area
    period: Period | None = None
    thermal: Thermal | None = Field(None, description="Heat; left out: no hot zones")
    optical: Optical = Optical()
    land_cover: LandCover | None = None
    places: Places | None = None
    heat: Heat = Heat()
    imagery: Imagery | None = None
    footprints: Footprints | None = None
    elevation: Elevation | None = Field(None, description="Heights; left out: no roof planes")
    roofs: Roofs = Roofs()
    weather: Weather | None = None
    solar: Solar = Solar()
    report: Report = Report()
    schedule: Schedule = Schedule()
    dask: Dask = Dask()
    network: Network = Network()

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        try:
            return safe_name(value)
        except HeliopolisError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _no_secrets(self) -> Config:
        named = [one for source in (self.thermal.sources if self.thermal else ())
                 for one in source.catalog]  # fmt: skip
        named += self.optical.stac.catalog if self.optical.stac is not None else ()
        for one in named:
            parts = urlsplit(one)
            if parts.scheme in ("http", "https", "s3") and ("@" in parts.netloc or parts.query):
                raise ValueError(
                    f"the address of the catalog at {parts.hostname} carries a password or key: "
                    "give it in the environment or the keyring"
                )
        return self

    @model_validator(mode="after")
    def _halves(self) -> Config:
        if self.thermal is None and self.elevation is None:
            raise ValueError("nothing to do: give thermal (heat), elevation (solar), or both")
        if self.thermal is not None and self.period is None:
            raise ValueError("thermal needs period")
        if self.elevation is not None:
            if self.weather is None:
                raise ValueError("elevation needs weather")
            if self.footprints is None and self.imagery is None:
                raise ValueError("elevation needs footprints or imagery, to know the buildings")
        return self

    @model_validator(mode="after")
    def _sources(self) -> Config:
        given = {
            "imagery": ("files",),
            "footprints": ("file",),
            "places": ("file",),
            "weather": ("files",),
            "elevation": ("points", "dsm", "dtm"),
        }
        for name, keys in given.items():
            section = getattr(self, name)
            if section is None:
                continue
            files = [path for key in keys for path in _listed(getattr(section, key)) if path]
            own = [path for path in files if path not in ACQUIRED.values()]
            if not files and not section.archive:
                raise ValueError(f"{name} needs {keys[0]} or archive")
            if own and section.archive:
                raise ValueError(f"{name}: give either {keys[0]} or archive, not both")
        return self

    def acquired(self) -> dict[str, str]:
        """What the run brings in from archives: kind of `ACQUIRED` -> name of the archive."""
        found: dict[str, str] = {}
        for name in ("imagery", "footprints", "places", "weather", "elevation"):
            section = getattr(self, name)
            if section is not None and section.archive:
                kinds = ("dsm", "dtm") if name == "elevation" else (name,)
                found |= dict.fromkeys(kinds, section.archive)
        return found

    @property
    def has_heat(self) -> bool:
        """Whether the run makes hot zones."""
        return self.thermal is not None

    @property
    def has_solar(self) -> bool:
        """Whether the run makes rooftop PV."""
        return self.elevation is not None

    @property
    def uses_net(self) -> bool:
        """Whether the net looks for roofs."""
        return self.has_solar and self.imagery is not None and self.roofs.net == "auto"

    def section(self, name: str) -> Any:
        """One section as plain JSON types, for the parameters of a rule."""
        value = getattr(self, name)
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def load_config(path: Path) -> Config:
    """Read and validate a configuration file.

    Paths in it are taken relative to its own folder and come back absolute, except
    ``results``, which is relative to the working folder. All problems are listed at once.
    """
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            raise ConfigError("the file is too large for a configuration", where=str(path))
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(
            "the configuration cannot be read", where=str(path), remedy=str(error)
        ) from error
    try:
        record = plain_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            "the configuration is not valid YAML",
            where=str(path),
            remedy=" ".join(str(error).split()),
        ) from error
    if not isinstance(record, dict):
        raise ConfigError("the configuration is empty or not a mapping", where=str(path))
    return parse_config(record, base=path.parent, where=str(path))


def parse_config(record: dict[str, Any], *, base: Path, where: str = "configuration") -> Config:
    """Validate a mapping; relative paths are resolved against ``base``."""
    try:
        config = Config.model_validate(record)
    except ValidationError as error:
        raise ConfigError(_problems(error), where=where, remedy=_hint(error)) from error
    return _resolved(config, base.resolve())


def _problems(error: ValidationError) -> str:
    lines = []
    for one in error.errors():
        key = ".".join(str(part) for part in one["loc"]) or "(whole file)"
        lines.append(f"{key}: {one['msg'].removeprefix('Value error, ')}")
    count = len(lines)
    return f"{count} problem{'s' if count > 1 else ''} in the configuration: " + "; ".join(lines)


def _hint(error: ValidationError) -> str:
    if any(one["type"] == "extra_forbidden" for one in error.errors()):
        return "Compare the keys with configs/default.yaml, which lists and explains all of them"
    return "See configs/default.yaml"


#: The one variable that is replaced in paths: where the reference data lie.
DATA_VARIABLE = "HELIOPOLIS_DATA"


def _resolve(text: str, base: Path) -> str:
    if "://" in text or text in CATALOGS or not text:
        return text
    if text.startswith(f"${DATA_VARIABLE}/"):
        folder = os.environ.get(DATA_VARIABLE, "../shared/data")
        return str(Path(folder).resolve() / text.removeprefix(f"${DATA_VARIABLE}/"))
    return str(base / Path(text).expanduser())


def _resolved(config: Config, base: Path) -> Config:
    """Copy with absolute paths in every key that names a file."""
    record = config.model_dump(mode="json")
    for kind in config.acquired():
        section, key = ("elevation", kind) if kind in ("dsm", "dtm") else (kind, "files")
        if kind in ("footprints", "places"):
            record[section]["file"] = ACQUIRED[kind]
        else:
            record[section][key] = [ACQUIRED[kind]]

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: _path_value(key, value) for key, value in node.items()}
        return [walk(one) for one in node] if isinstance(node, list) else node

    def _path_value(key: str, value: Any) -> Any:
        if key in {
            "file",
            "boundary",
            "action_table",
            "terrain",
            "local_climate_zones",
            "roads",
            "assumptions",
            "load_classes",
        } and isinstance(value, str):
            return value if value in ACQUIRED.values() else _resolve(value, base)
        if key in {"files", "points", "dsm", "dtm", "catalog"} and isinstance(value, list):
            return [one if one in ACQUIRED.values() else _resolve(one, base) for one in value]
        return walk(value)

    return Config.model_validate(walk(record))


def expand(patterns: tuple[str, ...] | list[str], what: str) -> list[Path]:
    """Files that match the globs, sorted; a pattern without a match is a `ConfigError`."""
    import glob

    found: list[Path] = []
    for pattern in patterns:
        matches = sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise ConfigError(
                "no file matches", where=f"{what}: {pattern}", remedy="Check the path and its case"
            )
        found.extend(Path(match) for match in matches)
    return list(dict.fromkeys(found))


def schema() -> dict[str, Any]:
    """JSON Schema of the configuration."""
    return Config.model_json_schema()


def schema_text() -> str:
    """`schema` as it stands in configs/schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
