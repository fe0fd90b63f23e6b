"""One entry for every attribution method; the target is always the positive logit."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.arrays import Floats32
from ecgcore.errors import EcgcoreError
from ecgcore.explanations import forward as fwd
from ecgcore.explanations.deletion import Units
from ecgcore.explanations.fills import Fill
from ecgcore.explanations.forward import PositiveLogit

with warnings.catch_warnings():  # captum asks tqdm for a notebook widget that is never shown
    warnings.filterwarnings("ignore", message="IProgress not found")
    from captum import attr

COSTLY = ("integrated_gradients", "gradient_shap", "occlusion", "kernel_shap", "lime")
"""Methods that run the network tens to thousands of times per record."""

_SHAP_ROWS = 10  # captum draws all samples of GradientSHAP in one batch; so many bound the memory


@dataclass(frozen=True)
class _Options:
    rate_hz: float
    baseline: Tensor | None
    n_steps: int
    window_s: float
    fill: Fill
    seed: int
    rows: int

    def nothing(self, batch: Tensor) -> Tensor:
        """The baseline on the batch's device; zeros by default."""
        return torch.zeros_like(batch[:1]) if self.baseline is None else self.baseline.to(batch)


def attribute(
    model: nn.Module,
    x: NDArray[np.floating],
    method: str,
    *,
    rate_hz: float | None = None,
    baseline: ArrayLike | None = None,
    n_steps: int | None = None,
    window_s: float = 0.1,
    fill: Fill = "bridge",
    seed: int = 0,
    batch_size: int | None = None,
) -> Floats32:
    """Explain the positive logit of every record: float32, signed, the shape of ``x``.

    ``model`` is any of :mod:`ecgcore.models` and is left unchanged; ``x (record, lead, sample)``
    are signals as it was trained on them.

    Parameters
    ----------
    method
        ``imn`` (W * x; IMN family only), ``saliency`` (the gradient, signed),
        ``input_x_gradient``, ``integrated_gradients`` (Sundararajan et al. 2017), ``gradient_shap``
        (Lundberg & Lee 2017), ``grad_cam`` (Selvaraju et al. 2017, before its ReLU, on the model's
        ``last_conv``, linearly interpolated to lead x sample; in a 1-D network all leads share one
        map), ``occlusion``, ``kernel_shap`` and ``lime``, the last three over lead x window.
    rate_hz
        For methods with windows [Hz]; taken from ``model.spec`` by default.
    baseline
        What "nothing" is for ``integrated_gradients``, ``kernel_shap`` and ``lime``: shape
        ``(lead, sample)``, default zeros (every lead's mean after z-scoring).  For
        ``gradient_shap`` a background of records ``(m, lead, sample)``.
    n_steps
        Steps of ``integrated_gradients`` and draws of ``gradient_shap`` (default 50), or runs of
        the model per record for ``kernel_shap`` and ``lime`` (default 1,000).
    window_s, fill
        Window of the last three methods [s], and what ``occlusion`` puts there (``filled``).
    seed, batch_size
        Of methods with random draws; and rows of the network at once, which do not show.

    Raises
    ------
    EcgcoreError
        For an unknown method, one that the model does not offer, or shapes that do not fit.
    """
    if method not in METHODS:
        raise EcgcoreError(f"method: unknown {method!r}; expected one of {', '.join(METHODS)}.")
    if x.ndim != 3:
        raise EcgcoreError(f"x: expected shape (record, lead, sample), got {x.shape}.")
    rate_hz = rate_hz or getattr(getattr(model, "spec", None), "rate_hz", 0.0)
    surrogate = method in ("kernel_shap", "lime")
    if (surrogate or method == "occlusion") and not rate_hz:
        raise EcgcoreError(f"rate_hz: method {method!r} needs the sampling rate in Hz.")
    reference = _baseline(baseline, x.shape, many=method == "gradient_shap")
    n_steps = n_steps or (1000 if surrogate else 50)
    rows = batch_size or fwd.rows_at_once(model, x.shape[-1])
    options = _Options(rate_hz or 0.0, reference, n_steps, window_s, fill, seed, rows)
    if len(x) == 0:
        return np.empty(x.shape, np.float32)
    return METHODS[method](model, np.asarray(x, np.float32), options)


def _baseline(values: ArrayLike | None, shape: tuple[int, ...], *, many: bool) -> Tensor | None:
    if values is None:
        return None
    array = np.array(values, np.float32)
    if array.shape[-2:] != shape[1:] or array.ndim != (3 if many else 2):
        axes = "(m, lead, sample)" if many else "(lead, sample)"
        raise EcgcoreError(f"baseline: expected shape {axes} with {shape[1:]}, got {array.shape}.")
    return torch.from_numpy(array if many else array[None])


