"""Simulated 12-lead ECGs whose ground truth is known; see :func:`simulate_archive`."""

from ecgsim.archive import draw, simulate_archive
from ecgsim.cohort import CONDITIONS, PREVALENCE, plan_cohort
from ecgsim.devices import DEVICES, Device
from ecgsim.noise import NoiseLevels, add_noise
from ecgsim.record import SimulatedRecord, simulate_record
from ecgsim.shortcut import Shortcut, plant_shortcut
