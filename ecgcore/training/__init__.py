"""Training and prediction: one loop for every model, checkpoints, weights, devices."""

from ecgcore.training.checkpoint import load_model, load_published_cnn1d, save_weights
from ecgcore.training.config import PAPER_A, PAPER_B, TrainConfig, recipe
from ecgcore.training.device import device_summary, resolve_device
from ecgcore.training.loop import FitResult, fit
from ecgcore.training.prediction import predict_logits
from ecgcore.training.randomness import epoch_order
