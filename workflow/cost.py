"""Estimate the cost of a tier before it starts: runs, minutes, memory and disk by device.

    python workflow/cost.py TIER

``benchmarks/rehearsal.py`` measured each kind of run once, with all records in memory but few
training steps; everything else is computed from its table, ``results/rehearsal.csv``.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from plan import ROOT, Job, Plan

TIERS, REHEARSAL = Path(__file__).with_name("tiers"), ROOT / "results" / "rehearsal.csv"
EPOCHS = 25
"""Expected epochs of a training run: paper B's published runs took 25.5 on average, of at most 50,
with the same patience of 10. The cost of training is proportional to the number of epochs."""


@dataclass(frozen=True)
class Gpu:
    """Peak performance of a card; training is expected to reach a fraction of it."""

    tf32_tflops: float
    memory_gb_per_s: float
    memory_gib: float

    def step_s(self, row: Mapping[str, Any]) -> float:
        """Return the seconds of a training step: arithmetic plus memory, or launches if longer.

        Fitted to nine training runs on one H200 (``results/gpu_sweep.csv``): 13 % of the peak in
        convolutions, 26 % of the memory bandwidth with 18 passes over the outputs of the
        convolutions, and 4.5 us per kernel in a CUDA graph.
        """
        math_s = 1e9 * row["step_gflop"] / (0.13e12 * self.tf32_tflops)
        memory_s = 18 * 2**20 * row["conv_mib"] / (0.26e9 * self.memory_gb_per_s)
        launch_s = 4.5e-6 * KERNELS.get(row["kind"].split()[1], 120)
        return max(float(row["batch_size"]) * (math_s + memory_s), launch_s)


GPUS = {"h100": Gpu(495, 3350, 80), "card_12gb": Gpu(12.7, 360, 12)}
"""An H100 with HBM3 and, as an example of a 12 GB card, the GeForce RTX 3060 (data sheets)."""
KERNELS = {"cnn1d": 95, "cnn_lstm": 230, "xresnet1d101": 1400}
"""Kernels per training step: 120 for an IMN, about 14 per layer for the residual network."""
DEVICES = ("core", "laptop", "card_12gb", "h100")
HEADINGS = {
    "kind": "kind of run", "runs": "runs", "memory_gib": "memory [GiB]",
    "gpu_gib": "GPU memory [GiB]", "disk_mib": "disk [MiB]",
    "epoch": "epoch, one core [min]", "core": "run, one core [min]",
    "laptop": "laptop [min]", "card_12gb": "12 GB card [min]", "h100": "H100 [min]",
    "measured": "measured on",
}  # fmt: skip
GROWING = (
    "step_cpu_s", "predict_cpu_s", "epoch_cpu_s", "explain_one_cpu_s", "explain_cheap_cpu_s",
    "step_gflop", "conv_mib", "stored_mib",
)  # fmt: skip
"""Columns of the rehearsal that grow with the number of samples."""
IDLE_GIB = 0.5  # memory of Python and PyTorch without any records
CUDA_GIB = 2.0  # host memory that PyTorch takes for a GPU: assumed, not measured
MARGIN, SPARE_MIB = 1.25, 500
"""A run reserves ``MARGIN`` times its expected memory, plus ``SPARE_MIB``."""
BATCH_SIZE = {"imn_train": 16, "frequency_train": 8}
"""Batch size of each notebook where a tier sets none."""
LAPTOP_CORES, LAPTOP_GIB = 4, 16
"""A laptop without a usable GPU; each of its cores is as fast as the one that was measured."""
METHOD_ANSWERS = {
    "imn": 1, "saliency": 3, "input_x_gradient": 3, "grad_cam": 3,
    "integrated_gradients": 16 * 3, "gradient_shap": 16 * 3, "occlusion": 600, "kernel_shap": 500,
}  # fmt: skip
"""Forward passes per record of each measured method, with a gradient counted as three. Occlusion
removes 12 leads x 50 windows, one at a time."""
COSTLY = {name for name, n in METHOD_ANSWERS.items() if n > 3}
CURVE_ANSWERS = 10
"""Forward passes of a deletion curve: five fractions of the units in two orders."""
ATTAINABLE_RECORDS = 8
"""Records for which the best order is sought, if at least twice as many are re-run."""
SAME_COST = ("seed", "labels", "bias", "logit_scale", "head", "weight_l1", "precision")
"""Parameters that hardly change the memory or the number of operations."""
MEASURED_VALUES = {
    "resampler": "polyphase", "muscle_snr_db": 0, "content_hz": 31, "local_fidelity": 1,
}  # fmt: skip
"""Measured values of parameters for which all values cost the same."""
WIDEST_MS = {"imn_train": 3000, "frequency_train": 2000}
"""The widest receptive field represents the others: its taps lie furthest apart."""


def stand_in(job: Job) -> tuple[str, dict[str, object]]:
    """Return the name and parameters of the rehearsed run that represents this one."""
    params = {key: value for key, value in job.params.items() if key not in SAME_COST}
    model = params.setdefault("model", "imn" if job.notebook == "imn_train" else "cnn1d")
    if job.notebook == "imn_train":
        params |= {"task": "norm_vs_mi", "protocol": "as_published"}
    else:
        params["task"] = "af_vs_rest" if job.group == "frequency_train" else "af_vs_norm"
    params |= {name: value for name, value in MEASURED_VALUES.items() if name in params}
    if params.get("receptive_field_ms") and job.params.get("widen") != "kernel":
        params["receptive_field_ms"] = WIDEST_MS[job.notebook]
    for name, value in (("normalisation", "none"), ("widen", "dilation")):
        if params.get(name) == value:
            del params[name]
    if model != "imn":
        params.pop("shortcut", None)
    usual = "model rate_hz task protocol epochs batch_size folds explained_records deletion_records"
    words = [
        f"{key}={'+'.join(value) if isinstance(value, list) else value}"
        for key, value in params.items()
        if key not in usual.split() and not (key == "methods" and len(value) > 1)
    ]
    return " ".join([job.notebook, str(model), f"{job.rate_hz} Hz", *words]), params


class DryPlan(Plan):
    """A tier's plan that does not need the tier's records."""

    def _archives(self) -> list[str]:
        return ["given"]


def dry_plan(tier: str) -> Plan:
    """Return the plan of a tier by its name; SystemExit if there is none."""
    path = TIERS / f"{tier}.yaml"
    if not path.exists():
        names = ", ".join(sorted(path.stem for path in TIERS.glob("*.yaml")))
        raise SystemExit(f"TIER={tier}: there is no such tier; expected one of {names}.")
    return DryPlan(yaml.safe_load(path.read_text(encoding="utf-8")))


def kinds(plan: Plan) -> dict[str, dict[str, object]]:
    """Return the parameters of each kind of run by its name, the plainest kinds first."""
    pairs = (stand_in(job) for job in plan.runs.values())
    return dict(sorted(pairs, key=lambda pair: len(pair[0].split())))


def rehearsed() -> dict[str, dict[str, Any]]:
    """Return the rows of the rehearsal by kind."""
    return {row["kind"]: row for row in pd.read_csv(REHEARSAL).fillna(0).to_dict("records")}


def row_of(job: Job, rows: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the rehearsed row for a run's kind, or for the nearest kind.

    Columns that grow with the number of samples are scaled if only another rate was rehearsed.
    """
    kind = stand_in(job)[0]
    notebook, model, *_ = plain = kind.split()[:4]
    usual = "imn" if notebook == "imn_train" else "cnn1d"
    rates_hz = (job.rate_hz, 500, 250, 125, 100, 62)
    nearest = [f"{notebook} {name} {hz} Hz" for name in (model, usual) for hz in rates_hz]
    name = next(name for name in (kind, " ".join(plain), *nearest) if name in rows)
    ratio = job.rate_hz / int(name.split()[2])
    row = {key: value * ratio if key in GROWING else value for key, value in rows[name].items()}
    return row | {"peak_gib": IDLE_GIB + ratio * (row["peak_gib"] - IDLE_GIB)}


