"""Record the predictions of a study's finished runs: ``python workflow/record.py STUDY RUNS``.

``results/STUDY/CELL.csv`` holds the predictions of one cell of the study's grid (one row per seed
and record), ``CELL-maps.csv`` the scores of its explanations if there are any, and the ``.json``
files beside them their provenance. The workflow does not repeat a recorded run.
"""

import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import files
from ecgcore.runs import directory, recorded

KEPT = ["seed", "part", "fold", "ecg_id", "patient_id", "y_true", "logit"]
PARTS = ("test", "valid", "external")


def answers(run: Path) -> pd.DataFrame:
    """Return the rows of a run's predictions from which the study's figures are computed."""
    table = directory.load_predictions(run)
    table = table[table["part"].isin(PARTS)]
    if "fold" in table:  # for LUDB, the joint prediction of all folds
        table = table[(table["part"] != "external") | (table["fold"] == 0)]
    table = table.reindex(columns=[name for name in KEPT if name != "seed"], fill_value=0)
    return table.assign(logit=table["logit"].round(5))


def facts_of(run: Path) -> dict[str, Any]:
    """Return a short summary of how a run was made."""
    made = directory.read_json(run / "provenance.json")
    results = directory.read_json(run / "results.json")
    names = ("n_parameters", "receptive_field_ms", "train_seconds", "best_epoch", "n_train")
    epochs = pd.read_csv(run / "history.csv")
    fold = epochs["fold"] if "fold" in epochs else pd.Series(1, epochs.index)
    return {
        "epochs": epochs.groupby(fold)["epoch"].max().tolist(),
        **{name: results[name] for name in (*names, "needs_more_epochs") if name in results},
        **{name: made.get(name) for name in ("git_commit", "git_dirty", "code", "seconds")},
        "archive": made.get("archive", {}).get("fingerprint", "")[:12],
        **{name: made.get("archive", {}).get(name, "") for name in ("device", "precision")},
    }


def record(study: str, runs: Path, folder: Path = recorded.FOLDER) -> list[str]:
    """Write one file per cell for all finished runs below ``runs``; return the cells' names."""
    cells: dict[str, dict[int, Path]] = {}
    for path in sorted(runs.glob("*/notebook.ipynb")):
        if named := re.fullmatch(r"(.+)-(\d+)", path.parent.name):
            cells.setdefault(named[1], {})[int(named[2])] = path.parent
    (folder / study).mkdir(parents=True, exist_ok=True)
    with files.locked(folder / study):
        for cell, by_seed in cells.items():
            _record_cell(f"{study}/{cell}", by_seed, folder)
    return sorted(cells)


def _record_cell(name: str, by_seed: dict[int, Path], folder: Path) -> None:
    """Add the new seeds of one cell to those already recorded."""
    runs: dict[int, dict[str, Any]] = {}
    kept_params: dict[str, Any] = {}
    tables: dict[str, list[pd.DataFrame]] = {name: [], f"{name}-maps": []}
    if (folder / f"{name}.json").exists():
        facts = recorded.load(name, folder).facts
        runs = {int(k): v for k, v in facts["runs"].items()}
        kept_params = facts["params"]
    new = {seed: run for seed, run in by_seed.items() if seed not in runs}
    if not new:
        return
    for kept in (kept for kept in tables if (folder / f"{kept}.csv").exists()):
        tables[kept].append(recorded.load(kept, folder).table)
    for seed, run in new.items():
        runs[seed] = facts_of(run)
        tables[name].append(answers(run).assign(seed=seed)[KEPT])
        if (run / "explained.csv").exists():
            maps = pd.read_csv(run / "explained.csv").round(5)
            tables[f"{name}-maps"].append(maps.assign(seed=seed))
    params = directory.read_json(next(iter(new.values())) / "params.json")
    notebook = params.pop("notebook")
    tier = directory.read_json(next(iter(by_seed.values())) / "provenance.json")["tier"]
    facts = {
        "command": f"make book TIER={tier} ({name.rpartition('/')[2]})",
        "runs_commit": sorted({str(one["git_commit"]) for one in runs.values()}),
        "runs_dirty": any(one["git_dirty"] for one in runs.values()),
        "depends_on": [f"notebooks/{notebook}.ipynb"],
        "params": kept_params
        or {k: v for k, v in params.items() if k not in ("seed", "archive", "external")},
        "runs": {str(seed): runs[seed] for seed in sorted(runs)},
        "size": {"n_seeds": len(runs)},
    }
    for kept, parts in tables.items():
        if parts:
            recorded.save(kept, pd.concat(parts).sort_values("seed", kind="stable"), facts, folder)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("Usage: python workflow/record.py STUDY RUNS")
    print(f"results/{sys.argv[1]}: {', '.join(record(sys.argv[1], Path(sys.argv[2])))}")
