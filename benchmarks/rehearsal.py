"""Rehearse the paper tier at PTB-XL's size on a CPU: memory, seconds and disk per kind of run.

    python benchmarks/rehearsal.py [--templates PTBXL_DIR] [--folder DIR] [--record] [--records 300]

An archive of 21,799 records is written once, from records of PTBXL_DIR (or simulated ones) with
different noise and PTB-XL's counts. Then each kind of run executes its notebook in its own process,
with all records in memory but few training steps; work that costs the same for every record is
measured on some records. Processor seconds are reported beside wall-clock seconds, because other
work may share the machine. Finished rows are kept in DIR; a repeated command continues from there.
"""

import argparse
import contextlib
import copy
import io
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch
from common import ROOT, finish, in_new_process, save, size_mib
from full_size import N_RECORDS, make_archive
from IPython.core.interactiveshell import InteractiveShell
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from traitlets.config import Config

from ecgcore import explanations, labels, splits, statistics, training
from ecgcore.data import Archive, prepare
from ecgcore.explanations.attribute import COSTLY, Decomposition
from ecgcore.models import EcgModel, logits_of
from ecgcore.runs import InputPipeline, parameters
from ecgcore.runs.provenance import peak_memory_mib
from ecgcore.training import loop

sys.path.insert(0, str(ROOT / "workflow"))
from cost import cost_facts, cost_table, dry_plan, for_page, kinds

NAME, N_MEASURED, N_BASELINE = "rehearsal", 16, 512
DEPENDS_ON = [
    *("benchmarks/rehearsal.py", "benchmarks/full_size.py"),
    *("workflow/cost.py", "workflow/tiers/paper.yaml"),
]
EXPLAINED = [f"imn_train {m} 100 Hz" for m in ("imn", "xresnet1d101")]
"""Kinds whose explanations are measured; the others' follow from the time of a forward pass."""
WHOLE = "frequency_train cnn1d 62 Hz"  # its networks predict the whole test part