def mebibytes(
    plan: Plan, job: Job, rows: Mapping[str, dict[str, Any]], *, on_gpu: bool = False
) -> int:
    """Return the memory [MiB] to reserve for a run: the rehearsed peak scaled to this tier.

    The memory of a training step grows with the batch and is on the GPU if there is one; the rest
    grows with the number of records. Summaries were not rehearsed: those that read records may
    hold the signals at 500 Hz and at 100 Hz twice.
    """
    if job.path in plan.summaries:
        n_records = plan.records if job.archive else 0
        signals_mib = n_records * 12 * 10 * (500 + job.rate_hz) * 4 / 2**20
        return int(2 * SPARE_MIB + 2 * signals_mib)
    row = row_of(job, rows)
    rehearsed_step_gib = row["batch_size"] * row["stored_mib"] / 1024
    records_gib = max(0.0, row["peak_gib"] - IDLE_GIB - rehearsed_step_gib)
    records_gib *= plan.records / rows["store"]["n_af_vs_rest"]
    batch_size = job.params.get("batch_size", BATCH_SIZE[job.notebook])
    step_gib = CUDA_GIB if on_gpu else batch_size * row["stored_mib"] / 1024
    return int(MARGIN * 1024 * (IDLE_GIB + records_gib + step_gib)) + SPARE_MIB


