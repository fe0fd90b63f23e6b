"""Training progress in words, and a line that displays it."""

import logging
import sys


def in_words(epoch: int, epochs: int, seconds_left: float) -> str:
    """Return, for example, ``epoch 3 of 5 (60 %), at most 2 minutes left``."""
    line = f"epoch {epoch} of {epochs} ({epoch / epochs:.0%})".replace("%", " %")
    if epoch == epochs:
        return line
    remaining = f"{seconds_left:.0f} s" if seconds_left < 90 else f"{seconds_left / 60:.0f} minutes"
    return f"{line}, at most {remaining} left"


def show(line: str, *, is_last: bool = False) -> None:
    """Print a line over that of an earlier call, on a terminal or in an interactive notebook.

    It goes to standard output, which ``papermill --log-output`` passes on. Kernels started to be
    quiet, such as those of ``ecgcore run`` and the course, print nothing.
    """
    kernels = sys.modules.get("ipykernel.kernelapp")
    if kernels is None or not kernels.IPKernelApp.initialized():
        is_seen = sys.stdout.isatty()
    else:
        is_seen = kernels.IPKernelApp.instance().log_level < logging.CRITICAL
    if is_seen:
        print(f"\r{line:60}", end="\n" if is_last else "", flush=True)
