"""Apply paper B's own networks to PTB-XL, and examine why they report AF on LUDB.

Usage: ``examine_published.py WEIGHTS LUDB AF500 RAW WORK``: the published networks, LUDB, the
filtered archive of AF and normal records, raw records of PTB-XL, and a folder for intermediate
results, from which a stopped run continues. A run takes about half an hour on one core.

Writes the tables of ``results/plans/published_networks.md``: ``published_networks_af500``,
``published_networks_raw``, ``published_networks_rest`` (AF against all others of the archive) and
``published_networks_shuffled`` (one row per record and change to the signals, with the mean logit
of five networks at each rate), ``published_networks_noise`` (how much of the added noise each rate
keeps), ``published_networks_fields`` (the receptive field of every network),
``published_networks_diagnoses`` (LUDB's diagnoses of each record),
``published_networks_alarms`` (LUDB's records without AF that are called AF, by diagnosis) and
``published_networks_rhythm`` (the regularity of LUDB's rhythms, from its annotations).
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from ecgcore import files, labels, preprocessing, training
from ecgcore.arrays import Floats32
from ecgcore.data import load_ludb, ludb_waves, open_data, published_weights
from ecgcore.runs import recorded
from ecgcore.runs.trained import published_logits
from ecgsim import add_noise

COMMAND = "python workflow/examine_published.py WEIGHTS LUDB AF500 RAW WORK"
RATES_HZ, SOURCE_HZ, SEED = (62, 100, 250, 500), 500, 1
SNR_DB, BLOCKS_MS = (20, 10, 5, 0), (50, 100, 200, 500, 1000)
CHUNK = 128  # records in memory at a time
STATED = (
    "Conduction abnormalities", "Extrasystolies", "Hypertrophies", "Cardiac pacing", "Ischemia",
    "Non-specific repolarization abnormalities", "Other states",
)  # fmt: skip
NAMES = {
    "Stemi": "STEMI",
    "I degree av block": "First-degree AV block",
    "Iii degree av-block": "Third-degree AV block",
    "Pacemaker presence": "Pacemaker, kind not stated",
    "Unipolar ventricular pacing": "Ventricular pacing",
    "Undefined ischemia/scar/supp.nstemi": "Ischaemia, scar or NSTEMI, undefined",
    "Ischemia": "Ischaemia",
    "Scar formation": "Scar",
    "Non-specific intravintricular conduction delay": "Intraventricular conduction delay",
}
LEAST = 4
"""Minimum number of records without AF for a diagnosis to be listed."""


CHANGES: dict[str, dict[str, int]] = {
    "as it is": {},
    **{f"low pass {cut_hz} Hz": {"cut_hz": cut_hz} for cut_hz in (40, 31, 20)},
    **{f"noise {snr_db} dB": {"snr_db": snr_db} for snr_db in SNR_DB},
    "noise 10 dB, low pass 40 Hz": {"snr_db": 10, "cut_hz": 40},
    "noise 0 dB, low pass 40 Hz": {"snr_db": 0, "cut_hz": 40},
}
SHUFFLES = {f"shuffled {block_ms} ms": {"block_ms": block_ms} for block_ms in BLOCKS_MS}


def change(
    x: Floats32, snr_db: int | None = None, cut_hz: int | None = None, block_ms: int | None = None
) -> Floats32:
    """Return records with muscle noise added, low-passed at ``cut_hz``, or in shuffled blocks."""
    if snr_db is not None:
        x = add_noise(x, SOURCE_HZ, "muscle", snr_db, seed=SEED)
    if cut_hz is not None:
        x = preprocessing.band_limit(x, SOURCE_HZ, cut_hz)
    if block_ms is not None:
        x = preprocessing.shuffle_blocks(x, SOURCE_HZ, block_ms, seed=SEED)
    return x


def examine(
    archive: Path, task: str, weights: Path, changes: dict[str, dict[str, int]], work: Path
) -> pd.DataFrame:
    """Return ``ecg_id, patient_id, y_true, condition`` and a logit per rate for a task's records.

    Finished chunks of records under one change are read from ``work``.
    """
    store = open_data(archive)
    y = labels.task_labels(store.table, store.statements, task)
    steps = [(start, name) for start in range(0, len(y), CHUNK) for name in changes]
    file_of = {step: work / f"{task}-{step[0]}-{step[1].replace(' ', '_')}.csv" for step in steps}
    for start, condition in tqdm([s for s in steps if not file_of[s].is_file()], desc=task):
        ids = y.index[start : start + CHUNK]
        x = change(store.signals(SOURCE_HZ, ids), **changes[condition])
        inputs = {hz: preprocessing.preprocess(x, SOURCE_HZ, hz) for hz in RATES_HZ}
        logits = {f"logit_{hz}": published_logits(weights, hz, z) for hz, z in inputs.items()}
        patients = store.table["patient_id"][ids].to_numpy()
        rows = pd.DataFrame({"ecg_id": ids, "patient_id": patients, "y_true": y[ids]})
        rows = rows.assign(condition=condition, **logits).round(3)
        files.write_whole(file_of[start, condition], rows.to_csv(index=False))
    parts = pd.concat([pd.read_csv(file) for file in file_of.values()])
    return parts.sort_values(["condition", "ecg_id"], ignore_index=True)


def fields(weights: Path) -> pd.DataFrame:
    """Return ``rate_hz, fold, field_samples, field_ms``: each network's receptive field.

    A gradient shows the span of samples on which one feature of the last convolution depends. The
    widest of eight neighbours counts, since their positions relative to the pooling steps differ.
    """
    rows = []
    for rate_hz in RATES_HZ:
        for fold, path in enumerate(published_weights(weights, rate_hz), start=1):
            network = training.load_published_cnn1d(path, rate_hz)
            x = torch.randn(1, 12, network.spec.n_samples, generator=torch.manual_seed(SEED))
            x.requires_grad_()
            outputs: list[torch.Tensor] = []
            network.last_conv.register_forward_hook(lambda *args, to=outputs: to.append(args[2]))
            network(x)
            output = outputs[0][0]
            feature, spans = output.sum(dim=tuple(range(output.ndim - 1))), []
            for k in range(len(feature) // 2, len(feature) // 2 + 8):
                (gradient,) = torch.autograd.grad(feature[k], x, retain_graph=True)
                touched = gradient[0].abs().sum(0).nonzero()
                spans.append(int(touched.max() - touched.min()) + 1)
            rows.append((rate_hz, fold, max(spans), round(1000 * max(spans) / rate_hz, 1)))
    return pd.DataFrame(rows, columns=["rate_hz", "fold", "field_samples", "field_ms"])


def rhythm(ludb: Path) -> pd.DataFrame:
    """Return ``record, rr_cv, p_share`` from the marks of lead II, or of the lead with most marks.

    ``rr_cv`` is the coefficient of variation of the intervals between the centres of successive QRS
    complexes; ``p_share`` is the share of QRS complexes preceded by a marked P wave.
    """
    rows = []
    for record in load_ludb(ludb).table.index:
        marks = ludb_waves(ludb / "data", record)
        n_qrs = marks[marks["wave"] == "QRS"]["lead"].value_counts()
        marks = marks[marks["lead"] == ("II" if n_qrs.get("II", 0) > 2 else n_qrs.idxmax())]
        qrs = marks[marks["wave"] == "QRS"]
        rr = np.diff((qrs["onset"] + qrs["offset"]).to_numpy() / 2)
        rows.append((record, rr.std() / rr.mean(), (marks["wave"] == "PR").sum() / len(qrs)))
    return pd.DataFrame(rows, columns=["record", "rr_cv", "p_share"]).round(4)


def noise_kept(records_mv: Floats32) -> pd.DataFrame:
    """Return ``snr_db, rate_hz, snr_left_db``: the mean SNR of the records after resampling."""
    rows = []
    for snr_db in SNR_DB:
        noise = change(records_mv, snr_db=snr_db) - records_mv
        for rate_hz in RATES_HZ:
            pair = (preprocessing.resample(x, SOURCE_HZ, rate_hz) for x in (records_mv, noise))
            signal_power, noise_power = (x.var(axis=2).mean(axis=1) for x in pair)
            ratio_db = 10 * np.log10(signal_power / noise_power)
            rows.append((snr_db, rate_hz, float(ratio_db.mean())))
    return pd.DataFrame(rows, columns=["snr_db", "rate_hz", "snr_left_db"]).round(2)


def diagnoses(ludb: Path) -> pd.DataFrame:
    """Return ``record, diagnosis``: LUDB's statements except the rhythm, or ``none stated``."""
    raw = pd.read_csv(ludb / "ludb.csv", dtype=str).fillna("")
    raw.index = raw["ID"].astype(int)
    statements = raw[list(STATED)].agg("\n".join, axis=1).str.split("\n").explode()
    statements = statements.str.split("[:,]", regex=True).str[0].str.strip(" .\r").replace(NAMES)
    pairs = statements[statements != ""].rename("diagnosis").rename_axis("record").reset_index()
    healthy = raw.index.difference(pairs["record"])
    none = pd.DataFrame({"record": healthy, "diagnosis": "none stated"})
    return (
        pd.concat([pairs, none])
        .drop_duplicates()
        .sort_values("record", kind="stable", ignore_index=True)
    )


