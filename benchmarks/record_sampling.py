"""Keep the tables of a sampling study in ``results/``, with how they were made.

After the study itself, whose configuration is ``results/sampling.yaml`` or
``results/sampling_again.yaml``, and whose name is that of its folder of runs:

    python benchmarks/record_sampling.py _build/runs/sampling
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import contrasts, grids, recorded, study

PARAMETERS = ["model", "rate_hz", *contrasts.NATIVE, "seed"]
SUMMARIES = {
    "cause": ("frequency_cause", "metrics"),
    "claims": ("frequency_sweep", "claims"),
    "differences": ("frequency_sweep", "differences"),
}
"""Recorded table to the summary's run and its file."""


def command(name: str, summaries: Sequence[str]) -> str:
    """What makes the study of that name and records it."""
    wanted = " ".join(f"_build/runs/{name}/{summary}/notebook.ipynb" for summary in summaries)
    return (
        f"snakemake {wanted} --snakefile workflow/Snakefile --cores 1"
        f" --configfile results/{name}.yaml --nolock"
        f" && python benchmarks/record_sampling.py _build/runs/{name}"
    )


def size(runs: pd.DataFrame) -> dict[str, Any]:
    """How large the study was: runs, seeds, records of training and test."""
    told = study.load_predictions(runs["run"].iloc[0])
    test, valid = told[told["part"] == "test"], told[told["part"] == "valid"]
    n_train = [
        2 * valid.loc[valid["fold"] != fold, "y_true"].sum() for fold in valid["fold"].unique()
    ]
    return {
        "n_runs": len(runs),
        "n_seeds": int(runs["seed"].nunique()),
        "n_test": len(test),
        "n_positive": int(test["y_true"].sum()),
        "folds": int(runs["folds"].iloc[0]),
        "epochs": int(runs["epochs"].iloc[0]),
        "n_train": round(sum(n_train) / len(n_train)),
    }


def of_runs(folder: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """One row a run and metric of the natural test part, and of what the run cost."""
    scores = study.load_runs(folder, "frequency_train").query("part in ('test', 'run')")
    columns = ["run", "part", "metric", "value", "low", "high"]
    table = runs[["run", *PARAMETERS]].merge(scores[columns], on="run").drop(columns="run")
    return table.sort_values([*PARAMETERS, "part"]).round(6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="folder of the study's runs")
    parser.add_argument("--to", type=Path, default=recorded.FOLDER)
    parser.add_argument("--again", type=Path, help="folder where some of the runs were made again")
    parser.add_argument("--quick", action="store_true", help="say what would be kept, keep nothing")
    arguments = parser.parse_args()
    study_name = arguments.runs.resolve().name
    runs = grids.runs_of(arguments.runs, "frequency_train")
    made = [json.loads((Path(run) / "provenance.json").read_text()) for run in runs["run"]]
    tables = {"runs": of_runs(arguments.runs, runs)}
    summaries = []
    for name, (summary, stem) in SUMMARIES.items():
        if (arguments.runs / summary / f"{stem}.csv").exists():
            tables[name] = pd.read_csv(arguments.runs / summary / f"{stem}.csv")
            summaries.append(summary)
    summaries = sorted(set(summaries), reverse=True)
    judged = json.loads((arguments.runs / "frequency_cause" / "results.json").read_text())
    facts = {
        "command": command(study_name, summaries),
        "configuration": f"configuration results/{study_name}.yaml",
        "depends_on": [
            f"results/{study_name}.yaml",
            *(f"notebooks/{name}.ipynb" for name in ("frequency_train", *summaries)),
        ],
        "seconds": round(sum(one["seconds"] for one in made)),
        "runs_commit": sorted({one["git_commit"] for one in made}),
        "runs_dirty": any(one["git_dirty"] for one in made),
        "archive": made[0]["archive"],
        "margin": judged["margin"],
        "size": size(runs),
    }
    if arguments.again:
        facts["repeated"] = recorded.repeated(arguments.runs, arguments.again)
    for name, table in tables.items():
        print(f"{study_name}_{name}: {len(table)} rows")
        if not arguments.quick:
            recorded.save(f"{study_name}_{name}", table, facts, arguments.to)


if __name__ == "__main__":
    main()
