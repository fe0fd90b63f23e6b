"""The state of a training after an epoch, on disk.

``checkpoint.json`` names the safetensors file that belongs to it and is replaced last, in one
move: killed at any moment, the directory holds one whole epoch.  There is no state of random
generators to keep: every stream starts anew from (seed, epoch), see ``streams.py``.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.training.fold import Data, Fold, set_learning_rate
from ecgcore.training.schedule import EarlyStopping, Schedule

NAME = "checkpoint.json"
_MAY_DIFFER = ("device", "compile", "cuda_graph", "processes", "halve_batch")


def identity(folds: Sequence[Fold], data: Data) -> dict[str, Any]:
    """What must be the same for a training to be continued: model, configuration, data."""
    digest = hashlib.sha256()
    for tensor in (data.x_train, data.x_valid):
        some = tensor[:: max(1, len(tensor) // 16)].cpu().numpy()
        digest.update(repr(tuple(tensor.shape)).encode() + some.tobytes())
    for fold in folds:
        digest.update(fold.train_index.tobytes() + fold.valid_index.tobytes())
    for labels in (data.y_train, data.y_valid):
        digest.update(labels.cpu().numpy().tobytes())
    config = dataclasses.asdict(folds[0].config)
    return {
        "model": dataclasses.asdict(folds[0].model.spec),
        "seeds": [fold.seed for fold in folds],
        "data": digest.hexdigest(),
        **{name: value for name, value in config.items() if name not in _MAY_DIFFER},
    }


def save(directory: Path, folds: Sequence[Fold], epoch: int, who: dict[str, Any]) -> None:
    """Write the state after ``epoch``."""
    tensors = {}
    for fold in folds:
        for name, tensor in _tensors(fold).items():
            tensors[f"{fold.number}/{name}"] = tensor.detach().cpu().contiguous().clone()
    file = f"epoch_{epoch:04d}.safetensors"
    state = {"epoch": epoch, "tensors": file, "identity": who, "folds": [_plain(f) for f in folds]}
    with files.told_in_words(directory):
        directory.mkdir(parents=True, exist_ok=True)
        files.write_whole(directory / file, to_bytes(tensors))
        files.write_whole(directory / NAME, json.dumps(state, indent=1))
    for old in directory.glob("epoch_*.safetensors*"):
        if old.name != file:
            old.unlink(missing_ok=True)


def load(directory: Path, folds: Sequence[Fold], who: dict[str, Any]) -> int:
    """Put the saved state into ``folds``; returns the epoch it is of, 0 if there is none.

    Raises
    ------
    EcgcoreError
        If the checkpoint belongs to another model, configuration or data, or is damaged.
    """
    path = directory / NAME
    if not path.exists():
        return 0
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        tensors = load_file(directory / state["tensors"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise EcgcoreError(
            f"{path}: is damaged ({error}); delete {directory} to begin anew."
        ) from error
    same = json.loads(json.dumps(who))
    for name, value in same.items():
        if state["identity"].get(name) != value:
            raise EcgcoreError(
                f"{path}: belongs to another training: {name} was {state['identity'].get(name)!r}, "
                f"now it is {value!r}; choose another directory, or delete this one."
            )
    for fold, plain in zip(folds, state["folds"], strict=True):
        prefix = f"{fold.number}/"
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        _put(fold, own, plain)
    return int(state["epoch"])


def _tensors(fold: Fold) -> dict[str, Tensor]:
    tensors = {f"model/{name}": value for name, value in fold.model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in fold.best.items()}
    for i, parameter in enumerate(fold.model.parameters()):
        for name, value in fold.optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser/{i}/{name}"] = value
    return tensors


def _plain(fold: Fold) -> dict[str, Any]:
    return {
        "history": fold.history,
        "schedule": dataclasses.asdict(fold.schedule),
        "stopping": dataclasses.asdict(fold.stopping),
        "finished": fold.finished,
    }


def _put(fold: Fold, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
    device = next(fold.model.parameters()).device
    model = {k.removeprefix("model/"): v for k, v in tensors.items() if k.startswith("model/")}
    fold.model.load_state_dict(model)
    fold.best = {
        k.removeprefix("best/"): v.to(device) for k, v in tensors.items() if k.startswith("best/")
    }
    for i, parameter in enumerate(fold.model.parameters()):
        prefix = f"optimiser/{i}/"
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if own:  # a bias that batch norm makes void has no gradient, so no state
            fold.optimiser.state[parameter] = {
                k: torch.empty_like(parameter.data).copy_(v) if v.dim() else v.to(device)
                for k, v in own.items()  # in the parameter's memory layout
            }
    fold.history = plain["history"]
    fold.schedule = Schedule(**plain["schedule"])
    fold.stopping = EarlyStopping(**plain["stopping"])
    fold.finished = plain["finished"]
    set_learning_rate(fold.optimiser, fold.schedule.learning_rate)
