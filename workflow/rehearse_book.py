"""The summaries and the book of the paper tier, at PTB-XL's size, before anyone has its runs.

Usage: ``rehearse_book.py FOLDER``, the folder that ``benchmarks/rehearsal.py`` filled with archive
and store. Each network is trained there for a few steps, and every record of its run is answered.
Copies with random changes to these answers stand for all other runs of the tier. Then every summary
and the book are made of them; ``results/rehearsal_book`` keeps minutes and memory. No number on the
pages means anything.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cost import dry_plan, kinds
from plan import ROOT, Job, parameters

from ecgcore.runs import directory, recorded
from ecgcore.runs import parameters as declared
from ecgcore.runs.notebook import run_identity

sys.path.insert(0, str(ROOT / "benchmarks"))
import rehearsal

TIER = "paper"
EXPLAINED_RATE_HZ = 100
N_EXPLAINED = 256


def make_template(kind: str, params: dict[str, Any], place: Path, to: Path) -> dict[str, Any]:
    """Run a notebook with few steps, keep its run directory, and return what it cost."""
    row = rehearsal.run_kind(kind, params, place, 2, folds=5)
    shutil.rmtree(to, ignore_errors=True)
    shutil.move(place / "run", to)
    return row


def templates(place: Path) -> dict[str, Path]:
    """Return a run directory for each network and rate; all rates only where they are cheap."""
    found = {}
    for kind, params in kinds(dry_plan(TIER)).items():
        is_imn = kind.startswith("imn_train")
        if len(kind.split()) > 4 or (is_imn and params["rate_hz"] != EXPLAINED_RATE_HZ):
            continue
        found[kind] = to = place / "templates" / kind.replace(" ", "-")
        if not (to / "provenance.json").exists():
            rehearsal.EXPLAINED.append(kind)
            print(kind, flush=True)
            rehearsal.measure(make_template, kind, params, place, to)
    return found


def template_of(job: Job, found: dict[str, Path]) -> Path:
    """Return the template of a run's network at its rate, or else at 100 Hz."""
    model = job.params.get("model", "imn" if job.notebook == "imn_train" else "cnn1d")
    names = [f"{job.notebook} {model} {hz} Hz" for hz in (job.rate_hz, EXPLAINED_RATE_HZ)]
    return next(found[name] for name in names if name in found)


def copy_run(job: Job, source: Path, to: Path, store: Path) -> None:
    """Write the run directory of a job: the template's, with its own parameters and answers."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(source, to, copy_function=os.link)
    rng = np.random.default_rng(abs(hash(job.path)) % 2**32)
    answers = directory.load_predictions(source)
    answers["logit"] = rng.normal(answers["y_true"] * 3.0, 1.5)
    answers["score"] = 1 / (1 + np.exp(-answers["logit"]))
    answers["ranking"] = answers["score"]
    notebook = ROOT / "notebooks" / f"{job.notebook}.ipynb"
    values = declared.check(declared.of_notebook(notebook), {**job.params, "archive": str(store)})
    params = {"notebook": job.notebook, **declared.computed(values)}
    new: dict[str, bytes] = {"params.json": json.dumps(params).encode()}
    if (source / "explained.csv").exists():
        scores = pd.read_csv(source / "explained.csv")
        positive = answers[(answers["part"] == "test") & (answers["y_true"] == 1)]
        copies = [
            scores.assign(ecg_id=row.ecg_id, patient_id=row.patient_id)
            for row in positive.head(N_EXPLAINED).itertuples()
        ]
        table = pd.concat(copies, ignore_index=True)
        numbers = table.select_dtypes("float").columns
        table[numbers] += rng.normal(0, 0.1, (len(table), len(numbers)))
        new["explained.csv"] = table.to_csv(index=False).encode()
    for name, content in new.items():
        (to / name).unlink()
        (to / name).write_bytes(content)
    (to / "predictions.parquet").unlink()
    answers.to_parquet(to / "predictions.parquet", index=False)
    facts = directory.read_json(to / "provenance.json")
    for name in facts["files"]:
        facts["files"][name] = directory.sha256(to / name)
    facts |= {"identity": run_identity(job.notebook, values), "tier": TIER, "seed": values["seed"]}
    (to / "provenance.json").unlink()
    (to / "provenance.json").write_text(json.dumps(facts), encoding="utf-8")


def timed(name: str, command: list[str]) -> dict[str, Any]:
    """Run a command; return seconds of clock and processor, and the peak of memory so far."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(name, f"{cpu_s:.0f} s of processor", done.stderr[-300:] if done.returncode else "")
    row = {"step": name, "ended_well": done.returncode == 0, "cpu_s": round(cpu_s, 1)}
    return row | {"wall_s": round(time.monotonic() - start, 1)}


def main(place: Path) -> None:
    """Make the runs, then every summary and the book."""
    plan, store, runs = dry_plan(TIER), place / "store", place / "runs"
    found = templates(place)
    start = time.monotonic()
    for job in plan.runs.values():
        copy_run(job, template_of(job, found), runs / job.path, store)
    print(f"{len(plan.runs)} runs in {time.monotonic() - start:.0f} s", flush=True)
    rows = []
    for name, job in plan.summaries.items():
        given = {**job.params, "tier": TIER} | ({"archive": store} if job.archive else {})
        given |= {"runs": runs} if job.reads else {}
        command = [sys.executable, "-m", "ecgcore", "run", f"notebooks/{name}.ipynb"]
        command += parameters(given).replace("'", "").split()
        out = place / "summaries" / name
        row = timed(name, [*command, "--force", "--out", str(out)])
        row["peak_mib"] = directory.read_json(out / "provenance.json").get("peak_memory_mib")
        rows.append(row)
    pages = [f"--page={name}={place / 'summaries' / name}" for name in plan.summaries]
    command = [sys.executable, "-m", "book.tools", "book", "--runs", str(runs), *pages]
    command += ["--tier", TIER, "--staging", str(place / "staging"), "--html", str(place / "html")]
    rows.append(timed("book", command))
    facts = {
        "command": "python workflow/rehearse_book.py FOLDER",
        "depends_on": ["workflow/rehearse_book.py", f"workflow/tiers/{TIER}.yaml"],
        "n_runs": len(plan.runs),
    }
    recorded.save("rehearsal_book", pd.DataFrame(rows), facts)
    print(pd.DataFrame(rows))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python workflow/rehearse_book.py FOLDER")
    main(Path(sys.argv[1]).resolve())
