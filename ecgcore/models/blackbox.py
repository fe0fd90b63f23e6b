"""The black box that paper A compares its IMN with: the same encoder, a linear head."""

from torch import Tensor, nn

from ecgcore.models.base import EcgModel
from ecgcore.models.encoder import ENCODER, Encoder, LeadMixing, kernel_for
from ecgcore.models.layers import Dropout, FoldLinear, by_fold


class BlackBoxCNN2D(EcgModel):
    """The IMN's encoder with global average pooling and a linear head (paper A's baseline).

    116,274 parameters as published.  Parameters as :class:`~ecgcore.models.imn.IMN`.
    """

    def __init__(
        self,
        *,
        n_leads: int,
        n_samples: int,
        rate_hz: float,
        n_outputs: int = 2,
        dropout: float = 0.2,
        receptive_field_ms: float | None = None,
        lead_mixing: LeadMixing = "image",
        folds: int = 1,
    ) -> None:
        super().__init__(n_leads=n_leads, n_samples=n_samples, folds=folds)
        kernel = kernel_for(receptive_field_ms, rate_hz)
        self.widest_units = ENCODER[1] * n_leads
        self.n_outputs = n_outputs
        self.encoder = Encoder(n_leads=n_leads, folds=folds, kernel=kernel, lead_mixing=lead_mixing)
        self.receptive_field = self.encoder.receptive_field
        self.dropout = Dropout(dropout, folds=folds)
        self.classifier = FoldLinear(ENCODER[-1], n_outputs, folds=folds)

    @property
    def last_conv(self) -> nn.Module:
        return self.encoder.layers[-2]

    def forward_folds(self, x: Tensor) -> Tensor:
        pooled = self.encoder(self.as_image(x)).features.mean(dim=(2, 3))
        logits: Tensor = self.classifier(by_fold(self.dropout(pooled), self.folds))
        return logits
