"""Attributions of the positive logit by every method, and the linear models of an IMN.

``logit = sum(W * x) + b`` holds for an IMN whatever W is, because the logit is computed this way.
It does not follow that the logit changes most where W * x is large: W and b depend on x too, and
the gradient of the logit is ``W + (dW/dx)' x + db/dx``.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.arrays import Floats, Floats32, Signals, ratio
from ecgcore.errors import EcgcoreError, check_choice
from ecgcore.explanations.deletion import Fill, Units
from ecgcore.models import EcgModel, IMNOutput, logits_of

COSTLY = ("integrated_gradients", "gradient_shap", "occlusion", "kernel_shap", "lime")
"""Methods that run the network tens to thousands of times per record."""

_SEEDED = ("gradient_shap", "kernel_shap", "lime")
_SHAP_ROWS = 10  # captum draws all samples of GradientSHAP in one batch; this bounds the memory
_BATCH_BYTES = {"cpu": 2**28, "cuda": 2**32, "mps": 2**30}
_STORED_LAYERS = 16  # activations that the backward pass needs, in units of the widest one


class PositiveLogit(nn.Module):
    """A model from signals ``(record, lead, sample)`` to the positive logit ``(record,)``."""

    def __init__(self, model: EcgModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return _positive(logits_of(self.model(x)))


def _positive(outputs: Tensor) -> Tensor:
    """Return the one output (sigmoid), or positive minus negative (softmax), from the last axis."""
    return outputs[..., 0] if outputs.shape[-1] == 1 else outputs[..., 1] - outputs[..., 0]


@contextmanager
def evaluating(model: EcgModel) -> Iterator[PositiveLogit]:
    """Yield the positive logit in evaluation mode; every module's mode is restored afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield PositiveLogit(model.eval())
    finally:
        for module, mode in modes:
            module.training = mode


