"""Training and prediction: one loop for every model, checkpoints, weights, devices."""

from ecgcore.training.config import (
    IMN_PLUS,
    PAPER_A,
    PAPER_A_CATEGORICAL,
    PAPER_B,
    TrainConfig,
    recipe,
)
from ecgcore.training.device import device_summary, keep_heap, resolve_device
from ecgcore.training.loop import FitResult, fit
from ecgcore.training.prediction import predict_logits
from ecgcore.training.randomness import epoch_order
from ecgcore.training.weights import load_model, load_published_cnn1d, load_weights, save_weights

__all__ = [
    "IMN_PLUS",
    "PAPER_A",
    "PAPER_A_CATEGORICAL",
    "PAPER_B",
    "FitResult",
    "TrainConfig",
    "device_summary",
    "epoch_order",
    "fit",
    "keep_heap",
    "load_model",
    "load_published_cnn1d",
    "load_weights",
    "predict_logits",
    "recipe",
    "resolve_device",
    "save_weights",
]
