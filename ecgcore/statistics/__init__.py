"""Metrics, intervals, paired tests, seeds, temperature and verdicts; no torch.

Resampling is by patient wherever patients are given: two records of one patient are not two pieces
of evidence.
"""

from ecgcore.statistics.comparisons import compare_models as compare_models
from ecgcore.statistics.comparisons import delong as delong
from ecgcore.statistics.comparisons import interaction as interaction
from ecgcore.statistics.comparisons import obuchowski_rockette as obuchowski_rockette
from ecgcore.statistics.comparisons import records_needed as records_needed
from ecgcore.statistics.comparisons import seed_difference as seed_difference
from ecgcore.statistics.comparisons import seed_mean as seed_mean
from ecgcore.statistics.metrics import METRICS as METRICS
from ecgcore.statistics.metrics import evaluate as evaluate
from ecgcore.statistics.resampling import auroc_score_interval as auroc_score_interval
from ecgcore.statistics.resampling import bootstrap as bootstrap
from ecgcore.statistics.resampling import bootstrap_mean as bootstrap_mean
from ecgcore.statistics.resampling import paired_bootstrap as paired_bootstrap
from ecgcore.statistics.resampling import resample_metrics as resample_metrics
from ecgcore.statistics.scores import balanced_subset as balanced_subset
from ecgcore.statistics.scores import fit_temperature as fit_temperature
from ecgcore.statistics.scores import moments as moments
from ecgcore.statistics.scores import positive_logit as positive_logit
from ecgcore.statistics.scores import positive_probability as positive_probability
from ecgcore.statistics.scores import ranking as ranking
from ecgcore.statistics.verdicts import MINIMUM as MINIMUM
from ecgcore.statistics.verdicts import Claim as Claim
from ecgcore.statistics.verdicts import SeedDifference as SeedDifference
from ecgcore.statistics.verdicts import claims_table as claims_table
from ecgcore.statistics.verdicts import difference_verdict as difference_verdict
from ecgcore.statistics.verdicts import holm as holm
