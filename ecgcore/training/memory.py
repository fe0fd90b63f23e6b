"""What a step cannot do (memory, a batch norm of one number), told in words that help."""

import contextlib
from collections.abc import Iterator

import torch

from ecgcore.errors import EcgcoreError
from ecgcore.training.steps import Group


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
        if not is_out_of_memory(error):
            raise
        size = group.config.batch_size
        message = f"out of memory on {group.device} with batches of {size} records"
        if len(group.folds) > 1:
            message += f" in each of {len(group.folds)} folds"
    else:
        return
    # outside of the handler: there the error would still hold the activations
    fits = largest_that_fits(group, size // 2)
    advice = f"batch_size={fits} fits" if fits else "not even one record fits"
    fewer = ", or train fewer folds at once" if len(group.folds) > 1 else ""
    raise EcgcoreError(f"{message}; {advice}{fewer}; precision='bf16' needs about half.")


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
