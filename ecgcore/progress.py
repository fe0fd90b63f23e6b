"""How far a training is, in words, and a line that shows it to a person."""

import logging
import sys


def in_words(epoch: int, epochs: int, seconds_left: float) -> str:
    """Return for example ``epoch 3 of 5 (60 %), at most 2 minutes left``."""
    line = f"epoch {epoch} of {epochs} ({epoch / epochs:.0%})".replace("%", " %")
    if epoch == epochs:
        return line
    remaining = f"{seconds_left:.0f} s" if seconds_left < 90 else f"{seconds_left / 60:.0f} minutes"
    return f"{line}, at most {remaining} left"


def show(line: str, *, is_last: bool = False) -> None:
    """Replace the line that an earlier call printed, on a terminal or in a person's notebook.

    It goes to standard output, which ``papermill --log-output`` passes on. A kernel that was
    started to be quiet, as those of ``ecgcore run`` and the course are, prints nothing.
    """
    kernels = sys.modules.get("ipykernel.kernelapp")
    if kernels is None or not kernels.IPKernelApp.initialized():
        is_seen = sys.stdout.isatty()
    else:
        is_seen = kernels.IPKernelApp.instance().log_level < logging.CRITICAL
    if is_seen:
        print(f"\r{line:60}", end="\n" if is_last else "", flush=True)
