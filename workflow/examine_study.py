"""Examine the attribution maps of study 3's networks: ``examine_study.py RUNS LUDB``.

Writes six tables below ``results/real_imn``, as ``results/plans/real_imn.md`` describes them:
``terms`` (bias, sum of W * x and logit of every test record), ``stability`` (agreement of the maps
of two seeds), ``territories`` (the share of a map in the leads that should show an infarction),
``budget`` (its share in windows around the R peaks), ``untrained`` (the deletion test of networks
that were never trained) and ``ludb_waves`` (where the positive part of a map lies on records whose
waves were marked by cardiologists). Only the task NORM against MI as published is examined, with
all finished seeds.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore import explanations, models
from ecgcore.data import Store, load_ludb, ludb_waves, open_data
from ecgcore.explanations.beats import r_peaks
from ecgcore.leads import LEADS
from ecgcore.runs import directory, recorded
from ecgcore.runs.trained import TrainedRun, load_trained_run

COMMAND = "python workflow/examine_study.py RUNS LUDB"
NETWORKS = ("imn", "imn_plus", "imn_categorical", "blackbox_cnn2d")
WAVES = ("P", "PR", "QRS", "ST", "T")
WINDOWS_S = {"P": (-0.2, -0.06), "QRS": (-0.06, 0.06), "ST": (0.06, 0.16), "T": (0.16, 0.4)}
"""From the R peak; automatic wave boundaries are too inaccurate (``results/delineation``)."""
LUDB_HZ = 500
POOL_S = 0.1


def terms(trained: TrainedRun, store: Store) -> pd.DataFrame:
    """Return ``ecg_id, patient_id, y_true, bias, explained, logit`` for the test part."""
    test = directory.load_predictions(trained.folder).query("part == 'test'")
    x = trained.pipeline.inputs(store, test["ecg_id"], test["y_true"])
    parts = explanations.decompose(trained.networks[0], x)
    values = {"bias": parts.bias, "explained": parts.explained, "logit": parts.logit}
    return test[["ecg_id", "patient_id", "y_true"]].assign(**values)


def wave_masks(folder: Path, numbers: pd.Index, rate_hz: int, n_samples: int) -> np.ndarray:
    """Return masks of the marked waves, shape ``(wave, record, lead, sample)``."""
    masks = np.zeros((len(WAVES), len(numbers), 12, n_samples), bool)
    for k, number in enumerate(numbers):
        for row in ludb_waves(folder / "data", number).itertuples():
            first, last = (round(at * rate_hz / LUDB_HZ) for at in (row.onset, row.offset))
            masks[WAVES.index(row.wave), k, LEADS.index(row.lead), first:last] = True
    return masks


def wave_shares(values: np.ndarray, masks: np.ndarray) -> pd.DataFrame:
    """Return the share of non-negative ``values (record, lead, sample)`` in every wave.

    Only samples between the first and the last mark of a lead count.
    """
    marked = masks.any(axis=0)
    after = np.maximum.accumulate(marked, axis=-1)
    before = np.maximum.accumulate(marked[..., ::-1], axis=-1)[..., ::-1]
    inside = np.where(after & before, values, 0.0)
    total = inside.sum(axis=(1, 2))
    total[total == 0] = np.nan  # a map may be negative everywhere
    return pd.DataFrame((masks * inside).sum(axis=(2, 3)).T / total[:, None], columns=list(WAVES))


def territories(maps: dict[str, np.ndarray], ids: pd.Series, store: Store) -> pd.DataFrame:
    """Return ``method, ecg_id, patient_id, share``: the positive share in the expected leads.

    ``maps`` have the shape ``(record, lead, sample)``. Records whose infarction has no territory
    are left out.
    """
    infarctions = set(store.statements.index[store.statements["diagnostic_class"] == "MI"])
    rows = []
    for k, ecg_id in enumerate(ids):
        codes = store.table["scp_codes"][ecg_id]
        leads = explanations.expected_leads({c: codes[c] for c in infarctions & codes.keys()})
        for method, values in maps.items() if leads.any() else ():
            positive = np.maximum(values[k], 0).sum(axis=1)
            share = positive[leads].sum() / positive.sum()
            rows.append((method, ecg_id, store.table["patient_id"][ecg_id], share))
    return pd.DataFrame(rows, columns=["method", "ecg_id", "patient_id", "share"])


def budget(maps: dict[str, np.ndarray], x: np.ndarray, rate_hz: float) -> pd.DataFrame:
    """Return ``method, P, QRS, ST, T`` per record: shares of the positive part in the windows.

    ``maps`` and ``x`` have the shape ``(record, lead, sample)``; a record without R peaks has nan.
    """
    window_of = np.full((len(x), x.shape[-1]), -1)
    for k, record in enumerate(x):
        for peak in r_peaks(record, rate_hz):
            for w, (first, last) in enumerate(WINDOWS_S.values()):
                start, stop = (round(peak + s * rate_hz) for s in (first, last))
                window_of[k, max(start, 0) : max(stop, 0)] = w
    rows = []
    for method, values in maps.items():
        positive = np.maximum(values, 0).sum(axis=1)
        inside = [(positive * (window_of == w)).sum(axis=1) for w in range(len(WINDOWS_S))]
        sums = pd.DataFrame(dict(zip(WINDOWS_S, inside, strict=True)))
        shares = sums.div(sums.sum(axis=1).replace(0, np.nan), axis=0)
        shares.insert(0, "method", method)
        rows.append(shares)
    return pd.concat(rows)


def untrained_scores(trained: TrainedRun, x: np.ndarray, ids: pd.Series) -> pd.DataFrame:
    """Return ``method, ecg_id, lerf_minus_morf`` for the same network before any training.

    The deletion test of a network that has learnt nothing uses its own W * x and the square of the
    signal; scores are in standard deviations of its logit over these records.
    """
    network = models.untrained(trained.networks[0], seed=int(trained.params["seed"]))
    logit_of = partial(explanations.positive_logits, network)
    units = explanations.Units(logit_of, x, trained.rate_hz)
    maps = {"W x": explanations.attribute(network, x, trained.native_method), "x squared": x**2}
    sd = units.whole.std()
    rows = []
    for method, values in maps.items():
        curves = explanations.deletion_curves(units, values)
        scores = explanations.lerf_minus_morf(curves) / sd
        rows.append(pd.DataFrame({"method": method, "ecg_id": ids, "lerf_minus_morf": scores}))
    return pd.concat(rows)


def groups(folder: Path) -> pd.Series:
    """Return each LUDB record's group in the plan: ``STEMI``, ``scar``, ``none`` or empty."""
    raw = pd.read_csv(folder / "ludb.csv", dtype=str).fillna("")
    raw.index = raw["ID"].astype(int)
    ischemia = raw["Ischemia"].str
    stated = ["Conduction abnormalities", "Hypertrophies", "Cardiac pacing", "Ischemia"]
    stated.append("Non-specific repolarization abnormalities")
    healthy = raw[stated].apply(lambda column: column.str.strip() == "").all(axis=1)
    words = np.select(
        [ischemia.contains(r"(?im)^stemi"), ischemia.contains("(?i)scar"), healthy],
        ["STEMI", "scar", "none"],
        default="",
    )
    return pd.Series(words, raw.index)


