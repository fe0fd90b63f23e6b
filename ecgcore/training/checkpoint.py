"""The state of a training after an epoch, in one file that appears whole or not at all.

No state of random generators is stored: every stream starts anew from (seed, epoch), see
:mod:`ecgcore.training.randomness`.
"""

import dataclasses
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.models import ModelSpec
from ecgcore.training.config import TrainConfig

FILE_NAME = "checkpoint.pt"


def identity(spec: ModelSpec, config: TrainConfig, tensors: list[Tensor]) -> dict[str, Any]:
    """Return what must be the same for a training to be continued: model, configuration, data."""
    digest = hashlib.sha256()
    for tensor in tensors:
        sample = tensor[:: max(1, len(tensor) // 16)] if tensor.dim() == 3 else tensor
        digest.update(repr(tuple(tensor.shape)).encode() + sample.cpu().numpy().tobytes())
    same = dataclasses.replace(config, device="", cuda_graph=True)  # these two may differ
    identity = {**vars(same), "model": vars(spec), "data": digest.hexdigest()}
    return dict(json.loads(json.dumps(identity)))  # plain values, as they come back from a file


def save(directory: Path, state: dict[str, Any], training: dict[str, Any]) -> None:
    """Write a state (tensors and plain values) together with the identity of its training.

    Beside it, ``progress.json`` holds epoch, epochs and seconds left, for whoever watches.
    """
    buffer = io.BytesIO()
    torch.save({"state": state, "identity": training}, buffer)
    progress = {"epoch": state["epoch"], "epochs": training["epochs"]}
    epoch_s = float(np.mean([row["seconds"] for row in state["history"]]))
    progress["seconds_left"] = round((progress["epochs"] - progress["epoch"]) * epoch_s, 1)
    with files.file_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        files.write_whole(directory / FILE_NAME, buffer.getvalue())
        files.write_whole(directory / "progress.json", json.dumps(progress))


def load(directory: Path, training: dict[str, Any], device: torch.device) -> dict[str, Any] | None:
    """Return the saved state, or None; refuse one that is damaged or of another training."""
    path = directory / FILE_NAME
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        saved, state = content["identity"], dict(content["state"])
    except Exception as error:  # a damaged file raises errors of many kinds
        reason = str(error).partition("\n")[0]
        raise EcgcoreError(f"{path}: is damaged ({reason}); delete it to begin anew.") from error
    for name, value in training.items():
        if saved.get(name) != value:
            raise EcgcoreError(
                f"{path}: belongs to another training: {name} was {saved.get(name)!r}, now it is "
                f"{value!r}; choose another directory, or delete this one."
            )
    return state
