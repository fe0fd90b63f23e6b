"""What every architecture has in common: its description, its input check and its outputs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ecgcore.errors import EcgcoreError
from ecgcore.models.sizes import Stage, receptive_field_of


@dataclass(frozen=True)
class ModelSpec:
    """Everything that is needed to build a model again; stored beside its weights."""

    name: str
    rate_hz: float
    n_samples: int
    n_leads: int = 12
    options: dict[str, Any] = field(default_factory=dict)


class IMNOutput(NamedTuple):
    """What an interpretable mesomorphic network returns: its logits and how they came about.

    ``logits[r, k] == (weights[r, k] * x[r]).sum() + bias[r, k]`` for record ``r``, output ``k``.
    """

    logits: Tensor
    """Shape ``(record, output)``."""
    weights: Tensor
    """The linear model written for each record, shape ``(record, output, lead, sample)``."""
    bias: Tensor
    """Shape ``(record, output)``."""


class EcgModel(nn.Module):
    """Base of all architectures.

    A model maps signals ``(record, lead, sample)`` to logits ``(record, output)``; a model of
    several folds maps ``(record, fold, lead, sample)`` to ``(record, fold, output)``.

    Subclasses define :meth:`forward_folds` (with the fold axis), ``n_outputs``,
    ``receptive_field`` and ``widest_units``; they know nothing of losses or training.

    ``plain`` = True makes a model compute with the very operations of a model written in PyTorch's
    1-D layers: contiguous memory, nothing left out.  Slower; for bit-exact comparison.
    """

    n_outputs: int
    receptive_field: int
    """Samples of the input that one unit of the last convolution sees."""
    stages: tuple[Stage, ...] = ()
    """Convolutions and poolings; empty for an architecture whose sizes cannot be set."""
    width_step: int = 1
    """The option ``width`` is a multiple of this."""
    widest_units: int
    """Numbers a sample of input in the largest activation; sizes batches by bytes."""

    def __init__(self, *, n_leads: int, n_samples: int, folds: int) -> None:
        super().__init__()
        self.n_leads, self.n_samples, self.folds = n_leads, n_samples, folds
        self.spec = ModelSpec("", 0.0, n_samples, n_leads)  # build() puts the real one
        self.plain = False

    def set_stages(
        self, kernels: Sequence[int] | None = None, dilations: Sequence[int] | None = None
    ) -> None:
        """Give the architecture's own stages other kernels or dilations, one a stage."""
        own = type(self).stages
        kernels = [s.kernel for s in own] if kernels is None else kernels
        dilations = [s.dilation for s in own] if dilations is None else dilations
        for name, sizes in (("kernels", kernels), ("dilations", dilations)):
            if len(sizes) != len(own) or min(sizes) < 1:
                raise EcgcoreError(
                    f"{name}: {list(sizes)}; expected {len(own)} whole numbers of at least 1."
                )
        self.stages = tuple(
            Stage(k, d, s.pool) for s, k, d in zip(own, kernels, dilations, strict=True)
        )
        self.receptive_field = receptive_field_of(self.stages)

    @property
    def last_conv(self) -> nn.Module:
        """The last convolution of the feature extractor; Grad-CAM looks there."""
        raise NotImplementedError

    def forward_folds(self, x: Tensor) -> Any:
        """Outputs with the fold axis, from ``(record, fold, lead, sample)``."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Any:
        """Logits (or :class:`IMNOutput`) of a batch of signals.

        Parameters
        ----------
        x
            Shape ``(record, lead, sample)``, or ``(record, fold, lead, sample)`` for one batch a
            fold.

        Raises
        ------
        EcgcoreError
            If the number of leads, folds or (where it matters) samples is not the model's.
        """
        several = x.dim() == 4
        self._check(x)
        output = self.forward_folds(x if several else x.unsqueeze(1))
        if several:
            return output
        if isinstance(output, IMNOutput):
            return IMNOutput(*(part[:, 0] for part in output))
        return output[:, 0]

    def _check(self, x: Tensor) -> None:
        folds = x.shape[1] if x.dim() == 4 else 1
        if x.dim() not in (3, 4) or x.shape[-2] != self.n_leads or folds != self.folds:
            expected = f"(record, {self.n_leads} leads, sample)"
            if self.folds > 1:
                expected = f"(record, {self.folds} folds, {self.n_leads} leads, sample)"
            raise EcgcoreError(
                f"{self.spec.name or type(self).__name__}: the input has shape {tuple(x.shape)}, "
                f"expected {expected}; the axes are always (record, lead, sample)."
            )

    def as_rows(self, x: Tensor) -> Tensor:
        """``(record, fold, lead, sample)`` to one row: ``(record, fold * lead, 1, sample)``."""
        return self._in_layout(x.flatten(1, 2).unsqueeze(2))

    def as_image(self, x: Tensor) -> Tensor:
        """``(record, fold, lead, sample)`` with the fold as channel and a row for each lead."""
        return self._in_layout(x)

    def _in_layout(self, x: Tensor) -> Tensor:
        if self.plain:
            return x.contiguous()
        return x.contiguous(memory_format=torch.channels_last)


def logits_of(output: Tensor | IMNOutput) -> Tensor:
    """The logits ``(record, output)`` of whatever a model returned."""
    return output.logits if isinstance(output, IMNOutput) else output


def positive_logit(logits: Tensor) -> Tensor:
    """The log odds of the positive class, shape ``(record,)``.

    One output is that logit itself (sigmoid); of two (softmax over negative, positive) it is
    their difference.
    """
    if logits.shape[-1] == 1:
        return logits[..., 0]
    if logits.shape[-1] == 2:
        return logits[..., 1] - logits[..., 0]
    raise EcgcoreError(
        f"positive_logit: {logits.shape[-1]} outputs have no single positive class; "
        "expected 1 (sigmoid) or 2 (softmax)."
    )
