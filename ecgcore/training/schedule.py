"""Learning rate by epoch, and when to stop."""

import math
from dataclasses import dataclass

from ecgcore.training.config import TrainConfig

_THRESHOLD = 1e-4
"""Relative gain that counts as better, as in PyTorch's ReduceLROnPlateau."""


@dataclass
class Schedule:
    """Learning rate of the next epoch; plain numbers, so that a checkpoint can hold it.

    The same rates as PyTorch's ReduceLROnPlateau (watching the validation loss), StepLR and
    CosineAnnealingLR, stepped once an epoch.
    """

    learning_rate: float
    lowest_loss: float = math.inf
    epochs_without: int = 0

    def after(self, epoch: int, valid_loss: float, config: TrainConfig) -> float:
        """Take note of that epoch (from 1) and return the rate of the next."""
        if config.scheduler == "plateau":
            self._watch(valid_loss, config)
        elif config.scheduler == "step":
            drops = epoch // config.scheduler_every
            self.learning_rate = config.learning_rate * config.scheduler_factor**drops
        elif config.scheduler == "cosine":
            turn = math.cos(math.pi * epoch / config.epochs)
            self.learning_rate = config.learning_rate * (1 + turn) / 2
        return self.learning_rate

    def _watch(self, valid_loss: float, config: TrainConfig) -> None:
        if valid_loss < self.lowest_loss * (1 - _THRESHOLD):
            self.lowest_loss, self.epochs_without = valid_loss, 0
        else:
            self.epochs_without += 1
        if self.epochs_without > config.scheduler_patience:
            self.learning_rate *= config.scheduler_factor
            self.epochs_without = 0


@dataclass
class EarlyStopping:
    """The best epoch so far, and how many have passed since."""

    best_epoch: int = 0
    best_value: float = -math.inf
    waited: int = 0

    def better(self, epoch: int, value: float) -> bool:
        """Whether ``value`` (higher is better; nan is worst) makes this epoch the best one."""
        if self.best_epoch == 0 or value > self.best_value:
            self.best_epoch, self.waited = epoch, 0
            self.best_value = -math.inf if math.isnan(value) else value
            return True
        self.waited += 1
        return False
