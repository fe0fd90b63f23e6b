"""Simulated 12-lead ECGs whose ground truth is known; see :func:`simulate_archive`."""

from ecgcore.simulate.archive import draw, simulate_archive
from ecgcore.simulate.cohort import CONDITIONS, PREVALENCE, plan_cohort
from ecgcore.simulate.noise import NoiseLevels
from ecgcore.simulate.record import LAYERS, SimulatedRecord, simulate_record
from ecgcore.simulate.shortcut import Shortcut, planted
from ecgcore.simulate.stress import add_noise

__all__ = [
    "CONDITIONS",
    "LAYERS",
    "PREVALENCE",
    "NoiseLevels",
    "Shortcut",
    "SimulatedRecord",
    "add_noise",
    "draw",
    "plan_cohort",
    "planted",
    "simulate_archive",
    "simulate_record",
]
