"""Compare training in bf16 with training in fp32: ``compare_precision.py RUNS ARCHIVE``.

Follows ``results/plans/precision.md``. Predictions, seconds and epochs come from
``precision_fp32``, ``precision_bf16``, ``precision_cpu_fp32``, ``precision_cpu_bf16`` and
``real_imn`` below ``results``. ``results/precision`` has one row per device, network and rate. The
IMNs' maps require weights in the folders ``fp32``, ``bf16``, ``cpu_fp32``, ``cpu_bf16`` and
``real/imn100`` below RUNS, and ARCHIVE, the prepared archive ``imn100``; without these folders, the
recorded figures of the maps are kept. Maps and the identity are computed on this CPU;
``compare_devices.py`` compares CPU and GPU.
"""

import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats

from ecgcore import explanations, statistics
from ecgcore.data import Store, open_data
from ecgcore.runs import recorded, studies
from ecgcore.runs.trained import TrainedRun, load_trained_run

MAP_SEEDS, POOL_S = {"cuda": (1, 2, 3), "cpu": (4, 5, 6)}, 0.1
AUROC_MARGIN, ECE_MARGIN, IDENTITY_MARGIN, FASTER = 0.02, 0.03, 0.01, 1.1
CELLS = [
    *(f"imn_train-norm_vs_mi-{name}" for name in ("imn", "imn_plus", "blackbox_cnn2d")),
    *(f"frequency_train-{name}" for name in ("cnn1d-100", "cnn1d-500", "cnn_lstm-100")),
]
ON_CPU = [CELLS[0], *(cell for cell in CELLS if "frequency" in cell)]
STUDIES = {"cuda": "precision", "cpu": "precision_cpu"}
ALSO_FP32 = [("cuda", "imn_plus"), ("cpu", "imn")]
"""Networks that study 3 trained in fp32 on that device with the same records, seeds and limits."""
ALONE = {
    ("cuda", "imn", 100): 1692 / 1321,
    ("cuda", "cnn1d", 100): 6311 / 6584,
    ("cuda", "cnn1d", 500): 11145 / 10515,
    ("cuda", "cnn_lstm", 100): 6587 / 6386,
    ("cpu", "imn", 100): 1.63,
    ("cpu", "cnn1d", 100): 1.51,
    ("cpu", "cnn1d", 500): 1.99,
    ("cpu", "cnn_lstm", 100): 1.35,
}
"""Speed of bf16 training relative to fp32, with nothing else on the device. H200:
``gpu_sweep.py --parts sweep --rates 100 500 --epochs 8`` in either precision, the IMN at
500 Hz with batches of 64 (``--parts imn``). CPU: ``train_step.py --threads 1``, processor seconds,
alternating in one process, on an AMD EPYC with avx512_bf16. Both scripts are in ``benchmarks``."""
MAPS = (
    *("identity_error_fp32", "identity_error_bf16", "agreement_same_weights"),
    *("agreement_same_seed", "agreement_two_seeds", "agreement_gain_low", "agreement_gain_high"),
)


def by_seed(study: str, cell: str) -> dict[int, pd.DataFrame]:
    """Return the predictions for test records, one table per seed."""
    if not (recorded.FOLDER / study / f"{cell}.csv").exists():
        return {}
    return studies.by_seed(recorded.load(f"{study}/{cell}").table)


def described(cell: str) -> tuple[str, int, str | None]:
    """Return a cell's network, rate [Hz] and the column within which AUROC is computed."""
    words = cell.split("-")
    return (words[1], int(words[2]), "fold") if "frequency" in cell else (words[-1], 100, None)


def folders(runs: Path, device: str, precision: str, cell: str) -> list[Path]:
    """Return the run directories of three seeds; fp32 IMN plus was trained in study 3."""
    place = runs / (precision if device == "cuda" else f"cpu_{precision}")
    seeds = MAP_SEEDS[device]
    place = place if (place / f"{cell}-{seeds[0]}").exists() else runs / "real/imn100"
    return [place / f"{cell}-{seed}" for seed in seeds]


def epoch_s(study: str, cell: str) -> float:
    """Return the mean seconds per epoch of a cell's recorded runs; nan if not recorded."""
    if not (recorded.FOLDER / study / f"{cell}.csv").exists():
        return np.nan
    made = recorded.load(f"{study}/{cell}").facts["runs"].values()
    seconds = [one.get("train_seconds", np.nan) for one in made]
    return float(sum(seconds) / sum(sum(one["epochs"]) for one in made))


def maps(trained: TrainedRun, x: np.ndarray, precision: str) -> tuple[np.ndarray, float]:
    """Return W * x of ``x (record, lead, sample)`` and the largest error of the identity."""
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        parts = explanations.decompose(trained.networks[0], x)
    return parts.contribution, float(np.abs(parts.logit - parts.explained - parts.bias).max())


