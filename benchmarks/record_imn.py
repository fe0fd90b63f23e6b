"""Keep the tables of an ECG-IMN study in ``results/``, with how they were made.

After the study itself, whose configuration is ``results/imn.yaml`` or ``results/imn_larger.yaml``,
and whose name is that of its folder of runs:

    python benchmarks/record_imn.py _build/runs/imn
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import grids, recorded, study, variants

NOTEBOOKS = ("imn_train", "imn_evaluation", "imn_belief", "imn_better")
PAGES = ("imn_evaluation", "imn_belief", "imn_better")
TABLES = {
    "accuracy": ("imn_evaluation", "differences"),
    "trap": ("imn_belief", "trap"),
    "scores": ("imn_belief", "scores"),
    "controls": ("imn_belief", "verdicts"),
    "stability": ("imn_belief", "stability"),
    "shortcut": ("imn_belief", "shortcut"),
    "ablations": ("imn_better", "shifts"),
    "duels": ("imn_better", "duels"),
}
"""Recorded table to the summary's run and its file."""


def command(name: str) -> str:
    """What makes the study of that name and records it."""
    wanted = " ".join(f"_build/runs/{name}/{page}/notebook.ipynb" for page in PAGES)
    return (
        f"snakemake {wanted} --snakefile workflow/Snakefile --cores 1"
        f" --configfile results/{name}.yaml --nolock"
        f" && python benchmarks/record_imn.py _build/runs/{name}"
    )


def of_runs(folder: Path) -> pd.DataFrame:
    """One row a run and metric of the test part, with what the run changed in the design."""
    table = grids.networks(folder, "metrics", protocol="all").query("part == 'test'")
    columns = ["task", "model", "variant", "protocol", "seed", "metric", "value", "low", "high"]
    return table[columns].sort_values(columns[:6]).round(6)


def size(folder: Path) -> dict[str, Any]:
    """How large the study was: runs, seeds, records of training and test."""
    every = grids.networks(folder, "metrics")
    own = every[every["variant"] == variants.AS_PUBLISHED]
    one = own.iloc[0]
    told = json.loads((Path(one["run"]) / "results.json").read_text())
    return {
        "n_runs": len(study.find_runs(folder, "imn_train")),
        "n_seeds": int(own.groupby("model")["seed"].nunique().max()),
        **{key: told[key] for key in ("n_train", "n_test", "n_positive")},
        **{key: int(one[key]) for key in ("rate_hz", "epochs", "batch_size")},
        **{key: int(one[key]) for key in ("explained_records", "deletion_records")},
    }


def claims(folder: Path) -> pd.DataFrame:
    """The claims of every page, with the page's name."""
    tables = [pd.read_csv(folder / page / "claims.csv").assign(page=page) for page in PAGES]
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="folder of the study's runs")
    parser.add_argument("--to", type=Path, default=recorded.FOLDER)
    parser.add_argument("--again", type=Path, help="folder where some of the runs were made again")
    parser.add_argument("--quick", action="store_true", help="say what would be kept, keep nothing")
    arguments = parser.parse_args()
    folder = arguments.runs
    study_name = folder.resolve().name
    files = sorted(folder.glob("imn_train-*/provenance.json"))
    made = [json.loads(file.read_text()) for file in files]
    tables = {"runs": of_runs(folder), "claims": claims(folder)}
    for name, (summary, stem) in TABLES.items():
        file = folder / summary / f"{stem}.csv"
        if file.read_text().strip():  # a table of what was not run is empty
            tables[name] = pd.read_csv(file).round(6)
    facts = {
        "command": command(study_name),
        "configuration": f"configuration results/{study_name}.yaml",
        "depends_on": [
            f"results/{study_name}.yaml",
            *(f"notebooks/{name}.ipynb" for name in NOTEBOOKS),
        ],
        "seconds": round(sum(one["seconds"] for one in made)),
        "runs_commit": sorted({one["git_commit"] for one in made}),
        "runs_dirty": any(one["git_dirty"] for one in made),
        "archive": made[0]["archive"],
        "size": size(folder),
    }
    if arguments.again:
        facts["repeated"] = recorded.repeated(folder, arguments.again)
    for name, table in tables.items():
        print(f"{study_name}_{name}: {len(table)} rows")
        if not arguments.quick:
            recorded.save(f"{study_name}_{name}", table, facts, arguments.to)


if __name__ == "__main__":
    main()
