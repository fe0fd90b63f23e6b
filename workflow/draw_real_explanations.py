"""Draw real ECGs with the explanations of IMNs: ``draw_real_explanations.py PTBXL RUN [RUN ...]``.

PTBXL is a folder in PTB-XL's layout with raw records, such as PTB-XL itself; each RUN is a finished
run of ``imn_train`` on the records of study 3, of another task. For the diagnosis of each task, and
for normal ECGs in the first one, and for right and wrong answers of each, the record with the
smallest number is taken that lies outside the training part (folds 9 and 10), takes part in the
run's task, passes the quality checks without a note and is still in PTB-XL 1.0.3. Besides, from the
first run, ``trial``: the first explained infarction of the test part that the network recognises,
by the same conditions. Drawn is the raw record; the network reads it filtered, as it was trained.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from draw_real_records import WITHDRAWN, path_of
from scipy import signal

from ecgcore import explanations, labels, plots
from ecgcore.data import Archive, Record, load_record
from ecgcore.runs import recorded
from ecgcore.runs.trained import TrainedRun, load_trained_run

FOLDER = Path("book/_static/real")
WINDOW_S = 0.2
BAND_HZ = (0.5, 40.0)  # of the records that the networks of study 3 were trained on
DIAGNOSES = {
    "norm_vs_mi": "infarction",
    "norm_vs_cd": "conduction disturbance",
    "norm_vs_sttc": "ST/T change",
    "norm_vs_hyp": "hypertrophy",
}


def filtered(record: Record) -> Record:
    """Return the record through the filter of the training records, order 4 and zero phase."""
    b, a = signal.butter(4, BAND_HZ, "bandpass", fs=record.rate_hz)
    mv = signal.filtfilt(b, a, record.signals_mv.astype(np.float64))
    return replace(record, signals_mv=mv.astype(np.float32))


def choose(trained: TrainedRun, archive: Archive) -> dict[tuple[int, bool], tuple[int, float]]:
    """Return record and logit for each pair of a label and whether the answer is right."""
    y = labels.task_labels(archive.table, archive.statements, trained.params["task"])
    table = archive.table.loc[y.index].drop(index=list(WITHDRAWN), errors="ignore")
    chosen: dict[tuple[int, bool], tuple[int, float]] = {}
    for ecg_id, row in table[table.strat_fold >= 9].sort_index().iterrows():
        record = load_record(path_of(archive, row))
        if not record.notes:
            logit = float(trained.logits(trained.pipeline.record_inputs(filtered(record)))[0])
            chosen.setdefault((int(y[ecg_id]), (logit > 0) == bool(y[ecg_id])), (ecg_id, logit))
    return chosen


def draw(
    trained: TrainedRun, archive: Archive, ecg_id: int, title: str, target: Path
) -> dict[str, object]:
    """Draw one record with W * x; return its statements and where the map is strongest."""
    row = archive.table.loc[ecg_id]
    record = load_record(path_of(archive, row))
    contribution = trained.attribution(trained.pipeline.record_inputs(filtered(record)))[0]
    raw_mv = trained.pipeline.record_signals(record)
    picture = plots.ecg_12_lead(raw_mv, trained.rate_hz, attribution=contribution, title=title)
    picture.savefig(target, dpi=100)
    top = explanations.top_segments(contribution, trained.rate_hz, window_s=WINDOW_S, k=1)
    strongest = top.set_index("sign")
    positive = np.maximum(contribution, 0).sum(axis=1)
    expected = explanations.expected_leads(row.scp_codes)
    return {
        "ecg_id": ecg_id,
        "statements": " ".join(f"{code} {v:.0f}" for code, v in row.scp_codes.items()),
        "share_in_expected_leads": positive[expected].sum() / positive.sum(),
        "lead_for": strongest["lead"][1],
        "start_for_s": strongest["start_s"][1],
        "lead_against": strongest["lead"][-1],
        "start_against_s": strongest["start_s"][-1],
    }


def draw_trial(trained: TrainedRun, archive: Archive) -> pd.DataFrame:
    """Draw the first explained infarction that the network recognises; return its row."""
    ids = pd.read_csv(trained.folder / "explained.csv")["ecg_id"].drop_duplicates()
    for ecg_id in ids[ids.isin(archive.table.index) & ~ids.isin(list(WITHDRAWN))]:
        record = load_record(path_of(archive, archive.table.loc[ecg_id]))
        logit = trained.logits(trained.pipeline.record_inputs(filtered(record)))
        if logit[0] > 0 and not record.notes:
            break
    else:
        raise SystemExit(f"{trained.folder}: recognises no explained infarction of {archive.path}.")
    probability = trained.probability(logit)[0]
    title = f"PTB-XL {ecg_id}, network: infarction {probability:.2f}"
    row = draw(trained, archive, ecg_id, title, FOLDER / "imn_trial.png")
    return pd.DataFrame([{"kind": "trial", "logit": logit[0], "probability": probability, **row}])


def draw_all(trained: TrainedRun, archive: Archive, *, with_normal: bool) -> pd.DataFrame:
    """Draw the chosen records of one run; return one row per picture."""
    rows, diagnosis = [], DIAGNOSES[trained.params["task"]]
    for (label, right), (ecg_id, logit) in sorted(choose(trained, archive).items()):
        if label or with_normal:
            name = diagnosis.split()[0].replace("/", "").lower() if label else "normal"
            kind = f"{name}_{'right' if right else 'wrong'}"
            probability = trained.probability(np.array([logit]))[0]  # at the run's temperature
            title = f"PTB-XL {ecg_id}, network: {diagnosis} {probability:.2f}"
            row = draw(trained, archive, ecg_id, title, FOLDER / f"imn_{kind}.png")
            rows.append({"kind": kind, "logit": logit, "probability": probability, **row})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit("Usage: python workflow/draw_real_explanations.py PTBXL RUN [RUN ...]")
    archive, folders = Archive(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    tables = [
        draw_all(load_trained_run(folder), archive, with_normal=folder == folders[0])
        for folder in folders
    ]
    tables.append(draw_trial(load_trained_run(folders[0]), archive))
    facts = {
        "command": "python workflow/draw_real_explanations.py PTBXL RUN [RUN ...]",
        "depends_on": ["workflow/draw_real_explanations.py"],
        "runs": [folder.name for folder in folders],
    }
    table = pd.concat(tables).round(4)
    print(table.to_string())
    recorded.save("real_imn/pictures", table, facts)
