"""Runs: a notebook executed once with one set of parameters, and the directory it leaves.

In a notebook, ``run = runs.begin("frequency_train")`` checks the parameters before anything is
computed, and ``run.finish(...)`` writes the run directory. From outside, :func:`run_notebook`
checks, executes through papermill, passes the result through the :func:`gate`, and only then
gives the directory its final name. A plain ``papermill`` call gets the same check and directory.

:mod:`ecgcore.runs.trained` is not imported here: it loads torch, which takes seconds.
"""

from ecgcore.runs.directory import NATIVE as NATIVE
from ecgcore.runs.directory import damage as damage
from ecgcore.runs.directory import find_runs as find_runs
from ecgcore.runs.directory import load_predictions as load_predictions
from ecgcore.runs.directory import load_tables as load_tables
from ecgcore.runs.directory import model_options as model_options
from ecgcore.runs.directory import networks as networks
from ecgcore.runs.directory import predictions_by_seed as predictions_by_seed
from ecgcore.runs.directory import runs_table as runs_table
from ecgcore.runs.directory import select_runs as select_runs
from ecgcore.runs.directory import variant as variant
from ecgcore.runs.execution import gate as gate
from ecgcore.runs.execution import run_notebook as run_notebook
from ecgcore.runs.notebook import Run as Run
from ecgcore.runs.notebook import begin as begin
from ecgcore.runs.pipeline import InputPipeline as InputPipeline
