"""Runs of one notebook as a table, and their predictions by seed: what summary notebooks read."""

from pathlib import Path

import pandas as pd

from ecgcore import study


def runs_of(folder: Path | str, notebook: str) -> pd.DataFrame:
    """One row a complete run: its directory as ``run``, its parameters, and what it cost.

    Metrics of part ``run`` (seconds, records a second, receptive field, parameters) become
    columns called ``run_`` and their name.

    Raises
    ------
    EcgcoreError
        There is no complete run of that notebook.
    """
    found = study.find_runs(folder, notebook)
    table = pd.DataFrame([{"run": run, **params} for run, params in found.items()])
    costs = study.load_runs(folder, notebook).query("part == 'run'")
    wide = costs.pivot(index="run", columns="metric", values="value").add_prefix("run_")
    return table.join(wide, on="run")


def by_seed(runs: pd.DataFrame, part: str = "test") -> dict[int, pd.DataFrame]:
    """Predictions of one part of each run, by the run's seed.

    ``runs`` are rows of :func:`runs_of` that differ in nothing but the seed.
    """
    found = {}
    for seed, run in zip(runs["seed"], runs["run"], strict=True):
        told = study.load_predictions(run)
        found[int(seed)] = told[told["part"] == part].reset_index(drop=True)
    return found
