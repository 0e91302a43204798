# From images, heights and weather to rooftop PV.

REACH_M = CFG.solar.horizon_distance_m
POINTS = STUDY.files("elevation", "points")
RASTERS = STUDY.files("elevation", "dsm") + STUDY.files("elevation", "dtm")


checkpoint tiles:
    input:
        boundary="work/boundary.gpkg",
        footprints_or_none=STUDY.file("footprints"),
        images_list=IMAGES,
        points_list=POINTS,
        rasters_list=RASTERS,
    output:
        tiles="work/tiles.json",
    params:
        options=STUDY.options("tiles"),
    script:
        "../run_rule.py"


if CFG.uses_net:

    rule roof_probability:
        input:
            tiles=ancient("work/tiles.json"),
            images_list=near_tile("images", IMAGES),
        output:
            probability="work/roofs/probability/{tile}.tif",
        resources:
            mem_mb=job_memory_mb(STUDY, "roof_probability"),
        params:
            tile="{tile}",
            brightness=near_tile("brightness", None),
            code=source_digest("heliopolis.roofs.probability", "roofnet.predict"),
            options=STUDY.options("roof_probability"),
        script:
            "../run_rule.py"

    rule roof_outlines:
        input:
            probabilities_list=each_tile(
                "work/roofs/probability/{tile}.tif", "images", "images"
            ),
        output:
            outlines="work/roofs/outlines.gpkg",
        params:
            code=source_digest(
                "heliopolis.roofs.connected",
                "heliopolis.roofs.outline",
                "heliopolis.roofs.parting",
                "heliopolis.roofs.regularise",
            ),
            options=STUDY.options("roof_outlines"),
        script:
            "../run_rule.py"


rule buildings:
    input:
        footprints_or_none=STUDY.file("footprints"),
        outlines_or_none=NET,
        probabilities_list=(
            each_tile("work/roofs/probability/{tile}.tif", "images", "images")
            if CFG.uses_net
            else []
        ),
    output:
        buildings="work/roofs/buildings.gpkg",
    params:
        code=source_digest(
            "heliopolis.roofs.field",
            "heliopolis.roofs.fusion",
            "heliopolis.roofs.registration",
        ),
        options=STUDY.options("buildings"),
    script:
        "../run_rule.py"


rule surface_model:
    input:
        tiles=ancient("work/tiles.json"),
        points_list=near_tile("points", POINTS),
        rasters_list=near_tile("rasters", RASTERS),
        footprints_or_none="work/roofs/buildings.gpkg",
    output:
        surface="work/surface/{tile}.tif",
    resources:
        mem_mb=job_memory_mb(STUDY, "surface_model"),
    params:
        tile="{tile}",
        code=source_digest(
            "heliopolis.roofs.surface_model",
            "heliopolis.roofs.ground",
            "heliopolis.steps.surface",
        ),
        options=STUDY.options("surface_model"),
    script:
        "../run_rule.py"


rule tallest:
    input:
        surfaces_list=lambda wildcards: [
            f"work/surface/{tile['id']}.tif"
            for tile in tile_list()
            if tile["id"] not in WITHOUT["tiles"]
        ],
    output:
        tallest="work/tallest.json",
    script:
        "../run_rule.py"


rule city_form:
    input:
        surfaces_list=lambda wildcards: [
            f"work/surface/{tile['id']}.tif" for tile in tile_list()
        ],
    output:
        form="work/city_form.tif",
    resources:
        mem_mb=2000,
    params:
        code=source_digest("heliopolis.steps.city_form", "heliopolis.solar.horizon"),
        options=STUDY.options("city_form"),
    script:
        "../run_rule.py"


rule roof_planes:
    input:
        tiles=ancient("work/tiles.json"),
        buildings="work/roofs/buildings.gpkg",
        points_list=near_tile("points", POINTS),
        surfaces_list=tiles_near("work/surface/{tile}.tif", 100),
    output:
        planes="work/planes/{tile}.gpkg",
    resources:
        mem_mb=job_memory_mb(STUDY, "roof_planes"),
    params:
        tile="{tile}",
        code=source_digest(
            "heliopolis.roofs.planes",
            "heliopolis.roofs.plane_fit",
            "heliopolis.roofs.segmentation",
            "heliopolis.roofs.plane_outline",
            "heliopolis.roofs.shift",
            "heliopolis.roofs.walls",
        ),
        options=STUDY.options("roof_planes"),
    script:
        "../run_rule.py"


rule solar_yield:
    input:
        tiles=ancient("work/tiles.json"),
        planes="work/planes/{tile}.gpkg",
        buildings="work/roofs/buildings.gpkg",
        surfaces_list=tiles_near("work/surface/{tile}.tif", REACH_M + 100),
        tallest=ancient("work/tallest.json"),
        weather_list=STUDY.files("weather"),
    output:
        solar="work/solar/{tile}.gpkg",
    resources:
        mem_mb=job_memory_mb(STUDY, "solar_yield"),
    params:
        tile="{tile}",
        code=source_digest("heliopolis.solar", "heliopolis.steps.horizon"),
        options=STUDY.options("solar_yield"),
    script:
        "../run_rule.py"


rule rooftop_pv:
    input:
        solars_list=each_tile("work/solar/{tile}.gpkg"),
        buildings="work/roofs/buildings.gpkg",
        boundary="work/boundary.gpkg",
        lst_or_none=["lst.tif"] if CFG.has_heat else [],
        hot_zones_or_none=["hot_zones.gpkg"] if CFG.has_heat else [],
        depends_list=after_pinning,
        depends_tables=[
            one for one in (CFG.solar.assumptions, CFG.solar.load_classes) if one
        ],
    output:
        rooftop_pv="rooftop_pv.gpkg",
    params:
        code=source_digest(
            "heliopolis.steps.building_table",
            "heliopolis.steps.building_solar",
            "heliopolis.steps.roof_prior",
            "heliopolis.steps.solar_cells",
            "heliopolis.solar",
            "heliopolis.variables",
        ),
        options=STUDY.options("rooftop_pv"),
    script:
        "../run_rule.py"
