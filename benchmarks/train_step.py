"""Training steps beside the published loop (DataLoader, Adam, clipping, ``.item()``), on a CPU.

    python benchmarks/train_step.py [--quick] [--threads 2] [--only cnn1d cnn_lstm imn trace]

``trace`` prints the largest difference of a loss between the two loops in one epoch of the same
batches without dropout. With glibc, both loops keep freed memory, which is faster at large batches,
if ``GLIBC_TUNABLES`` is ``glibc.malloc.mmap_threshold=N:glibc.malloc.trim_threshold=N`` for a large
N, such as 2147483647.
"""

import argparse
import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from plain import PLAIN, plain_epoch
from side_by_side import side_by_side

from ecgcore.models import EcgModel, build
from ecgcore.training import PAPER_A, PAPER_B, TrainConfig, loop
from ecgcore.training.device import numerics

CPU = torch.device("cpu")
PAPER_B_STEP = dataclasses.replace(PAPER_B, balance="none", device="cpu")
CONFIGS = {
    "cnn1d": PAPER_B_STEP,
    "cnn_lstm": PAPER_B_STEP,
    "imn": dataclasses.replace(PAPER_A, clip_norm=1.0, device="cpu"),
}


def random_records(n_records: int, n_samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random signals (record, lead, sample) and alternating labels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n_records, 12, n_samples, generator=generator)
    return x, torch.arange(n_records) % 2


def our_epoch(
    model: EcgModel, x: torch.Tensor, y: torch.Tensor, config: TrainConfig
) -> Callable[[], list[float]]:
    """Return a function that takes an epoch of the steps of ``fit``, and returns the losses."""
    training = loop._start(model, config, CPU, (x, y), (x, y))
    batches = torch.split(torch.arange(len(x)), config.batch_size)

    def run() -> list[float]:
        training.epoch += 1
        training.masks.start_epoch(config.seed, training.epoch)
        model.train()
        with numerics(tf32=False):
            (steps,) = loop._steps(training, batches, {})
            losses: list[float] = steps().tolist()
        return losses

    return run


def bench_steps(name: str, n_samples: int, batch: int, n_steps: int, repeats: int) -> None:
    """Print one comparison: the published loop, ours in fp32 and in bf16."""
    x, y = random_records(batch * n_steps, n_samples)
    config = dataclasses.replace(CONFIGS[name], batch_size=batch)
    plain = PLAIN[name]()
    optimiser = torch.optim.Adam(plain.parameters(), lr=1e-3)
    cases = {"published loop": lambda: plain_epoch(plain, optimiser, x, y, batch, CPU)}
    for precision in ("fp32", "bf16"):
        model = build(name, rate_hz=100, n_samples=n_samples)
        how = dataclasses.replace(config, precision=precision)
        cases[f"ours {precision}"] = our_epoch(model, x, y, how)
    title = f"{name} {n_samples} samples, batch {batch}"
    side_by_side(title, cases, repeats=repeats, per=n_steps)


def bench_trace(n_samples: int, n_steps: int) -> None:
    """Print the largest difference of a step's loss from that of the published loop.

    The same loop in float64 shows how much of it is rounding of the published loop itself.
    """
    x, y = random_records(8 * n_steps, n_samples)
    model = build("cnn1d", rate_hz=100, n_samples=n_samples, dropout=0.0)
    plain = plain_trace(model, x, y)
    exact = plain_trace(model, x.double(), y)
    ours = our_epoch(model, x, y, CONFIGS["cnn1d"])()
    for name, losses in (("ours", ours), ("published in float64", exact)):
        difference = np.abs(np.array(losses) - plain).max()
        print(f"losses of {n_steps} steps, {name} minus published: at most {difference:.1e}")


def plain_trace(model: EcgModel, x: torch.Tensor, y: torch.Tensor) -> NDArray[np.float64]:
    """Losses of the published steps from the same weights, in the precision of ``x``."""
    reference = PLAIN["cnn1d"]()
    reference.head[0].p = 0.0
    values = model.state_dict().values()
    reference.load_state_dict(dict(zip(reference.state_dict(), values, strict=True)))
    reference.to(x.dtype)
    optimiser = torch.optim.Adam(reference.parameters(), lr=1e-3)
    losses = []
    for batch, labels in zip(x.split(8), y.split(8), strict=True):
        loss = torch.nn.functional.cross_entropy(reference(batch), labels)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    return np.array(losses)


def main() -> None:
    """Parse the command line and print the comparisons."""
    kinds = ("cnn1d", "cnn_lstm", "imn", "trace")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(kinds), choices=kinds)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    lengths = (620, 1000, 2500, 5000)
    rows = [("cnn1d", n, 8, max(2, 12000 // n)) for n in lengths] + [("cnn1d", 5000, 64, 3)]
    rows += [("cnn_lstm", n, 8, max(2, 6000 // n)) for n in lengths] + [("imn", 1000, 16, 2)]
    if args.quick:
        args.repeats = 1
        rows = [("cnn1d", 64, 4, 2), ("cnn_lstm", 300, 4, 2), ("imn", 64, 2, 2)]
    if "trace" in args.only:
        bench_trace(*((64, 2) if args.quick else (1000, 20)))
    for name, *size in rows:
        if name in args.only:
            bench_steps(name, *size, args.repeats)


if __name__ == "__main__":
    main()
