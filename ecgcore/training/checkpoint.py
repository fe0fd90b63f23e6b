"""Weights and the state of a training run, in files that appear whole or not at all.

Weights are stored in a safetensors file with the model's description. A checkpoint is the state
after an epoch, without random generators: every stream starts anew from (seed, epoch), see
:mod:`ecgcore.training.randomness`.
"""

import dataclasses
import hashlib
import io
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ecgcore import files
from ecgcore.data import DURATION_S
from ecgcore.errors import EcgcoreError
from ecgcore.models import EcgModel, ModelSpec, build, build_from
from ecgcore.training.config import TrainConfig

CHECKPOINT = "checkpoint.pt"


def save_weights(model: EcgModel, path: str | Path) -> Path:
    """Write parameters and buffers, whole or not at all; the same weights give the same bytes."""
    path = Path(path)
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    description = json.dumps(dataclasses.asdict(model.spec), sort_keys=True)
    with files.file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(path, save(state, metadata={"ecgcore_model": description}))
    return path


def load_model(path: str | Path) -> EcgModel:
    """Build the model that a file of :func:`save_weights` describes, and load its weights.

    Raises :class:`EcgcoreError` if the file is missing, damaged, or does not fit its description.
    """
    state, description = _read(path)
    if description is None:
        raise EcgcoreError(f"{path}: does not say which model it holds; use save_weights.")
    try:
        model = build_from(ModelSpec(**json.loads(description)))
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        why = str(error).partition("\n")[0]
        raise EcgcoreError(f"{path}: describes a model that cannot be built ({why}).") from None
    return _fill(model, state, path)


def load_published_cnn1d(path: str | Path, rate_hz: int) -> EcgModel:
    """Load a CNN1D as the authors of paper B published it, for PTB-XL's records at ``rate_hz``.

    Their convolutions and norms are ``features.0, 1, 4, 5, 8 ...``, ours ``features.0, 1, 2, 3``.
    """
    state = {}
    for name, value in _read(path)[0].items():
        name = re.sub(r"(?<=features\.)\d+", lambda m: str(int(m[0]) - int(m[0]) // 4 * 2), name)
        state[name.replace("classifier.2", "classifier")] = value
    model = build("cnn1d", rate_hz=rate_hz, n_samples=DURATION_S * rate_hz)
    return _fill(model, state, path).eval()


def _fill(model: EcgModel, state: dict[str, Tensor], path: str | Path) -> EcgModel:
    """Load a state into a model, or name the tensors that do not fit."""
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        why = textwrap.shorten(str(error).partition("\n")[2], 300)
        raise EcgcoreError(f"{path}: does not fit {model.spec.name} as described: {why}") from None
    return model


def _read(path: str | Path) -> tuple[dict[str, Tensor], str | None]:
    """Return the tensors of a file and the description of its model, if it has one."""
    if not Path(path).is_file():
        raise EcgcoreError(f"{path}: there is no such file of weights.")
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return state, (file.metadata() or {}).get("ecgcore_model")
    except SafetensorError as error:
        raise EcgcoreError(f"{path}: is not a complete safetensors file ({error}).") from error


def training_identity(
    spec: ModelSpec, config: TrainConfig, tensors: list[Tensor]
) -> dict[str, Any]:
    """Return what must match for a training run to resume: model, configuration, data."""
    digest = hashlib.sha256()
    for tensor in tensors:
        sample = tensor[:: max(1, len(tensor) // 16)] if tensor.dim() == 3 else tensor
        digest.update(repr(tuple(tensor.shape)).encode() + sample.cpu().numpy().tobytes())
    comparable = dataclasses.replace(config, device="", cuda_graph=True)  # these two may differ
    identity = {**vars(comparable), "model": vars(spec), "data": digest.hexdigest()}
    return dict(json.loads(json.dumps(identity)))  # plain values, as they come back from a file


def save_checkpoint(directory: Path, state: dict[str, Any], training: dict[str, Any]) -> None:
    """Write a state (tensors and plain values) together with the identity of its run.

    Beside it, ``progress.json`` holds epoch, epochs and seconds left, for progress displays.
    """
    buffer = io.BytesIO()
    torch.save({"state": state, "identity": training}, buffer)
    progress = {"epoch": state["epoch"], "epochs": training["epochs"]}
    epoch_s = float(np.mean([row["seconds"] for row in state["history"]]))
    progress["seconds_left"] = round((progress["epochs"] - progress["epoch"]) * epoch_s, 1)
    with files.file_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        files.write_whole(directory / CHECKPOINT, buffer.getvalue())
        files.write_whole(directory / "progress.json", json.dumps(progress))


def load_checkpoint(
    directory: Path, training: dict[str, Any], device: torch.device
) -> dict[str, Any] | None:
    """Return the saved state, or None; refuse a damaged state and that of another run."""
    path = directory / CHECKPOINT
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        saved, state = content["identity"], dict(content["state"])
    except Exception as error:  # a damaged file raises errors of many kinds
        reason = str(error).partition("\n")[0]
        raise EcgcoreError(f"{path}: is damaged ({reason}); delete it to start again.") from error
    for name, value in training.items():
        if saved.get(name) != value:
            raise EcgcoreError(
                f"{path}: belongs to another training run: {name} was {saved.get(name)!r}, now "
                f"it is {value!r}; choose another directory, or delete this one."
            )
    return state
