"""The summaries and the book of the paper tier, at PTB-XL's size, before anyone has its runs.

Usage: ``rehearse_book.py STORE RUNS FOLDER``. ``STORE`` is the store of 21,799 records that
``benchmarks/rehearsal.py`` prepares, ``RUNS`` the finished runs of the smoke tier. Each run of the
paper tier gets a directory in ``FOLDER`` with networks that were never trained and random answers
to all records that it would answer. Then every summary and the book are made of them;
``results/rehearsal_book`` keeps minutes and memory. No number on the pages means anything.
"""

import functools
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cost import dry_plan
from plan import ROOT, Job, parameters

from ecgcore import files, labels, models, runs, splits, training
from ecgcore.data import Store, open_data
from ecgcore.leads import LEADS
from ecgcore.runs import directory, recorded
from ecgcore.runs import parameters as declared
from ecgcore.runs.notebook import run_identity

TIER, SECONDS = "paper", 10
REPLACED = ("predictions.parquet", "explained.csv", "params.json", "provenance.json")


@functools.cache
def parts_of(store: Store, task: str, protocol: str, n_folds: int) -> pd.DataFrame:
    """Return the records that a run answers, with part, fold and truth."""
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
    """Return random answers to the records that a run with these parameters answers."""
    table = parts_of(store, params["task"], params["protocol"], params.get("folds", 0))
    logit = rng.normal(3.0 * table["y_true"] - 2, 1.5)
    score = 1 / (1 + np.exp(-logit))
    random = {"baseline": logit / 2, "in_balanced": rng.random(len(table)) < 0.5}
    return table.assign(logit=logit, score=score, ranking=score, **random)


def make_run(job: Job, base: Path, to: Path, store: Store, networks: dict[str, Path]) -> None:
    """Write the run directory of a job; the tables that nobody reads are those of ``base``."""
    rng = np.random.default_rng(zlib.crc32(job.path.encode()))
    notebook = ROOT / "notebooks" / f"{job.notebook}.ipynb"
    given = {**job.params, "archive": str(store.path)}
    values = declared.check(declared.of_notebook(notebook), given)
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for file in base.iterdir():
        if file.name not in REPLACED and not file.name.startswith("weights"):
            shutil.copy(file, to / file.name)
    params = {"notebook": job.notebook, **declared.computed(values)}
    (to / "params.json").write_text(json.dumps(params), encoding="utf-8")
    table = answers(values, store, rng)
    table.to_parquet(to / "predictions.parquet", index=False)
    if (base / "explained.csv").exists():
        scores = pd.read_csv(base / "explained.csv")
        chosen = scores.sample(values["explained_records"] * 12, replace=True, random_state=1)
        positive = table[(table["part"] == "test") & (table["y_true"] == 1)]
        who = positive.iloc[np.arange(len(chosen)) // 12 % len(positive)]
        for name in ("ecg_id", "patient_id"):
            chosen[name] = who[name].to_numpy()
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
    written = [path for path in sorted(to.iterdir()) if path.suffix in directory.RESULTS]
    facts["files"] = {path.name: files.sha256(path) for path in written}
    facts |= {"identity": run_identity(job.notebook, values), "tier": TIER, "seed": values["seed"]}
    (to / "provenance.json").write_text(json.dumps(facts), encoding="utf-8")


def timed(step: str, command: list[str]) -> dict[str, Any]:
    """Run a command; return whether it ended well, and seconds of processor and clock."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{step}: {cpu_s:.0f} s", done.stderr[-500:] if done.returncode else "", flush=True)
    row = {"step": step, "ended_well": done.returncode == 0, "cpu_s": round(cpu_s, 1)}
    return row | {"wall_s": round(time.monotonic() - start, 1)}


def main(store: Store, finished: Path, to: Path) -> None:
    """Make the runs, then every summary and the book."""
    plan, start, networks = dry_plan(TIER), time.monotonic(), dict[str, Path]()
    weights = finished.glob("*_train-*/weights*.safetensors")
    bases = {p.parent.name.partition("-")[0]: p.parent for p in weights}
    left = [
        j for j in plan.runs.values() if not (to / "runs" / j.path / "provenance.json").exists()
    ]
    for job in left:
        make_run(job, bases[job.notebook], to / "runs" / job.path, store, networks)
    print(f"{len(left)} runs in {time.monotonic() - start:.0f} s", flush=True)
    log = to / "steps.jsonl"  # finished steps, which are not repeated after a kill
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {row["step"] for row in rows}
    for name, job in plan.summaries.items():
        if name in done:
            continue
        given = {**job.params, "tier": TIER}
        given |= {"archive": str(store.path)} if job.archive else {}
        given |= {"runs": str(to / "runs")} if job.reads else {}
        command = [sys.executable, "-m", "ecgcore", "run", f"notebooks/{name}.ipynb"]
        out = to / "summaries" / name
        row = timed(name, [*command, *parameters(given).split(), "--force", "--out", str(out)])
        made = directory.read_json(out / "provenance.json")
        rows.append(row | {"peak_mib": made.get("peak_memory_mib")})
        with log.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
    pages = [f"--page={name}={to / 'summaries' / name}" for name in plan.summaries]
    pages += [f"--page={name}={to / 'runs' / run}" for name, run in dry_pages(plan).items()]
    tools, chosen = [sys.executable, "-m", "book.tools"], plan.config["explorer"]
    command = [*tools, "explorer", "--store", str(store.path), "--to", str(to / "explorer")]
    command += ["--records", str(chosen["records"])]
    for name in chosen["runs"]:
        command += ["--run", str(to / "runs" / plan.path_of(name))]
    rows.append(timed("explorer", command))
    command = [*tools, "book", "--runs", str(to / "runs"), *pages]
    command += ["--explorer", str(to / "explorer")]
    command += ["--tier", TIER, "--staging", str(to / "staging"), "--html", str(to / "html")]
    rows.append(timed("book", command))
    summaries = [row for row in rows if row["step"] in plan.summaries]
    facts = {
        "n_summaries": len(summaries),
        "summaries_min": round(sum(row["cpu_s"] for row in summaries) / 60, 1),
        "peak_mib_max": max(row["peak_mib"] for row in summaries),
        "command": "python workflow/rehearse_book.py STORE RUNS FOLDER",
        "depends_on": ["workflow/rehearse_book.py", f"workflow/tiers/{TIER}.yaml"],
        "n_runs": len(plan.runs),
    }
    recorded.save("rehearsal_book", pd.DataFrame(rows), facts)


def dry_pages(plan: Any) -> dict[str, str]:
    """Return the run that each page of a run notebook shows."""
    return {page: plan.path_of(name) for page, name in plan.config["pages"].items()}


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit("Usage: python workflow/rehearse_book.py STORE RUNS FOLDER")
    main(open_data(sys.argv[1]), *(Path(one).resolve() for one in sys.argv[2:]))