class Meter:
    """Wall-clock and processor seconds, rows of data and peak memory by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[Any]] = {}
        self.rows: dict[str, int] = {}
        self.peak_mib: dict[str, float] = {}

    @contextlib.contextmanager
    def phase(self, name: str, scale: float = 1.0) -> Iterator[None]:
        """Measure a block; all records would take ``scale`` times as long."""
        start = np.array([time.perf_counter(), time.process_time()])
        yield
        now = np.array([time.perf_counter(), time.process_time()])
        self.seconds.setdefault(name, []).append(scale * (now - start))
        self.peak_mib[name] = peak_memory_mib()

    def patch(self, place: Any, name: str, first: int | None = None, most: int = 0) -> None:
        """Measure ``place.name``, passing at most ``most`` rows of argument number ``first``.

        A returned array is filled up to the original number of rows by repetition.
        """
        function = getattr(place, name)

        def measured(*args: Any, **options: Any) -> Any:
            shortened, n = list(args), 0 if first is None else len(args[first])
            if n > most:
                shortened[first] = args[first][:most]
            with self.phase(name, max(1.0, n / most) if most else 1.0):
                result = function(*shortened, **options)
            self.rows[name] = self.rows.get(name, 0) + n
            return fill(result, n) if n > most else result

        setattr(place, name, measured)


def fill(result: Any, n: int) -> Any:
    """Return an array, or the arrays of a decomposition, repeated to ``n`` rows."""
    if isinstance(result, Decomposition):
        return replace(result, **{k: fill(v, n) for k, v in vars(result).items()})
    is_array = isinstance(result, np.ndarray)
    return np.resize(result, (n, *result.shape[1:])) if is_array else result


def arithmetic(model: EcgModel, config: training.TrainConfig) -> dict[str, float]:
    """Return what a training step computes and stores per record, counted on meta tensors."""
    copied, conv_bytes = copy.deepcopy(model).to("meta").train(), list[int]()
    stored: dict[int, torch.UntypedStorage] = {}

    def store(tensor: torch.Tensor) -> torch.Tensor:
        stored[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    for layer in copied.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            layer.register_forward_hook(lambda _, __, y: conv_bytes.append(2 * y.numel()))
    with FlopCounterMode(display=False) as counter:
        x = torch.empty(2, model.n_leads, model.n_samples, device="meta")
        with torch.autograd.graph.saved_tensors_hooks(store, lambda tensor: tensor):
            output = copied(x)
        logits_of(output).sum().backward()
    for weight in (*copied.parameters(), *copied.buffers()):
        stored.pop(weight.untyped_storage()._cdata, None)
    times = 2 if config.local_fidelity else 1  # each record with a neighbour
    return {
        "step_gflop": times * counter.get_total_flops() / 2e9,
        "conv_mib": times * sum(conv_bytes) / 2**20,
        "stored_mib": times * sum(storage.nbytes() for storage in stored.values()) / 2 / 2**20,
    }


def install(kind: str, params: dict[str, Any], steps: int, facts: dict[str, Any]) -> Meter:
    """Make a notebook take few training steps and measure its parts, with all records in memory."""
    meter, batch = Meter(), params["batch_size"]
    order, step, predict = loop.epoch_order, loop._step, loop.predict_logits
    fit, examine, folds = training.fit, explanations.examine, splits.hold_out_folds

    def timed_step(t: loop.Training, index: torch.Tensor) -> torch.Tensor:
        facts["steps_per_epoch"] = -(-len(t.index) // batch)
        with meter.phase("step"):
            return step(t, index)

    def first_fit(model: EcgModel, *args: Any, **options: Any) -> Any:
        if "fit" not in facts:
            facts.update(arithmetic(model, args[4]), n_train=len(args[0]), n_valid=len(args[2]))
            with meter.phase("fit"):
                facts["fit"] = fit(model, *args, **options)
        return facts["fit"]

    def examine_one(network: EcgModel, x: Any, methods: list[str], **options: Any) -> Any:
        options["effort"] = replace(options["effort"], n_rerun=1)
        options["donor"] = options["donor"][:1]
        options["masks"] = {name: mask[:1] for name, mask in options["masks"].items()}
        with meter.phase("examine"):
            result = examine(network, x[:1], methods, **options)
        native, start_s = explanations.native_method(network), time.process_time()
        for name in set(methods) - set(COSTLY) - ({"imn"} - {native}):
            explanations.attribute(network, x[:1], name)
        facts["explain_cheap_cpu_s"] = 2 * (time.process_time() - start_s)  # and controls
        return result

    loop.epoch_order = lambda seed, epoch, n: order(seed, epoch, n)[: steps * batch]
    loop.predict_logits = lambda m, x, **k: fill(predict(m, x[:N_MEASURED], **k), len(x))
    loop._step, training.fit, explanations.examine = timed_step, first_fit, examine_one
    splits.hold_out_folds = lambda *a, n_folds, **k: folds(*a, n_folds=5, **k)[:n_folds]
    meter.patch(training, "predict_logits", 1, 10**9 if kind == WHOLE else N_MEASURED)
    meter.patch(statistics, "moments", 0, N_BASELINE)
    meter.patch(explanations, "decompose", 1, N_MEASURED)
    meter.patch(statistics, "bootstrap")
    meter.patch(InputPipeline, "inputs")
    meter.patch(InputPipeline, "signals")
    return meter


def run_kind(kind: str, params: dict[str, Any], place: Path, steps: int) -> dict[str, Any]:
    """Execute a notebook's cells in this process; return the costs of its parts."""
    out = place / "run"
    shutil.rmtree(out, ignore_errors=True)
    matplotlib.use("Agg")
    if not steps:
        is_slow = params["rate_hz"] > 100 and params["model"] != "xresnet1d101"
        steps = 12 if "folds" in params else 1 if is_slow else 2
    facts: dict[str, Any] = {"steps": steps, "idle_gib": peak_memory_mib() / 1024}
    meter = install(kind, params, steps, facts)
    values = dict(
        params, epochs=1, archive=str(place / "store"), out=str(out), device="cpu", seed=1
    )
    values |= {"folds": 2} if "folds" in params else {}
    if "explained_records" in params:
        facts |= {"n_explained": params["explained_records"], "n_rerun": params["deletion_records"]}
        values["explained_records"] *= kind in EXPLAINED
    notebook = ROOT / "notebooks" / f"{kind.partition(' ')[0]}.ipynb"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    lines = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    sources.insert(1, f"{parameters.INJECTED}\n{lines}\n")
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    for source in sources:
        with contextlib.redirect_stdout(io.StringIO()):
            result = shell.run_cell(source, store_history=True)
        result.raise_error()
    peak = peak_memory_mib()
    names = [name for name, mib in meter.peak_mib.items() if mib > 0.99 * peak]
    facts |= {"peak_gib": peak / 1024, "peak_in": names[0] if names else "other cells"}
    for name, (wall_s, cpu_s) in costs(meter, facts).items():
        facts |= {f"{name}_s": wall_s, f"{name}_cpu_s": cpu_s}
    facts |= {"networks": params.get("folds", 1), "batch_size": params["batch_size"]}
    facts |= {"n_predicted": meter.rows["predict_logits"], "disk_mib": size_mib(out)}
    return {name: value for name, value in facts.items() if name != "fit"}


