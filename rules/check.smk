"""A check before a run: are all models and data sets present and intact?

Inputs:
    resources/data_sources.csv      where to get what is missing
Outputs:
    none: findings in the terminal
"""


rule check_data:
    """Target: are the models and the data of the config there and whole? Lists all that is not, and where to get it."""
    input:
        table=get_resource("data_sources.csv"),
        code=get_code("check_data"),
    log:
        "<results>/logs/check_data.log",
    conda:
        ENV
    params:
        spec=get_check_spec(),
    message:
        "Check the models and the data that the config names"
    script:
        "../workflow_scripts/check_data.py"