def rows_at_once(model: EcgModel, n_samples: int) -> int:
    """Return how many records fit into a forward and backward pass within a fixed memory."""
    limit = _BATCH_BYTES[_device(model).type]
    return max(1, min(256, limit // (4 * _STORED_LAYERS * model.widest_units * n_samples)))


def batches(model: EcgModel, x: Signals, rows: int | None = None) -> Iterator[tuple[slice, Tensor]]:
    """Yield (which records, their float32 copy on the model's device), ``rows`` at a time."""
    step, device = rows or rows_at_once(model, x.shape[-1]), _device(model)
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        yield part, torch.from_numpy(np.array(x[part], np.float32, order="C")).to(device)


def _device(model: EcgModel) -> torch.device:
    return next(model.parameters()).device


def positive_logits(model: EcgModel, x: Signals) -> Floats:
    """Return positive logits ``(record,)`` of preprocessed signals ``(record, lead, sample)``."""
    logits = np.empty(len(x))
    with evaluating(model) as forward, torch.inference_mode():
        for part, batch in batches(model, x):
            logits[part] = forward(batch).cpu().numpy()
    return logits


@dataclass(frozen=True)
class Decomposition:
    """The parts of the positive logit: ``logit == contribution.sum((1, 2)) + bias``.

    ``weights`` and ``contribution`` (W * x) have shape ``(record, lead, sample)``, ``bias`` and
    ``logit`` ``(record,)``.
    """

    weights: Floats32
    contribution: Floats32
    bias: Floats
    logit: Floats

    @property
    def explained(self) -> Floats:
        """sum(W * x), shape ``(record,)``."""
        return np.asarray(self.contribution.sum(axis=(1, 2), dtype=np.float64))

    @property
    def bias_share(self) -> Floats:
        """|b| / (|b| + |sum(W * x)|), shape ``(record,)``; nan where both are 0."""
        bias = np.abs(self.bias)
        return ratio(bias, bias + np.abs(self.explained))


def decompose(model: EcgModel, x: Signals) -> Decomposition:
    """Return W, W * x and b of every record, for the positive class (with softmax: the log odds).

    A model that writes no weights raises :class:`EcgcoreError`.
    """
    if not model.writes_weights:
        why = "writes no weights; use a model of the IMN family or another method"
        raise EcgcoreError(f"method 'imn': {model.spec.name} {why}.")
    weights, bias, logit = np.empty(x.shape, np.float32), np.empty(len(x)), np.empty(len(x))
    with evaluating(model), torch.inference_mode():
        for part, batch in batches(model, x):
            output: IMNOutput = model(batch)
            weights[part] = _positive(output.weights.movedim(1, -1)).cpu().numpy()
            bias[part] = _positive(output.bias).cpu().numpy()
            logit[part] = _positive(output.logits).cpu().numpy()
    return Decomposition(weights, weights * np.asarray(x, np.float32), bias, logit)


def native_method(model: EcgModel) -> str:
    """Return ``imn`` (W * x) for a model that writes weights, else ``grad_cam`` as in paper A."""
    return "imn" if model.writes_weights else "grad_cam"


class _Options(NamedTuple):
    n_steps: int
    window: int  # samples in a window
    seed: int
    rows: int  # of the network at once


def attribute(
    model: EcgModel,
    x: Signals,
    method: str,
    *,
    n_steps: int | None = None,
    window_s: float = 0.1,
    fill: Fill = "bridge",
    seed: int = 0,
) -> Floats32:
    """Explain the positive logit of every record: float32, signed, the shape of ``x``.

    ``x (record, lead, sample)`` are signals preprocessed as for the training of ``model``, which is
    left unchanged. ``method`` is ``imn`` (W * x; IMN family only), ``saliency`` (the signed
    gradient), ``input_x_gradient``, ``integrated_gradients`` (Sundararajan et al. 2017),
    ``gradient_shap`` (Lundberg & Lee 2017), ``grad_cam`` (Selvaraju et al. 2017, before its ReLU,
    on ``last_conv``, interpolated to lead x sample; in a 1-D network all leads share one map), or,
    over windows of ``window_s`` [s] in one lead, ``occlusion`` (:func:`filled` by ``fill``),
    ``kernel_shap`` and ``lime``. The baseline is 0, the mean of every lead after z-scoring.

    ``n_steps`` are steps of ``integrated_gradients`` and draws of ``gradient_shap`` (default 50),
    or runs per record of ``kernel_shap`` and ``lime`` (default 1,000). Random draws depend on
    ``seed`` alone. Raises ``EcgcoreError`` for an unknown method, a method that the model does
    not offer, and another shape.
    """
    check_choice("method", method, METHODS)
    if x.ndim != 3:
        raise EcgcoreError(f"x: expected shape (record, lead, sample), got {x.shape}.")
    rate_hz, surrogate = model.spec.rate_hz, method in ("kernel_shap", "lime")
    if method == "imn":
        return decompose(model, x).contribution
    if method == "occlusion":
        units = Units(partial(positive_logits, model), x, rate_hz, window_s, fill)
        return np.asarray(units.spread(units.single_falls), np.float32)
    rows, window = rows_at_once(model, x.shape[-1]), max(1, round(window_s * rate_hz))
    options = _Options(n_steps or (1000 if surrogate else 50), window, seed, rows)
    result = np.empty(x.shape, np.float32)
    with evaluating(model) as forward:
        for part, batch in batches(model, x, 1 if method in _SEEDED else rows):
            values = _EXPLAIN[method](forward, batch.requires_grad_(), options, part.start)
            result[part] = values.detach().cpu().numpy()
    return result


def _captum(name: str, *arguments: Any) -> Any:
    """Return one of captum's methods for a model; captum is slow to import."""
    with warnings.catch_warnings():  # it asks tqdm for a notebook widget that is never shown
        warnings.filterwarnings("ignore", message="IProgress not found")
        from captum import attr
    return getattr(attr, name)(*arguments)


def _gradient_shap(forward: PositiveLogit, batch: Tensor, o: _Options, record: int) -> Tensor:
    total = torch.zeros_like(batch)
    for draw, first in enumerate(range(0, o.n_steps, _SHAP_ROWS)):
        n = min(_SHAP_ROWS, o.n_steps - first)
        with _seeded(o.seed, record, draw):
            method = _captum("GradientShap", forward)
            total += n * method.attribute(batch, baselines=torch.zeros_like(batch), n_samples=n)
    return total / o.n_steps


def _grad_cam(forward: PositiveLogit, batch: Tensor, *_: object) -> Tensor:
    coarse = _captum("LayerGradCam", forward, forward.model.last_conv).attribute(batch)
    return F.interpolate(coarse, size=batch.shape[1:], mode="bilinear")[:, 0]


def _surrogate(
    method: str, forward: PositiveLogit, batch: Tensor, o: _Options, record: int
) -> Tensor:
    """Return KernelSHAP or LIME: a linear model of the logit over present or absent windows."""
    window = torch.arange(batch.shape[2]) // o.window
    units = torch.arange(batch.shape[1])[:, None] * (window[-1] + 1) + window
    with _seeded(o.seed, record):
        options = {"n_samples": o.n_steps, "perturbations_per_eval": o.rows}
        mask = units[None].to(batch.device)
        values: Tensor = _captum(method, forward).attribute(batch, feature_mask=mask, **options)
    return values


@contextmanager
def _seeded(*seed: int) -> Iterator[None]:
    """Seed both global generators, from which captum draws, and restore them afterwards."""
    before = np.random.get_state()  # noqa: NPY002
    state = np.random.SeedSequence(seed).generate_state(2)
    with torch.random.fork_rng():
        torch.manual_seed(int(state[0]))
        np.random.seed(int(state[1]))  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002


_EXPLAIN: dict[str, Callable[[PositiveLogit, Tensor, _Options, int], Tensor]] = {
    "saliency": lambda f, batch, *_: _captum("Saliency", f).attribute(batch, abs=False),
    "input_x_gradient": lambda f, batch, *_: _captum("InputXGradient", f).attribute(batch),
    "integrated_gradients": lambda f, batch, o, _: _captum("IntegratedGradients", f).attribute(
        batch, n_steps=o.n_steps, internal_batch_size=o.rows
    ),
    "gradient_shap": _gradient_shap,
    "grad_cam": _grad_cam,
    "kernel_shap": partial(_surrogate, "KernelShap"),
    "lime": partial(_surrogate, "Lime"),
}
"""Wrapped model, batch, options and number of the first record to an attribution."""

METHODS = ("imn", *_EXPLAIN, "occlusion")
"""All methods; ``imn`` is intrinsic, the others work on any model."""
