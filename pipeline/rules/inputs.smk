# What the run brings in itself from open archives: one file each, with its credits beside it.


rule acquire:
    input:
        boundary="work/boundary.gpkg",
    output:
        target="work/inputs/{file}",
        delivery="work/inputs/{file}.delivery.json",
    wildcard_constraints:
        file="|".join(re.escape(Path(one).name) for one in ACQUIRED.values()),
    resources:
        mem_mb=2000,
        network=1,
    params:
        options=lambda wildcards: STUDY.acquisition(Path(wildcards.file).stem),
    script:
        "../run_rule.py"
