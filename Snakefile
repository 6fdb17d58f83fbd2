"""T2I-PAL from captions to tables: `snakemake --cores all`, or one of the targets below."""

from snakemake.utils import min_version

from t2ipal.config.command_line import check_start

min_version("9.27")
if workflow.is_main_process:  # a job gets what was checked
    check_start(str(workflow.basedir), [f"{workflow.basedir}/config.yaml", *workflow.overwrite_configfiles])


# Of the project, wherever --directory leads; configs of one's own are overlays.
configfile: f"{workflow.basedir}/config.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"


localrules:
    all,
    captions,
    images,
    features,
    search,
    report,
    predictions,
    check_data,
    plan,


onstart:
    claim(RESULTS)
    # Snakemake 9.27 starts a timer whenever it looks for jobs, to look again when the rate of starts allows; each ends in
    # another, so that after n jobs it looks n times a second: half a core by the hundredth. Only clusters need a rate.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


rule all:
    default_target: True
    input:
        get_everything(),


include: "rules/captions.smk"
include: "rules/generate.smk"
include: "rules/features.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/paper.smk"
include: "rules/report.smk"
include: "rules/predict.smk"
include: "rules/check.smk"
include: "rules/plan.smk"
include: "rules/zoo.smk"
