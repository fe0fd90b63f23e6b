"""Weights of a model in a safetensors file, with the model's description inside."""

import dataclasses
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.models import EcgModel, ModelSpec, build, build_from


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
    """Build the model that a file of :func:`save_weights` describes, and load its weights."""
    path = Path(path)
    state, spec = _read(path)
    if spec is None:
        raise EcgcoreError(f"{path}: does not say which model it holds; use load_weights.")
    try:
        with torch.device("meta"):  # no memory for what a stranger's description asks
            _check_shapes(build_from(spec), state, path)
    except EcgcoreError:
        raise
    except (TypeError, ValueError, ArithmeticError, RuntimeError, AssertionError) as error:
        why = str(error).partition("\n")[0]
        raise EcgcoreError(f"{path}: describes a model that cannot be built ({why}).") from None
    return load_weights(build_from(spec), path)


def load_weights(model: EcgModel, path: str | Path) -> EcgModel:
    """Read weights into ``model``, of the architecture that wrote them but perhaps another rate.

    Raises :class:`EcgcoreError` if the file is missing, damaged, or of another architecture.
    """
    path = Path(path)
    state, spec = _read(path)
    if spec is not None and spec.name != model.spec.name:
        raise EcgcoreError(f"{path}: holds weights of {spec.name}, not of {model.spec.name}.")
    _check_shapes(model, state, path)
    model.load_state_dict(state)
    return model


def load_published_cnn1d(path: str | Path, rate_hz: int) -> EcgModel:
    """Load a CNN1D as the authors of paper B published it, for records of 10 s at ``rate_hz``.

    Their layers have other names (``features.4``, ``classifier.2``) but stand in the same order.
    """
    path = Path(path)
    state, _ = _read(path)
    model = build("cnn1d", rate_hz=rate_hz, n_samples=10 * rate_hz)
    ours = list(dict.fromkeys(name.rpartition(".")[0] for name in model.state_dict()))
    names = {name.rpartition(".")[0] for name in state}
    try:
        theirs = sorted(names, key=lambda name: (name[0] == "c", int(name.rpartition(".")[2])))
        new_name = dict(zip(theirs, ours, strict=True))
    except (ValueError, IndexError):
        raise EcgcoreError(
            f"{path}: holds {len(names)} layers; expected the {len(ours)} of paper B's CNN1D."
        ) from None
    renamed = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        renamed[f"{new_name[layer]}.{kind}"] = value
    _check_shapes(model, renamed, path)
    model.load_state_dict(renamed)
    return model.eval()


def _check_shapes(model: EcgModel, state: dict[str, Tensor], path: Path) -> None:
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    if expected != shapes:
        odd = sorted(set(expected.items()) ^ set(shapes.items()))[0][0]
        raise EcgcoreError(
            f"{path}: {odd} has shape {shapes.get(odd, 'missing')}, expected "
            f"{expected.get(odd, 'none')}; build the model with the options it was trained with."
        )


def _read(path: Path) -> tuple[dict[str, Tensor], ModelSpec | None]:
    if not path.is_file():
        raise EcgcoreError(f"{path}: there is no such file of weights.")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("ecgcore_model")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise EcgcoreError(f"{path}: is no whole safetensors file ({error}).") from error
    try:
        return state, ModelSpec(**json.loads(text)) if text else None
    except (ValueError, TypeError, RecursionError):
        raise EcgcoreError(f"{path}: its description of the model cannot be read.") from None
