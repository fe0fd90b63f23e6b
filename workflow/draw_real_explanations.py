"""Draw real ECGs with the explanations of IMNs: ``draw_real_explanations.py PTBXL RUN [RUN ...]``.

PTBXL is a folder in PTB-XL's layout with raw records, such as PTB-XL itself; each RUN is a finished
run of ``imn_train`` on the records of study 3, each for a different task. For the diagnosis of each
task, and for normal ECGs in the first one, one correct and one wrong prediction are drawn: each is
of the record with the smallest number that lies outside the training part (folds 9 and 10), belongs
to the run's task, passes the quality checks without a note and is still in PTB-XL 1.0.3. ``trial``
is the first explained infarction of the test part that the first run's network recognises, under
the same conditions. The raw record is drawn; the network reads it filtered, as in training.
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

COMMAND = "python workflow/draw_real_explanations.py PTBXL RUN [RUN ...]"
FOLDER = Path("book/_static/real")
WINDOW_S = 0.2
BAND_HZ = (0.5, 40.0)  # pass band of the records on which study 3's networks were trained
DIAGNOSES = {
    "norm_vs_mi": "infarction",
    "norm_vs_cd": "conduction disturbance",
    "norm_vs_sttc": "ST/T change",
    "norm_vs_hyp": "hypertrophy",
}


def inputs(trained: TrainedRun, record: Record) -> np.ndarray:
    """Return a network's input: the record filtered as in training, with order 4 and zero phase."""
    b, a = signal.butter(4, BAND_HZ, "bandpass", fs=record.rate_hz)
    mv = signal.filtfilt(b, a, record.signals_mv.astype(np.float64)).astype(np.float32)
    return trained.pipeline.record_inputs(replace(record, signals_mv=mv))


def choose(trained: TrainedRun, archive: Archive, *, with_normal: bool) -> dict[str, int]:
    """Return the first record for each label with a correct and with a wrong prediction."""
    y = labels.task_labels(archive.table, archive.statements, trained.params["task"])
    table = archive.table.loc[y.index].drop(index=list(WITHDRAWN), errors="ignore")
    diagnosis = DIAGNOSES[trained.params["task"]].split()[0].replace("/", "").lower()
    chosen: dict[str, int] = {}
    for ecg_id, row in table[table.strat_fold >= 9].sort_index().iterrows():
        record = load_record(path_of(archive, row))
        if not record.notes and (y[ecg_id] or with_normal):
            is_right = (trained.logits(inputs(trained, record))[0] > 0) == bool(y[ecg_id])
            name = diagnosis if y[ecg_id] else "normal"
            chosen.setdefault(f"{name}_{'right' if is_right else 'wrong'}", ecg_id)
    return chosen


def choose_trial(trained: TrainedRun, archive: Archive) -> int:
    """Return the first explained infarction that the network recognises."""
    ids = pd.read_csv(trained.folder / "explained.csv")["ecg_id"].drop_duplicates()
    for ecg_id in ids[ids.isin(archive.table.index) & ~ids.isin(list(WITHDRAWN))]:
        record = load_record(path_of(archive, archive.table.loc[ecg_id]))
        if trained.logits(inputs(trained, record))[0] > 0 and not record.notes:
            return ecg_id
    raise SystemExit(f"{trained.folder}: recognises no explained infarction of {archive.path}.")


def draw(trained: TrainedRun, archive: Archive, kind: str, ecg_id: int) -> dict[str, object]:
    """Draw one record with W * x; return its row: logit, statements, strongest windows."""
    row = archive.table.loc[ecg_id]
    record = load_record(path_of(archive, row))
    x = inputs(trained, record)
    logit = trained.logits(x)
    probability = trained.probability(logit)[0]  # at the run's temperature
    contribution = trained.attribution(x)[0]
    raw_mv = trained.pipeline.record_signals(record)
    title = f"PTB-XL {ecg_id}, network: {DIAGNOSES[trained.params['task']]} {probability:.2f}"
    picture = plots.ecg_12_lead(raw_mv, trained.rate_hz, attribution=contribution, title=title)
    picture.savefig(FOLDER / f"imn_{kind}.png", dpi=100)
    top = explanations.top_segments(contribution, trained.rate_hz, window_s=WINDOW_S, k=1)
    strongest = top.set_index("sign")
    positive = np.maximum(contribution, 0).sum(axis=1)
    expected = explanations.expected_leads(row.scp_codes)
    return {
        "kind": kind,
        "logit": logit[0],
        "probability": probability,
        "ecg_id": ecg_id,
        "statements": " ".join(f"{code} {v:.0f}" for code, v in row.scp_codes.items()),
        "share_in_expected_leads": positive[expected].sum() / positive.sum(),
        "lead_for": strongest["lead"][1],
        "start_for_s": strongest["start_s"][1],
        "lead_against": strongest["lead"][-1],
        "start_against_s": strongest["start_s"][-1],
    }


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(f"Usage: {COMMAND}")
    archive, folders = Archive(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    rows = []
    for folder in folders:
        run = load_trained_run(folder)
        chosen = choose(run, archive, with_normal=folder == folders[0])
        rows += [draw(run, archive, kind, ecg_id) for kind, ecg_id in chosen.items()]
    run = load_trained_run(folders[0])
    rows.append(draw(run, archive, "trial", choose_trial(run, archive)))
    table = pd.DataFrame(rows).round(4)
    print(table.to_string())
    facts = {"command": COMMAND, "depends_on": ["workflow/draw_real_explanations.py"]}
    recorded.save("real_imn/pictures", table, facts | {"runs": [f.name for f in folders]})
