"""The registry of architectures, and the functions that work on any of them."""

import difflib
import inspect
from collections.abc import Callable
from typing import Any

import torch

from ecgcore.errors import EcgcoreError
from ecgcore.models.base import EcgModel, IMNOutput, ModelSpec, logits_of, positive_logit
from ecgcore.models.blackbox import BlackBoxCNN2D
from ecgcore.models.cnn1d import CNN1D
from ecgcore.models.cnn_lstm import CNNLSTM
from ecgcore.models.imn import IMN, IMNDirect
from ecgcore.models.xresnet1d import XResNet1d101

__all__ = [
    "REGISTRY",
    "EcgModel",
    "IMNOutput",
    "ModelSpec",
    "build",
    "build_from",
    "count_parameters",
    "logits_of",
    "positive_logit",
    "receptive_field_samples",
]

IMN_PLUS: dict[str, Any] = {
    "n_outputs": 1,
    "bias": "none",
    "logit_scale": "sqrt",
    "zero_head": True,
    "lead_mixing": "none",
}
"""This study's own IMN."""

REGISTRY: dict[str, tuple[Callable[..., EcgModel], dict[str, Any]]] = {
    "cnn1d": (CNN1D, {}),
    "cnn_lstm": (CNNLSTM, {}),
    "imn": (IMN, {"n_outputs": 1}),
    "imn_categorical": (IMN, {"n_outputs": 2}),
    "imn_direct": (IMNDirect, {}),
    "blackbox_cnn2d": (BlackBoxCNN2D, {}),
    "xresnet1d101": (XResNet1d101, {}),
    "imn_plus": (IMN, IMN_PLUS),
}
"""Architecture and its preset options, by name."""


def build(
    name: str,
    *,
    rate_hz: float,
    n_samples: int,
    n_leads: int = 12,
    seed: int = 0,
    folds: int = 1,
    **options: Any,
) -> EcgModel:
    """Make a model with freshly drawn weights.

    Parameters
    ----------
    name
        A key of :data:`REGISTRY`.
    rate_hz
        Sampling rate of the signals that the model is for.
    n_samples, n_leads
        Shape of a record.
    seed
        Draws the weights; the same seed gives the same weights and touches no global state.
    folds
        How many independent networks to hold in one (see :mod:`ecgcore.training.folds`).
    **options
        What the architecture offers, such as ``n_outputs`` or ``dropout``.

    Raises
    ------
    EcgcoreError
        For an unknown name or option, naming the nearest one, or an impossible size.
    """
    if name not in REGISTRY:
        raise EcgcoreError(f"model: there is no {name!r}{_nearest(name, list(REGISTRY))}")
    for what, value in (("rate_hz", rate_hz), ("n_samples", n_samples), ("n_leads", n_leads)):
        if value <= 0:
            raise EcgcoreError(f"{what}: {value} is not possible; expected a positive number.")
    architecture, preset = REGISTRY[name]
    known = inspect.signature(architecture).parameters
    allowed = [key for key in known if key not in _GIVEN]
    for key in options:
        if key not in allowed:
            raise EcgcoreError(f"model {name}: there is no option {key!r}{_nearest(key, allowed)}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        given = {"n_leads": n_leads, "n_samples": n_samples, "folds": folds, "rate_hz": rate_hz}
        given = {key: value for key, value in given.items() if key in known}
        model = architecture(**given, **{**preset, **options})
    model.spec = ModelSpec(name, float(rate_hz), n_samples, n_leads, dict(options))
    return model


_GIVEN = {"n_leads", "n_samples", "folds", "rate_hz"}


def build_from(spec: ModelSpec, *, seed: int = 0, folds: int = 1) -> EcgModel:
    """A model of the same description with other weights."""
    return build(
        spec.name,
        rate_hz=spec.rate_hz,
        n_samples=spec.n_samples,
        n_leads=spec.n_leads,
        seed=seed,
        folds=folds,
        **spec.options,
    )


def count_parameters(model: torch.nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def receptive_field_samples(model: EcgModel) -> int:
    """Samples of the input that one unit of the last convolution sees.

    Divide by ``model.spec.rate_hz`` for seconds.  For the IMN it is the span that one weight
    ``W[lead, sample]`` depends on.
    """
    return model.receptive_field


def _nearest(word: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(word, allowed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"{hint} Allowed: {', '.join(allowed)}."
