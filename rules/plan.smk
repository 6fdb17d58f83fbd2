"""Estimate before a run what a config costs: jobs, GPU-hours, disk and time by stage.

Inputs:
    resources/unit_costs.yaml       seconds and bytes of one item, each with its hardware, source and date
Outputs:
    none; a table is printed in the terminal
"""


rule plan:
    """Target: what the config costs on the machine that its `machine` describes. Needs no data and no model."""
    input:
        units=get_resource("unit_costs.yaml"),
        code=get_code("plan_costs"),
    log:
        "<results>/logs/plan.log",
    conda:
        ENV
    params:
        # each page is a job
        spec={"config": CONFIG.model_dump(mode="json"), "results": RESULTS, "pages": len(get_everything())},
    message:
        "Estimate what results/{CONFIG.name}/ costs"
    script:
        "../workflow_scripts/plan_costs.py"
