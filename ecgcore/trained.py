"""A finished run's network, brought back with the records as it read them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgcore import explain
from ecgcore.inputs import Inputs, inputs_of_run
from ecgcore.models import EcgModel
from ecgcore.train import load_model
from ecgcore.wfdb16 import Store

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Trained:
    """The network of a run directory.

    Attributes
    ----------
    params
        Of the run.
    own
        Its own explanation: ``imn`` (W * x) where it writes W, else ``grad_cam``, the method that
        paper A compares with.
    """

    params: dict[str, Any]
    model: EcgModel
    inputs: Inputs
    own: str

    def reads(self, store: Store, ecg_ids: Sequence[int], labels: Sequence[int]) -> Floats32:
        """The network's input, shape ``(record, lead, sample)``."""
        return self.inputs.of(store, ecg_ids, labels)

    def explains(self, x: Floats32) -> Floats32:
        """Its own explanation of records as it reads them."""
        return explain.attribute(self.model, x, self.own)


def trained(run: Path | str) -> Trained:
    """Load a run's weights and what its parameters say of its input."""
    params = json.loads((Path(run) / "params.json").read_text(encoding="utf-8"))
    model = load_model(Path(run) / "weights.safetensors").eval()
    own = "imn" if str(params["model"]).startswith("imn") else "grad_cam"
    return Trained(params, model, inputs_of_run(run), own)