def examine_maps(runs: Path, device: str, cell: str, store: Store) -> dict[str, Any]:
    """Return the identity's largest errors [logits] and the agreement of maps of one cell."""
    trained = {
        kind: [load_trained_run(run) for run in folders(runs, device, kind, cell)]
        for kind in ("fp32", "bf16")
    }
    first = trained["fp32"][0]
    ids = pd.read_csv(first.folder / "explained.csv")["ecg_id"].drop_duplicates()
    assert store.table["patient_id"][ids].is_unique  # the interval treats records as patients
    x = first.pipeline.inputs(store, ids, [1] * len(ids))
    fp32 = [maps(one, x, "fp32") for one in trained["fp32"]]
    rounded = [maps(one, x, "bf16") for one in trained["fp32"]]
    bf16 = [maps(one, x, "fp32") for one in trained["bf16"]]  # as in the runs themselves

    def agreement(pairs: Any) -> np.ndarray:
        pool = round(POOL_S * first.rate_hz)
        values = [explanations.rank_agreement(a[0], b[0], pool_samples=pool) for a, b in pairs]
        return np.mean(values, axis=0)

    same_weights = agreement(zip(fp32, rounded, strict=True))
    same_seed = agreement(zip(fp32, bf16, strict=True))
    two_seeds = agreement(combinations(fp32, 2))
    gain = same_seed - two_seeds
    half = stats.t.ppf(0.95, len(gain) - 1) * gain.std(ddof=1) / len(gain) ** 0.5
    return {
        "identity_error_fp32": max(error for _, error in fp32),
        "identity_error_bf16": max(error for _, error in rounded),
        "agreement_same_weights": same_weights.mean(),
        "agreement_same_seed": same_seed.mean(),
        "agreement_two_seeds": two_seeds.mean(),
        "agreement_gain_low": gain.mean() - half,
        "agreement_gain_high": gain.mean() + half,
    }


def map_figures(runs: Path, device: str, cell: str, store: Store) -> dict[str, Any]:
    """Return :func:`examine_maps`, or its recorded values if the weights are missing."""
    needed = [folder for kind in ("fp32", "bf16") for folder in folders(runs, device, kind, cell)]
    if all(folder.exists() for folder in needed):
        return examine_maps(runs, device, cell, store)
    table = recorded.load("precision").table
    row = table[(table.network == described(cell)[0]) & (table.device == device)].iloc[0]
    return {name: row[name] for name in MAPS}


def precision_row(device: str, cell: str, runs: Path, store: Store) -> dict[str, Any]:
    """Return the row of one device, network and rate: bf16 minus fp32, with 90 % intervals."""
    network, rate_hz, within = described(cell)
    study_names = [f"{STUDIES[device]}_{kind}" for kind in ("bf16", "fp32")]
    sides = [by_seed(study, cell) for study in study_names]
    if (device, network) in ALSO_FP32:
        sides[1] |= by_seed("real_imn", cell)
    common = sides[0].keys() & sides[1].keys()
    sides = [{seed: side[seed] for seed in sorted(common)} for side in sides]
    auroc = statistics.seed_difference(*sides, metric="auroc", within=within)
    ece = statistics.seed_difference(*sides, metric="ece")  # over all folds, as in study 2
    verdicts = [auroc.verdict(AUROC_MARGIN).word, ece.verdict(ECE_MARGIN).word]
    row = {"device": device, "network": network, "rate_hz": rate_hz}
    row |= {"n_records": auroc.n_records, "n_seeds": len(common)}
    for name, one in (("auroc", auroc), ("ece", ece)):
        low, high = one.equivalence
        row |= {f"{name}_fp32": one.b, f"{name}_bf16": one.a}
        row |= {f"{name}_difference": one.difference, f"{name}_low": low, f"{name}_high": high}
    if network.startswith("imn"):
        row |= (of_maps := map_figures(runs, device, cell, store))
        holds = of_maps["identity_error_bf16"] < IDENTITY_MARGIN
        holds &= of_maps["agreement_gain_low"] >= 0
        verdicts.append("equivalent" if holds else "undecided")
    verdict = next((word for word in verdicts if word != "equivalent"), "equivalent")
    alone = ALONE.get((device, network, rate_hz), np.nan)
    crowded = epoch_s(study_names[1], cell) / epoch_s(study_names[0], cell)
    row |= {"verdict": verdict, "speed_alone": alone, "speed_16_runs_at_once": crowded}
    return row | {"auto": "bf16" if verdict == "equivalent" and alone >= FASTER else "fp32"}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("Usage: python workflow/compare_precision.py RUNS ARCHIVE")
    archive, asked = open_data(sys.argv[2]), {"cuda": CELLS, "cpu": ON_CPU}
    rows = [
        precision_row(device, cell, Path(sys.argv[1]), archive)
        for device, cells in asked.items()
        for cell in cells
    ]
    result = pd.DataFrame(rows)
    is_tiny = result.columns.str.startswith("identity")
    result.loc[:, ~is_tiny] = result.loc[:, ~is_tiny].round(5)
    facts = {
        "command": "python workflow/compare_precision.py RUNS ARCHIVE",
        "depends_on": ["workflow/compare_precision.py"],
    }
    recorded.save("precision", result, facts)
