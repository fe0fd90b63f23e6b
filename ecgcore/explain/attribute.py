"""One entry for every method: signed attributions of the record's own shape."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError
from ecgcore.explain.forward import (
    Floats32,
    PositiveLogit,
    device_of,
    evaluating,
    rows_at_once,
)
from ecgcore.explain.intrinsic import decompose, gradients
from ecgcore.explain.occlusion import occlusion
from ecgcore.fills import Fill

with warnings.catch_warnings():  # captum asks tqdm for a notebook widget; none is ever shown
    warnings.filterwarnings("ignore", message="IProgress not found")
    from captum import attr


@dataclass(frozen=True)
class _Options:
    rate_hz: float | None
    baseline: Floats32 | None
    n_steps: int
    window_s: float
    stride_s: float
    fill: Fill
    seed: int
    rows: int


def attribute(
    model: nn.Module,
    x: NDArray[np.floating],
    method: str,
    *,
    rate_hz: float | None = None,
    baseline: ArrayLike | None = None,
    n_steps: int | None = None,
    window_s: float = 0.1,
    stride_s: float | None = None,
    fill: Fill = "bridge",
    seed: int = 0,
    batch_size: int | None = None,
) -> Floats32:
    """Explain the positive logit of every record.

    Parameters
    ----------
    model
        Any model of :mod:`ecgcore.models`; used in evaluation mode and left as it was.
    x
        Signals as the model was trained on them, shape ``(record, lead, sample)``.
    method
        ``imn`` (W * x; IMN family only), ``saliency`` (the gradient, signed),
        ``input_x_gradient``, ``integrated_gradients`` (Sundararajan et al. 2017), ``gradient_shap``
        (Lundberg & Lee 2017), ``grad_cam`` (Selvaraju et al. 2017, before its ReLU, on the model's
        ``last_conv``, linearly up-sampled to lead x sample; 1-D networks have no lead axis there,
        so all leads share one map), ``occlusion``, ``kernel_shap`` and ``lime`` over lead x window.
    rate_hz
        For methods with windows; taken from ``model.spec`` when left out.
    baseline
        What "nothing" is for ``integrated_gradients``, ``kernel_shap`` and ``lime``: shape
        ``(lead, sample)``, default zeros, which is every lead's mean after z-scoring.  For
        ``gradient_shap`` a background of records ``(m, lead, sample)``.
    n_steps
        Steps of the path (``integrated_gradients``, default 50), draws (``gradient_shap``, 50), or
        runs of the model a record (``kernel_shap`` and ``lime``, 1,000).
    window_s, stride_s
        Window and step of ``occlusion`` (the step is the window by default), and window of
        ``kernel_shap`` and ``lime``.
    fill
        What ``occlusion`` puts in a window's place: ``bridge`` (a line between its ends) or
        ``zero``.
    seed
        Of the methods that draw; the same seed gives the same attribution, whatever the batches.
    batch_size
        Rows of the network at once; by default what fits a fixed number of bytes.

    Returns
    -------
    array
        float32, signed, the shape of ``x``.

    Raises
    ------
    EcgcoreError
        For an unknown method, one that the model does not offer, or shapes that do not fit.
    """
    if method not in METHODS:
        raise EcgcoreError(f"method: unknown {method!r}; expected one of {', '.join(METHODS)}.")
    if x.ndim != 3:
        raise EcgcoreError(f"x: expected shape (record, lead, sample), got {x.shape}.")
    spec_rate = getattr(getattr(model, "spec", None), "rate_hz", None)
    options = _Options(
        rate_hz=rate_hz or spec_rate,
        baseline=_baseline(baseline, x.shape, many=method == "gradient_shap"),
        n_steps=n_steps or _N_STEPS.get(method, 50),
        window_s=window_s,
        stride_s=stride_s or window_s,
        fill=fill,
        seed=seed,
        rows=batch_size or rows_at_once(model, x.shape[-1]),
    )
    if len(x) == 0:
        return np.empty(x.shape, np.float32)
    return METHODS[method](model, np.asarray(x, np.float32), options)


_N_STEPS = {"kernel_shap": 1000, "lime": 1000}


def _baseline(given: ArrayLike | None, shape: tuple[int, ...], *, many: bool) -> Floats32 | None:
    if given is None:
        return None
    array = np.asarray(given, np.float32)
    if array.shape[-2:] != shape[1:] or array.ndim != (3 if many else 2):
        words = "(m, lead, sample)" if many else "(lead, sample)"
        raise EcgcoreError(f"baseline: expected shape {words} with {shape[1:]}, got {array.shape}.")
    return array


def _by_batch(
    model: nn.Module,
    x: Floats32,
    rows: int,
    explain: Callable[[PositiveLogit, Tensor, int], Tensor],
) -> Floats32:
    """Run ``explain(forward, batch, first record)`` over batches of ``rows`` records."""
    found, device = np.empty(x.shape, np.float32), device_of(model)
    with evaluating(model) as forward:
        for start in range(0, len(x), rows):
            part = slice(start, start + rows)
            batch = torch.from_numpy(np.array(x[part])).to(device)
            found[part] = explain(forward, batch, start).detach().float().cpu().numpy()
    return found


def _integrated_gradients(model: nn.Module, x: Floats32, o: _Options) -> Floats32:
    def explain(forward: PositiveLogit, batch: Tensor, _: int) -> Tensor:
        nothing = (
            torch.zeros_like(batch[:1]) if o.baseline is None else _on(batch, o.baseline)[None]
        )
        found: Tensor = attr.IntegratedGradients(forward).attribute(
            batch,
            baselines=nothing.expand_as(batch),
            n_steps=o.n_steps,
            internal_batch_size=max(o.rows, len(batch)),
        )
        return found

    return _by_batch(model, x, max(1, o.rows // o.n_steps), explain)


def _gradient_shap(model: nn.Module, x: Floats32, o: _Options) -> Floats32:
    def explain(forward: PositiveLogit, batch: Tensor, record: int) -> Tensor:
        nothing = torch.zeros_like(batch) if o.baseline is None else _on(batch, o.baseline)
        total, left, draw = torch.zeros_like(batch), o.n_steps, 0
        while left:  # captum draws all samples in one batch; a few at a time bound the memory
            n = min(left, _SHAP_ROWS)
            with _seeded(o.seed, record, draw):
                method = attr.GradientShap(forward)
                total += n * method.attribute(batch, baselines=nothing, n_samples=n)
            left, draw = left - n, draw + 1
        return total / o.n_steps

    return _by_batch(model, x, 1, explain)


_SHAP_ROWS = 10


def _grad_cam(model: nn.Module, x: Floats32, o: _Options) -> Floats32:
    layer = getattr(model, "last_conv", None)
    if not isinstance(layer, nn.Module):
        raise EcgcoreError(
            f"method 'grad_cam': {type(model).__name__} names no last convolution (last_conv)."
        )

    def explain(forward: PositiveLogit, batch: Tensor, _: int) -> Tensor:
        batch.requires_grad_()  # so that the layer's output has a gradient
        coarse = attr.LayerGradCam(forward, layer).attribute(batch)
        return F.interpolate(coarse, size=batch.shape[1:], mode="bilinear")[:, 0]

    return _by_batch(model, x, o.rows, explain)


def _over_units(name: str) -> Callable[[nn.Module, Floats32, _Options], Floats32]:
    """KernelSHAP or LIME: a linear model of the logit over windows that are there or not."""

    def run(model: nn.Module, x: Floats32, o: _Options) -> Floats32:
        units = torch.from_numpy(_unit_numbers(x.shape[1:], _rate(o), o.window_s))

        def explain(forward: PositiveLogit, batch: Tensor, record: int) -> Tensor:
            nothing = None if o.baseline is None else _on(batch, o.baseline)[None]
            method = attr.KernelShap(forward) if name == "kernel_shap" else attr.Lime(forward)
            with _seeded(o.seed, record):
                found: Tensor = method.attribute(
                    batch,
                    baselines=nothing,
                    feature_mask=units[None].to(batch.device),
                    n_samples=o.n_steps,
                    perturbations_per_eval=o.rows,
                )
            return found

        return _by_batch(model, x, 1, explain)

    return run


def _unit_numbers(shape: tuple[int, ...], rate_hz: float, window_s: float) -> NDArray[np.int64]:
    n_leads, n_samples = shape
    window = np.arange(n_samples) // max(1, round(window_s * rate_hz))
    return np.asarray(np.arange(n_leads)[:, None] * (window[-1] + 1) + window)


def _occlusion(model: nn.Module, x: Floats32, o: _Options) -> Floats32:
    return occlusion(
        model,
        x,
        rate_hz=_rate(o),
        window_s=o.window_s,
        stride_s=o.stride_s,
        fill=o.fill,
        batch_size=o.rows,
    )


def _rate(options: _Options) -> float:
    if not options.rate_hz:
        raise EcgcoreError("rate_hz: a method with windows needs the sampling rate in Hz.")
    return options.rate_hz


def _on(batch: Tensor, array: Floats32) -> Tensor:
    return torch.from_numpy(np.array(array)).to(batch.device)


@contextmanager
def _seeded(*seed: int) -> Iterator[None]:
    """Captum draws from both global generators: seed them, and put them back."""
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
    "imn": lambda model, x, o: decompose(model, x, batch_size=o.rows).contribution,
    "saliency": lambda model, x, o: gradients(model, x, batch_size=o.rows),
    "input_x_gradient": lambda model, x, o: x * gradients(model, x, batch_size=o.rows),
    "integrated_gradients": _integrated_gradients,
    "gradient_shap": _gradient_shap,
    "grad_cam": _grad_cam,
    "occlusion": _occlusion,
    "kernel_shap": _over_units("kernel_shap"),
    "lime": _over_units("lime"),
}
"""Method name to function; the first is intrinsic, the others work on any model."""
