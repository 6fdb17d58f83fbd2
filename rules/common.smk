"""What the rules share: the validated config, the plan of runs, and (in common/) functions that answer with paths and values.

Every answer about a run, a data set or a model comes from CONFIG and PLAN; no rule reads the raw config.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path

from t2ipal import backbones
from t2ipal.classes import class_files, load_classes
from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.images.settings import COMPILE
from t2ipal.plan import priority as priorities
from t2ipal.plan import queries
from t2ipal.plan.make import make_plan
from t2ipal.plan.priority import FIRST, NEXT
from t2ipal.plan.runs import settings_of
from t2ipal.prediction.photos import listing
from t2ipal.rows import inputs_of
from t2ipal.resource_files import resource
from t2ipal.results import results_folder
from t2ipal.runtime.code_closure import code_of
from t2ipal.runtime.workflow_run import begin_run
from t2ipal.validation import located

ROOT = str(workflow.basedir)
ALIVE = begin_run(ROOT, workflow.is_main_process, workflow.output_settings.dryrun)

try:
    CONFIG = load_config(config)
    PLAN = make_plan(CONFIG)
    RESULTS = results_folder(CONFIG.results_dir, CONFIG.name)
except UserError as error:
    sys.exit(f"error: {error}")
ENV = os.path.join(ROOT, "envs/environment.yaml")


include: "common/inputs.smk"
include: "common/captions.smk"
include: "common/images.smk"
include: "common/features.smk"
include: "common/runs.smk"
include: "common/search.smk"
include: "common/tables.smk"
include: "common/report.smk"
include: "common/predictions.smk"


pathvars:
    results=RESULTS,


wildcard_constraints:
    pool=r"[^/]+",
    labels=r"[^/]+",
    t2i=r"[^/]+",
    clip=r"[^/]+",
    classes=r"[^/]+",
    dataset=r"[^/]+",
    method=r"[^/]+",
    variant=r"[^/]+",
    part="test|train|validation",
    protocol="(partial|few_shot|novel)(-search)?",
    table=r"[^/]+",
    sample=r"\d+",
    shard=r"\d+",
