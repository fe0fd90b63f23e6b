"""Intervals and paired tests: how far a difference can be believed.

Resampling is by patient wherever patients are given: two records of one patient are not two
pieces of evidence.
"""

from ecgcore.compare.bands import curve_bands
from ecgcore.compare.claims import Claim, claims_table
from ecgcore.compare.delong import DeLong, delong
from ecgcore.compare.intervals import auroc_score_interval, wilson
from ecgcore.compare.means import bootstrap_mean
from ecgcore.compare.paired import McNemar, Tost, holm, mcnemar, tost
from ecgcore.compare.ranks import average_ranks, critical_difference
from ecgcore.compare.readers import (
    SeedDifference,
    difference_over_seeds,
    obuchowski_rockette,
    seeds_against_reference,
)
from ecgcore.compare.reference import against_reference
from ecgcore.compare.resample import bootstrap, paired_bootstrap, resample_metrics
from ecgcore.compare.seeds import over_seeds

__all__ = [
    "Claim",
    "DeLong",
    "McNemar",
    "SeedDifference",
    "Tost",
    "against_reference",
    "auroc_score_interval",
    "average_ranks",
    "bootstrap",
    "bootstrap_mean",
    "claims_table",
    "critical_difference",
    "curve_bands",
    "delong",
    "difference_over_seeds",
    "holm",
    "mcnemar",
    "obuchowski_rockette",
    "over_seeds",
    "paired_bootstrap",
    "resample_metrics",
    "seeds_against_reference",
    "tost",
    "wilson",
]