def finished(runs: Path) -> Iterator[tuple[str, int, TrainedRun]]:
    """Yield network, seed and run for every finished run of NORM against MI below ``runs``."""
    for folder in sorted(runs.glob("imn_train-norm_vs_mi-*")):
        match = re.fullmatch(r"imn_train-norm_vs_mi-(\w+)-(\d)", folder.name)
        if match and match[1] in NETWORKS and not directory.damage(folder):
            print(folder.name, flush=True)
            yield match[1], int(match[2]), load_trained_run(folder)


def examine(runs: Path, ludb: Path) -> dict[str, pd.DataFrame]:
    """Return the six tables for all finished runs of NORM against MI below ``runs``."""
    database, group = load_ludb(ludb), groups(ludb)
    records, masks = database.records(band_hz=(0.5, 40.0)), None
    tables: dict[str, list[pd.DataFrame]] = defaultdict(list)
    maps_of: dict[tuple[str, str, int], np.ndarray] = {}
    for model, seed, trained in finished(runs):
        key = {"model": model, "seed": seed}
        store = open_data(trained.params["archive"])
        ids = pd.read_csv(trained.folder / "explained.csv")["ecg_id"].drop_duplicates()
        x = trained.pipeline.inputs(store, ids, [1] * len(ids))
        of_ludb = np.concatenate([trained.pipeline.record_inputs(record) for record in records])
        maps = {"even": np.ones_like(x), "size of the signal": np.abs(x)}
        positive = {"time": np.ones_like(of_ludb), "size of the signal": np.abs(of_ludb)}
        for method in (trained.native_method, "input_x_gradient"):
            maps[method] = maps_of[model, method, seed] = trained.attribution(x, method)
            positive[method] = np.maximum(trained.attribution(of_ludb, method), 0)
        if trained.native_method == "imn":
            tables["terms"].append(terms(trained, store).assign(**key))
            tables["untrained"].append(untrained_scores(trained, x, ids).assign(**key))
        tables["territories"].append(territories(maps, ids, store).assign(**key))
        shares = budget(maps, x, trained.rate_hz)
        tables["budget"].append(shares.assign(**key, ecg_id=np.tile(ids, len(maps))))
        if masks is None:
            masks = wave_masks(ludb, database.table.index, trained.rate_hz, of_ludb.shape[-1])
        key |= {"record": database.table.index, "logit": trained.logits(of_ludb)}
        key["group"] = group[database.table.index].to_numpy()
        for method, values in positive.items():
            tables["ludb_waves"].append(wave_shares(values, masks).assign(method=method, **key))
    rows = []
    for (a, first), (b, second) in combinations(maps_of.items(), 2):
        if a[:2] == b[:2]:
            pool_samples = round(POOL_S * trained.rate_hz)
            agreement = explanations.rank_agreement(first, second, pool_samples=pool_samples)
            seeds = f"{a[2]}, {b[2]}"
            rows += [(*a[:2], seeds, *pair) for pair in zip(ids, agreement, strict=True)]
    stability = pd.DataFrame(rows, columns=["model", "method", "seeds", "ecg_id", "agreement"])
    return {name: pd.concat(parts) for name, parts in tables.items()} | {"stability": stability}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(f"Usage: {COMMAND}")
    facts = {"command": COMMAND, "depends_on": ["workflow/examine_study.py"]}
    for name, table in examine(Path(sys.argv[1]), Path(sys.argv[2])).items():
        if len(table):  # stability is empty with one seed
            recorded.save(f"real_imn/{name}", table.round(5), facts)
