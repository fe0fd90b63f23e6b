"""Training steps on a CPU: how much faster bf16 is, and what each kind of operation takes.

    python benchmarks/train_step.py [--threads 1] [--only steps | shares] [--record | --quick]

``steps`` compares bf16 with fp32; ``shares`` divides the processor time of a step among kinds of
operations, and ``--record`` keeps that. With one thread, seconds are those of the processor.
"""

import dataclasses
import re
import time
from collections.abc import Callable

import pandas as pd
import torch
from common import make_parser, save

from ecgcore.models import build
from ecgcore.training import PAPER_A, PAPER_B, loop, recipe
from ecgcore.training.device import numerics

CPU = torch.device("cpu")
CONFIGS = {
    **dict.fromkeys(("cnn1d", "cnn_lstm"), dataclasses.replace(PAPER_B, balance="none")),
    "imn": dataclasses.replace(PAPER_A, clip_norm=1.0),
}
STEPS = [("cnn1d", 1000, 8, 12), ("cnn1d", 5000, 8, 2), ("cnn_lstm", 1000, 8, 6)]
STEPS.append(("imn", 1000, 16, 2))
"""Network, samples, batch size and steps per round of the comparison of bf16 with fp32."""
SHARES = {
    **dict.fromkeys(("imn", "imn_plus", "blackbox_cnn2d", "xresnet1d101"), (1000, 16)),
    "cnn1d": (5000, 8),
    "cnn_lstm": (1000, 8),
}
"""Samples and batch size at which ``shares`` looks at a network."""
OPERATIONS = {
    "convolutions": "conv",
    "LSTM": "lstm|rnn",
    "batch norm": "batch_norm",
    "pooling": "pool",
    "activations and dropout": "relu|gelu|sigmoid|threshold|clamp",
    "optimiser": "adam|foreach|norm",
}


def make_epoch(
    name: str, n_samples: int, batch_size: int, n_steps: int, precision: str = "fp32"
) -> Callable[[], None]:
    """Return a function that takes an epoch of the steps of ``fit``, on random records."""
    options = {"batch_size": batch_size, "precision": precision, "device": "cpu"}
    config = dataclasses.replace(CONFIGS.get(name) or recipe(name), **options)
    n_records, generator = batch_size * n_steps, torch.Generator().manual_seed(0)
    x = torch.randn(n_records, 12, n_samples, generator=generator)
    y = torch.arange(n_records) % 2
    model = build(name, rate_hz=100, n_samples=n_samples)
    training = loop._start(model, config, CPU, (x, y), (x, y))
    batches = torch.split(torch.arange(n_records), batch_size)

    def epoch() -> None:
        training.epoch += 1
        training.masks.start_epoch(config.seed, training.epoch)
        model.train()
        with numerics(tf32=False):
            (steps,) = loop._steps(training, batches, {})
            steps().tolist()

    return epoch


def compare_precisions(
    name: str, n_samples: int, batch_size: int, n_steps: int, n_rounds: int
) -> None:
    """Print how many times as fast as fp32 a network trains in bf16: median, lowest and highest.

    In every round each takes an epoch, so that other load affects both alike.
    """
    size = (name, n_samples, batch_size, n_steps)
    epochs = {precision: make_epoch(*size, precision) for precision in ("fp32", "bf16")}
    for epoch in epochs.values():  # what is made once does not count
        epoch()
    rounds = pd.DataFrame({k: seconds_of(e) for k, e in epochs.items()} for _ in range(n_rounds))
    ratio, step_ms = rounds["fp32"] / rounds["bf16"], 1e3 * rounds.median() / n_steps
    print(
        f"{name}, {n_samples} samples, batch {batch_size}: {step_ms['fp32']:.4g} ms per step, in "
        f"bf16 {ratio.median():.3g} times as fast ({ratio.min():.3g} to {ratio.max():.3g})",
        flush=True,
    )


def seconds_of(function: Callable[[], None]) -> float:
    """Return the seconds of a call: with one thread those of the processor, else of the clock."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    function()
    return clock() - start


def operation_shares(name: str, n_samples: int, batch_size: int) -> dict[str, float | str]:
    """Return how the processor time of a step divides among kinds of operations."""
    epoch = make_epoch(name, n_samples, batch_size, n_steps=2)
    epoch()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiled:
        epoch()
    times = dict.fromkeys([*OPERATIONS, "other"], 0.0)
    for event in profiled.key_averages():
        kind = next((k for k, words in OPERATIONS.items() if re.search(words, event.key)), "other")
        times[kind] += event.self_cpu_time_total
    shares = {k.replace(" ", "_"): round(t / sum(times.values()), 3) for k, t in times.items()}
    return {"network": name, "n_samples": n_samples, "batch_size": batch_size, **shares}


def main() -> None:
    """Parse the command line and print the comparisons."""
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("steps", "shares"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.only != "steps":
        sizes = dict.fromkeys(SHARES, (620, 2)) if args.quick else SHARES
        table = pd.DataFrame([operation_shares(name, *size) for name, size in sizes.items()])
        print(table.to_string())
        if args.record:
            save("step_shares", table, __file__, "--threads 1 --only shares --record")
    if args.only != "shares":
        for name, *size in [("cnn1d", 64, 4, 2), ("imn", 64, 2, 2)] if args.quick else STEPS:
            compare_precisions(name, *size, 1 if args.quick else 5)


if __name__ == "__main__":
    main()
