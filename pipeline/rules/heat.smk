# From thermal and optical scenes to hot zones.

ROADS = [CFG.heat.roads] if CFG.heat.roads else []


checkpoint search:
    input:
        depends_list=STUDY.catalog_files(),
    output:
        scenes="work/scenes.json",
    resources:
        network=1,
    params:
        longitude=(STUDY.bounds_lonlat[0] + STUDY.bounds_lonlat[2]) / 2,
        bounds=list(STUDY.bounds_lonlat),
        options={**STUDY.options("search"), "name": CFG.name},
    script:
        "../run_rule.py"


rule thermal_scene:
    input:
        scenes=ancient("work/scenes.json"),
    output:
        coarse="work/scenes/{scene}/coarse.tif",
    resources:
        network=1,
    params:
        scene="{scene}",
        pinned=one_scene,
        code=source_digest("heliopolis.thermal", "heliopolis.quality"),
        options=STUDY.options("thermal_scene"),
    script:
        "../run_rule.py"


rule optical_composite:
    input:
        scenes=ancient("work/scenes.json"),
        depends_list=[p.file for p in CFG.optical.predictors] + STUDY.file("land_cover"),
    output:
        optical="work/optical.tif",
    resources:
        mem_mb=job_memory_mb(STUDY, "optical_composite"),
        network=1,
    params:
        pinned=pinned("optical"),
        options=STUDY.options("optical_composite"),
    script:
        "../run_rule.py"


rule sharpen:
    input:
        coarse="work/scenes/{scene}/coarse.tif",
        optical_or_none=OPTICAL,
        form_or_none=city_form,
        patterns_list=sharp_dates,
    output:
        lst="scenes/{scene}/lst.tif",
        report="work/scenes/{scene}/sharpen.json",
    resources:
        mem_mb=job_memory_mb(STUDY, "sharpen"),
    params:
        code=source_digest("heliopolis.thermal"),
        options=STUDY.options("sharpen"),
    script:
        "../run_rule.py"


rule composite:
    input:
        lsts_list=composed("scenes/{scene}/lst.tif"),
        reports_list=composed("work/scenes/{scene}/sharpen.json"),
        optical_or_none=OPTICAL,
        depends_list=after_pinning,
    output:
        lst="lst.tif",
    resources:
        mem_mb=job_memory_mb(STUDY, "composite"),
    params:
        code=source_digest("heliopolis.thermal.composite"),
        options=STUDY.options("composite"),
    script:
        "../run_rule.py"


rule hot_zones:
    input:
        lst="lst.tif",
        lsts_list=composed("scenes/{scene}/lst.tif"),
        boundary="work/boundary.gpkg",
        optical_or_none=OPTICAL,
        form_or_none=city_form,
        places_list=STUDY.file("places"),
        footprints_or_none=STUDY.file("footprints"),
        depends_list=lambda wildcards: after_pinning(wildcards) + ROADS,
    output:
        hot_zones="hot_zones.gpkg",
    resources:
        mem_mb=job_memory_mb(STUDY, "hot_zones"),
    params:
        code=source_digest("heliopolis.heat"),
        options=STUDY.options("hot_zones"),
    script:
        "../run_rule.py"
