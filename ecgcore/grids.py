"""Runs of one notebook as a table, and their predictions by seed: what summary notebooks read."""

from pathlib import Path

import pandas as pd

from ecgcore import study, variants

TRAINED_ALIKE = (
    "task", "model", "rate_hz", "protocol", "epochs", "batch_size", "learning_rate",
    "max_train_records", "shortcut_mv", "seed", *variants.PUBLISHED,
)  # fmt: skip
"""Parameters of ``imn_train`` by which two runs train different networks."""


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


def networks(folder: Path | str, name: str, *, protocol: str = "held_out") -> pd.DataFrame:
    """A table of every run of ``imn_train``, each trained network counted once.

    Runs that trained the same network and differ in what they asked of it (methods, records
    explained) are no further seeds of it: of what two of them hold, the first is kept.  The column
    ``variant`` says what a run changed in the design.

    Parameters
    ----------
    protocol
        Keep runs of that protocol where there are any; ``all`` keeps both.
    """
    table = variants.with_variant(study.load_tables(folder, "imn_train", name))
    if table.empty:
        return table
    if protocol != "all" and (table["protocol"] == protocol).any():
        table = table[table["protocol"] == protocol]
    keys = [key for key in (*TRAINED_ALIKE, "method") if key in table]
    first = table.groupby(keys, dropna=False, sort=False)["run"].transform("first")
    return table[table["run"] == first].reset_index(drop=True)