_Explain = Callable[[PositiveLogit, Tensor, _Options, int], Tensor]
"""Wrapped model, batch, options and number of the first record to an attribution."""


def _in_batches(
    model: nn.Module, x: Floats32, o: _Options, *, explain: _Explain, rows: int | None = None
) -> Floats32:
    """``rows`` records at a time; 1 where every record has its own seed."""
    result = np.empty(x.shape, np.float32)
    with fwd.evaluating(model) as forward:
        for part, batch in fwd.batches(model, x, rows or o.rows):
            values = explain(forward, batch, o, part.start)
            result[part] = values.detach().float().cpu().numpy()
    return result


def _integrated_gradients(model: nn.Module, x: Floats32, o: _Options) -> Floats32:
    def explain(forward: PositiveLogit, batch: Tensor, o: _Options, _: int) -> Tensor:
        values: Tensor = attr.IntegratedGradients(forward).attribute(
            batch,
            baselines=o.nothing(batch).expand_as(batch),
            n_steps=o.n_steps,
            internal_batch_size=max(o.rows, len(batch)),
        )
        return values

    return _in_batches(model, x, o, explain=explain, rows=max(1, o.rows // o.n_steps))


def _gradient_shap(forward: PositiveLogit, batch: Tensor, o: _Options, record: int) -> Tensor:
    total = torch.zeros_like(batch)
    for draw, first in enumerate(range(0, o.n_steps, _SHAP_ROWS)):
        n = min(_SHAP_ROWS, o.n_steps - first)
        with _seeded(o.seed, record, draw):
            method = attr.GradientShap(forward)
            total += n * method.attribute(batch, baselines=o.nothing(batch), n_samples=n)
    return total / o.n_steps


def _grad_cam(forward: PositiveLogit, batch: Tensor, _: _Options, __: int) -> Tensor:
    layer = getattr(forward.model, "last_conv", None)
    if not isinstance(layer, nn.Module):
        name = type(forward.model).__name__
        raise EcgcoreError(f"method 'grad_cam': {name} names no last convolution (last_conv).")
    batch.requires_grad_()  # so that the layer's output has a gradient
    coarse = attr.LayerGradCam(forward, layer).attribute(batch)
    return F.interpolate(coarse, size=batch.shape[1:], mode="bilinear")[:, 0]


def _surrogate(
    forward: PositiveLogit, batch: Tensor, o: _Options, record: int, *, method: type
) -> Tensor:
    """KernelSHAP or LIME: a linear model of the logit over windows that are present or absent."""
    window = torch.arange(batch.shape[2]) // max(1, round(o.window_s * o.rate_hz))
    units = torch.arange(batch.shape[1])[:, None] * (window[-1] + 1) + window
    with _seeded(o.seed, record):
        values: Tensor = method(forward).attribute(
            batch,
            baselines=o.nothing(batch),
            feature_mask=units[None].to(batch.device),
            n_samples=o.n_steps,
            perturbations_per_eval=o.rows,
        )
    return values


def _occlusion(model: nn.Module, x: Floats32, o: _Options) -> Floats32:
    """Fall of the logit when a unit alone is removed; the network is run again for every unit."""
    logit_of = partial(fwd.positive_logits, model, batch_size=o.rows)
    units = Units(logit_of, x, o.rate_hz, o.window_s, o.fill)
    return units.spread(units.single_falls).astype(np.float32)


@contextmanager
def _seeded(*seed: int) -> Iterator[None]:
    """Captum draws from both global generators: seed them, and restore them afterwards."""
    before = np.random.get_state()  # noqa: NPY002
    state = np.random.SeedSequence(seed).generate_state(2)
    with torch.random.fork_rng():
        torch.manual_seed(int(state[0]))
        np.random.seed(int(state[1]))  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002


METHODS: dict[str, Callable[[nn.Module, Floats32, _Options], Floats32]] = {
    "imn": lambda model, x, o: fwd.decompose(model, x, batch_size=o.rows).contribution,
    "saliency": lambda model, x, o: fwd.gradients(model, x, batch_size=o.rows),
    "input_x_gradient": lambda model, x, o: x * fwd.gradients(model, x, batch_size=o.rows),
    "integrated_gradients": _integrated_gradients,
    "gradient_shap": partial(_in_batches, explain=_gradient_shap, rows=1),
    "grad_cam": partial(_in_batches, explain=_grad_cam),
    "occlusion": _occlusion,
    "kernel_shap": partial(
        _in_batches, explain=partial(_surrogate, method=attr.KernelShap), rows=1
    ),
    "lime": partial(_in_batches, explain=partial(_surrogate, method=attr.Lime), rows=1),
}
"""Method name to function; the first is intrinsic, the others work on any model."""
