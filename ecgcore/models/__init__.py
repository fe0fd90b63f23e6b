"""The registry of architectures, and the functions that work on any of them."""

import inspect
from typing import Any

import torch
from torch import nn

from ecgcore.errors import EcgcoreError, check_choice
from ecgcore.models.base import EcgModel, IMNOutput, ModelSpec, check_option, logits_of
from ecgcore.models.cnn1d import CNN1D
from ecgcore.models.cnn_lstm import CNNLSTM
from ecgcore.models.imn import IMN, BlackBoxCNN2D, IMNDirect
from ecgcore.models.xresnet1d import XResNet1d101

REGISTRY: dict[str, tuple[type[EcgModel], dict[str, Any]]] = {
    "cnn1d": (CNN1D, {}),
    "cnn_lstm": (CNNLSTM, {}),
    "imn": (IMN, {"n_outputs": 1}),
    "imn_categorical": (IMN, {"n_outputs": 2}),
    "imn_direct": (IMNDirect, {}),
    "blackbox_cnn2d": (BlackBoxCNN2D, {}),
    "xresnet1d101": (XResNet1d101, {}),
    "imn_plus": (  # this study's own, not in the paper
        IMN,
        {"bias": "none", "logit_scale": "sqrt", "zero_head": True, "lead_mixing": "none"},
    ),
}
"""Architecture and its preset options, by name."""


def build(
    name: str, *, rate_hz: float, n_samples: int, n_leads: int = 12, seed: int = 0, **options: Any
) -> EcgModel:
    """Return a model from :data:`REGISTRY` with newly drawn weights.

    The model reads records of shape ``(n_leads, n_samples)`` at ``rate_hz``. The same ``seed``
    gives the same weights, and no global state changes. Every architecture has the options
    ``n_outputs`` and ``dropout`` and, unless its receptive field is fixed, ``receptive_field_ms``
    and ``widen``. Raises ``EcgcoreError`` for an unknown name, option or choice, an impossible
    size, or an impossible receptive field.
    """
    check_choice("model", name, REGISTRY)
    size: Any = {"rate_hz": rate_hz, "n_samples": n_samples, "n_leads": n_leads}
    for key, value in size.items():
        if value <= 0:
            raise EcgcoreError(f"{key}: {value}; expected a number above 0.")
    architecture, preset = REGISTRY[name]
    types = _option_types(architecture)
    for option, value in options.items():
        check_choice(f"option of {name}", option, types)
        check_option(option, value, types[option])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = architecture(**size, **{**preset, **options})
    model.spec = ModelSpec(name, float(rate_hz), n_samples, n_leads, dict(options))
    return model


def build_from(spec: ModelSpec, *, seed: int = 0) -> EcgModel:
    """Return a model of the same description with newly drawn weights."""
    size: Any = {"rate_hz": spec.rate_hz, "n_samples": spec.n_samples, "n_leads": spec.n_leads}
    return build(spec.name, seed=seed, **size, **spec.options)


def untrained(model: EcgModel, *, seed: int) -> EcgModel:
    """Return the same architecture with random weights, in evaluation mode: a control.

    A ``zero_head`` is drawn as well: a map that is 0 everywhere would make the test meaningless.
    """
    control = build_from(model.spec, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for module in control.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear) and not module.weight.any():
                module.reset_parameters()
    return control.to(next(model.parameters()).device).eval()


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _option_types(architecture: type[EcgModel]) -> dict[str, Any]:
    """Return the types of a constructor's options, with those that it passes on to its base."""
    types: dict[str, Any] = {}
    for cls in architecture.__mro__[: architecture.__mro__.index(EcgModel) + 1]:
        for name, parameter in inspect.signature(cls).parameters.items():
            if name not in ("size", "rate_hz", "n_samples", "n_leads"):
                types.setdefault(name, parameter.annotation)
    return types