def alarms(ludb: Path, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return ``stated, diagnosis, n`` and how many of these non-AF records each rate calls AF."""
    plain = predictions.query("condition == 'as it is' and y_true == 0")
    records = plain[["record", "rhythm"]].drop_duplicates("record").assign(stated="rhythm")
    everybody = records.assign(diagnosis="all without AF")
    pairs = pd.concat([everybody, records.assign(diagnosis=records["rhythm"]), diagnoses(ludb)])
    is_af = plain.assign(is_af=plain["logit"] >= 0)
    is_af = is_af.pivot(index="record", columns="rate_hz", values="is_af").reset_index()
    groups = pairs.fillna("other").merge(is_af, on="record").groupby(["stated", "diagnosis"])
    table = groups[list(RATES_HZ)].sum().astype(int).add_prefix("called_")
    table.insert(0, "n", groups.size())
    table = table.reset_index().query("n >= @LEAST or stated == 'rhythm'")
    share = table["called_100"] / table["n"]
    return table.assign(share=share.round(3)).sort_values(
        ["stated", "share"], ascending=False, ignore_index=True
    )


if __name__ == "__main__":
    if len(sys.argv) != 6:
        raise SystemExit(f"Usage: {COMMAND}")
    weights, ludb, af500, raw, work = map(Path, sys.argv[1:])
    work.mkdir(parents=True, exist_ok=True)
    predictions = recorded.load("published_networks_predictions").table
    records_mv = np.stack([record.signals_mv for record in load_ludb(ludb).records()])
    filtered = {name: options for name, options in CHANGES.items() if name != "low pass 40 Hz"}
    tables = {
        "diagnoses": diagnoses(ludb),
        "alarms": alarms(ludb, predictions),
        "fields": fields(weights),
        "rhythm": rhythm(ludb),
        "noise": noise_kept(records_mv),
        "raw": examine(raw, "af_vs_rest", weights, CHANGES, work),
        "af500": examine(af500, "af_vs_norm", weights, filtered, work),
        "rest": examine(af500, "af_vs_rest", weights, {"as it is": {}}, work),
        "shuffled": examine(af500, "af_vs_norm", weights, SHUFFLES, work),
    }
    facts = {
        "command": COMMAND,
        "depends_on": ["workflow/examine_published.py"],
        "data": "PTB-XL (filtered records of af500, raw records), LUDB; networks of paper B",
    }
    for name, table in tables.items():
        recorded.save(f"published_networks_{name}", table, facts)
