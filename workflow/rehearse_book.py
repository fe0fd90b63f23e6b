"""Build the paper tier's summaries and book at PTB-XL's size, before its runs exist.

Usage: ``rehearse_book.py STORE RUNS FOLDER``. ``STORE`` is the store of 21,799 records that
``benchmarks/rehearsal.py`` prepares, ``RUNS`` the finished runs of the smoke tier. Each run of the
paper tier gets a directory in ``FOLDER`` with untrained networks and random predictions for all
records that it would predict. Every summary and the book are then built from them;
``results/rehearsal_book`` records minutes and memory. The numbers on the pages mean nothing.
"""

import functools
import json
import os
import shlex
import shutil
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cost import dry_plan
from plan import ROOT, Job, parameters
from tqdm import tqdm

from ecgcore import files, labels, models, runs, splits, training
from ecgcore.data import Store, open_data
from ecgcore.leads import LEADS
from ecgcore.runs import directory
from ecgcore.runs import parameters as notebook_parameters
from ecgcore.runs.notebook import run_identity

sys.path.insert(0, str(ROOT / "benchmarks"))
from common import finish, save

TIER, SECONDS = "paper", 10
REPLACED = ("predictions.parquet", "explained.csv", "params.json", "provenance.json")


@functools.cache
def parts_of(store: Store, task: str, protocol: str, n_folds: int) -> pd.DataFrame:
    """Return the records that a run predicts, with part, fold and true label."""
    y = labels.task_labels(store.table, store.statements, task)
    if n_folds:
        folds = splits.hold_out_folds(store.table, y, n_folds=n_folds)
        parts = [("test", 0, folds[0].test)]
        for k, fold in enumerate(folds, start=1):
            parts += [("valid", k, fold.valid), ("test_fold", k, fold.test)]
    else:
        divide = splits.official if protocol == "held_out" else splits.as_published
        split = divide(store.table, y.index)
        parts = [("test", 0, split.test), ("valid", 0, split.valid)]
    tables = [pd.DataFrame({"ecg_id": ids, "part": p, "fold": k}) for p, k, ids in parts]
    table = pd.concat(tables, ignore_index=True)
    patients = store.table["patient_id"][table["ecg_id"]].to_numpy()
    return table.assign(patient_id=patients, y_true=y[table["ecg_id"]].to_numpy())


def answers(params: dict[str, Any], store: Store, rng: np.random.Generator) -> pd.DataFrame:
    """Return random predictions for the records that a run with these parameters predicts."""
    table = parts_of(store, params["task"], params["protocol"], params.get("folds", 0))
    logit = rng.normal(3.0 * table["y_true"] - 2, 1.5)
    score = 1 / (1 + np.exp(-logit))
    random = {"baseline": logit / 2, "in_balanced": rng.random(len(table)) < 0.5}
    return table.assign(logit=logit, score=score, ranking=score, **random)


