"""Figures that others published, with their sources; to set beside ours, never among them.

``sampling_matters_test.csv`` is read off the result files of paper B's repository
(vlbthambawita/AF_detection_vs_freq), ``sampling_matters_delong.csv`` computed from its score files,
``ecg_imn_known.csv`` off paper A's README and model card,
``ptbxl_anchor_binary.csv`` is derived from predictions that helme/ecg_ptbxl_benchmarking ships.
"""

from importlib import resources

import pandas as pd


def _table(name: str) -> pd.DataFrame:
    with resources.files(__name__).joinpath(f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def sampling_matters(test_set: str = "natural") -> pd.DataFrame:
    """Paper B's test results: one row a model and rate.

    Returns
    -------
    pandas.DataFrame
        ``model, rate_hz, auroc, f1, mcc, ece`` of the run that the paper's table is based on,
        and the smallest and largest AUROC and F1 over the authors' three runs.
    """
    table = _table("sampling_matters_test").query("test_set == @test_set")
    keys = ["model", "rate_hz"]
    spread = table.groupby(keys).agg(
        auroc_min=("auroc", "min"), auroc_max=("auroc", "max"),
        f1_min=("f1", "min"), f1_max=("f1", "max"),
    )  # fmt: skip
    main = table.query("run == 'main'").set_index(keys)
    return main[["auroc", "f1", "mcc", "ece"]].join(spread).reset_index()


def sampling_matters_runs(test_set: str = "natural") -> pd.DataFrame:
    """Paper B's test results of every one of the authors' runs, with the calls' counts."""
    table = _table("sampling_matters_test").query("test_set == @test_set")
    return table.drop(columns="test_set").reset_index(drop=True)


def sampling_matters_delong() -> pd.DataFrame:
    """Which differences between rates paper B's own scores support: DeLong's test, run by run.

    Returns
    -------
    pandas.DataFrame
        One row a kind of pair: ``n_runs`` tested, in how many p was below 0.05, in how many after
        Holm's correction over all pairs, and the ranges of the AUROC difference and of p. The runs
        share one test set: they are not independent confirmations.
    """
    return _table("sampling_matters_delong")


def ecg_imn_known() -> pd.DataFrame:
    """AUROCs of paper A's checkpoints, and PTB-XL anchors, each with what it was measured on."""
    known = _table("ecg_imn_known").drop(columns="epoch")
    anchors = _table("ptbxl_anchor_binary").assign(model="xresnet1d101 (2020)", rate_hz=100)
    columns = ["model", "task", "rate_hz", "auroc", "evaluated_on", "source"]
    both = pd.concat([known[columns], anchors[columns]], ignore_index=True)
    return both.astype({"rate_hz": "Int64"})
