"""The registry of architectures, and the functions that work on any of them."""

import bisect
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
from ecgcore.models.sizes import Stage, Widen, options_of, stretched
from ecgcore.models.xresnet1d import XResNet1d101

__all__ = [
    "REGISTRY",
    "EcgModel",
    "IMNOutput",
    "ModelSpec",
    "Stage",
    "Widen",
    "at_rate",
    "build",
    "build_from",
    "count_parameters",
    "logits_of",
    "positive_logit",
    "receptive_field_samples",
    "sizes_in_ms",
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


def sizes_in_ms(
    name: str,
    *,
    rate_hz: float,
    receptive_field_ms: float,
    widen: Widen = "dilation",
    n_leads: int = 12,
) -> dict[str, Any]:
    """Options for :func:`build` that give a network a receptive field in milliseconds.

    Parameters
    ----------
    name
        An architecture made of stages: ``cnn1d``, ``cnn_lstm``.
    rate_hz
        Sampling rate of the signals that the network is for.
    receptive_field_ms
        As near to this as whole samples allow.  Narrower than the architecture's own field is
        made of fewer taps and, so that the number of parameters stays, more channels.
    widen
        How a wider field is made: ``dilation``, the same taps further apart, with equal
        parameters; or ``kernel``, more taps and more parameters.

    Returns
    -------
    dict
        Some of ``kernels``, ``dilations``, ``width``; empty if the field is the network's own.

    Raises
    ------
    EcgcoreError
        The architecture's sizes cannot be set, or the field is narrower than its poolings.
    """
    able = [n for n, (made, _) in REGISTRY.items() if getattr(made, "stages", ())]
    if name not in able:
        raise EcgcoreError(
            f"model: the sizes of {name!r} cannot be set in ms; expected one of {', '.join(able)}."
        )
    native: tuple[Stage, ...] = REGISTRY[name][0].stages  # type: ignore[attr-defined]
    options = options_of(
        stretched(native, receptive_field_ms * rate_hz / 1000, widen=widen), native
    )
    if any(k < s.kernel for k, s in zip(options.get("kernels", ()), native, strict=False)):
        options["width"] = _width_for(name, options, n_leads)
    return options


def _width_for(name: str, options: dict[str, Any], n_leads: int) -> int:
    """Width that brings the number of parameters nearest to the architecture's own."""

    def size(**changed: Any) -> int:
        with torch.device("meta"):
            made, preset = REGISTRY[name]
            network = made(n_leads=n_leads, n_samples=1000, **{**preset, **changed})
        return count_parameters(network)

    def excess(width: int) -> int:
        return size(**options, width=width) - wanted

    step = REGISTRY[name][0].width_step  # type: ignore[attr-defined]
    wanted, widths = size(), range(step, 257, step)
    above = min(bisect.bisect_left(widths, 0, key=excess), len(widths) - 1)
    return min(widths[max(above - 1, 0)], widths[above], key=lambda width: abs(excess(width)))


def at_rate(
    model: EcgModel,
    rate_hz: float,
    *,
    n_samples: int | None = None,
    widen: Widen = "dilation",
    seed: int = 0,
) -> EcgModel:
    """A network of this architecture for another rate, with the same receptive field in ms.

    Parameters
    ----------
    model
        From :func:`build`; left as it is.
    rate_hz
        Sampling rate of the signals that the new network is for.
    n_samples
        Length of a record there; by default the same duration.
    widen
        See :func:`sizes_in_ms`.
    seed
        Draws the new weights.  Where the shapes agree (``widen="dilation"`` from a lower to a
        higher rate) the old ones can be loaded with ``load_state_dict``.
    """
    spec = model.spec
    duration_s = spec.n_samples / spec.rate_hz
    options = {k: v for k, v in spec.options.items() if k not in ("kernels", "dilations", "width")}
    options |= sizes_in_ms(
        spec.name,
        rate_hz=rate_hz,
        receptive_field_ms=1000 * receptive_field_samples(model) / spec.rate_hz,
        widen=widen,
        n_leads=spec.n_leads,
    )
    return build(
        spec.name,
        rate_hz=rate_hz,
        n_samples=n_samples or round(duration_s * rate_hz),
        n_leads=spec.n_leads,
        seed=seed,
        **options,
    )


def _nearest(word: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(word, allowed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"{hint} Allowed: {', '.join(allowed)}."
