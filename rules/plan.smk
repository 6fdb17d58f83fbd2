"""What a config costs, before anything runs: jobs, GPU-hours, disk and time by stage.

Inputs:
    resources/unit_costs.yaml       seconds and bytes of one item, each with its hardware, source and date
Outputs:
    none: a table in the terminal
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
        spec=get_cost_spec(),
    message:
        "Plan: what results/{CONFIG.name}/ costs"
    script:
        "../workflow_scripts/plan_costs.py"