def make_run(job: Job, base: Path, to: Path, store: Store, networks: dict[str, Path]) -> None:
    """Write the run directory of a job; tables that nothing reads are copied from ``base``."""
    rng = np.random.default_rng(zlib.crc32(job.path.encode()))
    notebook = ROOT / "notebooks" / f"{job.notebook}.ipynb"
    params = {**job.params, "archive": str(store.path)}
    values = notebook_parameters.check(notebook_parameters.of_notebook(notebook), params)
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for file in base.iterdir():
        if file.name not in REPLACED and not file.name.startswith("weights"):
            shutil.copy(file, to / file.name)
    params = {"notebook": job.notebook, **notebook_parameters.computed(values)}
    (to / "params.json").write_text(json.dumps(params), encoding="utf-8")
    table = answers(values, store, rng)
    table.to_parquet(to / "predictions.parquet", index=False)
    if (base / "explained.csv").exists():
        scores = pd.read_csv(base / "explained.csv")
        chosen = scores.sample(values["explained_records"] * 12, replace=True, random_state=1)
        positive = table.query("part == 'test' and y_true == 1")
        records = positive.iloc[np.arange(len(chosen)) // 12 % len(positive)]
        for name in ("ecg_id", "patient_id"):
            chosen[name] = records[name].to_numpy()
        numbers = scores.select_dtypes("float").columns
        chosen[numbers] += rng.normal(0, 0.1, (len(chosen), len(numbers)))
        if values["shortcut"]:
            chosen["shortcut_mass_accuracy"] = rng.random(len(chosen))
        chosen.drop_duplicates(["method", "ecg_id"]).to_csv(to / "explained.csv", index=False)
    if values.get("normalisation") == "train_lead":
        statistics = pd.DataFrame({"lead": LEADS, "mean_mv": 0.0, "sd_mv": 0.2})
        statistics.to_csv(to / "lead_statistics.csv", index=False)
    options = runs.model_options(values)
    kind = json.dumps([values["model"], job.rate_hz, options])
    if kind not in networks:
        n_samples = SECONDS * job.rate_hz
        network = models.build(values["model"], rate_hz=job.rate_hz, n_samples=n_samples, **options)
        networks[kind] = training.save_weights(network, to.parent / f"{len(networks)}.safetensors")
    n_folds = values.get("folds", 1)
    for k in range(1, n_folds + 1):
        name = "weights.safetensors" if n_folds == 1 else f"weights_fold{k}.safetensors"
        os.link(networks[kind], to / name)
    facts = directory.read_json(base / "provenance.json")
    facts["archive"] |= {"name": store.name, "fingerprint": store.fingerprint}
    results = [path for path in sorted(to.iterdir()) if path.suffix in directory.RESULTS]
    facts["files"] = {path.name: files.sha256(path) for path in results}
    facts |= {"identity": run_identity(job.notebook, values), "tier": TIER, "seed": values["seed"]}
    (to / "provenance.json").write_text(json.dumps(facts), encoding="utf-8")


def timed(*command: str) -> dict[str, Any]:
    """Run a Python module as a command; return its processor and wall-clock seconds.

    Raises CalledProcessError if it fails.
    """
    before = np.array(os.times())
    subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.DEVNULL, check=True
    )
    _, _, user_s, system_s, wall_s = np.array(os.times()) - before  # the first two: this process
    return {"cpu_s": round(user_s + system_s, 1), "wall_s": round(wall_s, 1)}


def summarise(job: Job, place: Path, store: Store) -> dict[str, Any]:
    """Execute a summary's notebook; return its seconds and its peak memory."""
    params = {**job.params, "tier": TIER}
    params |= {"archive": str(store.path)} if job.archive else {}
    params |= {"runs": str(place)} if job.reads else {}
    words, out = shlex.split(parameters(params)), place / job.path
    words += ["--force", "--out", str(out)]  # a killed call may have left an untimed run
    row = timed("ecgcore", "run", f"notebooks/{job.notebook}.ipynb", *words)
    return {**row, "peak_mib": directory.read_json(out / "provenance.json")["peak_memory_mib"]}


def main(store: Store, finished: Path, to: Path) -> None:
    """Write the runs, then time every summary and the book."""
    plan, place, networks = dry_plan(TIER), to / "runs", dict[str, Path]()
    weights = finished.glob("*_train-*/weights*.safetensors")
    bases = {p.parent.name.partition("-")[0]: p.parent for p in weights}
    for job in tqdm(plan.runs.values(), desc="runs"):
        if not (place / job.path / "provenance.json").exists():
            make_run(job, bases[job.notebook], place / job.path, store, networks)
    steps = {name: partial(summarise, job, place, store) for name, job in plan.summaries.items()}
    explorer, explored = to / "explorer", plan.config["explorer"]
    options = [f"--run={place / plan.path_of(name)}" for name in explored["runs"]]
    options += [f"--store={store.path}", f"--to={explorer}", f"--records={explored['records']}"]
    steps["explorer"] = partial(timed, "book.tools", "explorer", *options)
    options = [f"--page={page}={path}" for page, path in plan.pages.items()]
    options += [f"--runs={place}", f"--explorer={explorer}", f"--tier={TIER}"]
    options += [f"--staging={to / 'staging'}", f"--html={to / 'html'}"]
    steps["book"] = partial(timed, "book.tools", "book", *options)
    table = pd.DataFrame(finish(steps, to / "steps.jsonl", "step"))
    summaries = table[table["step"].isin(plan.summaries)]
    facts = {
        "n_summaries": len(summaries),
        "summaries_min": round(summaries["cpu_s"].sum() / 60, 1),
        "peak_mib_max": summaries["peak_mib"].max(),
        "n_runs": len(plan.runs),
        "depends_on": ["workflow/rehearse_book.py", f"workflow/tiers/{TIER}.yaml"],
    }
    save("rehearsal_book", table, __file__, "STORE RUNS FOLDER", **facts)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit("Usage: python workflow/rehearse_book.py STORE RUNS FOLDER")
    main(open_data(sys.argv[1]), *(Path(path).resolve() for path in sys.argv[2:]))