def run_cost(job: Job, rows: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a run's minutes by device, memory and disk, from processor seconds on one core."""
    row = row_of(job, rows)
    measured_task = stand_in(job)[1]["task"]
    task = job.params.get("task", "norm_vs_mi" if job.notebook == "imn_train" else "af_vs_norm")
    share = rows["store"][f"n_{task}"] / rows["store"][f"n_{measured_task}"]
    answered = share * (0.5 if job.params.get("protocol", "held_out") == "held_out" else 1)
    answered = share if job.notebook == "frequency_train" else answered
    n_networks, epochs = row["networks"], min(EPOCHS, job.params["epochs"])
    per_epoch = share * row["steps_per_epoch"] * row["step_cpu_s"]
    per_epoch += answered * row["n_valid"] * row["predict_cpu_s"]
    explain_s = _explain_s(job, row, rows)
    on_device_s = n_networks * epochs * per_epoch + explain_s
    on_device_s += answered * row["n_predicted"] * max(1, n_networks / 2) * row["predict_cpu_s"]
    on_cpu_s = share * (row["load_cpu_s"] + row["rest_cpu_s"])
    signals_gib = share * (row["n_train"] + row["n_valid"]) * 12 * 10 * job.rate_hz * 4 / 2**30
    core = (on_cpu_s + on_device_s) / 60
    return {
        "core": core,
        "explain": explain_s / 60,
        "epoch": row["epoch_cpu_s"] / 60,
        "laptop": core / min(LAPTOP_CORES, max(1, LAPTOP_GIB // row["peak_gib"])),
        **{
            name: (on_cpu_s + on_device_s * gpu.step_s(row) / row["step_cpu_s"]) / 60
            for name, gpu in GPUS.items()
        },
        "measured": row["kind"].partition(" ")[2],
        "memory_gib": row["peak_gib"],
        "gpu_gib": signals_gib + row["stored_mib"] * row["batch_size"] / 1024,
        "disk_mib": row["disk_mib"],
    }


def _explain_s(job: Job, row: dict[str, Any], rows: Mapping[str, dict[str, Any]]) -> float:
    """Return the processor seconds of a run's explanations.

    All methods were measured on one record of the IMN and of the residual network at 100 Hz. For
    other sets of methods, the seconds per forward pass are multiplied by the number of passes; for
    other networks and rates, they are scaled by the duration of a pass.
    """
    if job.notebook != "imn_train":
        return 0.0
    model = str(stand_in(job)[1]["model"])
    sources = (row["kind"], f"imn_train {model} 100 Hz", "imn_train imn 100 Hz")
    source = next(rows[k] for k in sources if k in rows and rows[k]["explain_one_cpu_s"])
    source_model, methods = source["kind"].split()[1], job.params["methods"]
    answers = row["n_rerun"] * answers_per_record(methods, model)
    if row["n_rerun"] >= 2 * ATTAINABLE_RECORDS:  # occlusion has already removed single units
        units = 0 if "occlusion" in methods else METHOD_ANSWERS["occlusion"]
        answers += ATTAINABLE_RECORDS * (CURVE_ANSWERS + units)
    # the measured record also had an attainable score, from the drops of its occlusion
    per_answer_s = source["explain_one_cpu_s"]
    per_answer_s /= answers_per_record(list(METHOD_ANSWERS), source_model) + CURVE_ANSWERS
    share = len(set(methods) - COSTLY) / len(METHOD_ANSWERS.keys() - COSTLY)
    cheap_s = source["explain_cheap_cpu_s"] * (1 + share) / 2  # half of it is for the controls
    seconds = answers * per_answer_s + (row["n_explained"] - row["n_rerun"]) * cheap_s
    return float(seconds * row["predict_cpu_s"] / source["predict_cpu_s"])


def answers_per_record(methods: Sequence[str], model: str) -> int:
    """Return the number of forward passes that scoring a re-run record takes.

    Each method needs its own passes, and each map and control needs two deletion curves.
    """
    has_w = model.startswith("imn")
    used = [name for name in methods if name != "imn" or has_w]
    n_maps = len(used) + (6 if has_w else 5)  # bias_only needs a network with its own bias
    return sum(METHOD_ANSWERS[name] for name in used) + 2 * CURVE_ANSWERS * n_maps


def cost_table(tier: str) -> pd.DataFrame:
    """Return one row per network and rate of a tier: runs, minutes per run, memory, disk."""
    rows, costs = rehearsed(), []
    for job in dry_plan(tier).runs.values():
        kind = " ".join(stand_in(job)[0].split()[:4])
        costs.append({"kind": kind, "runs": 1, **run_cost(job, rows)})
    table = pd.DataFrame(costs)
    aggregations = dict.fromkeys(table.columns[2:], "mean") | {"runs": "sum", "measured": "first"}
    aggregations |= dict.fromkeys(("memory_gib", "gpu_gib"), "max")
    return table.groupby("kind", sort=False).agg(aggregations).reset_index()


def cost_facts(table: pd.DataFrame) -> dict[str, Any]:
    """Return totals over all runs: their number, days by device and disk in GiB."""
    rows, minutes = rehearsed(), table["runs"].to_numpy()[:, None] * table[[*DEVICES, "explain"]]
    fixed_gib = (rows["archive"]["disk_mib"] + rows["store"]["disk_mib"]) / 1024
    return {
        "epochs": EPOCHS,
        "runs": int(table["runs"].sum()),
        "kinds": len(names := set(kinds(dry_plan("paper")))),
        "kinds_measured": len(names & set(rows)),
        "days": (minutes.sum() / 60 / 24).to_dict(),
        "fixed_gib": fixed_gib,
        "disk_gib": fixed_gib + float((table["runs"] * table["disk_mib"]).sum()) / 1024,
    }


def for_page(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the headings of the book's page."""
    table = table[list(HEADINGS)].rename(columns=HEADINGS).round(2)
    minutes = [name for name in table if name.endswith("[min]")]
    table[minutes] = table[minutes].map(lambda one: float(f"{one:.2g}"))  # no more digits are known
    return table.astype({name: int for name in minutes if (table[name] >= 10).all()})


def report(tier: str) -> str:
    """Return a text on a tier's cost by device and how to reduce it."""
    plan, store = dry_plan(tier), rehearsed()["store"]
    n_runs, n_summaries = len(plan.runs), len(plan.summaries)
    head = f"Tier {tier}: {n_runs} runs, {n_summaries} summaries, {plan.records:,} records."
    if plan.records != store["n_af_vs_rest"]:
        return f"{head} Only the paper tier was rehearsed, so no minutes are known."
    table = cost_table(tier)
    facts = cost_facts(table)
    devices = {
        name: HEADINGS[name].removeprefix("run, ").removesuffix(" [min]") for name in DEVICES
    }
    days = ", ".join(f"{device} {facts['days'][name]:,.1f}" for name, device in devices.items())
    columns = for_page(table).drop(columns=[HEADINGS["epoch"], HEADINGS["measured"]])
    return f"""\
{head}
Disk: {facts["disk_gib"]:.0f} GiB, {facts["fixed_gib"]:.1f} of it archive and store.
Preparing takes {store["cpu_s"] / 60:.0f} processor min and {store["peak_gib"]:.1f} GiB.
Per run, if a training lasts {EPOCHS} epochs; only the core was measured, the rest are estimates:

{columns.to_string(index=False)}

All runs one after the other, in days: {days}.

{_advice(table, facts["days"])}"""


def _advice(table: pd.DataFrame, days: Mapping[str, float]) -> str:
    """Return a text on what does not fit and how to reduce a tier's cost."""
    tight = table[table["gpu_gib"] > 0.92 * GPUS["card_12gb"].memory_gib]["kind"]
    too_large = f"12 GB are too few for: {', '.join(tight)}; use batch_size 32.\n"
    is_fast = table["kind"].str.contains("500 Hz|250 Hz")
    fast_days = (table["runs"] * table["h100"])[is_fast].sum() / (60 * 24)
    explained = days["explain"] / days["core"]
    sweep = json.loads((ROOT / "results" / "gpu_sweep.json").read_text(encoding="utf-8"))
    gain = sweep["sweep_s"] / sweep["together_mps_s"]
    return f"""\
{too_large if len(tight) else ""}\
To cut, edit workflow/tiers/paper.yaml before the first run; finished runs are kept.
- one seed instead of five: a fifth of everything (but no spread over seeds)
- rates below 250 Hz only: {1 - fast_days / days["h100"]:.0%} of the time on an H100
- fewer explained_records and methods: explanations are {explained:.0%} of the time
- several GPUs: make book uses all that it finds; four divide the time by 4
- RUNS_PER_GPU=8 while nvidia-cuda-mps-control -d is running: {gain:.1f} times as fast \
for study B on an H200, if eight runs fit in the memory of the GPU"""


if __name__ == "__main__":
    print(report(sys.argv[1] if len(sys.argv) > 1 else "lecture"))
