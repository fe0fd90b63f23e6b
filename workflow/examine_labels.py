"""Record the likelihood of the labels of study 3's infarctions: ``examine_labels.py ARCHIVE``.

Writes ``results/real_imn/likelihoods``: for each infarction of the outer folds, the highest
likelihood (in per cent) among its statements of an infarction.
"""

import sys

import pandas as pd

from ecgcore.data import open_data
from ecgcore.runs import recorded

if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python workflow/examine_labels.py ARCHIVE")
    archive = open_data(sys.argv[1])
    infarctions = archive.statements.index[archive.statements["diagnostic_class"] == "MI"]
    study = recorded.load_study("real_imn")
    folds = [study[f"imn_train-outer-norm_vs_mi-imn-{k}"].table for k in range(1, 6)]
    ids = sorted(pd.concat(folds).query("part == 'test' and y_true == 1")["ecg_id"].unique())
    codes = archive.table["scp_codes"][ids]
    table = pd.DataFrame(
        {
            "ecg_id": ids,
            "likelihood": [max(one[c] for c in one.keys() & set(infarctions)) for one in codes],
        }
    )
    facts = {
        "command": "python workflow/examine_labels.py ARCHIVE",
        "depends_on": ["workflow/examine_labels.py"],
    }
    recorded.save("real_imn/likelihoods", table, facts)
