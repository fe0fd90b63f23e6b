"""Ask paper B's own networks about PTB-XL's records, and count their false alarms on LUDB.

Usage: ``examine_published.py WEIGHTS LUDB AF500 RAW WORK``: the published networks, LUDB, the
filtered archive of AF and normal records, raw records of PTB-XL, and a folder for what is finished,
so that a stopped run goes on. About half an hour on one core.

Writes tables of ``results/plans/published_networks.md``: ``published_networks_af500`` and
``published_networks_raw`` (a row per record and change of the records, the mean logit of five
networks per rate), ``published_networks_noise`` (how much of the added noise each rate keeps) and
``published_networks_alarms`` (records of LUDB without AF that are called AF, by diagnosis).
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore import files, labels, preprocessing, statistics, training
from ecgcore.arrays import Floats, Floats32
from ecgcore.data import load_ludb, open_data
from ecgcore.models import EcgModel
from ecgcore.runs import recorded
from ecgsim import add_noise

RATES_HZ, SOURCE_HZ, SEED = (62, 100, 250, 500), 500, 1
SNR_DB = (20, 10, 5, 0)
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
"""Records without AF that a diagnosis needs to be listed."""


def with_noise(snr_db: int) -> Callable[[Floats32], Floats32]:
    """Return the function that adds muscle noise."""
    return lambda x: add_noise(x, SOURCE_HZ, "muscle", snr_db, seed=SEED)


def without_above(cut_hz: int) -> Callable[[Floats32], Floats32]:
    """Return the function that removes what is above a frequency."""
    return lambda x: preprocessing.band_limit(x, SOURCE_HZ, cut_hz)


CHANGES: dict[str, Callable[[Floats32], Floats32]] = {
    "as it is": lambda x: x,
    **{f"low pass {cut_hz} Hz": without_above(cut_hz) for cut_hz in (40, 31, 20)},
    **{f"noise {snr_db} dB": with_noise(snr_db) for snr_db in SNR_DB},
}


def published(folder: Path) -> dict[int, list[EcgModel]]:
    """Return the five networks of each rate."""
    name = "sampling-matters-cnn1d-{}hz-fold{}.safetensors"
    paths = {hz: [folder / name.format(hz, fold) for fold in range(1, 6)] for hz in RATES_HZ}
    return {hz: [training.load_published_cnn1d(p, hz) for p in each] for hz, each in paths.items()}


def answers(networks: list[EcgModel], x: Floats32, rate_hz: int) -> Floats:
    """Return the mean positive logit of networks for records at 500 Hz."""
    z = preprocessing.preprocess(x, SOURCE_HZ, rate_hz)
    logits = [statistics.positive_logit(training.predict_logits(net, z)) for net in networks]
    return np.asarray(np.mean(logits, axis=0))


def examine(
    archive: Path, task: str, networks: dict[int, list[EcgModel]], work: Path
) -> pd.DataFrame:
    """Return ``ecg_id, patient_id, y_true, condition`` and a logit per rate for a task's records.

    Finished chunks of records are read from ``work``.
    """
    store = open_data(archive)
    y = labels.task_labels(store.table, store.statements, task)
    changes = {k: v for k, v in CHANGES.items() if task == "af_vs_rest" or k != "low pass 40 Hz"}
    parts, started, n_new = [], time.monotonic(), 0
    for start in range(0, len(y), CHUNK):
        file = work / f"{task}-{start}.csv"
        if not file.is_file():
            ids = y.index[start : start + CHUNK]
            x, rows = store.signals(SOURCE_HZ, ids), []
            person = store.table["patient_id"][ids].to_numpy()
            for condition, change in changes.items():
                changed = change(x)
                logits = {f"logit_{hz}": answers(networks[hz], changed, hz) for hz in RATES_HZ}
                one = pd.DataFrame({"ecg_id": ids, "patient_id": person, "y_true": y[ids]})
                rows.append(one.assign(condition=condition, **logits).round(3))
            files.write_whole(file, pd.concat(rows).to_csv(index=False))
            n_new += 1
            left_min = (
                (time.monotonic() - started) / n_new * (len(y) - start - len(ids)) / CHUNK / 60
            )
            print(f"{task}: {start + len(ids)} of {len(y)}, {left_min:.0f} min left", flush=True)
        parts.append(pd.read_csv(file))
    return pd.concat(parts).sort_values(["condition", "ecg_id"], ignore_index=True)


def noise_kept(records_mv: Floats32) -> pd.DataFrame:
    """Return ``snr_db, rate_hz, snr_left_db``: the ratio after resampling, mean over records."""
    rows = []
    for snr_db in SNR_DB:
        noise = with_noise(snr_db)(records_mv) - records_mv
        for rate_hz in RATES_HZ:
            pair = (preprocessing.resample(x, SOURCE_HZ, rate_hz) for x in (records_mv, noise))
            signal, kept = (x.var(axis=2).mean(axis=1) for x in pair)
            rows.append((snr_db, rate_hz, float(10 * np.log10(signal / kept).mean())))
    return pd.DataFrame(rows, columns=["snr_db", "rate_hz", "snr_left_db"]).round(2)


def alarms(ludb: Path, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return ``stated, diagnosis, n`` and how many of these records without AF a rate calls AF."""
    raw = pd.read_csv(ludb / "ludb.csv", dtype=str).fillna("")
    raw.index = raw["ID"].astype(int)
    statements = raw[list(STATED)].agg("\n".join, axis=1).str.split("\n").explode()
    statements = statements.str.split("[:,]", regex=True).str[0].str.strip(" .\r").replace(NAMES)
    pairs = statements[statements != ""].rename("diagnosis").rename_axis("record").reset_index()
    healthy = raw.index.difference(pairs["record"])
    none = pd.DataFrame({"record": healthy, "diagnosis": "none stated"})
    plain = predictions.query("condition == 'as it is' and y_true == 0")
    every = plain[["record", "rhythm"]].drop_duplicates("record")
    rhythm = every.rename(columns={"rhythm": "diagnosis"}).assign(stated="rhythm")
    every = every.assign(stated="rhythm", diagnosis="all without AF")
    pairs = pd.concat([every, rhythm, pd.concat([pairs, none]).drop_duplicates()])
    called = plain.assign(called=plain["logit"] >= 0)
    called = called.pivot(index="record", columns="rate_hz", values="called").reset_index()
    groups = pairs.fillna("other").merge(called, on="record").groupby(["stated", "diagnosis"])
    table = groups[list(RATES_HZ)].sum().astype(int).add_prefix("called_")
    table.insert(0, "n", groups.size())
    table = table.reset_index().query("n >= @LEAST or stated == 'rhythm'")
    share = table["called_100"] / table["n"]
    return table.assign(share=share.round(3)).sort_values(
        ["stated", "share"], ascending=False, ignore_index=True
    )


if __name__ == "__main__":
    if len(sys.argv) != 6:
        raise SystemExit("Usage: python workflow/examine_published.py WEIGHTS LUDB AF500 RAW WORK")
    weights, ludb, af500, raw, work = map(Path, sys.argv[1:])
    work.mkdir(parents=True, exist_ok=True)
    networks = published(weights)
    kept = recorded.load("published_networks_predictions").table
    records_mv = np.stack([record.signals_mv for record in load_ludb(ludb).records()])
    tables = {
        "alarms": alarms(ludb, kept),
        "noise": noise_kept(records_mv),
        "raw": examine(raw, "af_vs_rest", networks, work),
        "af500": examine(af500, "af_vs_norm", networks, work),
    }
    facts = {
        "command": "python workflow/examine_published.py WEIGHTS LUDB AF500 RAW WORK",
        "depends_on": ["workflow/examine_published.py"],
        "data": "PTB-XL (filtered records of af500, raw records), LUDB; networks of paper B",
    }
    for name, table in tables.items():
        recorded.save(f"published_networks_{name}", table, facts)
