"""Runs: a notebook executed once with one set of parameters, and the directory it leaves.

In a notebook, ``run = runs.begin("frequency_train")`` checks the parameters before anything is
computed, and ``run.finish(...)`` writes the run directory. :func:`run_notebook` executes a notebook
through papermill and the :func:`gate`; a plain ``papermill`` call gets the same check and
directory. Import :mod:`ecgcore.runs.trained` yourself: it loads torch, which takes seconds.
"""

from ecgcore.runs.directory import (
    NATIVE,
    damage,
    find_runs,
    load_predictions,
    load_tables,
    model_options,
    networks,
    predictions_by_seed,
    runs_table,
    select_runs,
    variant,
)
from ecgcore.runs.execution import gate, run_notebook
from ecgcore.runs.notebook import Run, begin
from ecgcore.runs.pipeline import InputPipeline