def costs(meter: Meter, facts: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return wall-clock and processor seconds by part of a run."""
    total = {name: np.sum(pairs, axis=0) for name, pairs in meter.seconds.items()}
    steps, no_seconds = meter.seconds["step"], np.zeros(2)
    step = np.median(steps[1:] or steps, axis=0)
    predict = total["predict_logits"] / meter.rows["predict_logits"]
    names = ("moments", "decompose", "bootstrap", "signals")
    return {
        "load": total["inputs"],
        "step": step,
        "predict": predict,
        "epoch": facts["steps_per_epoch"] * step + facts["n_valid"] * predict,
        "rest": sum((total.get(name, no_seconds) for name in names), no_seconds),
        "explain_one": total.get("examine", no_seconds),
    }


def measure(function: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """Return a function's result with peak memory, wall-clock and processor seconds."""
    torch.set_num_threads(1)
    start = time.perf_counter(), time.process_time()
    row = function(*args)
    row |= {"wall_s": time.perf_counter() - start[0], "cpu_s": time.process_time() - start[1]}
    return {"peak_gib": peak_memory_mib() / 1024, **row}


def make_store(place: Path) -> dict[str, Any]:
    """Prepare a store of both rates, with every record checked; return its size and tasks."""
    store = prepare(Archive(place / "archive"), place / "store")
    tasks = {t: len(labels.task_labels(store.table, store.statements, t)) for t in labels.TASKS}
    return {"disk_mib": size_mib(place / "store"), **{f"n_{t}": n for t, n in tasks.items()}}


def main() -> None:
    """Parse the command line and measure what has not been measured yet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--templates", default="", help="archive or store whose records are used")
    parser.add_argument("--folder", type=Path, default=ROOT / "_build" / NAME)
    parser.add_argument("--records", type=int, default=N_RECORDS)
    parser.add_argument("--steps", type=int, default=0, help="0: 1 to 12, by network and rate")
    parser.add_argument("--kinds", nargs="+", help="measure only these, in this order")
    parser.add_argument("--record", action="store_true", help=f"write results/{NAME}.*")
    args = parser.parse_args()
    place = args.folder / str(args.records)
    place.mkdir(parents=True, exist_ok=True)
    jobs: dict[str, tuple[Any, ...]] = {
        "archive": (make_archive, args.templates, place / "archive", args.records),
        "store": (make_store, place),
    }
    for kind, params in kinds(dry_plan("paper")).items():
        jobs[kind] = (run_kind, kind, params, place, args.steps)
    if unknown := sorted(set(args.kinds or ()) - jobs.keys()):
        parser.error(f"--kinds: there is no {unknown[0]!r}; expected some of {', '.join(jobs)}.")
    steps = {k: partial(in_new_process, measure, *jobs[k]) for k in args.kinds or jobs}
    table = pd.DataFrame(finish(steps, place / "rows.jsonl", "kind"))
    print(table.set_index("kind").filter(regex="^(peak|step_|epoch_|cpu)").round(2))
    if args.record:
        facts = {"records": args.records, "depends_on": DEPENDS_ON}
        save(NAME, table.round(5), __file__, "--record", **facts)
        costs_by_kind = cost_table("paper")
        facts |= cost_facts(costs_by_kind)
        save("expected_cost", for_page(costs_by_kind), __file__, "--record", **facts)


if __name__ == "__main__":
    main()
