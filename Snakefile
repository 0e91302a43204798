# heliopolis: config -> rules. No logic here: what a rule does is in heliopolis.steps.
# Run it with `heliopolis run CONFIG`, or `snakemake --configfile CONFIG --cores 2`.
import json
import re
from pathlib import Path

from heliopolis.config import ACQUIRED
from heliopolis.scene import other_dates, pattern_dates, read_scenes, stamp
from heliopolis.steps.failures import left_out
from heliopolis.steps.memory import job_memory_mb
from heliopolis.study import Study, digest, source_digest

if not workflow.configfiles:
    raise WorkflowError(
        "heliopolis: give a configuration with --configfile CONFIG.yaml"
    )

STUDY = Study.load(Path(workflow.configfiles[0]))
CFG = STUDY.config
# Scenes and tiles that failed and that this run goes on without.
WITHOUT = left_out(STUDY.results / "work")


workdir: STUDY.results.resolve()


onstart:
    # A limit of jobs in a second, which Snakemake sets by default, makes it look at all ready jobs
    # again each second, once more for each job that is done: half a core after 100 jobs.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


wildcard_constraints:
    scene=r"[A-Za-z0-9][A-Za-z0-9_.-]*",
    tile=r"e[m0-9]+_n[m0-9]+",


HEAT = ["lst.tif", "hot_zones.gpkg"] if CFG.has_heat else []
SOLAR = ["rooftop_pv.gpkg"] if CFG.has_solar else []
OPTICAL = (
    ["work/optical.tif"]
    if CFG.has_heat and (CFG.optical.stac or CFG.optical.predictors or CFG.land_cover)
    else []
)
IMAGES = STUDY.files("imagery")
BROUGHT = [ACQUIRED[kind] for kind in CFG.acquired()]
NET = ["work/roofs/outlines.gpkg"] if CFG.uses_net else []


def scenes(role):
    return read_scenes(Path(checkpoints.search.get().output.scenes))[role]


def present(role):
    return [s for s in scenes(role) if s.id not in WITHOUT["scenes"]]


def pinned(role):
    def of(wildcards):
        return digest([stamp(s) for s in scenes(role)])

    return of


def one_scene(wildcards):
    found = scenes("thermal")
    own = [s for s in found if s.id == wildcards.scene]
    others = other_dates(found, wildcards.scene) if CFG.thermal.bright_roofs else []
    return digest([stamp(s) for s in own + others])


def sharp_dates(wildcards):
    """Sharp temperatures that a scene of Sentinel-3 may take its pattern from."""
    found = (
        pattern_dates(present("thermal"), wildcards.scene)
        if CFG.thermal.sharpen
        else []
    )
    return [f"scenes/{one.id}/lst.tif" for one in found]


def each_scene(pattern):
    def of(wildcards):
        return [pattern.format(scene=s.id) for s in present("thermal")]

    return of


def composed(pattern):
    """Files of the scenes that enter the composite: the right sensors, at the right hours."""

    def of(wildcards):
        hours = CFG.period.time_of_day
        return [
            pattern.format(scene=s.id)
            for s in present("thermal")
            if s.sensor in CFG.thermal.composite_sensors
            and hours in ("both", s.properties["heliopolis:overpass"])
        ]

    return of


def after_pinning(wildcards):
    """No file, but a rule with it is judged only when scenes and tiles are known.

    Else a rule whose inputs come from rules that wait for them is out of date on every call.
    """
    if CFG.has_heat:
        checkpoints.search.get()
    if CFG.has_solar:
        checkpoints.tiles.get()
    return []


def tile_list():
    return json.loads(Path(checkpoints.tiles.get().output.tiles).read_text())


def each_tile(pattern, failed="tiles", having="work"):
    """Files of the tiles that have something, and did not fail."""

    def of(wildcards):
        busy = [t["id"] for t in tile_list() if t["work"] and t.get(having, True)]
        return [pattern.format(tile=t) for t in busy if t not in WITHOUT[failed]]

    return of


def city_form(wildcards):
    """Heights as predictors of temperature, where they cover the study."""
    wanted = CFG.has_solar and CFG.thermal.sharpen and STUDY.covered_by(tile_list())
    return ["work/city_form.tif"] if wanted else []


def near_tile(kind, every):
    """What the list of tiles says of a tile, files of ``points`` in reach of it for instance."""

    def of(wildcards):
        tile = next(t for t in tile_list() if t["id"] == wildcards.tile)
        return tile.get(kind, every)

    return of


def tiles_near(pattern, reach_m):
    """Files of a tile and of those within reach of it."""

    def of(wildcards):
        all_tiles = tile_list()
        w, s, e, n = next(t["bounds"] for t in all_tiles if t["id"] == wildcards.tile)
        return [
            pattern.format(tile=t["id"])
            for t in all_tiles
            if t["bounds"][0] < e + reach_m
            and t["bounds"][2] > w - reach_m
            and t["bounds"][1] < n + reach_m
            and t["bounds"][3] > s - reach_m
        ]

    return of


rule all:
    input:
        "heliopolis.qgz",
        "report.html",
        "map.html",
        "run.json",
        HEAT,
        SOLAR,
        after_pinning,


rule study_area:
    input:
        depends_list=[CFG.area.boundary] if CFG.area.boundary else [],
    output:
        boundary="work/boundary.gpkg",
    params:
        wkb=STUDY.area.boundary.geom.wkb_hex,
        options={**STUDY.options("study_area"), "name": CFG.name},
    script:
        "pipeline/run_rule.py"


if BROUGHT:

    include: "pipeline/rules/inputs.smk"


if CFG.has_heat:

    include: "pipeline/rules/heat.smk"


if CFG.has_solar:

    include: "pipeline/rules/solar.smk"


rule publish:
    input:
        boundary="work/boundary.gpkg",
        scenes_or_none=["work/scenes.json"] if CFG.has_heat else [],
        lst_or_none=["lst.tif"] if CFG.has_heat else [],
        scene_lsts_list=each_scene("scenes/{scene}/lst.tif") if CFG.has_heat else [],
        sharpen_reports_list=(
            each_scene("work/scenes/{scene}/sharpen.json") if CFG.has_heat else []
        ),
        hot_zones_or_none=["hot_zones.gpkg"] if CFG.has_heat else [],
        rooftop_pv_or_none=["rooftop_pv.gpkg"] if CFG.has_solar else [],
        deliveries_list=[f"{file}.delivery.json" for file in BROUGHT],
        depends_list=after_pinning,
    output:
        project="heliopolis.qgz",
        report="report.html",
        map_page="map.html",
        stac="stac/collection.json",
        run="run.json",
    params:
        code=source_digest(
            "heliopolis.report",
            "heliopolis.io.qml",
            "heliopolis.io.qml_form",
            "heliopolis.io.qml_raster",
            "heliopolis.io.qml_widgets",
            "heliopolis.io.web_tables",
            "heliopolis.variables",
            "heliopolis.legend",
            "heliopolis.steps.publish",
            "heliopolis.steps.run_facts",
            "heliopolis.steps.report_facts",
            "heliopolis.steps.building_solar",
        ),
        options=STUDY.publication(),
    script:
        "pipeline/run_rule.py"
