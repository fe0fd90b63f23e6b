"""Weights of a model in a file: safetensors, with the model's description inside."""

import dataclasses
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.models import EcgModel, ModelSpec, build_from


def save_weights(model: EcgModel, path: str | Path) -> Path:
    """Write parameters and buffers; the same weights give the same bytes.

    The file appears whole or not at all.
    """
    path = Path(path)
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    description = json.dumps(dataclasses.asdict(model.spec), sort_keys=True)
    with files.told_in_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(path, save(state, metadata={"ecgcore_model": description}))
    return path


def load_weights(model: EcgModel, path: str | Path) -> EcgModel:
    """Read weights into ``model``, which must be of the architecture that wrote them.

    The sampling rate may differ: moving weights to another rate is an experiment of this study.
    :func:`load_model` builds the model that the file describes.

    Raises
    ------
    EcgcoreError
        If the file is missing, damaged, or of another architecture or size.
    """
    path = Path(path)
    state, spec = _read(path)
    if spec is not None and spec.name != model.spec.name:
        raise EcgcoreError(f"{path}: holds weights of {spec.name}, not of {model.spec.name}.")
    _compare_shapes(model, state, path)
    model.load_state_dict(state)
    return model


def _compare_shapes(model: EcgModel, state: dict[str, torch.Tensor], path: Path) -> None:
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    if expected != found:
        odd = sorted(set(expected.items()) ^ set(found.items()))[0][0]
        raise EcgcoreError(
            f"{path}: {odd} has shape {found.get(odd, 'missing')}, expected "
            f"{expected.get(odd, 'none')}; build the model with the options it was trained with."
        )


def load_model(path: str | Path) -> EcgModel:
    """Build the model that a file of :func:`save_weights` describes, with its weights.

    Raises
    ------
    EcgcoreError
        As :func:`load_weights`, or if the description is missing or does not fit the weights.
    """
    path = Path(path)
    state, spec = _read(path)
    if spec is None:
        raise EcgcoreError(f"{path}: does not say which model it holds; use load_weights.")
    try:
        with torch.device("meta"):  # no memory for what a stranger's description asks
            _compare_shapes(build_from(spec), state, path)
    except EcgcoreError:
        raise
    except (TypeError, ValueError, ArithmeticError, RuntimeError, AssertionError) as error:
        why = str(error).partition("\n")[0]
        raise EcgcoreError(f"{path}: describes a model that cannot be built ({why}).") from None
    return load_weights(build_from(spec), path)


def _read(path: Path) -> tuple[dict[str, torch.Tensor], ModelSpec | None]:
    if not path.is_file():
        raise EcgcoreError(f"{path}: there is no such file of weights.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise EcgcoreError(f"{path}: is no whole safetensors file ({error}).") from error
    text = metadata.get("ecgcore_model")
    try:
        return state, ModelSpec(**json.loads(text)) if text else None
    except (ValueError, TypeError, RecursionError):
        raise EcgcoreError(f"{path}: its description of the model cannot be read.") from None
