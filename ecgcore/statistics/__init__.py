"""Metrics, intervals, paired tests, seeds, temperature and verdicts; no torch.

Resampling is by patient wherever patients are given: two records of one patient are not two pieces
of evidence.
"""

from ecgcore.statistics.comparisons import (
    compare_models,
    delong,
    interaction,
    obuchowski_rockette,
    records_needed,
    seed_difference,
    seed_mean,
)
from ecgcore.statistics.metrics import METRICS, evaluate
from ecgcore.statistics.resampling import (
    auroc_score_interval,
    bootstrap,
    bootstrap_mean,
    paired_bootstrap,
    resample_metrics,
)
from ecgcore.statistics.scores import (
    balanced_subset,
    fit_temperature,
    moments,
    positive_logit,
    positive_probability,
    ranking,
)
from ecgcore.statistics.verdicts import (
    MINIMUM,
    Claim,
    SeedDifference,
    claims_table,
    difference_verdict,
    holm,
)
