"""What a step cannot do, told in words that help; smaller batches where that was asked."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from ecgcore.errors import EcgcoreError
from ecgcore.models import EcgModel
from ecgcore.training.config import TrainConfig
from ecgcore.training.steps import Group

T = TypeVar("T")


class OutOfMemory(EcgcoreError):
    """Training does not fit; ``fits`` is the batch size that would, 0 if none does."""

    def __init__(self, sentence: str, fits: int) -> None:
        super().__init__(sentence)
        self.fits = fits


@contextlib.contextmanager
def told_in_words(group: Group) -> Iterator[None]:
    """Turn an out-of-memory error into one that names the batch size that would fit.

    Also PyTorch's refusal to normalise a single number, which a batch of one very short record
    comes to after a network's pooling.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise EcgcoreError(
            f"{group.model.spec.name}: with records of {group.data.x_train.shape[-1]} samples a "
            "batch of one record leaves one number to normalise; use longer records or a "
            "batch_size that does not leave a last batch of one."
        ) from None
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if "primitive descriptor" in str(error) and group.config.precision == "bf16":
            raise EcgcoreError(
                f"precision: this CPU cannot compute {group.model.spec.name} in bf16; use fp32."
            ) from None
        if not is_out_of_memory(error):
            raise
        size = group.config.batch_size
        message = f"out of memory on {group.device} with batches of {size} records"
        if len(group.folds) > 1:
            message += f" in each of {len(group.folds)} folds"
    else:
        return
    # outside of the handler: there the error would still hold the activations
    if group.config.processes > 1:  # a trial in this process alone would wait for the others
        fits, advice = size // 2, f"try batch_size={size // 2}"
    else:
        fits = largest_that_fits(group, size // 2)
        advice = f"batch_size={fits} fits" if fits else "not even one record fits"
    fewer = ", or train fewer folds at once" if len(group.folds) > 1 else ""
    raise OutOfMemory(f"{message}; {advice}{fewer}; precision='bf16' needs about half.", fits)


def with_batches_that_fit(
    models: Sequence[EcgModel],
    config: TrainConfig,
    directory: Path | None,
    train: Callable[[TrainConfig, Path | None], T],
) -> T:
    """Train; where memory does not suffice and ``config.halve_batch``, anew with smaller batches.

    Anew, from the same weights: the outcome is that of a training which was given the smaller
    size from the start, not of one that changed it half-way.
    """
    if not config.halve_batch:
        return train(config, directory)
    first = [{k: v.detach().clone() for k, v in model.state_dict().items()} for model in models]
    while True:
        try:
            return train(config, directory)
        except OutOfMemory as error:
            if not error.fits:
                raise
            size = error.fits
        config = dataclasses.replace(config, batch_size=size)
        directory = None if directory is None else directory / f"batch_{size}"
        for model, state in zip(models, first, strict=True):
            model.load_state_dict(state)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch means that memory ran out, on a GPU or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)


def largest_that_fits(group: Group, size: int) -> int:
    """Halve ``size`` until a forward and backward pass succeeds; 0 if none does."""
    while size >= 1:
        if group.device.type == "cuda":
            torch.cuda.empty_cache()
        group.model.zero_grad(set_to_none=True)
        index = torch.zeros(size, len(group.folds), dtype=torch.int64, device=group.device)
        try:
            group.losses(index).sum().backward()  # type: ignore[no-untyped-call]
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            size //= 2
        else:
            return size
    return 0
