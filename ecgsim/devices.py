"""Electrocardiographs: what the recording device adds to a record, whatever the heart does.

PTB-XL names the device of each record in its column ``device``, and devices differ in their noise
above 60 Hz. Where one diagnosis comes mostly from one type of device, this noise is a confounder: a
network at 500 Hz can learn the device instead of the heart. In a slice of 500 raw PTB-XL records,
12 of 13 with atrial fibrillation come from one type (AT-6 C), which recorded 46 % of all.

All devices are AC-coupled (they remove the mean of each lead), as IEC 60601-2-25 requires.
"""

from dataclasses import dataclass

import numpy as np

from ecgcore.arrays import Floats


@dataclass(frozen=True)
class Device:
    """One type of electrocardiograph.

    ``low_pass_hz`` is the frequency at which its second-order low-pass filter passes half of the
    power. The filter acts on the noise only, since the waves of the heart hold little above 100 Hz.
    The factors multiply the noise floor of the amplifier and the mains pickup of
    :class:`ecgsim.noise.NoiseLevels`.
    """

    name: str  # in the column ``device``
    share: float  # of the records of an archive
    low_pass_hz: float
    floor_factor: float
    mains_factor: float

    def response(self, frequency_hz: Floats) -> Floats:
        """Return the share of the amplitude that passes at each frequency."""
        passes: Floats = 1 / np.sqrt(1 + (frequency_hz / self.low_pass_hz) ** 4)
        return passes


DEVICES = (
    Device("simulated A", 0.45, low_pass_hz=150.0, floor_factor=1.0, mains_factor=1.0),
    Device("simulated B", 0.25, low_pass_hz=100.0, floor_factor=0.7, mains_factor=0.6),
    Device("simulated C", 0.30, low_pass_hz=220.0, floor_factor=4.0, mains_factor=1.6),
)
"""Three types: a common one, a quiet one with a low cut-off, and one with a high noise floor."""

CONFOUNDED_CONDITION, CONFOUNDED_DEVICE = "AF", DEVICES[2]
"""The condition that comes mostly from one device if ``device_confounding`` is above zero."""


def draw_device(rng: np.random.Generator, condition: str, confounding: float) -> Device:
    """Draw the device of one record with this leading condition.

    ``confounding`` is the probability (0 to 1) that a record with AF comes from
    :data:`CONFOUNDED_DEVICE` with certainty, not from any device by its share. With 0 the device is
    independent of the condition; with 0.9 about 93 % of the records with AF come from one device,
    as in the slice of PTB-XL.
    """
    number = int(rng.choice(len(DEVICES), p=[device.share for device in DEVICES]))
    is_confounded = rng.random() < confounding and condition == CONFOUNDED_CONDITION
    return CONFOUNDED_DEVICE if is_confounded else DEVICES[number]
